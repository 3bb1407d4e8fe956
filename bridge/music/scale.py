"""Scales, and notes moved onto them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.model import Note

#: Instead of a scale's name: that of the song's key.
KEY = "key"
#: Semitones above the tonic, by the name of the scale.
SCALES: Mapping[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
}
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_ACCIDENTALS = {"": 0, "#": 1, "b": -1, "♯": 1, "♭": -1}


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale on a tonic.

    Attributes
    ----------
    tonic
        Pitch class, 0 = C to 11 = B.
    kind
        One of `SCALES`.
    """

    tonic: int
    kind: str

    @property
    def name(self) -> str:
        """Such as ``A minor``; black keys as sharps."""
        return f"{_SHARPS[self.tonic]} {self.kind}"

    @property
    def pitch_classes(self) -> frozenset[int]:
        """The pitch classes of its tones."""
        return frozenset((self.tonic + degree) % 12 for degree in SCALES[self.kind])


def parse_scale(text: str) -> Scale:
    """The scale of a name such as ``A minor``, ``f# dorian`` or ``Bb major pentatonic``.

    Raises
    ------
    ValueError
        If it is none; the message says what there is.
    """
    tonic, _, kind = " ".join(text.split()).lower().partition(" ")
    pitch_class = _LETTERS.get(tonic[:1])
    accidental = _ACCIDENTALS.get(tonic[1:])
    if pitch_class is None or accidental is None or kind not in SCALES:
        known = ", ".join(SCALES)
        raise ValueError(f"{text[:40]!r} is no scale; write a tonic and one of {known}, such as 'A minor'")
    return Scale((pitch_class + accidental) % 12, kind)


def snapped(notes: Iterable[Note], scale: Scale) -> list[Note]:
    """Notes with those beside the scale moved to its nearest tone, of two equally near ones the lower.

    Onsets, velocities and contours stay. Two notes of one pitch may then sound at once; what writes MIDI ends the
    earlier of them.
    """
    tones = [pitch for pitch in range(128) if pitch % 12 in scale.pitch_classes]
    nearest = [min(tones, key=lambda tone: (abs(tone - pitch), tone)) for pitch in range(128)]
    return [replace(note, pitch=nearest[note.pitch]) for note in notes]
