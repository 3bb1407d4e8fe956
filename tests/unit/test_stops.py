"""A single voice strikes several notes only where two that are no partials of one another sound again and again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bridge.model import Note
from bridge.transcription.frames import ARRAYS, LOWEST_PITCH, PITCHES, Evidence, Matrix, evidence_of
from bridge.transcription.judge import Judge
from bridge.transcription.profiles import PROFILES
from bridge.transcription.stops import DoubleStops, beside_the_line, share_of_stops

E1 = 28
FRAMES = 400


def posterior(*steps: int, share: float = 1.0) -> np.ndarray:
    """A low note, and what sounds so many semitones above it in a share of the frames."""
    note = np.zeros((FRAMES, 40), dtype=np.float32)
    note[:, 5] = 0.9
    for step in steps:
        note[: round(share * FRAMES), 5 + step] = 0.9
    return note


@pytest.mark.parametrize("step", [12, 19, 24, 28, 31, 1, 2])
def test_a_notes_partials_and_neighbours_are_no_other_note(step: int) -> None:
    assert share_of_stops(posterior(step)) == 0.0


@pytest.mark.parametrize("step", [3, 4, 5, 7, 9])
def test_two_notes_sound_in_as_many_frames_as_they_do(step: int) -> None:
    assert share_of_stops(posterior(step, share=0.25)) == pytest.approx(0.25)


def test_one_chord_that_nothing_stands_beside_is_not_again_and_again() -> None:
    note = posterior(7)
    note[40:] = 0.0
    assert share_of_stops(note) == 0.0
    assert not any(is_stop for *_, is_stop in notes(struck({50: (E1 + 12, E1 + 16)})))


def test_silence_does_not_count_and_alone_is_nothing() -> None:
    half = posterior(7)
    half[FRAMES // 2 :] = 0.0
    assert share_of_stops(half) == 1.0
    assert share_of_stops(np.zeros((FRAMES, 40), dtype=np.float32)) == 0.0
    assert share_of_stops(np.zeros((0, 40), dtype=np.float32)) == 0.0


def struck(strokes: dict[int, tuple[int, ...]]) -> Evidence:
    """Evidence in which, at some frames, some pitches are struck that sound for 40 frames."""
    arrays = {name: np.zeros((FRAMES, PITCHES), dtype=np.float32) for name in ARRAYS}
    arrays["level_db"][:] = -90.0
    arrays |= {
        "contour": np.zeros((FRAMES, 3 * PITCHES), dtype=np.float32),
        "period": np.zeros((FRAMES, 3 * PITCHES), dtype=np.float32),
        "attack_db": np.zeros((FRAMES, 3), dtype=np.float32),
        "power_db": np.full((FRAMES, 2), -80.0, dtype=np.float32),
    }
    for frame, pitches in strokes.items():
        sounds = slice(frame, frame + 40)
        arrays["attack_db"][frame], arrays["power_db"][sounds] = 8.0, -20.0
        for place, pitch in enumerate(pitches):
            key = pitch - LOWEST_PITCH
            arrays["note"][sounds, key] = 0.95 - 0.1 * place
            arrays["onset"][frame, key], arrays["level_db"][sounds, key] = 0.9, -20.0 - place
            arrays["contour"][sounds, 3 * key + 1] = arrays["period"][sounds, 3 * key] = 0.9 - 0.2 * place
    return evidence_of(arrays)


class Onsets(Judge):
    """A judge that takes the first fact, the log-odds of the onset, at its word."""

    def __init__(self) -> None:
        pass

    def __call__(self, facts: Matrix) -> Matrix:
        return 1.0 / (1.0 + np.exp(-facts[:, 0]))


class Doubtful(Judge):
    """A judge that is as sure of everything."""

    def __init__(self) -> None:
        pass

    def __call__(self, facts: Matrix) -> Matrix:
        return np.full(len(facts), 0.5, dtype=np.float32)


def notes(known: Evidence, stops_from: float = 0.2) -> list[tuple[int, int, int, bool]]:
    found = DoubleStops(replace(PROFILES["bass"], stops_from=stops_from), Onsets())(known, ())
    return [(note.start, note.end, note.pitch, note.is_stop) for note in found]


def test_what_is_struck_with_a_note_follows_it_and_is_as_long() -> None:
    thirds = {frame: (E1 + 12, E1 + 16) for frame in (50, 120, 190, 260, 330)}
    found = notes(struck(thirds))
    line, stops = ([note[:3] for note in found if note[3] == is_stop] for is_stop in (False, True))
    assert [pitch for _, _, pitch in line] == [E1 + 12] * 5
    assert stops == [(start, end, E1 + 16) for start, end, _ in line]


@pytest.mark.parametrize("step", [19, 24, 28, 31])
def test_what_sounds_where_the_lowest_notes_further_partials_do_is_not_struck(step: int) -> None:
    strokes = (50, 120, 190, 260, 330)
    assert not any(is_stop for *_, is_stop in notes(struck(dict.fromkeys(strokes, (E1, E1 + step))), stops_from=0.0))
    chord = notes(struck(dict.fromkeys(strokes, (E1, E1 + 7, E1 + step))))
    assert {pitch for _, _, pitch, is_stop in chord if is_stop} == {E1 + 7}


def test_what_is_struck_below_the_line_or_a_little_late_is_found_and_what_is_later_or_doubtful_is_not() -> None:
    strokes = (50, 120, 190, 260, 330)
    below = struck(dict.fromkeys(strokes, (E1 + 12, E1 + 5)))
    assert {pitch for _, _, pitch, is_stop in notes(below) if is_stop} == {E1 + 5}
    for late, wanted in ((6, 5), (9, 0)):
        known = struck(dict.fromkeys(strokes, (E1 + 12, E1 + 16)))
        onsets = known.onset[:, E1 + 16 - LOWEST_PITCH]
        onsets[:] = np.roll(onsets, late)
        assert sum(is_stop for *_, is_stop in notes(known)) == wanted
    doubtful = struck(dict.fromkeys(strokes, (E1 + 12, E1 + 16)))
    doubtful.onset[:, E1 + 16 - LOWEST_PITCH] *= 0.25 / 0.9
    assert not any(is_stop for *_, is_stop in notes(doubtful))


def test_where_it_happens_in_a_smaller_share_it_is_taken_for_anothers() -> None:
    thirds = dict.fromkeys((50, 100, 150), (E1 + 12, E1 + 16))
    some = struck({**thirds, **dict.fromkeys((200, 250, 300, 350), (E1 + 12,))})  # in three sevenths
    assert not any(is_stop for *_, is_stop in notes(some, stops_from=0.5))
    assert any(is_stop for *_, is_stop in notes(some, stops_from=0.4))


def test_for_a_user_who_wants_only_sure_notes_the_same_are_found() -> None:
    thirds = struck({frame: (E1 + 12, E1 + 16) for frame in (50, 120, 190, 260, 330)})
    usual, tight = (DoubleStops(PROFILES["bass"].at(tightness), Doubtful())(thirds, ()) for tightness in (0.5, 1.0))
    assert sum(note.is_stop for note in usual) == 5
    assert tight == usual


@pytest.mark.parametrize("step", [-7, 7])
def test_notes_that_are_struck_together_are_not_bent(step: int) -> None:
    line = [Note(onset_s, onset_s + 1.0, 40, 80, 0.9, ((0.1, 0.4),)) for onset_s in (0.0, 1.0)]
    alone, struck_low_or_high, stop = beside_the_line(line, [Note(1.0, 2.0, 40 + step, 80, 0.9)])
    assert alone == line[0]
    assert not any(note.bend for note in (struck_low_or_high, stop))


def test_what_was_struck_with_a_note_goes_and_ends_with_it() -> None:
    def note(onset_s: float, offset_s: float, pitch: int) -> Note:
        return Note(onset_s, offset_s, pitch, 80, 0.9)

    line, stops = [note(0.0, 0.5, 40), note(1.0, 2.0, 40)], [note(0.0, 0.8, 47), note(0.7, 0.9, 47), note(1.0, 2.0, 52)]
    assert beside_the_line(line, stops) == [line[0], note(0.0, 0.5, 47), line[1], note(1.0, 2.0, 52)]
