import numpy as np
import pytest

from bridge.drums.bands import BANDS, CENTRES_HZ
from bridge.drums.decode import explain
from bridge.drums.events import STRETCHES, describe
from bridge.drums.hits import is_open
from bridge.drums.templates import KINDS, load, shaped, unshaped
from bridge.drums.toms import tom_names
from bridge.drums.velocity import velocities


def test_every_kind_has_templates_that_sum_to_one():
    dictionary = load()

    assert {KINDS[kind] for kind in dictionary.kinds} == set(KINDS)
    assert np.allclose(dictionary.rows.sum(axis=1), 1, atol=1e-5)


def test_templates_heard_through_few_bands_have_nothing_above_them():
    heard = load().heard_below(12)

    assert not heard.rows.reshape(len(heard.rows), len(STRETCHES), BANDS)[:, :, 12:].any()
    below = heard.rows.sum(axis=1)
    assert np.all((below == 0) | (np.abs(below - 1) < 1e-5))


def test_a_template_explains_itself():
    dictionary = load()
    for place in range(0, len(dictionary.rows), 7):
        active, _ = explain(unshaped(dictionary.rows[place : place + 1]), dictionary)
        assert np.bincount(dictionary.kinds, active[0]).argmax() == dictionary.kinds[place]


def test_shaping_is_undone():
    energy = np.random.default_rng(0).random((3, len(STRETCHES), BANDS)).astype(np.float32)

    assert np.allclose(unshaped(shaped(energy)), energy, rtol=1e-4)


def test_an_event_after_loud_sound_holds_only_what_it_added():
    power = np.full((100, BANDS), 0.5, np.float32)
    power[50:] = 0.75

    energy, rise = describe(power, 50)

    assert np.allclose(energy[0], 0.25)
    assert np.allclose(rise, 10 * np.log10(1.5) / 20, atol=1e-3)


def test_the_next_hit_is_not_this_ones_tail():
    power = np.zeros((100, BANDS), np.float32)
    power[20:26] = 1.0
    power[40:60] = 1.0

    energy, _ = describe(power, 20)

    assert energy[0].min() == 1.0
    assert energy[2].max() == 0.0


def test_a_hat_that_rings_is_open():
    energy = np.zeros((len(STRETCHES), BANDS), np.float32)
    high = np.array(CENTRES_HZ) > 6000
    energy[0, high] = 1.0
    assert not is_open(energy)
    energy[2, high] = 0.5
    assert is_open(energy)


@pytest.mark.parametrize(
    "pitches, names",
    [
        ([], []),
        ([180.0], ["tom_high"]),
        ([130.0, 131.0], ["tom_mid", "tom_mid"]),
        ([80.0], ["tom_low"]),
        ([90.0, 180.0], ["tom_low", "tom_high"]),
        ([100.0, 150.0, 101.0, 220.0], ["tom_low", "tom_mid", "tom_low", "tom_high"]),
    ],
)
def test_toms_are_named_from_high_to_low(pitches, names):
    assert tom_names(pitches) == names


def test_velocity_halves_with_twelve_decibels():
    quiet, loud = velocities(np.array([0.25, 1.0, 1.0, 1.0, 1.0], np.float32))[:2]

    assert quiet == loud // 2


def test_velocities_stay_within_midi():
    found = velocities(np.array([1e-9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 50.0], np.float32))

    assert min(found) == 1
    assert max(found) == 127
