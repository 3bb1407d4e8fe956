"""A part is what its own audio or that beside it shows, as loud as it is in its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bridge.transcription.frames import ARRAYS, LOWEST_PITCH, PITCHES, Evidence, evidence_of, together
from bridge.transcription.profiles import PROFILES
from bridge.transcription.voice import Voice

E1 = 28
FRAMES = 300


def evidence(shown: Mapping[int, int], level_db: float) -> Evidence:
    """Evidence of one level in which some pitches are struck at some frames and sound for 60."""
    widths = {"contour": 3 * PITCHES, "period": 0, "attack_db": 3, "power_db": 2}
    arrays = {name: np.zeros((FRAMES, widths.get(name, PITCHES)), dtype=np.float32) for name in ARRAYS}
    arrays["level_db"][:] = arrays["power_db"][:] = level_db
    for frame, pitch in shown.items():
        key, sounds = pitch - LOWEST_PITCH, slice(frame, frame + 60)
        arrays["note"][sounds, key], arrays["onset"][frame, key], arrays["attack_db"][frame] = 0.9, 0.9, 8.0
        arrays["contour"][sounds, 3 * key + 1] = 0.9
    return evidence_of(arrays)


STEM, MIX = evidence({30: E1}, -30.0), evidence({30: E1, 150: E1 + 5}, -10.0)


def test_what_any_shows_counts_but_levels_are_its_own() -> None:
    whole = together(replace(STEM, beside=(MIX,)))
    assert not whole.beside
    for name in ("note", "onset", "contour", "attack_db"):
        assert np.array_equal(getattr(whole, name), getattr(MIX, name))
    for name in ("level_db", "power_db"):
        assert np.array_equal(getattr(whole, name), getattr(STEM, name))
    assert together(STEM) is STEM


def test_a_line_has_the_notes_that_its_stem_lacks_and_its_mix_has() -> None:
    line = Voice(PROFILES["bassline"])
    assert [note.pitch for note in line(STEM, ())] == [E1]
    both = line(replace(STEM, beside=(MIX,)), ())
    assert [(note.start, note.pitch, note.level_db) for note in both] == [(30, E1, -30.0), (150, E1 + 5, -30.0)]
