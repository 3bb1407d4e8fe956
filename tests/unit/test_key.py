"""`bridge.music.key` on scales and cadences whose key nobody doubts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.model import Note
from bridge.music.key import Key, estimate_key

#: I IV V I and i iv V i, as semitones from the tonic.
MAJOR_CADENCE = [(0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7), (9, 12, 16), (2, 5, 9), (7, 11, 14), (0, 4, 7)]
MINOR_CADENCE = [(0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7), (8, 12, 15), (5, 8, 12), (7, 10, 14), (0, 3, 7)]


def chords(cadence: list[tuple[int, ...]], tonic: int, length_s: float = 0.5) -> list[Note]:
    return [
        Note(index * length_s, (index + 1) * length_s, tonic + pitch, 80)
        for index, chord in enumerate(cadence)
        for pitch in chord
    ]


@pytest.mark.parametrize("tonic", range(12))
def test_a_major_cadence_is_in_its_tonics_key(tonic):
    key = estimate_key(chords(MAJOR_CADENCE, 48 + tonic))
    assert key is not None
    assert (key.tonic, key.mode) == (tonic, "major")
    assert key.confidence > 0.3


@pytest.mark.parametrize("tonic", range(12))
def test_a_minor_cadence_is_in_its_tonics_key(tonic):
    key = estimate_key(chords(MINOR_CADENCE, 48 + tonic))
    assert key is not None
    assert (key.tonic, key.mode) == (tonic, "minor")


def test_twelve_tones_alike_have_no_sure_key():
    key = estimate_key([Note(i, i + 1, 60 + i, 80) for i in range(12)] * 2)
    assert key is None or key.confidence < 0.05


def test_a_drone_does_not_outvote_the_song():
    drone = Note(0.0, 3600.0, 49, 80)
    key = estimate_key([drone, *chords(MAJOR_CADENCE, 48)])
    assert key is not None
    assert key.name == "C major"


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_notes_have_no_key(count):
    assert estimate_key([Note(i, i + 1, 60 + i, 80) for i in range(count)]) is None


def test_one_chord_for_ever_has_no_key():
    assert estimate_key([Note(i, i + 1, pitch, 80) for i in range(20) for pitch in (60, 64, 67)]) is None


@pytest.mark.parametrize(
    "tonic, mode, name",
    [(9, "minor", "A minor"), (3, "major", "Eb major"), (8, "minor", "G# minor"), (8, "major", "Ab major")],
)
def test_a_key_is_spelled_the_usual_way(tonic, mode, name):
    assert Key(tonic, mode, 1.0).name == name


#: vi IV I V: the same chords, at home in A minor where the bass begins and ends on A, or in C major.
LOOP = [(9, 12, 16), (5, 9, 12), (0, 4, 7), (7, 11, 14)]


@pytest.mark.parametrize("rotation, home, name", [(0, 9, "A minor"), (2, 0, "C major")])
def test_the_bass_tells_a_key_from_its_relative(rotation, home, name):
    loop = (LOOP[rotation:] + LOOP[:rotation]) * 2 + [next(chord for chord in LOOP if chord[0] == home)]
    bass = [Note(index * 0.5, index * 0.5 + 0.45, 36 + chord[0], 80) for index, chord in enumerate(loop)]
    key = estimate_key([*chords(loop, 60), *bass], bass)
    assert key is not None
    assert key.name == name
    assert key.confidence > 0.4


def test_faint_and_doubtful_notes_count_little():
    doubtful = [replace(note, velocity=20, confidence=0.1) for note in chords(MAJOR_CADENCE, 54)] * 3
    key = estimate_key([*doubtful, *chords(MAJOR_CADENCE, 48)])
    assert key is not None
    assert key.name == "C major"
