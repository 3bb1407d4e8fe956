"""A key that was struck harder is told by a louder and a brighter note; and what that is worth is fitted."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.transcription.frames import ARRAYS, PITCHES, Evidence, evidence_of
from bridge.transcription.touch import WEIGHTS, touch_db, touch_facts

C4 = 39


def heard(levels_db: dict[int, float]) -> Evidence:
    """Thirty frames in which keys are as loud from the tenth on."""
    arrays = dict.fromkeys(ARRAYS, np.zeros((30, PITCHES), dtype=np.float32))
    level = np.full((30, PITCHES), -120.0, dtype=np.float32)
    for key, level_db in levels_db.items():
        level[10:, key] = level_db
    return evidence_of({**arrays, "level_db": level})


def test_a_louder_and_a_brighter_note_were_struck_harder() -> None:
    soft = touch_db(heard({C4: -30.0, C4 + 12: -50.0}), 10, C4)
    assert touch_db(heard({C4: -24.0, C4 + 12: -44.0}), 10, C4) > soft + 2.0
    assert touch_db(heard({C4: -30.0, C4 + 12: -40.0}), 10, C4) == pytest.approx(soft + 10.0 * WEIGHTS["harmonic 2"])


def test_the_loudest_soon_after_the_onset_counts_and_what_comes_later_does_not() -> None:
    known = heard({C4: -30.0})
    known.level_db[18, C4], known.level_db[25, C4] = -20.0, -10.0
    assert touch_facts(known, 10, C4)[1] == -20.0


def test_facts_are_levels_of_the_note_and_its_harmonics_however_high_it_is() -> None:
    known = heard({C4: -30.0, C4 + 12: -40.0, C4 + 19: -45.0, C4 + 28: -50.0, 0: -20.0})
    assert touch_facts(known, 10, C4)[:5].tolist() == [-20.0, -30.0, -40.0, -45.0, -50.0]
    highest = touch_facts(heard({PITCHES - 1: -30.0}), 29, PITCHES - 1)
    assert highest[:5].tolist() == [-30.0, -30.0, -100.0, -100.0, -100.0]
    assert len(highest) == len(WEIGHTS)


def test_the_weights_that_made_velocities_are_found_again() -> None:
    pytest.importorskip("mir_eval")
    from tools.tune.touch import Piece, fitted

    rng = np.random.default_rng(4)
    weights = np.array([0.3, 0.1, 0.2, 0.05, 0.1, 3.0, 5.0])
    pieces = []
    for notes in (30, 300):
        facts = rng.normal(0.0, (8, 8, 8, 8, 8, 0.4, 0.2), (notes, 7))
        pieces.append(Piece(facts, np.zeros(notes), facts @ weights))
    assert fitted(pieces) == pytest.approx(weights, rel=0.05)
