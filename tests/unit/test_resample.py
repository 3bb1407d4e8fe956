"""Resampling: aligned in time, of exact length, and the same however it is cut into blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.file import AudioFile
from bridge.audio.resample import resample_blocks, resampled, resampled_length
from bridge.model import Samples

RATES = [(44100, 22050), (44100, 48000), (48000, 44100), (8000, 44100), (192000, 44100), (11025, 44100), (44100, 44100)]
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (3000, 2)).astype(np.float32)


def at_once(samples: Samples, rate_in: int, rate_out: int, total: int) -> Samples:
    return np.concatenate(list(resample_blocks([samples], rate_in, rate_out, samples.shape[1], total)))


@pytest.fixture
def audio(tmp_path) -> AudioFile:
    soundfile.write(tmp_path / "x.wav", NOISE, 44100, subtype="FLOAT")
    return AudioFile.open(tmp_path / "x.wav")


@pytest.mark.parametrize("rate_in, rate_out", RATES)
def test_an_impulse_stays_where_it_was(rate_in, rate_out):
    """The centre of the resampled impulse's energy, to a hundredth of a sample of the slower rate."""
    seconds = 0.05
    impulse = np.zeros((round(0.1 * rate_in), 1), dtype=np.float32)
    impulse[round(seconds * rate_in)] = 1.0
    energy = at_once(impulse, rate_in, rate_out, resampled_length(len(impulse), rate_in, rate_out))[:, 0] ** 2
    centre_s = np.sum(np.arange(len(energy)) * energy) / np.sum(energy) / rate_out
    assert centre_s == pytest.approx(round(seconds * rate_in) / rate_in, abs=0.01 / min(rate_in, rate_out))


@pytest.mark.parametrize("rate_in, rate_out", RATES)
def test_a_tone_keeps_its_level_and_phase(rate_in, rate_out):
    time_in, time_out = np.arange(rate_in // 4) / rate_in, np.arange(rate_out // 4) / rate_out
    tone = np.sin(2 * np.pi * 1000 * time_in).astype(np.float32)[:, None]
    result = at_once(tone, rate_in, rate_out, rate_out // 4)[:, 0]
    inner = slice(rate_out // 20, -rate_out // 20)
    np.testing.assert_allclose(result[inner], np.sin(2 * np.pi * 1000 * time_out)[inner], atol=1e-4)


@pytest.mark.parametrize("rate_in, rate_out", [pair for pair in RATES if pair[0] != pair[1]])
def test_blocks_give_what_libsoxr_gives_in_one_go(rate_in, rate_out):
    wanted = soxr.resample(NOISE, rate_in, rate_out, quality="HQ")
    blocks = (NOISE[start : start + 77] for start in range(0, len(NOISE), 77))
    result = np.concatenate(list(resample_blocks(blocks, rate_in, rate_out, 2, len(wanted))))
    np.testing.assert_array_equal(result, wanted)


@settings(max_examples=40, deadline=None)
@given(
    pair=st.sampled_from(RATES),
    cuts=st.lists(st.integers(0, 3000), max_size=8),
    length=st.integers(0, 3000),
    extra=st.integers(-40, 40),
)
def test_any_cut_into_blocks_gives_the_same_samples_and_the_wanted_length(pair, cuts, length, extra):
    rate_in, rate_out = pair
    samples = NOISE[:length]
    total = max(0, resampled_length(length, rate_in, rate_out) + extra)
    edges = [0, *sorted(min(cut, length) for cut in cuts), length]
    blocks = (samples[start:stop] for start, stop in pairwise(edges))
    pieces = [np.zeros((0, 2), dtype=np.float32), *resample_blocks(blocks, rate_in, rate_out, 2, total)]
    result = np.concatenate(pieces)
    assert result.shape == (total, 2)
    assert result.dtype == np.float32
    if total:
        np.testing.assert_array_equal(result, at_once(samples, rate_in, rate_out, total))


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
@pytest.mark.parametrize("block_samples", [1000, 2999, 1 << 16])
def test_a_file_comes_whole_and_at_the_wanted_rate(audio, rate, block_samples):
    result = np.concatenate(list(resampled(audio, rate, block_samples=block_samples)))
    np.testing.assert_array_equal(result, at_once(NOISE, 44100, rate, round(3000 * rate / 44100)))


def test_stereo_becomes_mono_as_the_mean_and_mono_becomes_twice_itself(audio, tmp_path):
    mono = np.concatenate(list(resampled(audio, 44100, channels=1)))
    np.testing.assert_allclose(mono, NOISE.mean(axis=1, keepdims=True), atol=1e-7)
    soundfile.write(tmp_path / "mono.wav", mono, 44100, subtype="FLOAT")
    twice = np.concatenate(list(resampled(AudioFile.open(tmp_path / "mono.wav"), 44100, channels=2)))
    np.testing.assert_array_equal(twice, np.repeat(mono, 2, axis=1))


def test_nothing_in_gives_the_wanted_silence():
    result = np.concatenate(list(resample_blocks([], 8000, 44100, 2, 100_000)))
    assert result.shape == (100_000, 2)
    assert not result.any()
