"""Files from another program's encoders (the `ffmpeg` command): every kind, at rest where it was before coding."""

from __future__ import annotations

import math
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from bridge.audio.decode import decode
from bridge.progress import Progress

pytestmark = pytest.mark.peer

#: The contract's tolerance; all but one encoder stay within a sample.
TOLERANCE_S = 0.005
SECONDS = 2.0
LAYOUTS = {2: "stereo", 6: "5.1"}


@dataclass(frozen=True)
class Kind:
    """A file to be made: its name, ffmpeg's options, and the song's shape."""

    name: str
    options: str
    rate: int = 44100
    channels: int = 2


LOSSY = {
    "mp3 64k": Kind("a.mp3", "-c:a libmp3lame -b:a 64k"),
    "mp3 320k": Kind("b.mp3", "-c:a libmp3lame -b:a 320k"),
    "mp3 variable": Kind("c.mp3", "-c:a libmp3lame -q:a 4"),
    "mp3 without tag": Kind("d.mp3", "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0"),
    "mp3 variable without tag": Kind("e.mp3", "-c:a libmp3lame -q:a 4 -write_xing 0"),
    "mp3 of another encoder": Kind("f.mp3", "-c:a libshine -b:a 128k"),
    "mp3 of another encoder without tag": Kind("g.mp3", "-c:a libshine -b:a 128k -write_xing 0"),
    "mp3 in wav": Kind("h.wav", "-c:a libmp3lame"),
    "mp2": Kind("i.mp2", "-c:a mp2"),
    "aac 64k": Kind("j.m4a", "-c:a aac -b:a 64k"),
    "aac 256k": Kind("k.m4a", "-c:a aac -b:a 256k"),
    "aac without edit list": Kind("l.m4a", "-c:a aac -use_editlist 0"),
    "aac in fragments": Kind("m.mp4", "-c:a aac -movflags frag_keyframe+empty_moov"),
    "aac, raw": Kind("n.aac", "-c:a aac"),
    "aac in matroska": Kind("o.mkv", "-c:a aac"),
    "aac in a transport stream": Kind("p.ts", "-c:a aac"),
    "ac3": Kind("q.ac3", "-c:a ac3"),
    "wma 2": Kind("r.wma", "-c:a wmav2"),
    "wma 1": Kind("s.wma", "-c:a wmav1"),
    "opus 32k": Kind("t.opus", "-c:a libopus -b:a 32k"),
    "opus 192k": Kind("u.opus", "-c:a libopus -b:a 192k"),
    "opus in webm": Kind("v.webm", "-c:a libopus"),
    "vorbis": Kind("w.ogg", "-c:a libvorbis -q:a 2"),
    "vorbis in webm": Kind("x.webm", "-c:a libvorbis"),
    "film": Kind("y.mp4", "-c:a aac"),
}
RATES = {
    f"{coder} at {rate}": Kind(f"{coder[:8]}-{rate}.{ending}", f"-c:a {options}", rate)
    for rate in (8000, 16000, 22050, 48000)
    for coder, ending, options in (
        ("mp3", "mp3", "libmp3lame"),
        ("untagged mp3", "mp3", "libmp3lame -write_xing 0"),
        ("aac", "m4a", "aac"),
        ("wma", "wma", "wmav2"),
    )
}
ALAC = {
    f"alac at {rate}": Kind(f"alac-{rate}.m4a", "-c:a alac -sample_fmt s32p", rate) for rate in (8000, 96000, 192000)
}
SURROUND = {
    f"5.1 {codec}": Kind(f"5.{ending}", f"-c:a {codec}", 48000, 6)
    for ending, codec in (("flac", "flac"), ("m4a", "aac"), ("ac3", "ac3"), ("ogg", "libvorbis"), ("opus", "libopus"))
}
LOSSLESS = {
    "alac": Kind("aa.m4a", "-c:a alac -sample_fmt s32p"),
    "alac in caf": Kind("bb.caf", "-c:a alac -sample_fmt s32p"),
    "flac": Kind("cc.flac", "-c:a flac"),
    "flac in ogg": Kind("dd.ogg", "-c:a flac"),
    "flac in matroska": Kind("ee.mkv", "-c:a flac"),
    "aiff": Kind("ff.aiff", "-c:a pcm_s24be"),
    "wav in 32 bits": Kind("gg.wav", "-c:a pcm_s32le"),
    "wav of doubles": Kind("hh.wav", "-c:a pcm_f64le"),
    "film with plain sound": Kind("ii.mov", "-c:a pcm_s24le"),
    "wavpack": Kind("jj.wv", "-c:a wavpack"),
    "true audio": Kind("kk.tta", "-c:a tta"),
}


