import numpy as np
import pytest

from bridge.drums.kit_features import (
    HOP,
    LOUD_RMS,
    SAMPLE_RATE,
    WINDOW,
    band_weights,
    bands,
    centred,
    loudness_gain,
    moment_levels,
    spectrogram,
)


def sine(hertz: float, length_s: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(length_s * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)


def test_every_band_has_a_share_of_some_bin_and_they_rise():
    weights = band_weights()
    middles = (weights * np.arange(len(weights))[:, None]).sum(axis=0)

    assert weights.sum(axis=0) == pytest.approx(np.ones(bands()), abs=1e-5)
    assert np.all(np.diff(middles) > 0)


@pytest.mark.parametrize("low,high", [(60, 120), (120, 400), (2000, 9000)])
def test_a_higher_tone_is_seen_in_a_higher_band(low, high):
    seen = [int(spectrogram(sine(hertz))[50].argmax()) for hertz in (low, high)]

    assert seen[0] < seen[1]


def test_a_frame_is_centred_on_its_time():
    click = np.zeros(SAMPLE_RATE, dtype=np.float32)
    click[40 * HOP] = 1.0

    assert int(centred(click).sum(axis=1).argmax()) == 40


def test_blocks_give_the_same_frames_as_the_whole():
    samples = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    cut = 30 * HOP

    parts = np.concatenate([spectrogram(samples[: cut - HOP + WINDOW]), spectrogram(samples[cut:])])

    assert np.allclose(parts, spectrogram(samples), atol=1e-5)  # sums of matrices depend on their size


@pytest.mark.parametrize("level", [0.001, 0.05, 1.0])
def test_recordings_of_any_level_are_brought_to_one(level):
    samples = level * sine(200)
    made = samples * loudness_gain(moment_levels(samples))

    assert float(np.sqrt(np.mean(made**2))) == pytest.approx(LOUD_RMS, rel=0.01)


def test_silence_is_left_alone():
    assert loudness_gain(moment_levels(np.zeros(SAMPLE_RATE, dtype=np.float32))) == 1.0
    assert loudness_gain(np.zeros(0, dtype=np.float32)) == 1.0
    assert not spectrogram(np.zeros(10, dtype=np.float32)).size
