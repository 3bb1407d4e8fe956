"""What masks and thresholds are learnt by: arithmetic that must hold whatever is learnt."""

from dataclasses import replace

import numpy as np
import pytest

from bridge.drums.kit_decode import CLASSES
from bridge.drums.kit_features import SAMPLE_RATE, bands, compressed, magnitudes
from bridge.model import COMPONENTS
from tools.train.excerpts import FRAMES, Example, Layers, Store
from tools.train.libraries import DISTRACTOR, KIND_OF_NAME, _matched
from tools.train.render import Excerpt
from tools.train.schedule import saved_at_the_end
from tools.train.scores import best_thresholds, cross_fitted, judged

torch = pytest.importorskip("torch")


def test_two_recordings_at_once_have_the_sum_of_their_powers():
    from tools.train.fit import together

    rng = np.random.default_rng(1)
    one, other = (compressed(rng.random((20, bands()), dtype=np.float32)) for _ in range(2))

    both = magnitudes(together(one, other, -6.0)) ** 2

    expected = magnitudes(one) ** 2 + 10 ** (-6 / 10) * magnitudes(other) ** 2
    assert np.allclose(both, expected, rtol=1e-3)


def test_a_spectrum_shifted_by_bands_is_found_that_many_higher():
    from tools.train.fit import shifted

    heard = np.zeros((3, bands()), dtype=np.float32)
    heard[:, 40] = 1.0

    assert np.argmax(shifted(heard, 2.0), axis=1).tolist() == [42] * 3
    half = shifted(heard, -0.5)[0]
    assert half[[39, 40]] == pytest.approx([0.5, 0.5])


def test_what_is_mingled_of_two_excerpts_is_the_sum_of_its_parts_powers():
    from tools.train.masks import mingled

    rng = np.random.default_rng(5)
    one, other = (
        Layers(np.zeros((FRAMES, bands()), np.float32), rng.random((7, FRAMES, bands()), dtype=np.float32))
        for _ in range(2)
    )

    both = mingled((one, other), (-10.0, 8.0), rng)

    powers = np.square(magnitudes(both.parts))
    assert np.allclose(np.square(magnitudes(both.features)), powers.sum(axis=0), rtol=0.02)
    assert np.allclose(both.shares().sum(axis=0), 1, atol=1e-4)


