"""The level of audio over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge.audio.file import AudioFile
from bridge.progress import Progress

#: Levels read at once: 10 s at 40 a second, which are 3.5 MB in memory.
_BLOCK_LEVELS = 400


def levels_db(audio: AudioFile, rate_hz: float, progress: Progress) -> NDArray[np.float32]:
    """The level (RMS of all channels, in dB below full scale) of each stretch of 1 / `rate_hz` seconds.

    Parameters
    ----------
    audio
        What to listen to.
    rate_hz
        Levels a second; below the sample rate.
    progress
        Told how far it is; cancels.

    Returns
    -------
    Shape (levels,); -inf for silence. The last stretch may reach beyond the end, where nothing sounds.
    """
    count = int(np.ceil(audio.duration_s * rate_hz))
    edges = np.rint(np.arange(count + 1) * audio.sample_rate / rate_hz).astype(np.int64)
    power = np.zeros(count)
    for first in range(0, count, _BLOCK_LEVELS):
        last = min(count, first + _BLOCK_LEVELS)
        block = audio.read(int(edges[first]), int(edges[last]))
        stretches = np.split(block, edges[first + 1 : last] - edges[first])
        power[first:last] = [float(np.vdot(stretch, stretch)) / stretch.size for stretch in stretches]
        progress.at(last / count)
    with np.errstate(divide="ignore"):
        return (10.0 * np.log10(power)).astype(np.float32)
