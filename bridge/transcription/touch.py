"""How hard a key was struck, from how loud its note is, and its partials are: a hard touch is bright, not only loud.

Which is as with a hammer, or a pick. A bow swells after its onset; a melody that is heard alone is taken for a struck
or plucked one all the same, as most are.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.frames import PITCHES, Evidence

_SOON_FRAMES = 12  # 140 ms from the onset, in which levels are highest
_QUIET_DB = -100.0
#: Semitones to harmonics 2, 3 and 5.
_PARTIALS = (12, 19, 28)

#: What each fact is worth, in dB of 40 log10(velocity): ``python -m tools.tune touch`` prints it.
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "loudest": 0.245,
        "own": 0.147,
        "harmonic 2": 0.135,
        "harmonic 3": 0.057,
        "harmonic 5": 0.064,
        "key": 3.5,
        "key squared": 5.8,
    }
)


def touch_facts(known: Evidence, start: int, key: int) -> NDArray[np.float64]:
    """What is known of how hard a key was struck, in the order of `WEIGHTS`.

    The highest levels (dB) soon after `start` of any pitch, of the note's own and of its harmonics; and how high it is,
    as high notes are softer at the same touch.
    """
    levels = np.maximum(known.level_db[start : start + _SOON_FRAMES].max(axis=0), _QUIET_DB)
    places = np.array([key, *(key + step for step in _PARTIALS)])
    own = np.where(places < PITCHES, levels[np.minimum(places, PITCHES - 1)], _QUIET_DB)
    height = key / 40.0 - 1.0
    return np.array([levels.max(), *own, height, height**2], dtype=np.float64)


def touch_db(known: Evidence, start: int, key: int) -> float:
    """How hard a key was struck: 12 dB more is twice the velocity of another note of the recording."""
    return float(touch_facts(known, start, key) @ np.array(list(WEIGHTS.values())))
