"""Stems on disk: exact, whole, and honest about what went wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio.file import AudioFile
from bridge.audio.stems import stem_format, write_stems
from bridge.errors import Cancelled, EngineFailed, OutputUnwritable
from bridge.model import Samples

RATE = 8000


def source_of(folder: Path, samples: Samples, subtype: str = "PCM_24") -> AudioFile:
    path = folder / "mix.wav"
    soundfile.write(path, samples, RATE, subtype=subtype)
    return AudioFile.open(path)


def noise(length: int, channels: int = 2, scale: float = 0.3, seed: int = 0) -> Samples:
    return (np.random.default_rng(seed).standard_normal((length, channels)) * scale).astype(np.float32)


def in_two(parts: dict[str, Samples], cut: int) -> Iterator[dict[str, Samples]]:
    yield {name: samples[:cut] for name, samples in parts.items()}
    yield {name: samples[cut:] for name, samples in parts.items()}


def test_parts_and_residual_give_back_a_24_bit_source_bit_for_bit(tmp_path: Path) -> None:
    source = source_of(tmp_path, noise(1000).clip(-1, 0.9999))
    parts = {"bass": noise(1000, seed=1), "drums": noise(1000, seed=2)}
    files = write_stems(
        source, in_two(parts, 333), tmp_path / "stems", "residual", subtract=("bass", "drums"), sample_format="pcm24"
    )
    assert sorted(files) == ["bass", "drums", "residual"]
    total = sum(soundfile.read(file.path, dtype="int32")[0].astype(np.int64) for file in files.values())
    np.testing.assert_array_equal(total, soundfile.read(source.path, dtype="int32")[0])


def test_stems_have_the_shape_of_their_source(tmp_path: Path) -> None:
    source = source_of(tmp_path, noise(100, channels=1).clip(-1, 0.9))
    files = write_stems(
        source, iter([{"bass": noise(100, 1)}]), tmp_path / "a" / "b", "rest", subtract=["bass"], sample_format="pcm24"
    )
    for name, file in files.items():
        info = soundfile.info(str(tmp_path / "a" / "b" / f"{name}.wav"))
        assert (info.samplerate, info.channels, info.frames, info.format, info.subtype) == (
            RATE,
            1,
            100,
            "WAV",
            "PCM_24",
        )
        assert (file.sample_rate, file.channels, file.length) == (RATE, 1, 100)


def test_an_extra_part_is_written_but_not_taken_out(tmp_path: Path) -> None:
    melody = noise(200, scale=0.1)
    source = source_of(tmp_path, melody)
    files = write_stems(
        source,
        iter([{"melody": melody, "guitar": melody}]),
        tmp_path,
        "left",
        subtract=["melody"],
        sample_format="pcm24",
    )
    assert np.abs(files["guitar"].read()).max() > 0.1
    assert np.abs(files["left"].read()).max() < 2**-22


def test_a_part_gives_way_where_the_residual_would_clip(tmp_path: Path) -> None:
    source = source_of(tmp_path, np.full((10, 1), 0.9, dtype=np.float32))
    parts = {"bass": np.full((10, 1), -0.5, np.float32), "drums": np.full((10, 1), 0.25, np.float32)}
    files = write_stems(source, iter([parts]), tmp_path, "left", subtract=parts, sample_format="pcm24")
    bass, drums, left = (files[name].read()[0, 0] for name in ("bass", "drums", "left"))
    assert left == np.float32(1 - 2**-23)
    assert drums == 0.25
    assert bass + drums + left == pytest.approx(0.9, abs=2**-23)


def test_a_source_above_full_scale_has_float_stems_that_do_not_clip(tmp_path: Path) -> None:
    loud = noise(500, scale=2.0)
    source = source_of(tmp_path, loud, "FLOAT")
    assert stem_format(source) == "float32"
    files = write_stems(
        source, iter([{"bass": loud * 0.75}]), tmp_path / "stems", "left", subtract=["bass"], sample_format="float32"
    )
    assert soundfile.info(str(files["bass"].path)).subtype == "FLOAT"
    np.testing.assert_allclose(files["bass"].read(), loud * 0.75, atol=1e-6)
    total = files["bass"].read().astype(float) + files["left"].read()
    assert np.abs(total - loud).max() < 1e-6


@pytest.mark.parametrize("subtype,peak", [("PCM_16", 1.0), ("PCM_24", 1.0), ("FLOAT", 1.0), ("FLOAT", 0.0)])
def test_a_source_within_full_scale_has_24_bit_stems(tmp_path: Path, subtype: str, peak: float) -> None:
    assert stem_format(source_of(tmp_path, np.full((9, 2), peak, np.float32), subtype)) == "pcm24"


def test_equal_float_audio_gives_equal_bytes_whenever_it_is_written(tmp_path: Path) -> None:
    loud = noise(50, scale=3.0)
    source = source_of(tmp_path, loud, "FLOAT")
    files = write_stems(source, iter([{"bass": loud}]), tmp_path, "left", subtract=["bass"], sample_format="float32")
    header = files["bass"].path.read_bytes()[:200]
    stamp = header.index(b"PEAK") + 12
    assert header[stamp : stamp + 4] == bytes(4)


def test_an_empty_source_has_empty_stems(tmp_path: Path) -> None:
    source = source_of(tmp_path, noise(0))
    files = write_stems(source, iter(()), tmp_path, "left", subtract=["bass"], sample_format="pcm24")
    assert [file.length for file in files.values()] == [0, 0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda block: {"bass": block["bass"][:-1], "drums": block["drums"][:-1]},
        lambda block: {name: np.concatenate([part, part]) for name, part in block.items()},
        lambda block: {"bass": block["bass"], "drums": block["drums"][:-1]},
        lambda block: {"bass": block["bass"], "drums": block["drums"][:, :1]},
        lambda block: {"bass": block["bass"]},
        lambda block: {"bass": block["bass"], "drums": block["drums"] * np.float32("nan")},
    ],
    ids=["too short", "too long", "uneven", "mono", "missing", "nan"],
)
def test_an_engine_that_breaks_its_promise_is_reported(
    tmp_path: Path, spoil: Callable[[dict[str, Samples]], dict[str, Samples]]
) -> None:
    source = source_of(tmp_path, noise(64, scale=0.1))
    block = {"bass": noise(64), "drums": noise(64)}
    with pytest.raises(EngineFailed):
        write_stems(
            source, iter([spoil(block)]), tmp_path / "s", "left", subtract=("bass", "drums"), sample_format="pcm24"
        )


def test_an_engine_whose_parts_change_midway_is_reported(tmp_path: Path) -> None:
    source = source_of(tmp_path, noise(64, scale=0.1))
    blocks = iter([{"bass": noise(32)}, {"bass": noise(32), "drums": noise(32)}])
    with pytest.raises(EngineFailed, match="changed"):
        write_stems(source, blocks, tmp_path / "s", "left", subtract=["bass"], sample_format="pcm24")


def test_cancelling_passes_through(tmp_path: Path) -> None:
    def cancelled() -> Iterator[dict[str, Samples]]:
        yield {"bass": noise(32)}
        raise Cancelled("stop")

    source = source_of(tmp_path, noise(64, scale=0.1))
    with pytest.raises(Cancelled):
        write_stems(source, cancelled(), tmp_path / "s", "left", subtract=["bass"], sample_format="pcm24")


def test_a_residual_may_not_overwrite_a_part(tmp_path: Path) -> None:
    source = source_of(tmp_path, noise(8, scale=0.1))
    with pytest.raises(ValueError, match="residual"):
        write_stems(source, iter([{"bass": noise(8)}]), tmp_path, "bass", subtract=["bass"], sample_format="pcm24")


def test_a_source_that_pcm_cannot_hold_is_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path, noise(8, scale=9.0), "FLOAT")
    with pytest.raises(ValueError, match="exceeds"):
        write_stems(source, iter([{"bass": noise(8)}]), tmp_path, "left", subtract=["bass"], sample_format="pcm24")


def test_a_file_in_the_way_of_the_folder_is_reported(tmp_path: Path) -> None:
    source = source_of(tmp_path, noise(8, scale=0.1))
    with pytest.raises(OutputUnwritable, match="choose another folder"):
        write_stems(source, iter([{"bass": noise(8)}]), source.path, "left", subtract=["bass"], sample_format="pcm24")


def test_a_folder_in_the_way_of_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "s" / "bass.wav").mkdir(parents=True)
    source = source_of(tmp_path, noise(8, scale=0.1))
    with pytest.raises(OutputUnwritable, match=r"bass\.wav"):
        write_stems(
            source, iter([{"bass": noise(8)}]), tmp_path / "s", "left", subtract=["bass"], sample_format="pcm24"
        )


def test_a_disk_that_fills_up_midway_is_reported(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="file sizes can be limited only on Unix")
    source = source_of(tmp_path, noise(60_000, scale=0.1))
    blocks = iter([{"bass": noise(30_000)}, {"bass": noise(30_000)}])
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))  # a stem needs 360,000 bytes
    try:
        with pytest.raises(OutputUnwritable, match=r"bass\.wav"):
            write_stems(source, blocks, tmp_path / "s", "left", subtract=["bass"], sample_format="pcm24")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
