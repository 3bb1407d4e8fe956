"""Rendered training data: its truth has to be true."""

import numpy as np
import pytest

from bridge.drums.kit_features import SAMPLE_RATE
from bridge.model import COMPONENT_OF_KEY, COMPONENTS, GM_DRUM
from tools.train.excerpts import FRAMES, Example
from tools.train.libraries import KINDS
from tools.train.patterns import Groove, Hit, procedural, varied
from tools.train.render import Excerpt, Instrument, World, excerpt, excerpt_with_components, mixed_down
from tools.train.scores import Count, pairs

WORLD = World({}, Groove(()), ())


def test_the_same_seed_gives_the_same_excerpt():
    one, other, third = (excerpt(WORLD, seed, 2.0) for seed in (3, 3, 4))

    assert np.array_equal(one.samples, other.samples)
    assert one.hits == other.hits
    assert one.hits != third.hits


def test_a_stroke_sounds_from_its_truth_on():
    click = np.zeros(1000, dtype=np.float32)
    click[0] = 1.0
    kit = {"kick": Instrument((click,), 0.5), "_hardness": Instrument((), 1.0)}
    hits = [Hit(0.25, "kick", 127), Hit(0.5, "kick", 64)]

    samples = mixed_down(kit, hits, 1.0, {"kick": 0}, np.random.default_rng(0))[0]

    assert np.flatnonzero(np.abs(samples) > 0.01).tolist() == [round(hit.at_s * SAMPLE_RATE) for hit in hits]
    assert abs(samples[round(0.25 * SAMPLE_RATE)]) > abs(samples[round(0.5 * SAMPLE_RATE)])


def test_a_closed_hat_ends_an_open_one():
    ringing = np.ones(SAMPLE_RATE, dtype=np.float32)
    kit = {
        "open_hat": Instrument((ringing,), 0.5),
        "closed_hat": Instrument((np.zeros(10, dtype=np.float32),), 0.5),
        "_hardness": Instrument((), 1.0),
    }

    hits = [Hit(0.0, "open_hat", 127), Hit(0.3, "closed_hat", 100)]
    [samples] = mixed_down(kit, hits, 1.0, {"open_hat": 0, "closed_hat": 0}, np.random.default_rng(0))

    assert samples[round(0.25 * SAMPLE_RATE)] > 0.3
    assert np.abs(samples[round(0.8 * SAMPLE_RATE) :]).max() < 0.01


@pytest.mark.parametrize("seed", range(6))
def test_the_components_are_what_each_adds_to_the_same_excerpt(seed):
    whole, apart = excerpt(WORLD, seed, 1.5), excerpt_with_components(WORLD, seed, 1.5)

    assert apart.hits == whole.hits
    assert np.allclose(apart.samples, whole.samples, atol=1e-3 * np.abs(whole.samples).max())
    struck = {COMPONENT_OF_KEY[GM_DRUM[hit.kind]] for hit in whole.hits}
    for name, component in zip(COMPONENTS, apart.components, strict=True):
        assert bool(np.abs(component).max() > 0) == (name in struck)


@pytest.mark.parametrize("seed", range(8))
def test_patterns_stay_inside_their_time_and_velocities(seed):
    rng = np.random.default_rng(seed)

    for hit in varied(procedural(4.0, rng), rng):
        assert 0 <= hit.at_s <= 4.02
        assert hit.kind in KINDS
        assert 1 <= hit.velocity <= 127


def test_targets_peak_at_the_strokes():
    hits = (Hit(1.0, "kick", 127), Hit(1.004, "ride", 64))

    made = Example.of(Excerpt(np.zeros(10 * SAMPLE_RATE, dtype=np.float32), hits))
    onsets, velocities = made.targets()

    assert onsets.shape == (FRAMES, len(KINDS))
    assert onsets[100, KINDS.index("kick")] == 1.0
    assert onsets[100, KINDS.index("ride")] == pytest.approx(0.8, abs=0.01)
    assert velocities[100, KINDS.index("ride")] == pytest.approx(64 / 127, abs=0.001)
    assert onsets.sum() == pytest.approx(4.0, abs=0.1)


def test_strokes_are_paired_one_to_one_within_50_ms():
    assert pairs(np.array([1.0, 1.03, 2.0]), np.array([1.04, 2.06])) == [(0, 0)]
    assert pairs(np.array([1.0, 1.03]), np.array([0.96, 1.04])) == [(0, 0), (1, 1)]
    count = Count()
    count.add(hits=1, found=2, truth=3)
    assert count.f == pytest.approx(2 / 5)
