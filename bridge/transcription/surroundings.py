"""What begins around a note: under a pedal that, not the sound, says how long a key is held.

A line's note ends when its next one begins, a chord when the harmony changes. So it is told of each frame of a note
what begins there, at any pitch and at those that the same hand reaches, how much has begun since the note did, and how
far the last and next such moments are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.candidates import candidates
from bridge.transcription.frames import PITCHES, Matrix

_STRIKE = 0.3  # onset posterior from which something begins
_MOMENT = 0.4  # sum of such posteriors within 58 ms from which a moment counts
_REACH = 7  # semitones either way that the same hand plays next
_NOW = 3  # frames either way that are now: onsets are that unsure
_TOGETHER = 4  # frames (46 ms): what begins so soon after a note begins with it
_FAR = 400  # frames (4.6 s): a moment further off is none
_MOST = (12, 6)  # of moments, and of strikes nearby, that are told apart


class Surroundings:
    """What begins in each frame of a stretch, computed once; `onset` is the posterior, (frames, 88)."""

    def __init__(self, onset: Matrix) -> None:
        at = candidates(onset, 0, PITCHES - 1)
        strikes = np.zeros_like(onset)
        strikes[at] = np.where(onset[at] >= _STRIKE, onset[at], 0.0)
        anywhere = strikes.sum(axis=1)
        below = np.pad(np.cumsum(strikes, axis=1), ((0, 0), (1, 0)))
        key = np.arange(PITCHES)
        nearby = below[:, np.minimum(key + _REACH + 1, PITCHES)] - below[:, np.maximum(key - _REACH, 0)] - strikes
        self._anywhere = _sums(anywhere, _NOW)
        self._nearby = _sums(nearby, _NOW)
        self._nearby_so_far = np.cumsum(nearby, axis=0)
        is_moment = _is_moment(_sums(anywhere, 2))
        self._moments = np.flatnonzero(is_moment)
        self._so_far = np.cumsum(is_moment)
        frames = np.arange(len(onset))
        self._last = np.maximum.accumulate(np.where(is_moment, frames, 0))
        coming = np.append(self._moments, len(onset) + _FAR)[self._so_far]
        self._coming = np.log1p(np.minimum(coming - frames, _FAR))

    def facts(self, start: int, until: int, key: int) -> Matrix:
        """What is told of each frame from `start` to `until` of a note of `key` that began at `start`."""
        frames = np.arange(start, until)
        with_it = min(start + _TOGETHER, len(self._so_far) - 1)
        place = self._so_far[with_it - 1]
        following = self._moments[place] if place < len(self._moments) else start + _FAR
        age = frames - start + 1
        passed = np.clip(self._so_far[start:until] - self._so_far[with_it], 0, _MOST[0])
        nearby_passed = self._nearby_so_far[start:until, key] - self._nearby_so_far[with_it, key]
        return np.stack(
            [
                self._anywhere[start:until],
                self._nearby[start:until, key],
                np.clip(nearby_passed, 0.0, _MOST[1]),
                np.clip(np.log(age / max(following - start, 1)), -3.0, 3.0),
                np.log1p(frames - np.maximum(self._last[start:until], start)),
                self._coming[start:until],
                np.log1p(passed),
            ],
            axis=1,
        ).astype(np.float32)


def _sums(values: Matrix, reach: int) -> Matrix:
    """The sum of `reach` frames either way of each; outside is nothing."""
    edges = ((reach + 1, reach), *[(0, 0)] * (values.ndim - 1))
    summed = np.cumsum(np.pad(values, edges), axis=0, dtype=np.float64)
    return np.asarray(summed[2 * reach + 1 :] - summed[: -2 * reach - 1], dtype=np.float32)


def _is_moment(strength: Matrix) -> NDArray[np.bool_]:
    """Where most begins within `_TOGETHER` frames either way; of a level top, its first frame."""
    about = np.lib.stride_tricks.sliding_window_view(np.pad(strength, _TOGETHER), 2 * _TOGETHER + 1)
    top = (strength == about.max(axis=1)) & (strength >= _MOMENT)
    top[1:] &= ~top[:-1]
    return np.asarray(top)
