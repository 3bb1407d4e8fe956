"""What is not audio, or no longer: one clear line, or what is left with a warning; never a hang or a traceback."""

from __future__ import annotations

import os
import re
import socket
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from bridge.audio.decode import Decoded, decode
from bridge.errors import AudioUnreadable, BridgeError
from bridge.progress import Progress

RATE = 22050


def noise(seconds: float = 2.0, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * RATE), channels)).astype(np.float32)


def decoded(source: Path, tmp_path: Path) -> Decoded:
    return decode(source, tmp_path / "mix.wav", Progress())


def decoded_or_error(source: Path, tmp_path: Path) -> Decoded | BridgeError:
    try:
        return decoded(source, tmp_path)
    except BridgeError as error:
        return error


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.wav")
    return folder / "pipe.wav"


def a_link_to_a_pipe(folder: Path) -> Path:
    (folder / "link.wav").symlink_to(a_pipe(folder))
    return folder / "link.wav"


def a_socket(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s.wav"))
    return folder / "s.wav"


def a_broken_link(folder: Path) -> Path:
    (folder / "link.wav").symlink_to(folder / "gone.wav")
    return folder / "link.wav"


def a_circle_of_links(folder: Path) -> Path:
    (folder / "link.wav").symlink_to(folder / "link.wav")
    return folder / "link.wav"


def a_file(content: bytes, name: str = "x.wav") -> object:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def no_samples(folder: Path) -> Path:
    soundfile.write(folder / "x.wav", noise(0), RATE)
    return folder / "x.wav"


def a_picture(folder: Path) -> Path:
    with av.open(str(folder / "x.png"), "w") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "rgb24"
        for frame in (av.VideoFrame(16, 16, "rgb24"), None):
            container.mux(stream.encode(frame))
    return folder / "x.png"


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"


@pytest.mark.skipif(os.name != "posix", reason="files of these kinds are POSIX's")
@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda folder: folder / "missing.wav", "does not exist"),
        (lambda folder: folder / ("n" * 300), "can't be opened"),
        (lambda folder: folder / "nul\0.wav", "can't be opened"),
        (lambda folder: folder, "is a folder"),
        (a_pipe, "is a named pipe"),
        (a_link_to_a_pipe, "is a named pipe"),
        (a_socket, "is a socket"),
        (a_broken_link, "is a link to a file that does not exist"),
        (a_circle_of_links, "can't be opened"),
        (lambda folder: Path("/dev/zero"), "is a device"),
        (a_file(b""), "is empty"),
        (a_file(b"la la la\n" * 1000), "soundfile: format not recognised; libav: "),
        (a_file(b"la la la\n" * 1000, "x.raw"), "soundfile: format not recognised; libav: "),
        (a_file(b"\0" * 100_000), "soundfile: format not recognised; libav: "),
        (a_file(PLAYLIST.replace(b"{}", b"/etc/hostname"), "x.m3u8"), "libav: "),
        (a_file(b"ffconcat version 1.0\nfile '/etc/hostname'\n", "x.ffconcat"), "libav: "),
        (a_picture, "libav: no audio track"),
        (no_samples, "holds no audio"),
    ],
)
def test_what_is_not_audio_gets_one_line(tmp_path, capfd, make, reason):
    (tmp_path / "in").mkdir()
    with pytest.raises(AudioUnreadable) as refused:
        decoded(make(tmp_path / "in"), tmp_path)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "mix.wav").exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name, content", [("x.m3u8", PLAYLIST), ("x.ffconcat", b"ffconcat version 1.0\nfile {}\n")])
def test_a_playlist_does_not_reach_other_files(tmp_path, monkeypatch, name, content):
    monkeypatch.chdir(tmp_path)
    coded(tmp_path, "secret.ts")
    (tmp_path / name).write_bytes(content.replace(b"{}", b"secret.ts"))
    with pytest.raises(AudioUnreadable):
        decoded(tmp_path / name, tmp_path)


