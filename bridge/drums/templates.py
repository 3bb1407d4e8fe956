"""What single hits of each kind of drum look like: the dictionary that events are explained with.

`templates.json` is made by ``tools/make_drum_templates.py`` from one-shot samples whose licences allow it (named in
the file). A template is the average of a few alike samples: magnitudes by stretch and band (`bridge.drums.events`),
nothing more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from bridge.drums.bands import BANDS, CENTRES_HZ, Array
from bridge.drums.events import STRETCHES

#: The kinds that templates are kept for; hi-hats and cymbals by how they ring.
KINDS = ("kick", "snare", "closed_hat", "open_hat", "crash", "ride", "tom")
#: The classes that are decided on, each of one or two kinds.
CLASSES: dict[str, tuple[str, ...]] = {
    "kick": ("kick",),
    "snare": ("snare",),
    "hat": ("closed_hat", "open_hat"),
    "tom": ("tom",),
    "cymbal": ("crash", "ride"),
}

#: Magnitudes are raised by 1.5 dB an octave, about as much as drums' spectra fall, so that high bands count as low
#: ones do.
_TILT = np.sqrt(np.sqrt(np.array(CENTRES_HZ, dtype=np.float32) / 1000))


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Templates with their kinds.

    Attributes
    ----------
    rows
        Each template sums to 1, (templates, stretches * bands).
    kinds
        Index into `KINDS` of each, (templates,).
    """

    rows: Array
    kinds: NDArray[np.int64]

    def of(self, *kinds: str) -> NDArray[np.bool_]:
        """Which templates are of one of `kinds`."""
        return np.isin(self.kinds, [KINDS.index(kind) for kind in kinds])

    def profile(self, *kinds: str) -> Array:
        """Where the energy of `kinds` lies on average, (stretches * bands,)."""
        return np.asarray(self.rows[self.of(*kinds)].mean(axis=0))

    def heard_below(self, bands: int) -> Dictionary:
        """These templates as heard through the lowest `bands` bands only."""
        rows = self.rows.reshape(len(self.rows), len(STRETCHES), BANDS).copy()
        rows[:, :, bands:] = 0
        return Dictionary(_normalised(rows.reshape(len(rows), -1)), self.kinds)

    def with_template(self, row: Array, kind: str) -> Dictionary:
        """These and one more."""
        return Dictionary(
            np.vstack([self.rows, _normalised(row[None])]), np.append(self.kinds, np.int64(KINDS.index(kind)))
        )


def shaped(energy: Array) -> Array:
    """Power by stretch and band as the dictionary compares it: tilted magnitudes, (events, stretches * bands)."""
    return np.asarray((np.sqrt(energy) * _TILT).reshape(len(energy), -1))


def unshaped(rows: Array) -> Array:
    """`shaped` undone: power, (events, stretches, bands)."""
    return np.asarray(np.square(rows.reshape(len(rows), len(STRETCHES), BANDS) / _TILT))


def load() -> Dictionary:
    """The dictionary that comes with Stembridge."""
    text = resources.files("bridge.drums").joinpath("templates.json").read_text("utf-8")
    levels_db = json.loads(text)["magnitudes_db"]
    kinds = [KINDS.index(kind) for kind, rows in levels_db.items() for _ in rows]
    rows = np.array([row for rows in levels_db.values() for row in rows], dtype=np.float32)
    magnitudes = np.where(rows > FLOOR_DB, 10 ** (rows / 20), 0)
    return Dictionary(_normalised(magnitudes), np.array(kinds, dtype=np.int64))


#: Magnitudes this far below a template's strongest (dB) are kept as nothing.
FLOOR_DB = -60


def _normalised(rows: Array) -> Array:
    return np.asarray(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12), dtype=np.float32)
