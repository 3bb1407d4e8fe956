"""Candidates are the peaks of the onset posterior, and what is said of them is what the windows hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.transcription.candidates import FACTS, LEAST_ONSET, candidates, described
from bridge.transcription.frames import ARRAYS, Evidence, evidence_of


def evidence(frames: int, seed: int) -> Evidence:
    rng = np.random.default_rng(seed)
    note, onset = (rng.random((frames, 88), dtype=np.float32) ** 3 for _ in range(2))
    level = rng.uniform(-110.0, 0.0, (frames, 88)).astype(np.float32)
    nothing = dict.fromkeys(ARRAYS, np.zeros((frames, 0), np.float32))
    return evidence_of({**nothing, "note": note, "onset": onset, "level_db": level})


shapes = given(st.integers(1, 60), st.integers(0, 2**32 - 1))


@shapes
def test_each_candidate_is_the_highest_of_its_neighbourhood(frames: int, seed: int) -> None:
    onset = evidence(frames, seed).onset
    at = candidates(onset, 10, 70)
    assert np.all((at.key >= 10) & (at.key <= 70))
    for frame, key in zip(*at, strict=True):
        assert onset[frame, key] == onset[max(0, frame - 2) : frame + 3, key].max() >= LEAST_ONSET
    highest = np.unravel_index(onset[:, 10:71].argmax(), (frames, 61))
    assert (highest[0], highest[1] + 10) in set(zip(at.frame.tolist(), at.key.tolist(), strict=True))


@settings(max_examples=20)
@shapes
def test_facts_are_finite_and_the_same_wherever_the_stretch_begins(frames: int, seed: int) -> None:
    known = evidence(frames + 120, seed)
    at = candidates(known.onset, 0, 87)
    facts = described(known, at)
    assert facts.shape == (len(at.frame), FACTS)
    assert np.isfinite(facts).all()
    later = known[60:]
    inside = at.frame >= 110  # what lies near an edge knows less
    moved = described(later, type(at)(at.frame[inside] - 60, at.key[inside]))
    loudness = 9  # the one fact that is about the whole stretch
    np.testing.assert_allclose(
        np.delete(moved, loudness, axis=1), np.delete(facts[inside], loudness, axis=1), atol=1e-3
    )
