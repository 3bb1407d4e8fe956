"""The likeliest single line through the evidence, by dynamic programming (Viterbi).

Each instant is one pitch or a rest. A pitch is worth its evidence at every instant, a rest a fixed amount, and each
change costs the same, less what speaks for a note beginning just there. A pitch may also begin again while it sounds.
Note models with attack, stable and silent states (Mauch et al., "Computer-aided melody note transcription using the
Tony software", 2015) come to the same: what a note's first instants may lack in evidence, and what its beginning is
worth, stands in the arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Worth = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stay:
    """A pitch from one beginning to the next: frames `start` to before `end`; `state` is its column."""

    start: int
    end: int
    state: int


def likeliest_line(worth: Worth, rest: float, change: float, entry: Worth, again: Worth) -> list[Stay]:
    """The line worth most, without its rests, in order.

    Parameters
    ----------
    worth
        Worth of each pitch in each frame, (frames, pitches).
    rest
        Worth of a frame of rest.
    change
        What each change of state costs, also to a rest.
    entry
        What beginning a pitch in a frame is worth in return, of the shape of `worth`.
    again
        What beginning a sounding pitch anew is worth; where that is above 0, a note ends and the next begins.
    """
    frames, pitches = worth.shape
    if not frames:
        return []
    gain = np.append(worth, np.full((frames, 1), rest), axis=1)
    arrival = np.append(entry, np.zeros((frames, 1)), axis=1) - change
    staying = np.append(again, np.zeros((frames, 1)), axis=1)
    best = np.empty((frames + 1, pitches + 1))
    best[0] = np.append(np.full(pitches, -change), 0.0)
    is_anew = np.asarray(staying.any(axis=1)).tolist()
    # The rows of the arrays are made once: taking them one by one would take as long as the sums.
    before = best[0]
    for after, arrives, stays, gains, anew in zip(best[1:], arrival, staying, gain, is_anew, strict=True):
        np.add(arrives, before[before.argmax()], out=after)
        np.maximum(after, before + stays if anew else before, out=after)
        after += gains
        before = after
    came_from = best[:-1].argmax(axis=1)
    changed = best[np.arange(frames), came_from][:, None] + arrival > best[:-1] + staying
    begins, states = [frames], [pitches]
    state = int(before.argmax())
    for frame in range(frames - 1, -1, -1):
        if changed[frame, state] or staying[frame, state] > 0.0 or frame == 0:
            begins.append(frame)
            states.append(state)
        if changed[frame, state]:
            state = int(came_from[frame])
    line = zip(pairwise(reversed(begins)), reversed(states), strict=False)
    return [Stay(start, end, state) for (start, end), state in line if state < pitches]
