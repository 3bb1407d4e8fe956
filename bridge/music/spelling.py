"""How pitches are written: with which letter and accidental, given the key and the chord. Pure.

Names lie on the line of fifths: ... Bb F C G D A E B F# ..., C = 0. One step to the right is a fifth up; seven steps
are the same letter with one sharp more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_LETTERS = "FCGDAEB"
_LETTER_PITCH = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
#: Names that notes get, in fifths from the major tonic (in minor: from the relative major's): the scale with b3, b7,
#: #4, #1 and #5, which in minor are its own raised degrees and the usual borrowed ones.
NOTE_NAMES = range(-3, 9)
#: Names that chords' roots get in major, where bII and bVI are commoner than #I and #V.
ROOT_NAMES = range(-5, 7)
#: Names with one accidental at most, Fb to B#: chords get no others.
_SIMPLE = range(-8, 13)
#: Names with two accidentals at most, Fbb to B##: there are no others.
_DOUBLE = range(-15, 20)


class Spelled(NamedTuple):
    """A pitch as it is written: letter, sharps (negative: flats), and the octave that middle C begins as 4."""

    letter: str
    alter: int
    octave: int


def fifths_of_name(name: str) -> int:
    """Place of a name such as ``Eb`` or ``F#`` on the line of fifths, C = 0."""
    return _LETTERS.index(name[0]) - 1 + 7 * (name.count("#") - name[1:].count("b"))


def name_of_fifths(fifths: int) -> str:
    """The name at a place of the line of fifths."""
    alter, letter = divmod(fifths + 1, 7)
    return _LETTERS[letter] + ("#" * alter if alter >= 0 else "b" * -alter)


def key_fifths(key: str | None) -> int:
    """Sharps (negative: flats) in the signature of a key such as ``A minor``; 0 where it isn't known."""
    if key is None:
        return 0
    tonic, mode = key.split()
    return fifths_of_name(tonic) - (3 if mode == "minor" else 0)


def signature_alters(key: str | None) -> dict[str, int]:
    """Sharps (negative: flats) that a key's signature puts before each letter."""
    fifths = key_fifths(key)
    return {letter: (fifths + 6 - place) // 7 for place, letter in enumerate(_LETTERS)}


def root_fifths(pitch_class: int, key: str | None) -> int:
    """Place on the line of fifths of a chord's root."""
    is_minor = key is not None and key.endswith("minor")
    fifths = _placed(pitch_class, key_fifths(key), NOTE_NAMES if is_minor else ROOT_NAMES)
    turn = 12 if fifths < _SIMPLE.start else -12 if fifths >= _SIMPLE.stop else 0
    return fifths + turn


def spelled(pitch: int, key: str | None, chord: Iterable[int] = ()) -> Spelled:
    """How a pitch is written.

    Parameters
    ----------
    pitch
        MIDI note number.
    key
        Such as ``A minor``.
    chord
        Tones of the chord that sounds, as places on the line of fifths: its tones are written as such.
    """
    tones = {fifths * 7 % 12: fifths for fifths in chord if fifths in _DOUBLE}
    fifths = tones.get(pitch % 12)
    if fifths is None:
        fifths = _placed(pitch % 12, key_fifths(key), NOTE_NAMES)
    alter, letter = divmod(fifths + 1, 7)
    name = _LETTERS[letter]
    return Spelled(name, alter, (pitch - alter - _LETTER_PITCH[name]) // 12 - 1)


def _placed(pitch_class: int, tonic: int, names: range) -> int:
    """The one of twelve neighbouring names that is a pitch class."""
    first = tonic + names.start
    return first + (pitch_class * 7 - first) % 12
