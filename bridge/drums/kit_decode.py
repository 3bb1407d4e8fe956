"""From the kit engine's probabilities to strokes: peaks over a threshold, apart, timed between frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bridge.drums.kit_features import FRAME_S, Array
from bridge.model import GM_DRUM

#: Classes in the order of the network's outputs.
CLASSES = tuple(GM_DRUM)
#: Classes that stand for each other: a hat is open or closed, never both at once. Whether one of them is struck is
#: decided together, by the sum of their probabilities, and then which; else a stroke that could be either is neither,
#: or both.
GROUPS: dict[str, tuple[str, ...]] = {
    "kick": ("kick",),
    "snare": ("snare",),
    "hat": ("closed_hat", "open_hat"),
    "cymbal": ("crash", "ride"),
    "tom": ("tom_high", "tom_mid", "tom_low"),
}
#: Place in `GROUPS` of each class.
GROUP_OF_CLASS = tuple(
    next(place for place, members in enumerate(GROUPS.values()) if name in members) for name in CLASSES
)
#: Shortest time between two strokes of a group (s): faster than hands and feet play them, so that rolls and flams
#: survive and the echo of one stroke doesn't count twice.
REFRACTORY_S = {"kick": 0.05, "snare": 0.03, "hat": 0.025, "cymbal": 0.03, "tom": 0.03}
#: How far a time that is read between frames may be off (s).
BETWEEN_FRAMES_S = 0.002
#: What thresholds are kept for: drums that are heard alone, and drums with other instruments, or with what a separator
#: leaves of them.
SURROUNDINGS = ("alone", "mixed")


@dataclass(frozen=True, slots=True, order=True)
class Stroke:
    """One stroke as the network hears it.

    Attributes
    ----------
    at_s
        Seconds from the first frame.
    kind
        Index into `CLASSES`.
    probability
        0 to 1, of its group at the peak.
    velocity
        0 to 1.
    """

    at_s: float
    kind: int
    probability: float
    velocity: float


def strokes(onsets: Array, velocities: Array, least: float) -> list[Stroke]:
    """Strokes in order of time.

    Parameters
    ----------
    onsets
        Probability of a stroke by frame and class, (frames, classes).
    velocities
        Velocity 0 to 1 if there is one, (frames, classes).
    least
        Probability, 0 to 1, from which a group is struck. It is the same for all: where probabilities are right, that
        gives the best F of all strokes together (Lipton et al., ECML 2014).
    """
    found: list[Stroke] = []
    for name, members in GROUPS.items():
        kinds = [CLASSES.index(member) for member in members]
        column = together(onsets, kinds)
        for frame, at_s in apart(peaks(column, least), column, REFRACTORY_S[name]):
            kind = max(kinds, key=lambda one: nearby(onsets, frame, one))
            found.append(Stroke(at_s, kind, float(column[frame]), float(velocities[frame, kind])))
    return sorted(found)


def together(onsets: Array, kinds: Sequence[int]) -> Array:
    """Probability by frame that one of `kinds` is struck, (frames,)."""
    return np.asarray(np.minimum(onsets[:, list(kinds)].sum(axis=1), 1.0))


def nearby(onsets: Array, frame: int, kind: int) -> float:
    """Highest probability of a class at a frame and its neighbours."""
    return float(onsets[max(0, frame - 1) : frame + 2, kind].max())


def peaks(column: Array, threshold: float) -> list[int]:
    """Frames at which a class is likelier than just before and no less likely than just after, and likely enough."""
    padded = np.concatenate([[-1.0], column, [-1.0]])
    middle = padded[1:-1]
    return np.flatnonzero((middle >= threshold) & (middle > padded[:-2]) & (middle >= padded[2:])).tolist()


def apart(frames: Sequence[int], column: Array, refractory_s: float) -> list[tuple[int, float]]:
    """`frames` (ascending) and their peaks' times (s), without those within `refractory_s` of a likelier one."""
    kept: list[tuple[int, float]] = []
    for frame in frames:
        one = (frame, max(0.0, (frame + summit(column, frame)) * FRAME_S))
        if kept and one[1] - kept[-1][1] < refractory_s - BETWEEN_FRAMES_S:
            kept[-1] = max(kept[-1], one, key=lambda peak: float(column[peak[0]]))
        else:
            kept.append(one)
    return kept


def summit(column: Array, frame: int) -> float:
    """Where between the frames the peak lies, -0.5 to 0.5: the top of the parabola through it and its neighbours."""
    if not 0 < frame < len(column) - 1:
        return 0.0
    before, top, after = (float(value) for value in column[frame - 1 : frame + 2])
    bend = before - 2 * top + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
