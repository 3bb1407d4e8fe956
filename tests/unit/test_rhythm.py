from __future__ import annotations

from fractions import Fraction

import pytest

from bridge.model import BeatGrid, Note
from bridge.music import rhythm
from bridge.music.notation import written
from bridge.music.rhythm import BarFrame, Span, bar_frames, grid_of
from bridge.music.timeline import SignatureEvent, TempoEvent, Timeline

#: 125 BPM: a tick is a millisecond.
BEAT_S = 0.48


def timeline(bars: int = 2, signature: tuple[int, int] = (4, 4)) -> Timeline:
    event = SignatureEvent(0, *signature)
    return Timeline.from_events([TempoEvent(0, 480_000)], [event], bars * event.bar_ticks / 1000)


def played(*rows: tuple[float, float, int]) -> list[Note]:
    """Notes as (beat, beats, pitch)."""
    return [Note(beat * BEAT_S, (beat + beats) * BEAT_S, pitch, 90) for beat, beats, pitch in rows]


def values(notes: list[Note], signature: tuple[int, int] = (4, 4), bars: int = 1) -> list[list[str]]:
    """A one-voice part as written: values by first letter, r before rests, t before triplets, ~ after tied ones."""
    time = timeline(bars, signature)
    frames = bar_frames(time)
    grid = grid_of(notes, frames, time)
    letters = {"whole": "w", "half": "h", "quarter": "q", "eighth": "e", "16th": "s"}

    def text(symbol) -> str:
        value = letters[symbol.value.kind] + "." * symbol.value.dots if symbol.value else "bar"
        before = ("" if symbol.pitches else "r") + ("t" if symbol.tuplet else "")
        return before + value + ("~" if symbol.is_tied[1] else "")

    spans = rhythm.one_voice(notes, grid, time)
    return [[text(symbol) for symbol in bar] for bar in written(spans, frames, grid.triplets)]


@pytest.mark.parametrize(
    "rows, expected",
    [
        ([(0, 1, 60), (1, 1, 60), (2, 2, 60)], ["q", "q", "h"]),
        ([(0, 1.5, 60), (1.5, 0.5, 60), (2, 2, 60)], ["q.", "e", "h"]),
        ([(0, 0.5, 60), (0.5, 1, 60), (1.5, 0.5, 60), (2, 2, 60)], ["e", "q", "e", "h"]),  # a syncope
        ([(0, 1, 60), (1, 2, 60), (3, 1, 60)], ["q", "h", "q"]),
        ([(0, 1.5, 60), (1.5, 1, 60), (2.5, 1.5, 60)], ["q.", "e~", "e", "e~", "q"]),  # the middle of the bar is seen
        ([(0, 0.75, 60), (0.75, 0.25, 60), (1, 3, 60)], ["e.", "s", "q~", "h"]),
        ([(0, 0.25, 60), (0.25, 0.75, 60), (1, 3, 60)], ["s", "e.", "q~", "h"]),
        ([(0, 1 / 3, 60), (1 / 3, 1 / 3, 60), (2 / 3, 1 / 3, 60), (1, 3, 60)], ["te", "te", "te", "q~", "h"]),
        ([(0, 4, 60)], ["w"]),
        ([(1, 1, 60)], ["rq", "q", "rh"]),
        ([(2, 2, 60)], ["rh", "h"]),
        ([], ["rbar"]),
    ],
)
def test_common_rhythms_of_four_four_are_written_as_musicians_write_them(rows, expected):
    assert values(played(*rows)) == [expected]


@pytest.mark.parametrize(
    "signature, rows, expected",
    [
        ((3, 4), [(0, 1, 60), (1, 2, 60)], ["q", "h"]),
        ((3, 4), [(0, 3, 60)], ["h."]),
        ((6, 8), [(0, 1, 60), (1, 0.5, 60), (1.5, 1.5, 60)], ["q", "e", "q."]),
        ((6, 8), [(0, 2, 60), (2, 1, 60)], ["q.~", "e", "q"]),
        ((6, 8), [(0, 3, 60)], ["h."]),
        ((7, 8), [(0, 1, 60), (1, 1, 60), (2, 1.5, 60)], ["q", "q", "q."]),
    ],
)
def test_other_meters_show_their_own_beats(signature, rows, expected):
    assert values(played(*rows), signature) == [expected]


def test_a_note_over_the_bar_line_is_tied():
    assert values(played((3, 2, 60)), bars=2) == [["rh", "rq", "q~"], ["q", "rq", "rh"]]


def test_a_light_touch_leaves_no_rests_but_a_pause_does():
    assert values(played((0, 0.6, 60), (1, 0.55, 60), (2, 0.6, 60), (3, 0.6, 60))) == [["q", "q", "q", "q"]]
    assert values(played((0, 1, 60), (3, 1, 60))) == [["q", "rq", "rq", "q"]]


def test_looseness_of_players_is_not_written():
    loose = [(0.04, 0.9, 60), (0.97, 0.5, 62), (1.53, 0.4, 64), (2.05, 1.0, 65), (2.96, 1.1, 67)]
    assert values(played(*loose)) == [["q", "e", "e", "q", "q"]]


