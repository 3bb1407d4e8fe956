"""Where notes end: the instant up to which it is likeliest that a note sounds.

A threshold on the network's posterior ends long notes of a piano seconds early and short ones late, in their
reverberation. Here each frame after an onset has a probability that the note still sounds, by a small network over how
the posterior and the level of its pitch stand and fall; a note ends where the log-odds summed from its onset are
highest.
"""

from __future__ import annotations

import numpy as np

from bridge.transcription.candidates import log_odds
from bridge.transcription.frames import Evidence, Matrix
from bridge.transcription.judge import Judge

#: Longer notes end there: a held note of two minutes is a drone's. It bounds what is looked at.
LONGEST_FRAMES = 1400  # 16 s
_QUIET_DB = -100.0
_FRAMES_A_SECOND = 86.0


class Levels:
    """The posterior and level of each pitch of a stretch, and their means around each frame, each computed once."""

    def __init__(self, known: Evidence) -> None:
        import scipy.ndimage

        def mean(values: Matrix, size: int) -> Matrix:
            return np.asarray(scipy.ndimage.uniform_filter1d(values, size, axis=0, mode="nearest"))

        self.note = log_odds(known.note)
        self.level = np.maximum(known.level_db, _QUIET_DB).astype(np.float32)
        self._slow, self._slower = mean(self.note, 5), mean(self.note, 21)
        self._loudest = self.level.max(axis=1)

    def facts(self, start: int, until: int, key: int) -> Matrix:
        """What is known of each frame from `start` to `until` about a note of `key` that began at `start`."""
        frames = np.arange(start, until)
        last = len(self.note) - 1
        level = self.level[start:until, key]
        peak = np.maximum.accumulate(level)
        near = self.level[np.minimum(frames + 5, last), key] - self.level[np.maximum(frames - 5, 0), key]
        far = self.level[np.minimum(frames + 18, last), key] - level
        ahead = self._slow[np.minimum(frames + 8, last), key]
        age_s = (frames - start + 1) / _FRAMES_A_SECOND
        return np.stack(
            [
                self.note[start:until, key],
                self._slow[start:until, key],
                self._slower[start:until, key],
                ahead,
                np.clip(level - peak, -60.0, 0.0),
                np.clip(near, -40.0, 40.0),
                np.clip(far, -40.0, 40.0),
                np.clip((peak - level) / age_s, 0.0, 120.0),
                level - self._loudest[start:until],
                np.log(age_s),
                np.full(until - start, key / 40.0 - 1.0),
            ],
            axis=1,
        ).astype(np.float32)


def ends(levels: Levels, spans: list[tuple[int, int, int]], judge: Judge) -> list[int]:
    """The first frame in which each note no longer sounds.

    Parameters
    ----------
    spans
        Of each note the frame at which it begins, one at which it has ended at the latest, and its key.
    """
    if not spans:
        return []
    spans = [(start, min(until, start + LONGEST_FRAMES), key) for start, until, key in spans]
    sounding = judge(np.concatenate([levels.facts(*span) for span in spans]))
    odds = log_odds(sounding)
    found, begin = [], 0
    for start, until, _ in spans:
        summed = np.cumsum(odds[begin : begin + until - start])
        found.append(start + int(summed.argmax()) + 1)
        begin += until - start
    return found
