"""Where the notes of one instrument end whose keys are let go under a pedal or in a room: where nothing sounds less.

What is heard doesn't tell such an end exactly, but how likely each is: a judge says of each frame after an onset, from
how posterior, level and harmonics stand and fall and from what else begins, whether the key is still held. The end that
is chosen is as good as any within a fifth of the note's length, as far as ends of notes are ever compared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.frames import PITCHES, Evidence, Matrix
from bridge.transcription.lengths import LONGEST_FRAMES, Ear, Levels
from bridge.transcription.surroundings import Surroundings

#: Semitones to harmonics 2 and 3: a damper takes them sooner than the fundamental.
_HARMONICS = (12, 19)
_LOOK_FRAMES = 5  # 58 ms either way, over which a harmonic's level falls
_MOST_DB = 40.0
#: How far off an end may be to count as right, of the note's length and at least (4.3 frames are 50 ms), as mir_eval
#: has it.
_WITHIN, _WITHIN_FRAMES = 0.2, 4.3
_HELD = 0.5
#: Ends of so nearly the same chance are told apart by the median.
_NEARLY = 0.005


class Facts:
    """What is known of the notes of a stretch of `frames`, frame by frame; what they share is computed once."""

    def __init__(self, known: Evidence, levels: Levels) -> None:
        self._levels, self._around = levels, Surroundings(known.onset)
        self.frames = len(known)

    def __call__(self, start: int, until: int, key: int) -> Matrix:
        """What is known of each frame from `start` to `until` about a note of `key` that began at `start`."""
        frames, level = np.arange(start, until), self._levels.level
        soon, ago = np.minimum(frames + _LOOK_FRAMES, len(level) - 1), np.maximum(frames - _LOOK_FRAMES, 0)
        harmonics = np.minimum(key + np.array(_HARMONICS), PITCHES - 1)
        falls = np.clip(level[np.ix_(soon, harmonics)] - level[np.ix_(ago, harmonics)], -_MOST_DB, _MOST_DB)
        own = self._levels.facts((start, until, key))
        return np.concatenate([own, falls, self._around.facts(start, until, key)], axis=1)


def releases(facts: Facts, spans: list[tuple[int, int, int]], ear: Ear) -> list[int]:
    """The first frame in which the key of each note is no longer held.

    Parameters
    ----------
    spans
        Of each note the frame at which it begins, one at which it has ended at the latest, and its key.
    """
    ended = []
    for start, latest, key in spans:
        until = min(latest, start + LONGEST_FRAMES)
        if until <= start:
            ended.append(start + 1)
            continue
        held = np.minimum.accumulate(1.0 / (1.0 + np.exp(-ear.odds(facts(start, until, key)))))
        # Where no more was heard, a note that is likely held goes on; where its key is struck again, it was let go.
        goes_on = until < latest or latest == facts.frames
        ended.append(until if goes_on and held[-1] >= _HELD else start + likeliest_length(held))
    return ended


def likeliest_length(held: NDArray[np.floating]) -> int:
    """How many frames a note has.

    Parameters
    ----------
    held
        Chance, frame by frame from its beginning, that it is still held; never rising. It ends with the last of these
        frames at the latest.

    Returns
    -------
    int
        The length that is likeliest to be right, and of lengths that hardly differ in that the one nearest to the
        median.
    """
    most = len(held)
    longer = np.concatenate([[1.0], held])
    length = np.arange(1, most + 1)
    shortest = np.minimum(length - _WITHIN_FRAMES, length / (1.0 + _WITHIN))
    longest = np.maximum(length + _WITHIN_FRAMES, length / (1.0 - _WITHIN))
    frames = np.arange(most + 1)
    right = np.interp(shortest, frames, longer) - np.interp(longest, frames, longer, right=0.0)
    good = length[right >= right.max() - _NEARLY]
    median = np.count_nonzero(held >= _HELD)
    return int(good[np.abs(good - median).argmin()])
