"""The key that notes are in: the one whose profile their pitch classes fit best (Krumhansl & Schmuckler's method)."""

from __future__ import annotations

from collections.abc import Iterable
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


def estimate_key(notes: Iterable[Note]) -> Key | None:
    """The key that pitched notes fit best, or None where they are too few to tell."""
    notes = list(notes)
    weights = _pitch_class_weights(notes)
    if len(notes) < MIN_NOTES or np.count_nonzero(weights) < MIN_PITCH_CLASSES or np.ptp(weights) == 0.0:
        return None
    fits = sorted(
        (
            (float(np.corrcoef(weights, np.roll(profile, tonic))[0, 1]), tonic, mode)
            for mode, profile in PROFILES.items()
            for tonic in range(12)
        ),
        reverse=True,
    )
    (best, tonic, mode), (second, _, _) = fits[:2]
    if best <= 0.0:
        return None
    return Key(tonic, mode, min(1.0, best) * min(1.0, (best - second) / CERTAIN_LEAD))


def _pitch_class_weights(notes: Iterable[Note]) -> NDArray[np.float64]:
    """Seconds that each pitch class sounds, shape (12,)."""
    weights = np.zeros(12)
    for note in notes:
        weights[note.pitch % 12] += min(MAX_WEIGHT_S, note.offset_s - note.onset_s)
    return weights
