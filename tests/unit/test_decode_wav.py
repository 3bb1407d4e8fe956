"""The working copy of a recording: a float WAV that others read, RF64 where it outgrows 4 GB."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from bridge.audio.wav import FloatWavWriter

SAMPLES = np.random.default_rng(0).standard_normal((1000, 2)).astype(np.float32)


@pytest.mark.parametrize("limit, kind", [(0xFFFFFFFF, "WAV"), (8000, "RF64")])
def test_a_file_becomes_rf64_only_where_it_must(tmp_path, limit, kind):
    path = tmp_path / "x.wav"
    with FloatWavWriter(path, 44100, 2, riff_limit=limit) as writer:
        for start in range(0, 1000, 300):
            writer.write(SAMPLES[start : start + 300])
    info = soundfile.info(str(path))
    assert (info.format, info.subtype, info.samplerate, info.channels) == (kind, "FLOAT", 44100, 2)
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], SAMPLES)


def test_equal_audio_gives_equal_bytes(tmp_path):
    for name in "ab":
        with FloatWavWriter(tmp_path / name, 48000, 2) as writer:
            writer.write(SAMPLES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_libsndfile_finds_nothing_to_complain_of(tmp_path):
    with FloatWavWriter(tmp_path / "x.wav", 48000, 2) as writer:
        writer.write(SAMPLES)
    with soundfile.SoundFile(str(tmp_path / "x.wav")) as file:
        assert "***" not in file.extra_info
        assert "should be" not in file.extra_info


@pytest.mark.slow
def test_a_file_of_more_than_4_gb_is_read_whole(tmp_path):
    """Sparse blocks would need a seek; zeros are written, 4.3 GB of them."""
    block = np.zeros((1 << 22, 2), dtype=np.float32)
    block[-1] = 0.5
    with FloatWavWriter(tmp_path / "x.wav", 192000, 2) as writer:
        for _ in range(129):
            writer.write(block)
    info = soundfile.info(str(tmp_path / "x.wav"))
    assert (info.format, info.frames) == ("RF64", 129 << 22)
    with soundfile.SoundFile(str(tmp_path / "x.wav")) as file:
        file.seek(-1, 2)
        np.testing.assert_array_equal(file.read(), [[0.5, 0.5]])
