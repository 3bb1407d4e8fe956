"""Other sample rates, block by block: libsoxr in HQ (20-bit) quality, aligned in time and of exact length.

libsoxr compensates its own delay: sample n of the output lies at n / rate_out seconds of the input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from bridge.audio.file import BLOCK_SAMPLES, AudioFile
from bridge.model import Samples


def resampled_length(length: int, rate_in: int, rate_out: int) -> int:
    """Samples that `length` samples at `rate_in` become at `rate_out`: round(length * rate_out / rate_in)."""
    return round(length * rate_out / rate_in)


def resampled(
    audio: AudioFile, sample_rate: int, channels: int | None = None, block_samples: int = BLOCK_SAMPLES
) -> Iterator[Samples]:
    """All of `audio` at `sample_rate` (Hz), in order.

    Parameters
    ----------
    audio
        What to read; it is read in blocks of `block_samples`.
    sample_rate
        Rate of the output (Hz).
    channels
        1 (the mean of the channels), 2 (mono twice), or None for the channels that `audio` has.
    block_samples
        Samples read at once. The output does not depend on it.

    Yields
    ------
    Blocks of float32 (samples, channels), of any length but 0; `resampled_length` samples in total.
    """
    wanted = audio.channels if channels is None else channels
    blocks = (_as_channels(block, wanted) for block in audio.blocks(block_samples))
    total = resampled_length(audio.length, audio.sample_rate, sample_rate)
    return resample_blocks(blocks, audio.sample_rate, sample_rate, wanted, total)


def resample_blocks(
    blocks: Iterable[Samples], rate_in: int, rate_out: int, channels: int, total_out: int
) -> Iterator[Samples]:
    """Blocks of float32 (samples, channels) at `rate_in`, in order, as blocks at `rate_out` (Hz).

    The output is cut, or filled up with zeros, to exactly `total_out` samples. How the input is cut into blocks does
    not change it.
    """
    left = total_out
    for block in _converted(blocks, rate_in, rate_out, channels):
        if left <= 0:
            return
        if len(block):
            yield block[:left]
            left -= len(block)
    while left > 0:
        yield np.zeros((min(left, BLOCK_SAMPLES), channels), dtype=np.float32)
        left -= BLOCK_SAMPLES


def _converted(blocks: Iterable[Samples], rate_in: int, rate_out: int, channels: int) -> Iterator[Samples]:
    if rate_in == rate_out:
        yield from blocks
        return
    converter = soxr.ResampleStream(rate_in, rate_out, channels, dtype="float32", quality="HQ")
    for block in blocks:
        yield converter.resample_chunk(np.ascontiguousarray(block, dtype=np.float32))
    yield converter.resample_chunk(np.zeros((0, channels), dtype=np.float32), last=True)


def _as_channels(block: Samples, channels: int) -> Samples:
    if block.shape[1] == channels:
        return block
    if channels == 1:
        mono: Samples = block.mean(axis=1, keepdims=True, dtype=np.float32)
        return mono
    return np.repeat(block, channels, axis=1)
