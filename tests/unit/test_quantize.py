"""`bridge.music.quantize` on a timeline of 120 BPM: a beat is half a second, a sixteenth 120 ticks or 0.125 s."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bridge.model import BeatGrid, Note
from bridge.music.quantize import nearest_grid_line, quantize, transpose
from bridge.music.timeline import Timeline

STEADY = Timeline.from_grid(BeatGrid(120.0, (), ()), 60.0)
SIXTEENTHS = Fraction(1, 16)


def note(onset_s: float, length_s: float = 0.1, pitch: int = 60, velocity: int = 80) -> Note:
    return Note(onset_s, onset_s + length_s, pitch, velocity)


def test_full_strength_puts_onsets_on_the_grid_and_keeps_durations():
    (moved,) = quantize([note(0.14, 0.3)], STEADY, SIXTEENTHS)
    assert moved.onset_s == pytest.approx(0.125)
    assert moved.offset_s == pytest.approx(0.425)


def test_half_strength_goes_half_the_way():
    (moved,) = quantize([note(0.145)], STEADY, SIXTEENTHS, strength=0.5)
    assert moved.onset_s == pytest.approx(0.135, abs=0.0006)


def test_no_strength_changes_nothing_at_all():
    notes = [note(0.3), note(0.1401), note(0.1402, 0.001)]
    assert quantize(notes, STEADY, SIXTEENTHS, strength=0.0) == notes


@pytest.mark.parametrize("swing, off_beat_s", [(0.0, 0.25), (2 / 3, 1 / 3), (1.0, 0.375)])
def test_swing_delays_the_off_beat_up_to_triplet_and_dotted_feel(swing, off_beat_s):
    on, off = quantize([note(0.49), note(0.29, pitch=62)], STEADY, Fraction(1, 8), swing=swing)[::-1]
    assert off.onset_s == pytest.approx(off_beat_s, abs=0.0006)
    assert on.onset_s == pytest.approx(0.5)


def test_triplets_have_their_own_grid_and_no_swing():
    moved = quantize([note(0.16), note(0.34)], STEADY, Fraction(1, 12), swing=1.0)
    assert [round(STEADY.position(n.onset_s), 6) for n in moved] == [160, 320]


def test_grid_lines_are_counted_from_the_bar_line():
    waltz = Timeline.from_grid(BeatGrid(120.0, (0.0, 0.5, 1.0), (0.0,), (3, 4)), 60.0)
    assert nearest_grid_line(waltz, 1500, Fraction(1, 1)) == 1440
    assert nearest_grid_line(waltz, 1300, Fraction(1, 2)) == 1440, "the bar line is nearer than the half note at 960"


def test_an_onset_just_before_a_bar_line_goes_to_the_bar_line():
    assert nearest_grid_line(STEADY, 1919, SIXTEENTHS) == 1920


def test_notes_that_meet_become_one_with_the_louder_velocity_and_the_later_end():
    (merged,) = quantize([note(0.12, 0.1, velocity=100), note(0.13, 0.3, velocity=60)], STEADY, SIXTEENTHS)
    assert merged.velocity == 100
    assert merged.offset_s == pytest.approx(0.425)


def test_notes_of_different_pitches_do_not_merge():
    assert len(quantize([note(0.12), note(0.13, pitch=64)], STEADY, SIXTEENTHS)) == 2


def test_a_note_ends_where_the_next_of_its_pitch_begins():
    first, second = quantize([note(0.11, 0.15), note(0.26)], STEADY, SIXTEENTHS)
    assert first.offset_s == second.onset_s == pytest.approx(0.25)


def test_no_note_gets_shorter_than_a_tick():
    (moved,) = quantize([note(0.13, 1e-6)], STEADY, SIXTEENTHS)
    assert STEADY.seconds_to_ticks(moved.offset_s) - STEADY.seconds_to_ticks(moved.onset_s) == 1


@pytest.mark.parametrize(
    "grid, strength, swing",
    [
        (Fraction(0), 1, 0),
        (Fraction(-1, 16), 1, 0),
        (Fraction(1, 4000), 1, 0),
        (SIXTEENTHS, 1.1, 0),
        (SIXTEENTHS, 1, -0.1),
    ],
)
def test_a_grid_strength_or_swing_that_makes_no_sense_is_refused(grid, strength, swing):
    with pytest.raises(ValueError, match=r"grid|strength"):
        quantize([note(0.1)], STEADY, grid, strength, swing)


@pytest.mark.parametrize(
    "pitch, semitones, expected",
    [(60, 5, 65), (125, 7, 120), (2, -5, 9), (127, 1, 116), (0, -1, 11), (60, 240, 120)],
)
def test_transposing_folds_what_leaves_the_range_back_by_octaves(pitch, semitones, expected):
    (moved,) = transpose([note(0.0, pitch=pitch)], semitones)
    assert moved.pitch == expected
    assert moved.pitch % 12 == (pitch + semitones) % 12