def test_a_part_that_swings_is_written_in_triplets_throughout():
    swung = [(beat + at, 0.3, 60) for beat in range(4) for at in (0, Fraction(2, 3) - Fraction(beat % 2, 40))]
    assert values(played(*swung)) == [["tq", "te"] * 4]


def test_a_single_late_eighth_is_not_a_triplet():
    assert "tq" not in values(played((0, 0.6, 60), (0.62, 0.3, 60), (1, 1, 60), (2, 2, 60)))[0]


def two(*rows: tuple[float, float, int]) -> tuple[list[Span], list[Span]]:
    time = timeline()
    frames = bar_frames(time)
    notes = played(*rows)
    return rhythm.two_voices(notes, grid_of(notes, frames, time), time)


def test_a_held_note_below_a_moving_line_is_a_voice_of_its_own():
    upper, lower = two((0, 4, 48), (0, 1, 72), (1, 1, 74), (2, 1, 76), (3, 1, 77))
    assert [span.pitches for span in upper] == [(72,), (74,), (76,), (77,)]
    assert lower == [Span(0, 1920, (48,))]


def test_a_held_note_above_a_moving_line_is_the_upper_voice():
    upper, lower = two((0, 4, 80), (0, 1, 60), (1, 1, 62), (2, 1, 64), (3, 1, 65))
    assert upper[0] == Span(0, 1920, (60, 80)) or upper[0] == Span(0, 1920, (80,))
    assert [span.pitches for span in lower][-3:] == [(62,), (64,), (65,)]


def test_chords_are_one_voice():
    upper, lower = two((0, 2, 60), (0, 2, 64), (0.02, 1.9, 67), (2, 2, 62))
    assert [span.pitches for span in upper] == [(60, 64, 67), (62,)]
    assert lower == []


def test_drum_strokes_end_with_their_beat():
    time = timeline(1)
    frames = bar_frames(time)
    notes = played((0, 0.1, 42), (0.5, 0.1, 42), (3, 0.1, 42))
    spans = rhythm.struck(notes, grid_of(notes, frames, time), time, frames)
    assert [(span.start, span.end) for span in spans] == [(0, 240), (240, 480), (1440, 1920)]


def beams(notes: list[Note], signature: tuple[int, int] = (4, 4)) -> list[tuple[str, ...]]:
    time = timeline(1, signature)
    frames = bar_frames(time)
    grid = grid_of(notes, frames, time)
    return [symbol.beams for symbol in written(rhythm.one_voice(notes, grid, time), frames, grid.triplets)[0]]


def test_eighths_are_beamed_by_half_bars_and_sixteenths_by_beats():
    eighths = played(*((index / 2, 0.5, 60) for index in range(8)))
    assert beams(eighths) == [("begin",), ("continue",), ("continue",), ("end",)] * 2
    mixed = played((0, 0.75, 60), (0.75, 0.25, 60), (1, 0.5, 60), (1.5, 0.5, 60), (2, 2, 60))
    assert beams(mixed) == [("begin",), ("end", "backward hook"), ("begin",), ("end",), ()]


def test_six_eight_is_beamed_in_threes():
    eighths = played(*((index / 2, 0.5, 60) for index in range(6)))
    assert beams(eighths, (6, 8)) == [("begin",), ("continue",), ("end",)] * 2


def test_a_song_without_beats_has_one_bar_to_write_in():
    empty = Timeline.from_grid(BeatGrid(120.0, (), ()), 0.0)
    assert bar_frames(empty) == [BarFrame(0, bar_frames(empty)[0].meter)]


def crossings(upper: list[Span], lower: list[Span]) -> list[tuple[Span, Span]]:
    return [
        (above, below)
        for above in upper
        for below in lower
        if above.start < below.end and below.start < above.end and above.pitches[0] <= below.pitches[-1]
    ]


def test_a_chord_of_held_and_moving_notes_is_parted_so_that_the_voices_do_not_cross():
    held = [(0, 4, 60), (0, 4, 67), (0, 1, 64)]
    upper, lower = two(*held, (1, 1, 72), (2, 1, 62), (3, 1, 74))
    assert crossings(upper, lower) == []
    assert {pitch for span in (*upper, *lower) for pitch in span.pitches} == {60, 62, 64, 67, 72, 74}


def test_a_held_note_ends_where_a_later_one_would_cross_it():
    upper, lower = two((0, 3, 60), (1, 1, 72), (2, 2, 55), (3, 1, 72))
    assert crossings(upper, lower) == []
    assert lower[0] == Span(0, 960, (60,))


def test_chords_leave_out_what_a_melody_comes_down_to():
    chords = [Span(0, 960, (55, 60, 64)), Span(960, 1920, (57, 60)), Span(1920, 2880, (60,))]
    melody = [Span(0, 480, (72,)), Span(480, 960, (62,)), Span(1920, 2400, (59,))]
    assert rhythm.below(chords, melody) == [Span(0, 960, (55, 60)), Span(960, 1920, (57, 60))]
