"""The key that notes are in: the one whose profile their pitch classes fit best (Krumhansl & Schmuckler's method)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bridge.model import Note

Mode = Literal["major", "minor"]

#: How much each scale degree (from the tonic up, in semitones) is used in a key: Temperley's counts in the Kostka-Payne
#: corpus (D. Temperley, Music and Probability, 2007, table 6.1). Unlike Krumhansl & Kessler's ratings they don't favour
#: the dominant's key.
PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
    "minor": (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
}
#: The usual spelling of each tonic: the one with fewer accidentals in its key signature.
TONIC_NAMES: dict[Mode, tuple[str, ...]] = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
#: Fewer notes or different pitch classes than these fit many keys alike.
MIN_NOTES = 8
MIN_PITCH_CLASSES = 4
#: A held note counts no more than this many seconds, so that one drone doesn't outvote a song.
MAX_WEIGHT_S = 2.0
#: The lead in correlation over the second-best key that counts as certain; a key and its dominant, one note apart,
#: differ by about that.
CERTAIN_LEAD = 0.15
#: What it is worth, in correlation, if all that the bass plays is a key's tonic, and if the bass begins and ends on it.
#: Set on songs made by chance: tools/measure_key.py.
BASS_SHARE, BASS_BEGINS, BASS_ENDS = 1.0, 0.04, 0.08


@dataclass(frozen=True, slots=True)
class Key:
    """A key.

    Attributes
    ----------
    tonic
        Pitch class, 0 = C to 11 = B.
    mode
        ``major`` or ``minor``.
    confidence
        0 to 1: how well the notes fit the key, times how clearly they fit it better than the next.
    """

    tonic: int
    mode: Mode
    confidence: float

    @property
    def name(self) -> str:
        """Such as ``A minor`` or ``Eb major``."""
        return f"{TONIC_NAMES[self.mode][self.tonic]} {self.mode}"


def estimate_key(notes: Iterable[Note], bass: Iterable[Note] = ()) -> Key | None:
    """The key that pitched notes fit best, or None where they are too few to tell.

    A key and its relative (C major, A minor) have the same notes: between these two it also counts on which of the two
    tonics the bass rests, begins and ends.

    Parameters
    ----------
    notes
        Of all pitched parts, in any order.
    bass
        Those of them that the bass plays; where there are none, only the notes tell.
    """
    notes = list(notes)
    weights = _pitch_class_weights(notes)
    if len(notes) < MIN_NOTES or np.count_nonzero(weights) < MIN_PITCH_CLASSES or np.ptp(weights) == 0.0:
        return None
    fits = {
        (tonic, mode): float(np.corrcoef(weights, np.roll(profile, tonic))[0, 1])
        for mode, profile in PROFILES.items()
        for tonic in range(12)
    }
    best = max(fits, key=fits.__getitem__)
    if fits[best] <= 0.0:
        return None
    rests = _rests(sorted(bass))
    relative = _relative(*best)
    fits[best] += rests[best[0]]
    fits[relative] += rests[relative[0]]
    (second, _, _), (first, tonic, mode) = sorted((fit, *key) for key, fit in fits.items())[-2:]
    fit = first - rests[tonic]
    return Key(tonic, mode, float(np.clip(fit, 0.0, 1.0) * min(1.0, (first - second) / CERTAIN_LEAD)))


def _relative(tonic: int, mode: Mode) -> tuple[int, Mode]:
    """The key with the same signature in the other mode."""
    return ((tonic + 9) % 12, "minor") if mode == "major" else ((tonic + 3) % 12, "major")


def _rests(bass: Sequence[Note]) -> NDArray[np.float64]:
    """How much a bass, in order of onset, speaks for each pitch class as tonic; shape (12,)."""
    rests = np.zeros(12)
    if bass:
        weights = _pitch_class_weights(bass)
        rests += BASS_SHARE * weights / weights.sum()
        rests[bass[0].pitch % 12] += BASS_BEGINS
        rests[bass[-1].pitch % 12] += BASS_ENDS
    return rests


def _pitch_class_weights(notes: Iterable[Note]) -> NDArray[np.float64]:
    """How much each pitch class sounds: seconds, weighted by loudness and confidence; shape (12,)."""
    weights = np.zeros(12)
    for note in notes:
        length_s = min(MAX_WEIGHT_S, note.offset_s - note.onset_s)
        weights[note.pitch % 12] += length_s * note.velocity * note.confidence
    return weights