def song(rate: int, channels: int) -> np.ndarray:
    """A tone and a click every quarter of a second, the tone different in each channel."""
    time = np.arange(round(SECONDS * rate)) / rate
    clicks = np.random.default_rng(0).standard_normal(len(time)) * np.exp(-((time + 0.1) % 0.25) * 80) * 0.2
    clicks = np.convolve(clicks, np.full(4, 0.25), "same")
    sides = [clicks + 0.1 * np.sin(2 * np.pi * (220 + 110 * channel) * time) for channel in range(channels)]
    return np.stack(sides, axis=1).clip(-0.9, 0.9)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, tuple[Path, np.ndarray]]:
    """Every kind that this ffmpeg can code: (file, the song's samples). One run a song: starting it takes long."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("the ffmpeg command is not installed")
    listed = subprocess.run([program, "-v", "error", "-encoders"], capture_output=True, text=True, check=True).stdout
    encoders = {line.split()[1] for line in listed.splitlines() if len(line.split()) > 1}
    folder = tmp_path_factory.mktemp("formats")
    kinds = {**LOSSY, **RATES, **LOSSLESS, **ALAC, **SURROUND}
    wanted = {key: kind for key, kind in kinds.items() if kind.options.split("-c:a ")[1].split()[0] in encoders}
    made = {}
    for shape in {(kind.rate, kind.channels) for kind in wanted.values()}:
        source = folder / f"{shape[0]}-{shape[1]}.wav"
        soundfile.write(source, song(*shape), shape[0], format="WAVEX", subtype="PCM_24")
        command = [program, "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=d=2:s=32x32:r=5"]
        command += ["-guess_layout_max", "0", "-channel_layout", LAYOUTS[shape[1]], "-i", str(source)]
        for key, kind in wanted.items():
            if (kind.rate, kind.channels) == shape:
                video = ["-map", "0:v", "-c:v", "mpeg4"] if key.startswith("film") else []
                command += [*video, "-map", "1:a", *kind.options.split(), str(folder / kind.name)]
                made[key] = (folder / kind.name, soundfile.read(source, always_2d=True)[0])
        subprocess.run(command, check=True)
    return made


@pytest.fixture
def coded(files, request) -> tuple[Path, np.ndarray, Kind]:
    """The file of the kind that the test asks for, the song, and the kind."""
    if request.param not in files:
        pytest.skip(f"this ffmpeg can't make {request.param}")
    return *files[request.param], {**LOSSY, **RATES, **LOSSLESS, **ALAC, **SURROUND}[request.param]


def lag_s(decoded: np.ndarray, rate: int, original: np.ndarray, original_rate: int) -> float:
    """Seconds by which the decoded comes after the original, where both match best."""
    if rate != original_rate:
        decoded = soxr.resample(decoded, rate, original_rate)
    size = 1 << math.ceil(math.log2(len(decoded) + len(original)))
    match = np.fft.irfft(np.fft.rfft(decoded, size) * np.conj(np.fft.rfft(original, size)))
    best = int(np.argmax(match))
    likeness = match[best] / np.sqrt(np.sum(decoded**2) * np.sum(original**2))
    assert likeness > 0.9, "this is another song"
    return (best if best < size // 2 else best - size) / original_rate


@pytest.mark.parametrize("coded", [*LOSSY, *RATES], indirect=True)
def test_onsets_stay_where_they_were_before_coding(coded, tmp_path):
    path, original, kind = coded
    result = decode(path, tmp_path / "mix.wav", Progress())
    samples = result.audio.read()
    for side in range(2):
        lag = lag_s(samples[:, side].astype(float), result.audio.sample_rate, original[:, side], kind.rate)
        assert abs(lag) < TOLERANCE_S
        assert abs(lag) <= 1 / kind.rate or "shine" in kind.options
    assert result.source_duration_s == pytest.approx(SECONDS, abs=0.05)
    assert result.warnings == ()


@pytest.mark.parametrize("coded", [*LOSSLESS, *ALAC], indirect=True)
def test_lossless_kinds_come_out_sample_for_sample(coded, tmp_path):
    path, original, kind = coded
    result = decode(path, tmp_path / "mix.wav", Progress())
    assert result.audio.sample_rate == kind.rate
    np.testing.assert_array_equal(result.audio.read(), original.astype(np.float32))
    assert result.warnings == ()


@pytest.mark.parametrize("coded", list(SURROUND), indirect=True)
def test_surround_is_mixed_down_alike_whatever_the_order_of_channels_in_the_file(coded, tmp_path):
    path, original, _ = coded
    result = decode(path, tmp_path / "mix.wav", Progress())
    share = 1 / (1 + 2 * math.sqrt(0.5))
    left, right, centre, _, surround_left, surround_right = original.T * share
    wanted = [left + (centre + surround_left) * math.sqrt(0.5), right + (centre + surround_right) * math.sqrt(0.5)]
    samples = result.audio.read()[: len(original)]
    for side in range(2):
        error = samples[:, side] - wanted[side][: len(samples)]
        assert np.sqrt(np.mean(error**2)) < 0.25 * np.sqrt(np.mean(wanted[side] ** 2))
    assert result.source_channels == 6
    assert "mixed down" in result.warnings[0]


@pytest.mark.parametrize("coded", ["flac"], indirect=True)
def test_ffmpeg_reads_the_working_copy(coded, tmp_path):
    path, original, _ = coded
    decode(path, tmp_path / "mix.wav", Progress())
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "mix.wav", "-f", "f32le", "-"]
    done = subprocess.run(command, capture_output=True)
    assert done.stderr == b""
    np.testing.assert_array_equal(np.frombuffer(done.stdout, "<f4").reshape(-1, 2), original.astype(np.float32))
