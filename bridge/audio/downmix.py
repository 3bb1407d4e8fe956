"""Many channels to stereo, as in ITU-R BS.775-4, annex 4: centre and surrounds at -3 dB, without the LFE channel."""

from __future__ import annotations

from math import sqrt

import numpy as np

from bridge.model import Samples

_3_DB = sqrt(0.5)

#: What (left, right) get of each channel; the names are libav's. BS.775 defines those of 5.1, the others follow its
#: rule: what is not in front comes 3 dB down, what is in the middle goes to both sides 3 dB down.
_SHARES = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_3_DB, _3_DB),
    "LFE": (0.0, 0.0),
    "LFE2": (0.0, 0.0),
    "SL": (_3_DB, 0.0),
    "SR": (0.0, _3_DB),
    "BL": (_3_DB, 0.0),
    "BR": (0.0, _3_DB),
    "BC": (0.5, 0.5),
    "FLC": (_3_DB, 0.0),
    "FRC": (0.0, _3_DB),
    "WL": (_3_DB, 0.0),
    "WR": (0.0, _3_DB),
    "DL": (1.0, 0.0),
    "DR": (0.0, 1.0),
    "TFL": (_3_DB, 0.0),
    "TFR": (0.0, _3_DB),
    "TFC": (0.5, 0.5),
    "TC": (0.5, 0.5),
    "TBL": (_3_DB, 0.0),
    "TBR": (0.0, _3_DB),
    "TBC": (0.5, 0.5),
    "TSL": (_3_DB, 0.0),
    "TSR": (0.0, _3_DB),
}

#: The order in which WAVE and FLAC keep channels that are not named.
_USUAL = {
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def stereo_matrix(names: tuple[str, ...]) -> Samples:
    """Weights of shape (channels, 2) that mix channels called `names` down to stereo.

    A layout with a name that is not known is taken for the usual one of its size; beyond eight channels all are heard
    in the middle alike. Both sides are scaled by one factor such that no input within full scale can clip.
    """
    if any(name not in _SHARES for name in names):
        names = _USUAL.get(len(names), ("FC",) * len(names))
    matrix = np.array([_SHARES[name] for name in names], dtype=np.float64)
    scaled: Samples = (matrix / max(1.0, matrix.sum(axis=0).max())).astype(np.float32)
    return scaled


def downmix_note(channels: int) -> str:
    """The warning that goes with a downmix."""
    return f"its {channels} channels were mixed down to stereo (ITU-R BS.775: centre and surrounds -3 dB, without LFE)"
