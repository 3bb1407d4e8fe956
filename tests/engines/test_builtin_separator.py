"""The builtin separator keeps a separator's promises, and puts sounds where they belong."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio.file import AudioFile
from bridge.errors import Cancelled
from bridge.model import PARTS, Samples
from bridge.progress import Progress, Report
from bridge.separation.builtin import STRETCH_FRAMES, BuiltinSeparator

RATE = 22050


def noise(length: int, channels: int, scale: float = 0.1) -> Samples:
    return (np.random.default_rng(1).standard_normal((length, channels)) * scale).astype(np.float32)


def stored(folder: Path, samples: Samples, rate: int = RATE) -> AudioFile:
    path = folder / "mix.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return AudioFile.open(path)


def separated(mix: AudioFile) -> dict[str, Samples]:
    blocks = list(BuiltinSeparator().separate(mix, Progress()))
    assert all(set(block) == set(PARTS) for block in blocks)
    return {part: np.concatenate([block[part] for block in blocks]) for part in PARTS}


def where(mix: AudioFile) -> dict[str, float]:
    """Share of the energy in each part."""
    energy = {part: float(np.sum(samples.astype(np.float64) ** 2)) for part, samples in separated(mix).items()}
    return {part: value / sum(energy.values()) for part, value in energy.items()}


def seconds(length_s: float, rate: int = RATE) -> np.ndarray:
    return np.arange(round(length_s * rate)) / rate


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000, 192000])
def test_the_parts_have_the_mixs_shape_and_sum_to_it(tmp_path: Path, rate: int, channels: int) -> None:
    mix = stored(tmp_path, noise(rate // 3 + 1, channels), rate)
    parts = separated(mix)
    for samples in parts.values():
        assert samples.shape == (mix.length, channels)
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
    assert np.abs(sum(parts.values()) - mix.read()).max() < 1e-6


@pytest.mark.parametrize("length", [1, 2, 511, 512, 1000, 4097])
def test_even_the_shortest_recording_is_separated(tmp_path: Path, length: int) -> None:
    mix = stored(tmp_path, noise(length, 2))
    parts = separated(mix)
    assert {samples.shape for samples in parts.values()} == {(length, 2)}
    assert np.abs(sum(parts.values()) - mix.read()).max() < 1e-6


def test_nothing_gives_nothing(tmp_path: Path) -> None:
    assert list(BuiltinSeparator().separate(stored(tmp_path, noise(0, 2)), Progress())) == []


def test_silence_gives_silence(tmp_path: Path) -> None:
    parts = separated(stored(tmp_path, np.zeros((RATE, 2), dtype=np.float32)))
    assert all(not samples.any() for samples in parts.values())


def test_the_parts_do_not_depend_on_how_the_work_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mix = stored(tmp_path, noise(8 * RATE, 2), RATE)
    whole = separated(mix)
    monkeypatch.setattr("bridge.separation.builtin.STRETCH_FRAMES", 61)
    pieces = separated(mix)
    assert STRETCH_FRAMES > 61
    for part in PARTS:
        np.testing.assert_allclose(pieces[part], whole[part], atol=1e-5)


def test_each_part_keeps_to_its_place_in_time(tmp_path: Path) -> None:
    samples = np.zeros((12 * RATE, 1), dtype=np.float32)
    samples[9 * RATE : 10 * RATE] = noise(RATE, 1)
    for part in separated(stored(tmp_path, samples)).values():
        assert np.abs(part[: 8 * RATE]).max() < 1e-6
        assert np.abs(part[11 * RATE :]).max() < 1e-6


def test_hits_go_to_the_drums(tmp_path: Path) -> None:
    t = seconds(6.0)
    since = t % 0.5
    hits = noise(len(t), 1)[:, 0] * 5 * np.exp(-since / 0.03)
    assert where(stored(tmp_path, hits[:, None].astype(np.float32)))["drums"] > 0.7


def test_a_low_tone_goes_to_the_bass(tmp_path: Path) -> None:
    tone = 0.4 * np.sin(2 * np.pi * 55 * seconds(6.0))
    assert where(stored(tmp_path, np.stack([tone, tone], axis=1).astype(np.float32)))["bass"] > 0.7


def test_a_wide_chord_goes_to_the_melody(tmp_path: Path) -> None:
    t = seconds(6.0)
    voices = [0.1 * np.sin(2 * np.pi * hz * t + hz) for hz in (330.0, 415.3, 493.9, 659.3)]
    chord = np.stack([voices[0] + voices[2], voices[1] + voices[3]], axis=1)
    assert where(stored(tmp_path, chord.astype(np.float32)))["melody"] > 0.7


@pytest.mark.parametrize("channels", [1, 2])
def test_a_voice_that_glides_over_a_chord_stands_out_in_the_vocals(tmp_path: Path, channels: int) -> None:
    t = seconds(6.0)
    pitch = 440 * 2 ** (np.sin(2 * np.pi * 0.6 * t) * 4 / 12 + np.sin(2 * np.pi * 5.5 * t) * 0.5 / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = 0.05 * sum(np.sin(k * phase) / k for k in range(1, 7))
    chord = 0.05 * sum(np.sin(2 * np.pi * hz * t) for hz in (261.6, 329.6, 392.0))
    mix = np.stack([voice + chord] * channels, axis=1).astype(np.float32)
    parts = separated(stored(tmp_path, mix))

    def loudness_in(part: str, source: np.ndarray) -> float:
        return float(parts[part][:, 0] @ source) / float(source @ source)

    assert loudness_in("vocals", voice) > 0.6
    assert loudness_in("vocals", voice) > loudness_in("vocals", chord) + 0.2


def test_the_vocals_are_quiet_where_nobody_sings(tmp_path: Path) -> None:
    t = seconds(6.0)
    chord = sum(np.sin(2 * np.pi * hz * t) for hz in (261.6, 329.6, 392.0, 523.3)) * 0.1
    assert where(stored(tmp_path, chord[:, None].astype(np.float32)))["vocals"] < 0.01


def test_cancelling_ends_within_a_second(tmp_path: Path) -> None:
    mix = stored(tmp_path, noise(60 * RATE, 2))
    asked = threading.Event()
    blocks = BuiltinSeparator().separate(mix, Progress(cancelled=asked))
    next(blocks)
    asked.set()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        list(blocks)
    assert time.monotonic() - began < 1.0


def test_progress_only_rises_and_ends_near_the_end(tmp_path: Path) -> None:
    reports: list[Report] = []
    mix = stored(tmp_path, noise(13 * RATE, 1))
    list(BuiltinSeparator().separate(mix, Progress(reports.append)))
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] > 0.5


@pytest.mark.slow
def test_a_long_recording_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="peak memory is asked of Unix")

    def peak_bytes() -> int:
        unit = 1 if sys.platform == "darwin" else 1024
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)

    def listen(length_s: float) -> None:
        path = tmp_path / f"{length_s}.wav"
        with soundfile.SoundFile(path, "w", RATE, 2, subtype="PCM_16") as file:
            for _ in range(round(length_s / 10)):
                file.write(noise(10 * RATE, 2))
        for _ in BuiltinSeparator().separate(AudioFile.open(path), Progress()):
            pass

    listen(60)
    before = peak_bytes()
    listen(900)
    assert peak_bytes() - before < 20_000_000
