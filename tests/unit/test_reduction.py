from __future__ import annotations

from bridge.model import BeatGrid, Note
from bridge.music.chords import NO_CHORD, Chord
from bridge.music.reduction import BASS_RANGE, bottom_line, reduced, top_line
from bridge.music.timeline import Timeline

BEATS = tuple(index * 0.5 for index in range(16))
TIMELINE = Timeline.from_grid(BeatGrid(120.0, BEATS, BEATS[::4]), 8.0)


def line(*pitches: int, start_s: float = 0.0) -> list[Note]:
    return [Note(start_s + index * 0.5, start_s + index * 0.5 + 0.45, pitch, 90) for index, pitch in enumerate(pitches)]


def test_the_voice_is_the_melody_and_the_accompaniment_fills_its_pauses():
    voice = line(67, 69, 71, 72)
    other = line(*(64,) * 16)
    melody = reduced({"vocals": voice, "melody": other}, (), TIMELINE).melody
    assert [note.pitch for note in melody[:4]] == [67, 69, 71, 72]
    assert [note.pitch for note in melody[4:]] == [64] * 12


def test_without_a_voice_the_top_line_is_the_melody():
    chords = line(72, 74) + line(64, 65) + line(60, 62)
    assert [note.pitch for note in reduced({"melody": chords}, (), TIMELINE).melody] == [72, 74]


def test_a_low_voice_is_written_where_the_right_hand_plays():
    assert [note.pitch for note in reduced({"vocals": line(48, 50, 52)}, (), TIMELINE).melody] == [60, 62, 64]


def test_single_notes_far_from_the_line_are_left_out():
    voice = line(72, 74, 45, 76, 74, 72, 98, 74)
    assert [note.pitch for note in reduced({"vocals": voice}, (), TIMELINE).melody] == [72, 74, 76, 74, 72, 74]


def test_chords_are_struck_in_every_bar_below_the_melody():
    chords = (Chord(0.0, 4.0, "C", 1.0), Chord(4.0, 6.0, NO_CHORD, 1.0), Chord(6.0, 8.0, "Am7", 1.0))
    harmony = reduced({"vocals": line(*(64,) * 16)}, chords, TIMELINE).harmony
    assert sorted({note.onset_s for note in harmony}) == [0.0, 2.0, 6.0]
    assert {note.pitch % 12 for note in harmony if note.onset_s < 4.0} == {0, 4, 7}
    assert {note.pitch % 12 for note in harmony if note.onset_s == 6.0} == {9, 0, 4, 7}
    assert max(note.pitch for note in harmony) < 64


def test_the_bass_lies_in_the_left_hand_and_comes_from_the_accompaniment_where_there_is_none():
    low = reduced({"bass": line(28, 31, 60)}, (), TIMELINE).bass
    assert [note.pitch for note in low] == [40, 43, 48]
    assert all(BASS_RANGE[0] <= note.pitch <= BASS_RANGE[1] for note in low)
    assert [note.pitch for note in reduced({"melody": line(40, 72)}, (), TIMELINE).bass] == [40]


def test_outer_lines_leave_out_what_sounds_between():
    held = [Note(0.0, 2.0, 48, 90), Note(0.0, 2.0, 72, 90), Note(0.5, 1.0, 60, 90), Note(1.0, 1.5, 76, 90)]
    assert [note.pitch for note in top_line(held)] == [72, 76]
    assert [note.pitch for note in bottom_line(held)] == [48]


def test_chords_stay_below_a_low_melody():
    chords = (Chord(0.0, 8.0, "C", 1.0),)
    harmony = reduced({"vocals": line(*(64, 62, 64, 65) * 3, *(64, 62, 55, 64))}, chords, TIMELINE).harmony
    assert max(note.pitch for note in harmony if note.onset_s >= 6.0) < 55
    assert harmony
