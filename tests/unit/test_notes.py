"""Lists of notes are cleaned of what MIDI cannot hold and of what no one played."""

import pytest

from bridge.model import Note
from bridge.music.notes import ending_at, one_at_a_time, without_overlaps


def note(onset_s: float, offset_s: float, pitch: int = 60, confidence: float = 0.5, velocity: int = 80) -> Note:
    return Note(onset_s, offset_s, pitch, velocity, confidence)


def test_a_note_ends_where_the_next_of_its_pitch_begins() -> None:
    assert without_overlaps([note(1, 3), note(0, 2)]) == [note(0, 1), note(1, 3)]


def test_notes_of_other_pitches_may_overlap() -> None:
    chord = [note(0, 2, 60), note(0, 2, 64), note(1, 3, 67)]
    assert without_overlaps(chord) == chord


def test_one_onset_heard_twice_is_one_note_with_the_surer_ones_velocity() -> None:
    twice = [note(1.0, 1.5, confidence=0.3, velocity=50), note(1.01, 1.4, confidence=0.9, velocity=100)]
    assert without_overlaps(twice) == [note(1.0, 1.5, confidence=0.9, velocity=100)]


def test_merging_keeps_the_contour_where_it_sounded() -> None:
    first = Note(1.0, 2.0, 60, 80, 0.1)
    second = Note(1.02, 2.0, 60, 80, 0.9, ((0.0, 0.25), (0.5, 0.5)))
    (merged,) = without_overlaps([first, second])
    assert [point[0] for point in merged.bend] == pytest.approx([0.02, 0.52])


def test_repeated_notes_stay_apart() -> None:
    repeated = [note(0, 0.1), note(0.1, 0.2), note(0.2, 0.3)]
    assert without_overlaps(repeated) == one_at_a_time(repeated, 0.05) == repeated


def test_one_voice_ends_where_the_next_note_begins() -> None:
    assert one_at_a_time([note(0, 2, 60), note(1, 3, 64)]) == [note(0, 1, 60), note(1, 3, 64)]


@pytest.mark.parametrize("sure", [60, 64])
def test_of_two_notes_at_once_one_voice_keeps_the_surer(sure: int) -> None:
    both = [note(0, 2, pitch, 0.9 if pitch == sure else 0.4) for pitch in (60, 64)]
    assert [kept.pitch for kept in one_at_a_time(both)] == [sure]


def test_a_note_cut_too_short_gives_way_to_the_surer() -> None:
    assert one_at_a_time([note(0, 2, 60, 0.4), note(0.03, 2, 64, 0.9)], 0.06) == [note(0.03, 2, 64, 0.9)]
    assert one_at_a_time([note(0, 2, 60, 0.9), note(0.03, 2, 64, 0.4)], 0.06) == [note(0, 2, 60, 0.9)]


def test_a_cut_note_loses_the_contour_behind_the_cut() -> None:
    whole = Note(1.0, 2.0, 60, 80, 1.0, ((0.0, 0.1), (0.4, 0.2), (0.6, 0.3)))
    assert ending_at(whole, 1.5).bend == ((0.0, 0.1), (0.4, 0.2))


def test_a_note_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="onset < offset"):
        ending_at(note(1, 2), 0.5)
