"""Where notes end: the instant up to which it is likeliest that a note sounds.

Each frame after an onset has log-odds that the note still sounds, and a note ends where their sum from its onset is
highest: a dip is bridged where what follows outweighs it. The odds are those of the network's posterior, which ends
long notes early and short ones in their reverberation, and of a judge that knows how posterior and level stand and
fall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bridge.transcription.candidates import log_odds
from bridge.transcription.frames import Evidence, Matrix
from bridge.transcription.judge import Judge
from bridge.transcription.windows import mean

#: Longer notes end there: a held note of two minutes is a drone's. It bounds what is looked at.
LONGEST_FRAMES = 1400  # 16 s
#: So much against a note, in nats, and it is over, whatever sounds later: a tenth of a second of silence, a third of
#: one that is hardly doubtful. It bounds how far ahead is looked.
_GIVEN_UP = 30.0
_QUIET_DB = -100.0
#: Place among the facts.
SMOOTHED_POSTERIOR = 1
_FRAMES_A_SECOND = 86.0


class Levels:
    """The posterior and level of each pitch of a stretch, and their means around each frame, each computed once."""

    def __init__(self, known: Evidence) -> None:
        self.note = log_odds(known.note)
        self.level = np.maximum(known.level_db, _QUIET_DB).astype(np.float32)
        self._slow, self._slower = (mean(self.note, -reach, reach).astype(np.float32) for reach in (2, 10))
        self._loudest = self.level.max(axis=1)

    def facts(self, *spans: tuple[int, int, int]) -> Matrix:
        """What is known of each frame of some notes, one note after the other.

        Parameters
        ----------
        spans
            Of each note the frame at which it begins, the last one that is asked for and one more, and its key.
        """
        starts, untils, keys = np.array(spans).T
        lengths = untils - starts
        after = np.cumsum(lengths)
        start, key = np.repeat(starts, lengths), np.repeat(keys, lengths)
        frames = np.arange(after[-1]) - np.repeat(after - lengths, lengths) + start
        last = len(self.note) - 1
        level = self.level[frames, key]
        peak = np.concatenate([np.maximum.accumulate(note) for note in np.split(level, after[:-1])])
        near = self.level[np.minimum(frames + 5, last), key] - self.level[np.maximum(frames - 5, 0), key]
        far = self.level[np.minimum(frames + 18, last), key] - level
        ahead = self._slow[np.minimum(frames + 8, last), key]
        age_s = (frames - start + 1) / _FRAMES_A_SECOND
        return np.stack(
            [
                self.note[frames, key],
                self._slow[frames, key],
                self._slower[frames, key],
                ahead,
                np.clip(level - peak, -60.0, 0.0),
                np.clip(near, -40.0, 40.0),
                np.clip(far, -40.0, 40.0),
                np.clip((peak - level) / age_s, 0.0, 120.0),
                level - self._loudest[frames],
                np.log(age_s),
                key / 40.0 - 1.0,
            ],
            axis=1,
        ).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Ear:
    """What says whether a note still sounds.

    Attributes
    ----------
    judge
        The judge of endings.
    weight
        How much it counts, 0 to 1; the rest is the posterior's.
    threshold
        The posterior that says neither yes nor no, 0 to 1.
    """

    judge: Judge
    weight: float
    threshold: float

    def odds(self, facts: Matrix) -> Matrix:
        """Log-odds that a note sounds in each frame."""
        neither = log_odds(np.array([self.threshold]))
        posterior = facts[:, SMOOTHED_POSTERIOR] - neither
        if self.weight == 0.0:
            return posterior
        return self.weight * log_odds(self.judge(facts)) + (1.0 - self.weight) * posterior


def ends(levels: Levels, spans: list[tuple[int, int, int]], ear: Ear) -> list[int]:
    """The first frame in which each note no longer sounds.

    Parameters
    ----------
    spans
        Of each note the frame at which it begins, one at which it has ended at the latest, and its key.
    """
    if not spans:
        return []
    spans = [(start, min(until, start + LONGEST_FRAMES), key) for start, until, key in spans]
    odds = ear.odds(levels.facts(*spans))
    found, begin = [], 0
    for start, until, _ in spans:
        summed = np.cumsum(odds[begin : begin + until - start])
        is_over = np.maximum.accumulate(summed) - summed > _GIVEN_UP
        heard = summed[: int(is_over.argmax())] if is_over.any() else summed
        found.append(start + int(heard.argmax()) + 1)
        begin += until - start
    return found
