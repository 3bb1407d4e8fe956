"""Demucs' models over audio of any length in bounded memory; imported only in the child process, as it needs torch.

`separate` gives what ``demucs.apply.apply_model(bag, mix, shifts=0, split=True, overlap=0.25)`` gives, but takes the
mix in blocks and gives the sources in blocks: demucs keeps the whole song with all its sources, several times over.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from demucs.htdemucs import HTDemucs
from demucs.states import load_model
from numpy.typing import NDArray

from bridge.model import Samples

#: How much neighbouring segments share: demucs' own default.
OVERLAP = 0.25


class UnusableWeights(Exception):
    """The weights are damaged, or not of the kind they are said to be."""


@dataclass(frozen=True)
class Bag:
    """One or several models of one shape whose estimates are averaged with weights.

    Attributes
    ----------
    models
        The networks, on `device`.
    weights
        (models, sources): how much each model counts for each source; the columns sum to 1.
    sources
        Names of the sources in demucs' order.
    sample_rate
        Hz.
    channels
        Audio channels that the models take and give (2).
    segment
        Samples that they take at once.
    device
        Where they run.
    """

    models: tuple[HTDemucs, ...]
    weights: NDArray[np.float64]
    sources: tuple[str, ...]
    sample_rate: int
    channels: int
    segment: int
    device: torch.device

    @property
    def stride(self) -> int:
        """Samples from the start of a segment to the start of the next."""
        return int((1 - OVERLAP) * self.segment)


@dataclass(frozen=True, slots=True)
class Level:
    """Mean and standard deviation of a whole track's mono sum: demucs normalises by these."""

    mean: float
    deviation: float


def load_bag(files: Sequence[tuple[Path, str]], rows: Sequence[Sequence[float]] | None, device: torch.device) -> Bag:
    """Load models.

    Parameters
    ----------
    files
        Each model's file and its SHA-256. The hash is checked on the very bytes that are then loaded, since a ``.th``
        file is a pickle and could run any code.
    rows
        (models, sources) weights as in demucs' ``.yaml``; None: all the same.
    device
        Where the models will run.

    Raises
    ------
    UnusableWeights
        A file is missing, altered, not a model, or the models don't fit together.
    """
    models = tuple(_load(path, sha256).to(device).eval() for path, sha256 in files)
    shapes = {(tuple(m.sources), m.samplerate, m.audio_channels, int(m.segment * m.samplerate)) for m in models}
    if len(shapes) != 1:
        raise UnusableWeights("the models of this bag don't fit together")
    ((sources, rate, channels, segment),) = shapes
    weights = np.ones((len(models), len(sources))) if rows is None else np.asarray(rows, dtype=np.float64)
    if weights.shape != (len(models), len(sources)) or not np.all(weights.sum(0) > 0):
        raise UnusableWeights("the weights of this bag don't fit its models")
    return Bag(models, weights / weights.sum(0), sources, rate, channels, segment, device)


def measure_level(blocks: Iterable[Samples]) -> Level:
    """The level of a track that comes in blocks of (samples, channels), as ``demucs.api.Separator`` finds it."""
    count, total, squares = 0, 0.0, 0.0
    for block in blocks:
        mono = block.mean(axis=1, dtype=np.float64)
        count += len(mono)
        total += float(mono.sum())
        squares += float(mono @ mono)
    if count < 2:
        return Level(0.0, 1.0)
    mean = total / count
    variance = max(0.0, squares - count * mean * mean) / (count - 1)
    return Level(mean, variance**0.5 + 1e-8)  # 1e-8: so in demucs, against silence


