"""Whether a low note is really an octave lower than it was heard."""

from __future__ import annotations

import numpy as np

from bridge.transcription.frames import LOWEST_PITCH, PITCHES, Evidence

_OCTAVE = 12
#: Semitones from a pitch to the third and fifth partial of the octave below it, and from there to the next even one.
_ODD_PARTIALS = (7, 16)
_TO_EVEN = (5, 3)
#: Semitones from a pitch to what is looked at: itself, the odd partials, the even ones above them.
_ASKED = np.array([0, *_ODD_PARTIALS, *map(sum, zip(_ODD_PARTIALS, _TO_EVEN, strict=True))])
#: The third partial is the surer witness: the fifth is weaker, and further up where other notes sound.
_SHARES = (0.75, 0.25)
_POSTERIOR_DB = 20.0  # what full belief of the network in the lower octave counts for
_LOWER_DB = 3.0  # from here on a note is the lower octave's
_FAINTEST_DB = 30.0  # a third partial this far below the second is none, but what a sine's edges spill
_SETTLED_FRAMES = 3  # 35 ms: an attack has all frequencies


def lower_octave(known: Evidence, start: int, end: int, pitch: int) -> int:
    """The pitch, or the one an octave below it, by which partials there are.

    A bass's fundamental is often weaker than its second partial, so that periods and network hear the octave. But the
    lower note has odd partials, which the upper one lacks: a fifth above the pitch, and an octave and a third. They are
    compared with the even ones above them.

    Notes
    -----
    On 1,639 notes heard with the right onset in bass lines rendered with FluidR3 and MuseScore's sounds, 180 of them an
    octave too high, this leaves about 50 of the octaves and makes about 15 new ones. Weights and limit are those of a
    logistic regression, rounded.
    """
    key = pitch - LOWEST_PITCH
    if key < _OCTAVE or key + _ODD_PARTIALS[-1] + _TO_EVEN[-1] >= PITCHES:
        return pitch
    settled = slice(min(start + _SETTLED_FRAMES, end - 1), end)
    own_db, *partials_db = np.median(known.level_db[settled, key + _ASKED], axis=0)
    odd_db, even_db = partials_db[: len(_ODD_PARTIALS)], partials_db[len(_ODD_PARTIALS) :]
    if odd_db[0] < own_db - _FAINTEST_DB:
        return pitch
    witness = sum(share * (odd - even) for share, odd, even in zip(_SHARES, odd_db, even_db, strict=True))
    witness += _POSTERIOR_DB * float(known.note[settled, key - _OCTAVE].mean())
    return pitch - _OCTAVE if witness > _LOWER_DB else pitch