def test_a_file_without_read_permission_is_said(tmp_path):
    soundfile.write(tmp_path / "x.wav", noise(), RATE)
    (tmp_path / "x.wav").chmod(0)
    if os.access(tmp_path / "x.wav", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(AudioUnreadable, match="permission denied"):
        decoded(tmp_path / "x.wav", tmp_path)


def coded(folder: Path, name: str) -> Path:
    path = folder / name
    if path.suffix in (".wav", ".aiff", ".flac", ".ogg"):
        soundfile.write(path, noise(), RATE)
    else:
        with av.open(str(path), "w") as container:
            stream = container.add_stream({".mp3": "mp3"}.get(path.suffix, "aac"), rate=RATE, layout="stereo")
            fitting = av.AudioResampler(stream.format, "stereo", RATE, frame_size=stream.frame_size)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(noise().T), "fltp", "stereo")
            frame.sample_rate = RATE
            for piece in (*fitting.resample(frame), *fitting.resample(None), None):
                container.mux(stream.encode(piece))
    return path


@pytest.mark.parametrize("name", ["x.wav", "x.aiff", "x.flac", "x.mp3", "x.ogg", "x.mkv"])
def test_a_file_cut_off_in_the_middle_gives_its_first_half(tmp_path, capfd, name):
    path = coded(tmp_path, name)
    content = path.read_bytes()
    whole = decoded(path, tmp_path).audio.read()
    path.write_bytes(content[: len(content) // 2])
    result = decoded(path, tmp_path)
    assert 0.4 < result.audio.length / RATE < 1.2
    rest = result.audio.read()[: round(0.4 * RATE)]
    np.testing.assert_allclose(rest, whole[: len(rest)], atol=1e-6)
    (warning,) = result.warnings
    used = re.fullmatch(r"the file is damaged or cut off: used the first ([0-9.]+) s", warning)
    assert used is not None
    assert float(used[1]) == pytest.approx(result.audio.duration_s, abs=0.06)
    assert capfd.readouterr() == ("", "")


def test_a_flac_with_a_flipped_byte_gives_the_rest_with_a_warning(tmp_path):
    path = coded(tmp_path, "x.flac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)
    result = decoded(path, tmp_path)
    assert result.audio.length == len(noise())
    assert result.warnings == ("the file is damaged: some of it may be silent or wrong",)
    wrong = np.flatnonzero(np.any(np.abs(result.audio.read() - noise()) > 2**-14, axis=1))
    assert wrong[-1] - wrong[0] < 2 * 4096  # two frames: what comes after them is where it was


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["x.wav", "x.aiff", "x.flac", "x.mp3", "x.ogg", "x.m4a", "x.mkv", "x.aac"])
def test_random_damage_gives_a_result_or_one_line(tmp_path, capfd, name):
    path = coded(tmp_path, name)
    content = path.read_bytes()
    dice = np.random.default_rng(0)
    for area in (len(content), len(content), len(content), 64, 512):
        damaged = bytearray(content)
        for place in dice.integers(0, area, 12):
            damaged[place] = int(dice.integers(256))
        path.write_bytes(damaged)
        result = decoded_or_error(path, tmp_path)
        if isinstance(result, Decoded):
            samples = result.audio.read()
            assert len(samples) == result.audio.length
            assert np.max(np.abs(samples)) <= 16  # and so no NaN
        else:
            assert "\n" not in str(result)
            assert not (tmp_path / "mix.wav").exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("claim, is_cut", [(0x7FFFFFF0, False), (0xFFFFFFFF, False), (1_000_000, True), (4000, False)])
def test_a_wav_header_may_claim_anything(tmp_path, claim, is_cut):
    """A program that pipes can't know the length: those claims are not taken for damage, others are."""
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", claim
    )
    (tmp_path / "x.wav").write_bytes(header + noise(1.0, 1).tobytes()[:4000])
    result = decoded(tmp_path / "x.wav", tmp_path)
    assert result.audio.length == 2000
    assert any("cut off" in text for text in result.warnings) == is_cut
