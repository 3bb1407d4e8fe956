"""Rendered excerpts on disk: features and truth, made when first asked for, within a limit of space."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

import numpy as np

from bridge.drums.kit_features import FRAME_S, Array, centred, loudness_gain, magnitudes, moment_levels
from tools.train.libraries import KINDS
from tools.train.render import Excerpt

#: Frames of an excerpt that are learnt from.
FRAMES = 1000
#: Half the width of a stroke's target (s): 1 at the stroke, 0 this far from it. Probabilities so shaped can be read
#: between the frames.
TARGET_S = 0.02
_QUIET = 1e-12  # power at which nobody's share is more than another's


class Kept(Protocol):
    """What a `Store` keeps of an excerpt: a dataclass of arrays."""

    @classmethod
    def of(cls, excerpt: Excerpt) -> Self:
        """Take what is kept."""


@dataclass(frozen=True, slots=True)
class Example:
    """What the network is shown of an excerpt, and what it is to say.

    Attributes
    ----------
    features
        (`FRAMES`, bands).
    strokes
        Rows of seconds, class and velocity 0 to 1.
    """

    features: Array
    strokes: Array

    @classmethod
    def of(cls, excerpt: Excerpt) -> Self:
        """Features at the level that the network knows, and the strokes."""
        rows = [(hit.at_s, KINDS.index(hit.kind), hit.velocity / 127) for hit in excerpt.hits]
        return cls(_features(excerpt.samples, excerpt.samples), np.array(rows, dtype=np.float32).reshape(-1, 3))

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


@dataclass(frozen=True, slots=True)
class Layers:
    """What masks are learnt from.

    Attributes
    ----------
    features
        (`FRAMES`, bands).
    parts
        Features of each component alone, then of all else; (components + 1, `FRAMES`, bands), at the same gain.
    """

    features: Array
    parts: Array

    @classmethod
    def of(cls, excerpt: Excerpt) -> Self:
        """Features of an excerpt that was rendered with its components."""
        assert excerpt.components is not None
        rest = excerpt.samples - excerpt.components.sum(axis=0)
        parts = [_features(part, excerpt.samples) for part in (*excerpt.components, rest)]
        return cls(_features(excerpt.samples, excerpt.samples), np.stack(parts))

    def shares(self) -> Array:
        """Share of each part in the power of each band, summing to 1, (components + 1, `FRAMES`, bands)."""
        power = np.square(magnitudes(self.parts))
        return np.asarray((power + _QUIET) / (power + _QUIET).sum(axis=0), dtype=np.float32)


def _features(samples: Array, heard: Array) -> Array:
    """Features of `samples` with the gain that `heard` gets."""
    return centred(samples * np.float32(loudness_gain(moment_levels(heard))))[:FRAMES]


_Kept = TypeVar("_Kept", bound=Kept)


@dataclass(frozen=True, slots=True)
class Store(Generic[_Kept]):
    """Excerpts by number.

    Attributes
    ----------
    folder
        Where they are kept.
    make
        Renders the excerpt of a number; always the same one.
    most
        How many fit the limit of space.
    kind
        What is kept of each.
    """

    folder: Path
    make: Callable[[int], Excerpt]
    most: int
    kind: type[_Kept]

    def __getitem__(self, number: int) -> _Kept:
        path = self.folder / f"{number:06d}.npz"
        if not path.exists():
            self._write(path, self.kind.of(self.make(number)))
        with np.load(path) as kept:
            return self.kind(**{name: kept[name].astype(np.float32) for name in kept.files})

    def render_ahead(self, count: int) -> None:
        """Make the first `count`, in order, as far as they aren't there."""
        for number in range(min(count, self.most)):
            if not (self.folder / f"{number:06d}.npz").exists():
                _ = self[number]

    def _write(self, path: Path, made: _Kept) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        arrays = {field.name: getattr(made, field.name) for field in fields(made)}  # type: ignore[arg-type]
        exact = {"strokes"}  # a half has no milliseconds left at ten seconds
        with scratch.open("wb") as file:
            np.savez(file, **{name: a if name in exact else a.astype(np.float16) for name, a in arrays.items()})
        scratch.replace(path)


def most_examples(limit_bytes: int, bands: int) -> int:
    """How many examples fit into `limit_bytes`."""
    return max(1, limit_bytes // (FRAMES * bands * 2 + 4096))
