"""Made-up piano music is playable, and a room changes how it sounds but not when."""

from __future__ import annotations

from itertools import pairwise

import mido
import numpy as np
import pytest

from tools.tune.cases import _midi
from tools.tune.pianist import Performance, performance
from tools.tune.room import recorded
from tools.tune.songs import Played, Voice

LENGTH_S = 28.0
SEEDS = range(40)


@pytest.fixture(scope="module")
def performances() -> list[Performance]:
    return [performance(LENGTH_S, np.random.default_rng(seed)) for seed in SEEDS]


def test_notes_lie_on_the_keyboard_and_each_key_is_let_go_before_it_is_struck_again(
    performances: list[Performance],
) -> None:
    for played in performances:
        assert len(played.notes) >= 60
        by_pitch: dict[int, list[Played]] = {}
        for note in sorted(played.notes):
            assert 21 <= note.pitch <= 108
            assert 1 <= note.velocity <= 127
            assert 0.0 <= note.onset_s < note.offset_s
            by_pitch.setdefault(note.pitch, []).append(note)
        for same in by_pitch.values():
            assert all(first.offset_s < second.onset_s for first, second in pairwise(same))


def test_a_piece_is_about_as_long_as_asked_for(performances: list[Performance]) -> None:
    last = [max(note.onset_s for note in played.notes) for played in performances]
    assert all(0.6 * LENGTH_S < end_s < 1.5 * LENGTH_S for end_s in last)


def test_the_pedal_goes_down_only_after_it_came_up_and_not_in_every_piece(performances: list[Performance]) -> None:
    assert 8 <= sum(not played.pedal for played in performances) <= 28
    for played in performances:
        assert all(down_s < up_s for down_s, up_s in played.pedal)
        assert all(first_up <= second_down for (_, first_up), (second_down, _) in pairwise(played.pedal))


def test_pieces_are_the_same_for_the_same_seed_only() -> None:
    def again(seed: int) -> Performance:
        return performance(LENGTH_S, np.random.default_rng(seed))

    assert again(3) == again(3)
    assert again(3) != again(4)


def test_the_pedal_is_rendered_as_a_controller() -> None:
    song = _midi([Voice(0, 0, {}, (Played(0.5, 1.0, 60, 80),))], [(0.6, 1.5)])
    now, seen = 0.0, []
    for message in song:
        now += message.time
        if message.type == "control_change":
            seen.append((round(now, 3), message.control, message.value))
    assert seen == [(0.6, 64, 127), (1.5, 64, 0)]
    assert isinstance(song, mido.MidiFile)


def test_a_room_adds_a_tail_and_hiss_but_moves_nothing() -> None:
    rate = 8000
    click = np.zeros(2 * rate)
    click[rate] = 1.0
    tails = []
    for seed in range(12):
        heard = recorded(click, rate, np.random.default_rng(seed))
        assert len(heard) == len(click)
        assert np.abs(heard).argmax() == rate
        before, after = heard[:rate], heard[rate + 80 : rate + 1600]
        tails.append(float(np.sqrt(np.mean(after**2) / np.mean(before**2))))
    assert max(tails) > 10.0  # reverberant
    assert min(tails) < 1.5  # dry
