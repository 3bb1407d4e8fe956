"""How hard a hit was, from how loud it is beside the loud hits of its kind in the same recording."""

from __future__ import annotations

import numpy as np

from bridge.drums.bands import Array

#: Velocity of a recording's loud hits: MIDI files leave a little room above them.
LOUD_VELOCITY = 112
#: Which hits are its loud ones (percentile): not the one that stands out.
LOUD_PERCENT = 90


def velocities(levels: Array) -> list[int]:
    """Velocities 1 to 127 of one class's hits with magnitudes `levels`, (hits,).

    General MIDI 2 recommends that velocity v sounds 40 log10(v / 127) dB below full: half the velocity is 12 dB down,
    so that velocity goes with the square root of the magnitude.
    """
    if not len(levels):
        return []
    loud = max(float(np.percentile(levels, LOUD_PERCENT)), 1e-12)
    return [round(min(127.0, max(1.0, LOUD_VELOCITY * (float(level) / loud) ** 0.5))) for level in levels]