def separate(
    bag: Bag, blocks: Iterable[Samples], length: int, level: Level, done: Callable[[float], None]
) -> Iterator[Samples]:
    """Yield the sources from start to end.

    Parameters
    ----------
    bag
        The models.
    blocks
        The mix in order, each (samples, channels) float32 at the models' rate and with their channels.
    length
        Samples in all of `blocks`.
    level
        The whole mix's level.
    done
        Told after each model's turn at each segment how much of all is done, 0 to 1.

    Yields
    ------
    (samples, sources × channels) float32, a source's channels side by side.
    """
    mean, deviation = np.float32(level.mean), np.float32(level.deviation)
    window = _Window(((block - mean) / deviation for block in blocks), bag.channels)
    ramp = _ramp(bag.segment)
    width = len(bag.sources) * bag.channels
    # What the last segments have said of the samples from the current segment's start on, and with how much weight.
    estimate = np.zeros((width, bag.segment), dtype=np.float32)
    weight = np.zeros(bag.segment, dtype=np.float32)
    starts = range(0, length, bag.stride)
    for index, start in enumerate(starts):
        size = min(bag.segment, length - start)
        # As demucs does: a segment at the end is put in the middle of what the model takes, with what precedes it
        # before and with zeros behind.
        lead = (bag.segment - size) // 2
        padded = window.read(start - lead, start - lead + bag.segment)

        def turn_done(turns: int, index: int = index) -> None:
            done((index + turns / len(bag.models)) / len(starts))

        heard = _run(bag, padded, turn_done)[:, lead : lead + size]
        estimate[:, :size] += ramp[:size] * heard
        weight[:size] += ramp[:size]

        final = min(bag.stride, length - start)
        out = estimate[:, :final] / weight[:final]
        yield np.ascontiguousarray(out.T) * deviation + mean
        estimate = _shifted(estimate, final)
        weight = _shifted(weight, final)


@torch.inference_mode()
def _run(bag: Bag, padded: Samples, turn_done: Callable[[int], None]) -> Samples:
    """The bag's estimate for one segment of (samples, channels): (sources × channels, samples)."""
    mix = torch.from_numpy(np.ascontiguousarray(padded.T))[None].to(bag.device)
    estimate = np.zeros((len(bag.sources), bag.channels, bag.segment), dtype=np.float32)
    for turn, (model, weights) in enumerate(zip(bag.models, bag.weights, strict=True), start=1):
        heard = model(mix)[0].float().cpu().numpy()
        for source in np.flatnonzero(weights):
            estimate[source] += np.float32(weights[source]) * heard[source]
        turn_done(turn)
    return estimate.reshape(-1, bag.segment)


def _load(path: Path, sha256: str) -> HTDemucs:
    """The model in a ``.th`` file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnusableWeights(f"{path} can't be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UnusableWeights(f"{path} has changed")
    try:
        # The bytes just checked. weights_only=True would refuse them, since they name demucs' class.
        package = torch.load(io.BytesIO(data), "cpu", weights_only=False)
        model: object = load_model(package)  # type: ignore[no-untyped-call]
    except Exception as error:  # any code may run in a pickle, so anything may be raised
        raise UnusableWeights(f"{path} is not a Demucs model: {error}") from error
    if not isinstance(model, HTDemucs) or not model.use_train_segment:
        raise UnusableWeights(f"{path} is not a Hybrid Transformer Demucs")
    hybrid: HTDemucs = model
    return hybrid


def _ramp(segment: int) -> Samples:
    """The triangular weight of demucs: rising to the segment's middle, then falling."""
    rising = np.arange(1, segment // 2 + 1, dtype=np.float32)
    falling = np.arange(segment - segment // 2, 0, -1, dtype=np.float32)
    ramp: Samples = np.concatenate([rising, falling])
    ramp /= ramp.max()
    return ramp


def _shifted(values: Samples, by: int) -> Samples:
    """`values` moved `by` samples towards the start, with zeros behind."""
    moved = np.zeros_like(values)
    moved[..., : values.shape[-1] - by] = values[..., by:]
    return moved


class _Window:
    """A stretch of a stream of blocks that only moves forward, but may begin somewhat before the last one."""

    def __init__(self, blocks: Iterable[Samples], channels: int) -> None:
        self._blocks = iter(blocks)
        self._kept = np.zeros((0, channels), dtype=np.float32)
        self._start = 0

    def read(self, start: int, stop: int) -> Samples:
        """Samples `start` to `stop`, zeros outside the stream. What lies before `start` is forgotten."""
        parts, held = [self._kept], self._start + len(self._kept)
        while held < stop and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            held += len(block)
        kept = np.concatenate(parts)
        drop = min(len(kept), max(0, start - self._start))
        self._kept = kept[drop:]
        self._start += drop
        out = np.zeros((stop - start, kept.shape[1]), dtype=np.float32)
        found = self._kept[: max(0, stop - self._start)]
        offset = self._start - start
        out[offset : offset + len(found)] = found
        return out
