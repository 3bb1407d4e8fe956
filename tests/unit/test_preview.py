"""Previews: as long and as loud as their stems, with each note where its MIDI file has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio.loudness_meter import LoudnessMeter
from bridge.deliver import preview
from bridge.deliver.song import read_song
from bridge.errors import InvalidRequest
from bridge.model import DeliverOptions, Note, Samples
from bridge.progress import Progress
from bridge.write.files import ResultFolder
from tests.deliver_support import RATE, SECONDS, make_result


class Outlet:
    """A plain folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, relative: str) -> Path:
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_bytes(self, relative: str, data: bytes) -> None:
        self.path(relative).write_bytes(data)


def previews(result: Path, target: Path, options: DeliverOptions | None = None) -> dict[str, Samples]:
    preview.write(read_song(result), Outlet(target), options or DeliverOptions(), Progress())
    found = sorted((target / "preview").iterdir())
    return {path.stem: soundfile.read(path, dtype="float32", always_2d=True)[0] for path in found}


def lufs(samples: Samples) -> float | None:
    meter = LoudnessMeter(RATE)
    meter.add(samples)
    return meter.lufs()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Samples]]:
    folder = tmp_path_factory.mktemp("preview")
    result = make_result(folder / "song")
    return result, previews(result, folder / "out")


def test_previews_have_the_length_rate_and_channels_of_the_stems(made: tuple[Path, dict[str, Samples]]) -> None:
    _, found = made
    assert found.keys() == {"bass", "drums", "song"}
    assert {samples.shape for samples in found.values()} == {(round(SECONDS * RATE), 1)}


def test_a_preview_is_as_loud_as_its_stem_or_as_loud_as_its_peak_allows(made: tuple[Path, dict[str, Samples]]) -> None:
    result, found = made
    for name in ("bass", "drums"):
        stem, _ = soundfile.read(result / f"stems/{name}.wav", dtype="float32", always_2d=True)
        peak = float(np.abs(found[name]).max())
        assert lufs(found[name]) == pytest.approx(lufs(stem), abs=0.1) or peak == pytest.approx(preview.PEAK, abs=1e-4)


def test_quiet_stems_are_matched_exactly(tmp_path: Path) -> None:
    result = make_result(tmp_path / "song")
    for path in (result / "stems").iterdir():
        samples, rate = soundfile.read(path)
        soundfile.write(path, samples * 0.02, rate, subtype="PCM_24")
    found = previews(result, tmp_path / "out")
    for name in ("bass", "drums"):
        stem, _ = soundfile.read(result / f"stems/{name}.wav", dtype="float32", always_2d=True)
        assert lufs(found[name]) == pytest.approx(lufs(stem), abs=0.1)


def test_nothing_exceeds_one_decibel_below_full_scale(made: tuple[Path, dict[str, Samples]]) -> None:
    assert all(np.abs(samples).max() <= preview.PEAK + 1e-6 for samples in made[1].values())


def test_the_song_is_the_sum_of_its_parts(made: tuple[Path, dict[str, Samples]]) -> None:
    _, found = made
    total = found["bass"] + found["drums"]
    scale = min(1.0, preview.PEAK / float(np.abs(total).max()))
    np.testing.assert_allclose(found["song"], total * scale, atol=2e-6)


def test_each_note_sounds_from_its_onset_on(tmp_path: Path) -> None:
    onsets_s = (1.0, 4.0, 7.5, 12.25, 16.0)
    notes = {"drums": [Note(onset_s, onset_s + 0.1, 38, 100) for onset_s in onsets_s]}
    drums = np.abs(previews(make_result(tmp_path / "song", notes), tmp_path / "out")["drums"][:, 0])
    loud = np.flatnonzero(drums > 0.05 * drums.max()) / RATE
    starts = loud[np.flatnonzero(np.diff(loud, prepend=-1.0) > 0.5)]
    np.testing.assert_allclose(starts, onsets_s, atol=0.006)


def test_the_same_song_gives_the_same_bytes(made: tuple[Path, dict[str, Samples]], tmp_path: Path) -> None:
    result, _ = made
    for name in ("one", "two"):
        preview.write(read_song(result), Outlet(tmp_path / name), DeliverOptions(), Progress())
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.wav")} for name in ("one", "two"))
    assert one == two


def test_a_result_without_stems_is_levelled_to_a_common_loudness(tmp_path: Path) -> None:
    found = previews(make_result(tmp_path / "song", stems=False), tmp_path / "out")
    assert lufs(found["bass"].mean(axis=1, keepdims=True).repeat(2, axis=1)) is not None
    assert found["bass"].shape == (round(SECONDS * RATE), 2)


def test_a_part_without_notes_is_silence(tmp_path: Path) -> None:
    found = previews(make_result(tmp_path / "song", {"bass": [], "drums": []}), tmp_path / "out")
    assert not any(samples.any() for samples in found.values())


def test_a_bad_soundfont_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    bad = tmp_path / "bad.sf2"
    bad.write_bytes(b"not one")
    result = make_result(tmp_path / "song")
    with pytest.raises(InvalidRequest, match=r"bad\.sf2 cannot be played"), ResultFolder(tmp_path / "out") as folder:
        preview.write(read_song(result), folder, DeliverOptions(soundfont=bad), Progress())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_a_tone_at_the_reference_frequency_measures_what_the_standard_says(rate: int) -> None:
    # ITU-R BS.1770: a 997 Hz sine in both channels at -23 dBFS is -23 LUFS.
    tone = 10 ** (-23 / 20) * np.sin(2 * np.pi * 997 * np.arange(rate * 4) / rate)
    meter = LoudnessMeter(rate)
    meter.add(np.stack([tone, tone], axis=1).astype(np.float32))
    assert meter.lufs() == pytest.approx(-23.0, abs=0.1)


def test_silence_has_no_loudness_and_does_not_count() -> None:
    meter = LoudnessMeter(8000)
    meter.add(np.zeros((80_000, 2), np.float32))
    assert meter.lufs() is None
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (80_000, 2)).astype(np.float32)
    alone = LoudnessMeter(8000)
    for piece in (meter, alone):
        piece.add(noise)
    assert meter.lufs() == pytest.approx(alone.lufs(), abs=0.01)
