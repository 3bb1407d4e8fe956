"""Components from shares: what is wholly a component's comes back as it was, whatever the rate and the blocks."""

import numpy as np
import pytest
import soundfile

from bridge.audio.file import AudioFile
from bridge.drums import kit_masks
from bridge.drums.kit_features import FRAME_S, band_centres_hz, bands
from bridge.drums.kit_masks import share_out
from bridge.model import COMPONENTS
from bridge.progress import Progress


def recording(tmp_path, rate: int, channels: int, seconds: float) -> AudioFile:
    path = tmp_path / f"{rate}-{channels}-{seconds}.wav"
    rng = np.random.default_rng(5)
    soundfile.write(path, 0.1 * rng.standard_normal((round(seconds * rate), channels)), rate, subtype="FLOAT")
    return AudioFile.open(path)


def shares_of(name: str, frames: int) -> np.ndarray:
    shares = np.zeros((frames, len(COMPONENTS), bands()), dtype=np.float32)
    shares[:, COMPONENTS.index(name)] = 1
    return shares


def joined(drums: AudioFile, shares: list[np.ndarray]) -> dict[str, np.ndarray]:
    blocks = list(share_out(drums, iter(shares), Progress()))
    assert all(set(block) == set(COMPONENTS) for block in blocks)
    return {name: np.concatenate([block[name] for block in blocks]) for name in COMPONENTS}


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_wholly_a_components_comes_back_as_it_was(tmp_path, rate, channels):
    drums = recording(tmp_path, rate, channels, 2.3)

    made = joined(drums, [shares_of("snare", 240)])

    assert np.allclose(made["snare"], drums.read(), atol=1e-5)
    assert not any(made[name].any() for name in COMPONENTS if name != "snare")


def test_each_moment_gets_its_own_shares(tmp_path):
    drums = recording(tmp_path, 48_000, 1, 4.0)
    shares = shares_of("kick", 400)
    shares[200:] = shares_of("ride", 200)

    made = joined(drums, [shares])

    turn, reach = round(200 * FRAME_S * 48_000), round(0.06 * 48_000)
    samples = drums.read()
    assert np.allclose(made["kick"][: turn - reach], samples[: turn - reach], atol=1e-5)
    assert not made["kick"][turn + reach :].any()
    assert np.allclose(made["ride"][turn + reach :], samples[turn + reach :], atol=1e-5)


def test_between_two_frames_shares_lie_between_theirs():
    shares = shares_of("kick", 4)
    shares[1::2] = 0
    known = kit_masks._Shares(iter([shares[:2], shares[2:]]))

    at = known.at(np.array([0.25, 1.0, 1.5, 3.0], dtype=np.float32))

    assert np.allclose(at[:, COMPONENTS.index("kick"), 0], [0.75, 0.0, 0.5, 0.0])


def test_each_band_gets_its_own_shares(tmp_path):
    rate, at_hz = 44_100, band_centres_hz()
    path = tmp_path / "two.wav"
    t = np.arange(rate) / rate
    low, high = 0.2 * np.sin(2 * np.pi * 100 * t), 0.2 * np.sin(2 * np.pi * 6000 * t)
    soundfile.write(path, low + high, rate, subtype="FLOAT")
    shares = shares_of("kick", 110)
    shares[:, COMPONENTS.index("kick"), at_hz > 1000] = 0
    shares[:, COMPONENTS.index("hihat"), at_hz > 1000] = 1

    made = joined(AudioFile.open(path), [shares])

    inner = slice(rate // 10, -rate // 10)
    assert np.allclose(made["kick"][inner, 0], low[inner], atol=2e-3)
    assert np.allclose(made["hihat"][inner, 0], high[inner], atol=2e-3)


def test_blocks_and_stretches_change_nothing(tmp_path, monkeypatch):
    drums = recording(tmp_path, 22_050, 1, 3.1)
    shares = np.random.default_rng(3).dirichlet(np.ones(len(COMPONENTS)), (311, bands())).transpose(0, 2, 1)
    shares = np.ascontiguousarray(shares, dtype=np.float32)
    whole = joined(drums, [shares])
    monkeypatch.setattr(kit_masks, "_BLOCK_HOPS", 3)

    pieces = joined(drums, np.array_split(shares, 17))

    for name in COMPONENTS:
        assert np.allclose(whole[name], pieces[name], atol=1e-6)
    assert np.allclose(sum(whole.values()), drums.read(), atol=1e-5)


def test_a_recording_shorter_than_a_window_and_one_of_nothing(tmp_path):
    for length in (0, 1, 100):
        path = tmp_path / f"{length}.wav"
        soundfile.write(path, np.full(length, 0.1), 44_100, subtype="FLOAT")
        drums = AudioFile.open(path)
        blocks = list(share_out(drums, iter([shares_of("tom", 1)]), Progress()))
        assert sum(len(block["tom"]) for block in blocks) == length
        if length:
            assert np.allclose(np.concatenate([block["tom"] for block in blocks]), drums.read(), atol=1e-5)
