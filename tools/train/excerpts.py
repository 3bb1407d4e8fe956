"""Rendered excerpts on disk: features and truth, made when first asked for, within a limit of space."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bridge.drums.kit_features import FRAME_S, Array, centred, loudness_gain, moment_levels
from tools.train.libraries import KINDS
from tools.train.render import Excerpt

#: Frames of an excerpt that are learnt from.
FRAMES = 1000
#: Half the width of a stroke's target (s): 1 at the stroke, 0 this far from it. Probabilities so shaped can be read
#: between the frames.
TARGET_S = 0.02


@dataclass(frozen=True, slots=True)
class Example:
    """Features (`FRAMES`, bands), and the strokes as rows of seconds, class and velocity 0 to 1."""

    features: Array
    strokes: Array

    def targets(self) -> tuple[Array, Array]:
        """Onset probability and velocity (0 without a stroke) by frame and class, (`FRAMES`, classes) each."""
        onsets, velocities = np.zeros((2, FRAMES, len(KINDS)), dtype=np.float32)
        for at_s, kind, velocity in self.strokes:
            centre = round(at_s / FRAME_S)
            for frame in range(max(0, centre - 2), min(FRAMES, centre + 3)):
                near = 1 - abs(frame * FRAME_S - at_s) / TARGET_S
                if near > onsets[frame, int(kind)]:
                    onsets[frame, int(kind)] = near
                    velocities[frame, int(kind)] = velocity
        return onsets, velocities


def example(excerpt: Excerpt) -> Example:
    """What the network is shown of an excerpt."""
    samples = excerpt.samples * loudness_gain(moment_levels(excerpt.samples))
    features = centred(samples)[:FRAMES]
    rows = [(hit.at_s, KINDS.index(hit.kind), hit.velocity / 127) for hit in excerpt.hits]
    return Example(features, np.array(rows, dtype=np.float32).reshape(-1, 3))


@dataclass(frozen=True, slots=True)
class Store:
    """Examples by number.

    Attributes
    ----------
    folder
        Where they are kept.
    make
        Renders the excerpt of a number; always the same one.
    most
        Examples that fit the limit of space.
    """

    folder: Path
    make: Callable[[int], Excerpt]
    most: int

    def __getitem__(self, number: int) -> Example:
        path = self.folder / f"{number:06d}.npz"
        if not path.exists():
            self._write(path, example(self.make(number)))
        with np.load(path) as kept:
            return Example(kept["features"].astype(np.float32), kept["strokes"])

    def _write(self, path: Path, made: Example) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        with scratch.open("wb") as file:
            np.savez(file, features=made.features.astype(np.float16), strokes=made.strokes)
        scratch.replace(path)


def most_examples(limit_bytes: int, bands: int) -> int:
    """How many examples fit into `limit_bytes`."""
    return max(1, limit_bytes // (FRAMES * bands * 2 + 4096))
