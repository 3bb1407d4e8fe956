#!/usr/bin/env python3
"""How often the key of songs made by chance is found, with and without what their bass says of it.

usage: measure_key.py [SONGS]

Each song has 32 bars of two four-chord progressions out of those that are common in its mode, a melody of chord tones
and scale tones, and a bass that plays mostly roots. Seven in ten end on the tonic's chord. Some are measured with a
share of the notes lost and as many wrong ones added.
"""

from __future__ import annotations

import random
import sys

from bridge.model import Note
from bridge.music.key import Mode, estimate_key

SCALES: dict[Mode, tuple[int, ...]] = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
#: Degrees of the scale, from 0.
PROGRESSIONS: dict[Mode, tuple[str, ...]] = {
    "major": ("0453", "0534", "0340", "0344", "0514", "0234", "3400", "0304", "5304", "0430"),
    "minor": ("0526", "0340", "0656", "0560", "0362", "0534", "0654", "0235", "5600", "0034"),
}
FORMS = ((0, 1, 0, 1), (0, 0, 1, 0), (0, 1, 1, 0))
BAR_S, BEAT_S = 2.0, 0.5
#: How often a minor key's fifth degree has a major chord.
RAISED = 0.6


def song(dice: random.Random, wrong: float) -> tuple[list[Note], list[Note], int, Mode]:
    """Notes without the bass, the bass, and their key."""
    mode: Mode = dice.choice(("major", "minor"))
    tonic = dice.randrange(12)
    progressions = [dice.choice(PROGRESSIONS[mode]) for _ in range(2)]
    degrees = [int(progressions[which][bar % 4]) for which in dice.choice(FORMS) for bar in range(8)]
    if dice.random() < 0.7:
        degrees[-1] = 0
    notes, bass = [], []
    for bar, degree in enumerate(degrees):
        chord = triad(dice, degree, mode)
        notes += [note(bar * BAR_S, 1.8, tonic + tone, 54) for tone in chord]
        for beat in range(4):
            at_s = bar * BAR_S + beat * BEAT_S
            if dice.random() < 0.8:
                bass.append(note(at_s, 0.45, tonic + (chord[0] if dice.random() < 0.8 else dice.choice(chord)), 30))
            if dice.random() < 0.7:
                tone = dice.choice(chord if beat % 2 == 0 else SCALES[mode])
                notes.append(note(at_s, 0.45, tonic + tone, 66))
    length_s = len(degrees) * BAR_S
    return misheard(dice, notes, wrong, length_s, 50), misheard(dice, bass, wrong, length_s, 30), tonic, mode


def triad(dice: random.Random, degree: int, mode: Mode) -> list[int]:
    """A chord in semitones from the tonic."""
    tones = [SCALES[mode][(degree + step) % 7] for step in (0, 2, 4)]
    if mode == "minor" and degree == 4 and dice.random() < RAISED:
        tones[1] = 11
    return tones


def note(at_s: float, length_s: float, pitch: int, lowest: int) -> Note:
    """A note in the octave from `lowest` up."""
    return Note(at_s, at_s + length_s, lowest + (pitch - lowest) % 12, 80, 0.8)


def misheard(dice: random.Random, notes: list[Note], wrong: float, length_s: float, lowest: int) -> list[Note]:
    """Notes of which a share is lost, with as many faint ones added anywhere."""
    kept = [it for it in notes if dice.random() >= wrong]
    for _ in range(len(notes) - len(kept)):
        at_s = dice.uniform(0.0, length_s)
        kept.append(Note(at_s, at_s + 0.3, lowest + dice.randrange(24), 60, 0.4))
    return sorted(kept)


def main() -> None:
    """Print a line for each share of wrong notes."""
    songs = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for wrong in (0.0, 0.3, 0.5):
        dice = random.Random(7)  # noqa: S311 (no secret)
        right = [0, 0]
        for _ in range(songs):
            notes, bass, tonic, mode = song(dice, wrong)
            for way, key in enumerate((estimate_key([*notes, *bass]), estimate_key([*notes, *bass], bass))):
                right[way] += key is not None and (key.tonic, key.mode) == (tonic, mode)
        shares = " ".join(f"{count / songs:6.1%}" for count in right)
        print(f"{wrong:.0%} wrong: notes alone, with the bass: {shares}")


if __name__ == "__main__":
    main()
