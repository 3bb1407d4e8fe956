"""A low note goes down an octave only where partials of the lower one are heard."""

import numpy as np

from bridge.transcription.frames import ARRAYS, LOWEST_PITCH, PITCHES, Evidence, evidence_of
from bridge.transcription.octaves import lower_octave

A1 = 33


def heard(levels_db: dict[int, float], beside: float = -90.0) -> Evidence:
    """Evidence of 20 frames in which pitches have these levels, and what is a semitone beside is faint."""
    nothing = dict.fromkeys(ARRAYS, np.zeros((20, PITCHES), dtype=np.float32))
    level = np.full((20, PITCHES), beside, dtype=np.float32)
    for pitch, level_db in levels_db.items():
        level[:, pitch - LOWEST_PITCH] = level_db
    return evidence_of({**nothing, "level_db": level})


def partials(fundamental: int, levels_db: list[float]) -> dict[int, float]:
    steps = (0, 12, 19, 24, 28, 31)
    return {fundamental + step: level for step, level in zip(steps, levels_db, strict=False)}


def test_a_weak_fundamental_with_its_odd_partials_is_found_below() -> None:
    known = heard(partials(A1, [-45.0, -20.0, -22.0, -30.0, -30.0, -38.0]))
    assert lower_octave(known, 0, 20, A1 + 12) == A1


def test_a_note_without_partials_between_its_own_stays() -> None:
    known = heard(partials(A1 + 12, [-20.0, -26.0, -32.0, -38.0]))
    assert lower_octave(known, 0, 20, A1 + 12) == A1 + 12


def test_a_pure_tone_stays_though_what_spills_beside_it_falls_towards_higher_pitches() -> None:
    spilled = {A1 + 12: -20.0, **{A1 + 12 + step: -55.0 - step for step in range(1, 30)}}
    assert lower_octave(heard(spilled), 0, 20, A1 + 12) == A1 + 12