def test_training_that_was_stopped_midway_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    """The same excerpts, in the same order, with the same state of the optimiser: to the last bit."""
    from tools.train import fit
    from tools.train.fit import Plan, Stores, train

    rng = np.random.default_rng(6)
    strokes = np.array([[1.0, 0, 0.8], [2.5, 2, 0.4]], dtype=np.float32)
    for name in ("drums", "bands"):
        (tmp_path / name).mkdir()
        for number in range(4):
            features = rng.random((FRAMES, bands()), dtype=np.float32).astype(np.float16)
            np.savez(tmp_path / name / f"{number:06d}.npz", features=features, strokes=strokes)
    stores = Stores(*(Store(tmp_path / name, lambda _: None, 4, Example) for name in ("drums", "bands")))
    plan = Plan(steps=6, batch=2, first=4, fresh=0.0, judge_steps=100, channels=8)

    whole = train(stores, {}, plan, tmp_path / "whole.pt")

    class Stopped(Exception):
        pass

    batch_of = fit._batch

    def stop(stores: Stores, step: int, plan: Plan) -> object:
        if step == 3:
            raise Stopped
        return batch_of(stores, step, plan)

    with monkeypatch.context() as patched:
        patched.setattr(fit, "_batch", stop)
        with pytest.raises(Stopped):
            train(stores, {}, plan, tmp_path / "halved.pt")
    halved = train(stores, {}, plan, tmp_path / "halved.pt")

    assert halved.step == whole.step == 6
    for one, other in zip(halved.averaged.state_dict().values(), whole.averaged.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_masks_that_are_right_lose_least_and_a_muted_hat_costs_though_it_is_soft():
    from tools.train.masks import mask_loss

    shares = torch.zeros(1, len(COMPONENTS) + 1, 50, 8)
    shares[:, 0, :25], shares[:, 2, 25:] = 1.0, 1.0  # a kick, then a hat that is 20 dB softer
    power = torch.ones(1, 50, 8)
    power[:, 25:] = 0.01
    right = 20.0 * shares

    muted = right.clone()
    muted[:, 2], muted[:, -1] = 0.0, right[:, 2]

    assert float(mask_loss(right, shares, power)) < float(mask_loss(muted, shares, power)) - 1.0


def test_what_is_given_to_a_drum_that_is_not_there_costs_beyond_what_the_others_lack():
    from tools.train.masks import mask_loss

    shares, power = torch.zeros(1, len(COMPONENTS) + 1, 50, 8), torch.ones(1, 50, 8)
    shares[:, 0] = 1.0
    right = 20.0 * shares
    half = torch.full_like(shares, -20.0)
    half[:, 0] = 0.0
    all_to_one, spread = half.clone(), half.clone()
    all_to_one[:, 5] = 0.0
    spread[:, 1:6] = -float(np.log(5))  # as much is lost, to five of them

    losses = [float(mask_loss(found, shares, power)) for found in (right, spread, all_to_one)]

    assert losses[0] < losses[1] < losses[2] - 0.5


def test_shares_of_all_parts_sum_to_one(tmp_path):
    rng = np.random.default_rng(2)
    components = 0.1 * rng.standard_normal((len(COMPONENTS), 10 * SAMPLE_RATE)).astype(np.float32)
    components[3] = 0
    made = Store(tmp_path, lambda _: Excerpt(components.sum(axis=0), (), components), 1, Layers)[0]

    shares = made.shares()

    assert made.features.shape == (FRAMES, bands())
    assert np.allclose(shares.sum(axis=0), 1, atol=1e-4)
    assert shares[3].max() < 1e-3  # what is silent has no share
    assert shares[-1].max() < 1e-3  # and nothing is nobody's


def case(library: str, best: float):
    """Excerpts in which strokes stand out from `best` on: below it are as many that aren't there."""
    onsets, velocities = np.zeros((2, 400, len(CLASSES)), dtype=np.float32)
    truth = []
    for place in range(10):
        onsets[20 + 30 * place, 0], onsets[35 + 30 * place, 0] = best + 0.05, best - 0.05
        truth.append((0.01 * (20 + 30 * place), 0, 0.5))
    return judged(library, np.array(truth, dtype=np.float32), onsets, velocities)


def test_a_library_is_judged_by_a_threshold_that_it_had_no_part_in():
    cases = [case("one", 0.3), case("two", 0.7), case("three", 0.7)]

    decided = {judged_case.library: least for judged_case, least in cross_fitted(cases)}

    assert 0.65 <= decided["one"] <= 0.75
    assert 0.25 <= best_thresholds([cases[0]])["alone"] <= 0.35
    assert set(best_thresholds([replace(cases[0], library="all, mixed")])) == {"mixed"}


@pytest.mark.parametrize(
    "name, kind",
    [("g#4 - cowbell", DISTRACTOR), ("f4 - ride bell", "ride"), ("b3 - low tom", "tom_low"), ("Floor Tom", "tom_low")],
)
def test_instruments_of_kits_are_what_their_names_say(name, kind):
    assert _matched(name, KIND_OF_NAME) == kind


@pytest.mark.parametrize("ending, saved", [(None, 1), (SystemExit("stopped"), 1), (FloatingPointError("nan"), 0)])
def test_weights_are_saved_when_training_is_stopped_but_not_when_they_are_no_numbers(ending, saved):
    times = []

    def train() -> None:
        with saved_at_the_end(lambda: times.append(1)):
            if ending is not None:
                raise ending

    if ending is None:
        train()
    else:
        with pytest.raises(type(ending)):
            train()
    assert len(times) == saved


def test_a_loss_that_is_no_number_stops_the_training():
    from tools.train.fit import refuse_nonsense

    refuse_nonsense(torch.tensor(1.0), 3)
    with pytest.raises(FloatingPointError, match="step 3"):
        refuse_nonsense(torch.tensor(float("nan")), 3)
