"""How much of each pitch class sounds when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bridge.model import Note
from bridge.music.timeline import TICKS_PER_BEAT, Timeline


def chroma(notes: Iterable[Note], edges: Sequence[int], timeline: Timeline) -> NDArray[np.float64]:
    """How much of each pitch class sounds in each stretch, in beats of a note that is as loud and certain as can be.

    Parameters
    ----------
    notes
        In any order.
    edges
        Where the stretches begin, in ticks, ascending, and where the last ends.
    timeline
        Where the notes lie in ticks.

    Returns
    -------
    Shape (stretches, 12), C first.
    """
    bounds = np.asarray(edges, dtype=float)
    weights = np.zeros((len(bounds) - 1, 12))
    for note in notes:
        start, end = timeline.position(note.onset_s), timeline.position(note.offset_s)
        loudness = note.velocity / 127 * note.confidence
        first = max(0, int(np.searchsorted(bounds, start, side="right")) - 1)
        last = min(len(weights), int(np.searchsorted(bounds, end, side="left")))
        for index in range(first, last):
            ticks = min(end, bounds[index + 1]) - max(start, bounds[index])
            weights[index, note.pitch % 12] += max(0.0, ticks) / TICKS_PER_BEAT * loudness
    return weights
