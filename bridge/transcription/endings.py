"""Where a note that sounds alone is let go: its level falls faster than it rings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.windows import mean

_LOOK_FRAMES = 6  # 70 ms: a plucked string rings down by a few decibels in that time, a damped one by tens
_SMOOTHED_REACH = 1  # frame either way, 35 ms together: a period of the lowest notes
_KNEE_DB = 3.0  # a fall begins after the last frame that is nearly as loud as before it
_SHORTEST_FRAMES = 4  # an attack may fall as fast


def let_go(power_db: NDArray[np.float32], start: int, end: int, fall_db: float) -> int:
    """The frame in which the level begins to fall by `fall_db` within 70 ms, to stay there until `end`; else `end`.

    Parameters
    ----------
    power_db
        Level of the audio in each frame.
    start, end
        The frames in which the note may sound.
    """
    first = start + _SHORTEST_FRAMES
    if end - first < 2:
        return end
    power = mean(10.0 ** (power_db[start:end].astype(np.float64) / 10.0), -_SMOOTHED_REACH, _SMOOTHED_REACH)
    level_db = 10.0 * np.log10(power[_SHORTEST_FRAMES:])
    highest_from = np.maximum.accumulate(level_db[::-1])[::-1]
    later = highest_from[np.minimum(np.arange(len(level_db)) + _LOOK_FRAMES, len(level_db) - 1)]
    fallen = np.flatnonzero(later <= level_db - fall_db)
    if not len(fallen):
        return end
    near = level_db[fallen[0] : fallen[0] + _LOOK_FRAMES + 1]
    return first + int(fallen[0]) + int(np.flatnonzero(near >= near[0] - _KNEE_DB)[-1]) + 1
