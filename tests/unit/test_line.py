"""The likeliest line through made-up evidence."""

import numpy as np
import pytest

from bridge.transcription.line import Stay, likeliest_line

NOTHING = -3.0


def evidence(*stretches: tuple[int, dict[int, float]], pitches: int = 3) -> np.ndarray:
    """Frames with what each pitch is worth in them, the others `NOTHING`."""
    rows = [[worth.get(pitch, NOTHING) for pitch in range(pitches)] for count, worth in stretches for _ in range(count)]
    return np.array(rows)


def line(worth: np.ndarray, entry: np.ndarray | None = None, again: np.ndarray | None = None) -> list[Stay]:
    nothing = np.zeros_like(worth)
    return likeliest_line(worth, -1.0, 2.0, nothing if entry is None else entry, nothing if again is None else again)


def test_no_frames_and_nothing_but_rest_have_no_notes() -> None:
    assert line(np.zeros((0, 3))) == []
    assert line(evidence((10, {}))) == []


def test_notes_and_rests_are_told_apart() -> None:
    assert line(evidence((5, {}), (8, {1: 2.0}), (6, {}), (8, {2: 2.0}))) == [Stay(5, 13, 1), Stay(19, 27, 2)]


def test_a_short_drop_and_a_short_ghost_change_nothing() -> None:
    assert line(evidence((8, {1: 2.0}), (1, {}), (4, {1: 2.0}), (1, {1: 0.0, 2: 1.5}), (8, {1: 2.0}))) == [
        Stay(0, 22, 1)
    ]


def test_an_entry_draws_the_beginning_of_a_note_to_it() -> None:
    worth = evidence((4, {}), (4, {1: -1.0}), (8, {1: 2.0}))
    entry = np.zeros_like(worth)
    entry[5] = 1.5
    assert line(worth, entry) == [Stay(5, 16, 1)]


@pytest.mark.parametrize("frame, notes", [(10, [Stay(0, 10, 1), Stay(10, 20, 1)]), (None, [Stay(0, 20, 1)])])
def test_a_pitch_begins_anew_where_that_is_worth_something(frame: int | None, notes: list[Stay]) -> None:
    worth = evidence((20, {1: 2.0}))
    again = np.zeros_like(worth)
    if frame is not None:
        again[frame, 1] = 0.5
    assert line(worth, again=again) == notes


def test_no_other_line_is_worth_more() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        worth, entry = rng.normal(0.0, 2.0, (5, 2)), np.maximum(0.0, rng.normal(0.0, 1.0, (5, 2)))
        best = max(total(states, worth, entry) for states in np.ndindex(3, 3, 3, 3, 3))
        states = np.full(5, 2)
        for stay in line(worth, entry):
            states[stay.start : stay.end] = stay.state
        assert total(tuple(states), worth, entry) == pytest.approx(best)


def total(states: tuple[int, ...], worth: np.ndarray, entry: np.ndarray) -> float:
    """What a line is worth by the rules: 2 for each change, also from the rest before it, -1 a frame of rest."""
    value, before = 0.0, 2
    for frame, state in enumerate(states):
        if state != before:
            value += (entry[frame, state] if state < 2 else 0.0) - 2.0
        value += worth[frame, state] if state < 2 else -1.0
        before = state
    return value
