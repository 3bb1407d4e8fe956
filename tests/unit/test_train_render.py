"""Rendered training data: its truth has to be true."""

from itertools import pairwise

import numpy as np
import pytest

from bridge.drums.kit_features import SAMPLE_RATE
from bridge.model import COMPONENT_OF_KEY, COMPONENTS, GM_DRUM
from tools.train import patterns
from tools.train.excerpts import FRAMES, Example
from tools.train.libraries import KINDS
from tools.train.patterns import TWICE_S, Groove, Hit, once, procedural, varied, with_foot
from tools.train.render import Excerpt, Instrument, World, excerpt, excerpt_with_components, merged, mixed_down
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


def test_every_second_of_the_performances_is_as_likely(tmp_path, monkeypatch):
    paths = (tmp_path / "short.mid", tmp_path / "long.mid")
    monkeypatch.setattr(patterns, "performance", lambda path: (Hit(0.5, path.stem, 100),))
    groove = Groove(paths, (1.0, 9.0))
    rng = np.random.default_rng(0)

    drawn = [groove.excerpt(1.0, rng)[0].kind for _ in range(400)]

    assert 0.85 < drawn.count("long") / len(drawn) < 0.95


def test_what_a_pad_strikes_twice_is_one_stroke_and_the_louder():
    hits = [
        Hit(0.1, "snare", 40),
        Hit(0.1 + TWICE_S / 2, "kick", 90),
        Hit(0.1 + TWICE_S / 2, "snare", 80),
        Hit(0.1 + 2 * TWICE_S, "snare", 50),
    ]

    assert once(hits) == [Hit(0.1, "snare", 80), hits[1], hits[3]]


def test_a_foot_keeps_time_under_rides_and_nowhere_else():
    hits = [Hit(float(at), "ride" if at % 2 else "snare", 100) for at in range(40)]

    added = [hit for hit in with_foot(hits, np.random.default_rng(1)) if hit not in hits]

    assert added
    assert {hit.kind for hit in added} == {"closed_hat"}
    assert all(round(hit.at_s) % 2 and abs(hit.at_s - round(hit.at_s)) < 0.03 for hit in added)


def test_two_drums_struck_as_one_ring_as_long_as_the_longer_and_keep_their_layers():
    short = [np.ones(10, dtype=np.float32), np.full(10, 2, dtype=np.float32), np.full(10, 3, dtype=np.float32)]
    long = [np.full(5000, 0.1, dtype=np.float32)]

    both = merged(short, long, np.random.default_rng(2))

    assert [round(float(layer[0])) for layer in both] == pytest.approx([1, 3, 4], abs=1)
    assert all(first[0] < second[0] for first, second in pairwise(both))
    assert all(len(layer) > 3000 and layer[2000] > 0 for layer in both)
