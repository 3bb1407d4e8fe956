"""A song cut at bar lines into loops."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bridge.model import BeatGrid
from bridge.music.segments import has_pick_up, segments
from bridge.music.timeline import Timeline

BEAT_S = 0.5


def timeline(duration_s: float, *, first_s: float = 0.0, downbeat: int = 0, per_bar: int = 4) -> Timeline:
    beats = tuple(first_s + index * BEAT_S for index in range(int((duration_s - first_s) / BEAT_S)))
    return Timeline.from_grid(BeatGrid(120.0, beats, beats[downbeat::per_bar], (per_bar, 4)), duration_s)


def test_a_song_is_cut_every_eight_bars_and_the_last_segment_is_short() -> None:
    found = segments(timeline(2.0 * 19))
    assert [segment.name for segment in found] == ["bars-001-008", "bars-009-016", "bars-017-019"]
    assert [segment.start_s for segment in found] == [0.0, 16.0, 32.0]
    assert found[-1].end_s == 38.0


def test_a_pick_up_bar_is_number_0_and_stands_alone() -> None:
    found = segments(timeline(2.0 * 9 + BEAT_S, downbeat=1), 4)
    assert [segment.name for segment in found] == ["bars-000-000", "bars-001-004", "bars-005-008", "bars-009-009"]
    assert [segment.start_s for segment in found] == [0.0, 0.5, 8.5, 16.5]


def test_a_lead_in_before_the_first_beat_belongs_to_the_pick_up() -> None:
    line = timeline(20.0, first_s=0.2, downbeat=2)
    assert has_pick_up(line)
    assert segments(line)[1].start_s == pytest.approx(1.2)


def test_an_odd_bar_in_the_middle_is_no_pick_up() -> None:
    beats = tuple(index * BEAT_S for index in range(40))
    odd = Timeline.from_grid(BeatGrid(120.0, beats, (*beats[0:12:4], *beats[14::4]), (4, 4)), 20.0)
    assert not has_pick_up(odd)
    assert segments(odd, 2)[1].start_s == 4.0


def test_a_song_without_beats_has_bars_of_its_guessed_tempo() -> None:
    empty = Timeline.from_grid(BeatGrid(120.0, (), ()), 5.0)
    assert [segment.name for segment in segments(empty)] == ["bars-001-003"]


def test_a_last_bar_of_which_nothing_can_be_heard_is_none() -> None:
    assert [segment.name for segment in segments(timeline(16.005))] == ["bars-001-008"]
    assert [segment.name for segment in segments(timeline(16.1))] == ["bars-001-008", "bars-009-009"]


def test_each_segment_begins_where_the_one_before_ends() -> None:
    found = segments(timeline(61.0, per_bar=3, downbeat=2), 5)
    assert all(one.end_tick == next_one.start_tick for one, next_one in pairwise(found))
    assert all(one.end_s == next_one.start_s for one, next_one in pairwise(found))


def test_a_segment_of_no_bars_is_refused() -> None:
    with pytest.raises(ValueError, match="1 bar or more"):
        segments(timeline(10.0), 0)
