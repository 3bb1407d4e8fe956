"""How probable it is that a note begins at a candidate, or still sounds: small networks over what the evidence says.

They are kept in ``judges.npz``, made by ``make tune`` (docs/reference/note-judges.md): ``alone`` for a part that hardly
anything else sounds with, ``separated`` for one in a rough stem, its mix and the stem beside it, ``mixed`` for all the
pitched notes of a mix, ``ends`` for where notes end (`bridge.transcription.lengths`), and ``releases`` for where keys
are let go (`bridge.transcription.releases`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.candidates import Candidates, compared, described
from bridge.transcription.frames import Evidence, Matrix

#: Standard deviations from the mean at which a fact is cut off, as in training.
_FURTHEST = 6.0
_FILE = "judges.npz"
#: The judges of endings.
ENDS, RELEASES = "ends", "releases"


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """A network with hidden layers.

    Attributes
    ----------
    mean, scale
        Of each fact, over the recordings that it was made from.
    layers
        Weights, (inputs, outputs), and biases, (outputs,), of each layer; rectified between them.
    """

    mean: Matrix
    scale: Matrix
    layers: tuple[tuple[Matrix, Matrix], ...]

    def __call__(self, facts: Matrix) -> NDArray[np.float32]:
        """Probability, 0 to 1, of each row of facts."""
        values = np.clip((facts - self.mean) / self.scale, -_FURTHEST, _FURTHEST).astype(np.float32)
        for place, (weights, bias) in enumerate(self.layers):
            values = values @ weights + bias
            if place < len(self.layers) - 1:
                values = np.maximum(values, 0.0)
        return np.asarray(1.0 / (1.0 + np.exp(-values[:, 0])), dtype=np.float32)


def facts_of(known: Sequence[Evidence], at: Candidates) -> Matrix:
    """What each evidence says of each candidate, side by side, and in which it is loudest."""
    return np.concatenate([*(described(evidence, at) for evidence in known), compared(known, at)], axis=1)


@cache
def judge_named(name: str) -> Judge:
    """The judge of that name, from the package."""
    with files("bridge.transcription").joinpath(_FILE).open("rb") as file, np.load(file) as kept:
        count = sum(key.startswith(f"{name}.bias") for key in kept)
        layers = tuple((_full(kept[f"{name}.weights{i}"]), _full(kept[f"{name}.bias{i}"])) for i in range(count))
        return Judge(_full(kept[f"{name}.mean"]), _full(kept[f"{name}.scale"]), layers)


def judges_digest() -> bytes:
    """The judges' file, for hashing."""
    return files("bridge.transcription").joinpath(_FILE).read_bytes()


def _full(values: NDArray[np.floating]) -> Matrix:
    return np.asarray(values, dtype=np.float32)
