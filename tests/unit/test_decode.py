"""Decoding: every sample of every kind of file, once, in its place, and honest about what is odd."""

from __future__ import annotations

import math
import shutil
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from bridge.audio import libav, sndfile
from bridge.audio.decode import Decoded, decode, file_sha256
from bridge.audio.downmix import stereo_matrix
from bridge.errors import AudioUnreadable, Cancelled, InvalidRequest, OutputUnwritable
from bridge.model import Samples
from bridge.progress import Progress, Report

RATE = 22050


def song(seconds: float = 1.0, rate: int = RATE, channels: int = 2) -> Samples:
    """A tone and, every quarter of a second, a click: something that every coder keeps and a delay would show in."""
    time = np.arange(round(seconds * rate)) / rate
    clicks = np.random.default_rng(0).standard_normal(len(time)) * np.exp(-(time % 0.25) * 80) * 0.2
    sides = [clicks + 0.1 * np.sin(2 * np.pi * (220 + 110 * channel) * time) for channel in range(channels)]
    return np.stack(sides, axis=1).clip(-0.9, 0.9).astype(np.float32)


def written(path: Path, samples: Samples, rate: int = RATE, **kind: str) -> Path:
    soundfile.write(path, samples, rate, **kind)
    return path


def encoded(path: Path, samples: Samples, codec: str, rate: int = RATE, tracks: int = 1) -> Path:
    """`samples`, coded by libav; further tracks are silent."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=rate, layout=layout) for _ in range(tracks)]
        for track, stream in enumerate(streams):
            stream.bit_rate = 192_000
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T) * (track == 0), "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            fitting = av.AudioResampler(stream.format, layout, rate, frame_size=stream.frame_size or 1024)
            for piece in (*fitting.resample(frame), *fitting.resample(None), None):
                container.mux(stream.encode(piece))
    return path


def lag_of(decoded: Samples, original: Samples) -> int:
    """Samples by which `decoded` comes after `original`, at their best match."""
    size = 1 << math.ceil(math.log2(len(decoded) + len(original)))
    spectra = np.fft.rfft(decoded[:, 0], size) * np.conj(np.fft.rfft(original[:, 0], size))
    best = int(np.argmax(np.fft.irfft(spectra)))
    return best if best < size // 2 else best - size


@pytest.fixture
def mix(tmp_path: Path) -> Path:
    """Where to decode to."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "mix.wav"


def decoded(source: Path, mix: Path, range_s: tuple[float, float] | None = None) -> Decoded:
    return decode(source, mix, Progress(), range_s)


@pytest.mark.parametrize(
    "ending, kind",
    [
        ("wav", {"subtype": "PCM_24"}),
        ("wav", {"subtype": "PCM_32"}),
        ("wav", {"subtype": "FLOAT"}),
        ("wav", {"subtype": "DOUBLE"}),
        ("wav", {"format": "RF64", "subtype": "PCM_24"}),
        ("aiff", {"subtype": "PCM_24"}),
        ("flac", {"subtype": "PCM_24"}),
        ("caf", {"subtype": "PCM_24"}),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossless_files_come_out_sample_for_sample(tmp_path, mix, ending, kind, channels):
    samples = np.round(song(channels=channels) * 2**23) / np.float32(2**23)
    result = decoded(written(tmp_path / f"x.{ending}", samples, **kind), mix)
    np.testing.assert_array_equal(result.audio.read(), samples)
    assert (result.audio.sample_rate, result.audio.channels, result.audio.length) == (RATE, channels, len(samples))
    assert (result.source_channels, result.source_duration_s) == (channels, len(samples) / RATE)
    assert result.peak == np.max(np.abs(samples))
    assert result.warnings == ()
    info = soundfile.info(str(mix))
    assert (info.format, info.subtype, info.frames) == ("WAV", "FLOAT", len(samples))


@pytest.mark.parametrize("subtype, step", [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("ULAW", 2**-5)])
def test_coarse_samples_come_out_within_their_step(tmp_path, mix, subtype, step):
    result = decoded(written(tmp_path / "x.wav", song(), subtype=subtype), mix)
    np.testing.assert_allclose(result.audio.read(), song(), atol=step)


@pytest.mark.parametrize("rate", [8000, 11025, 48000, 96000, 192000])
def test_a_file_keeps_its_own_rate(tmp_path, mix, rate):
    result = decoded(written(tmp_path / "x.flac", song(0.2, rate), rate), mix)
    assert (result.audio.sample_rate, result.audio.length) == (rate, round(0.2 * rate))


@pytest.mark.parametrize(
    "name, codec, rate",
    [
        ("x.m4a", "aac", 44100),
        ("x.m4a", "alac", 44100),
        ("raw.aac", "aac", 44100),
        ("x.mkv", "aac", 48000),
        ("x.mp3", "libmp3lame", 44100),
        ("x.mp2", "mp2", 44100),
        ("x.ac3", "ac3", 48000),
        ("x.wma", "wmav2", 44100),
        ("x.opus", "libopus", 48000),
        ("x.ogg", "libvorbis", 44100),
        ("x.wv", "wavpack", 44100),
    ],
)
def test_coders_delay_nothing(tmp_path, mix, name, codec, rate):
    if codec.startswith("lib") and codec not in av.codecs_available:
        pytest.skip(f"this libav has no {codec}")
    samples = song(1.0, rate)
    result = decoded(encoded(tmp_path / name, samples, codec, rate), mix)
    assert abs(lag_of(result.audio.read(), samples)) <= 2
    assert result.audio.length == pytest.approx(len(samples), abs=0.05 * rate)
    assert result.warnings == ()


@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_an_m4a_ends_where_the_recording_did(tmp_path, mix, codec):
    assert decoded(encoded(tmp_path / "x.m4a", song(), codec), mix).audio.length == len(song())


def test_an_mp3_without_a_tag_starts_where_one_with_a_tag_does(tmp_path, mix):
    tagged = encoded(tmp_path / "x.mp3", song(1.0, 44100), "libmp3lame", 44100).read_bytes()
    first = tagged.index(b"Xing") if b"Xing" in tagged else tagged.index(b"Info")
    bare = tmp_path / "bare.mp3"
    bare.write_bytes(tagged[tagged.index(b"\xff\xfb", first) :])  # the tag fills a frame of its own
    assert abs(lag_of(decoded(bare, mix).audio.read(), song(1.0, 44100))) <= 2


def test_both_libraries_read_the_same_samples(tmp_path):
    path = written(tmp_path / "x.flac", song(), subtype="PCM_24")
    with sndfile.open_sndfile(path) as one, libav.open_libav(path, Progress()) as other:
        np.testing.assert_array_equal(np.concatenate(list(one.blocks)), np.concatenate(list(other.blocks)))
        assert one.length == other.length == len(song())


def test_equal_audio_has_one_digest_whatever_file_it_came_in(tmp_path, mix):
    samples = np.round(song() * 2**15) / np.float32(2**15)
    files = [
        written(tmp_path / "a.wav", samples, subtype="PCM_16"),
        written(tmp_path / "b.flac", samples, subtype="PCM_24"),
        written(tmp_path / "c.aiff", samples, subtype="FLOAT"),
    ]
    assert len({decoded(path, mix).digest for path in files}) == 1
    others = [
        written(tmp_path / "d.wav", samples, RATE + 1),
        written(tmp_path / "e.wav", samples.reshape(-1, 1)),
        written(tmp_path / "f.wav", samples[:-1]),
    ]
    assert len({decoded(path, mix).digest for path in (files[0], *others)}) == 4


def test_five_point_one_is_mixed_to_stereo_without_clipping(tmp_path, mix):
    """Each channel at full scale in turn: front, front, centre, LFE, surround, surround."""
    samples = np.zeros((6000, 6), dtype=np.float32)
    for channel in range(6):
        samples[channel * 1000 : (channel + 1) * 1000, channel] = 0.99
    result = decoded(written(tmp_path / "x.flac", samples, 48000, subtype="PCM_24"), mix)
    front = 1 / (1 + 2 * math.sqrt(0.5))
    heard = result.audio.read()[500::1000] / 0.99
    side = front * math.sqrt(0.5)
    wanted = [(front, 0), (0, front), (side, side), (0, 0), (side, 0), (0, side)]
    np.testing.assert_allclose(heard, wanted, atol=1e-5)
    assert (result.audio.channels, result.source_channels) == (2, 6)
    assert "6 channels were mixed down" in result.warnings[0]


@pytest.mark.parametrize("names", [("FL", "FR", "FC", "LFE", "SL", "SR"), ("NONE",) * 4, ("NONE",) * 11, ("FL", "TBR")])
def test_a_downmix_never_exceeds_full_scale_and_is_balanced(names):
    matrix = stereo_matrix(names)
    assert matrix.shape == (len(names), 2)
    assert matrix.sum(axis=0).max() <= 1.0001
    assert matrix.min() >= 0
    if len(names) > 2:
        np.testing.assert_allclose(matrix[:, 0].sum(), matrix[:, 1].sum(), rtol=1e-6)


def test_the_first_of_several_tracks_is_used_with_a_warning(tmp_path, mix):
    result = decoded(encoded(tmp_path / "x.mkv", song(), "flac", tracks=2), mix)
    assert result.peak > 0.1
    assert result.warnings == ("it holds 2 audio tracks: the first one was used",)


def test_a_gap_in_the_timestamps_becomes_silence(tmp_path, mix):
    samples = song(2.0)
    whole = encoded(tmp_path / "whole.mkv", samples, "pcm_s16le")
    with av.open(str(whole)) as source, av.open(str(tmp_path / "x.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None and not 500 <= packet.pts < 1000:  # milliseconds
                packet.stream = stream
                target.mux(packet)
    result = decoded(tmp_path / "x.mkv", mix).audio.read()
    assert len(result) == pytest.approx(len(samples), abs=0.002 * RATE)
    np.testing.assert_array_equal(result[round(0.6 * RATE) : round(0.9 * RATE)], 0)
    assert abs(lag_of(result[round(1.1 * RATE) :], samples[round(1.1 * RATE) :])) <= 0.002 * RATE


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -17.0])
def test_what_can_be_no_sound_becomes_zero_and_is_counted(tmp_path, mix, bad):
    samples = song()
    samples[100:103, 0] = bad
    result = decoded(written(tmp_path / "x.wav", samples, subtype="FLOAT"), mix)
    wanted = song()
    wanted[100:103, 0] = 0
    np.testing.assert_array_equal(result.audio.read(), wanted)
    assert result.peak == np.max(np.abs(wanted))
    assert result.warnings == ("3 samples were not numbers, or far beyond full scale: they were set to zero",)


def test_a_double_too_large_for_a_float_is_no_sound_either(tmp_path, mix):
    samples = song().astype(np.float64)
    samples[100] = 1e300
    result = decoded(written(tmp_path / "x.wav", samples, subtype="DOUBLE"), mix)
    assert "2 samples were not numbers" in result.warnings[0]


def test_floats_that_were_never_scaled_to_full_scale_are_refused(tmp_path, mix):
    path = written(tmp_path / "x.wav", song() * 32768, subtype="FLOAT")
    with pytest.raises(AudioUnreadable, match=r"far beyond full scale.*export it"):
        decoded(path, mix)
    assert not mix.exists()


def test_samples_somewhat_beyond_full_scale_are_kept(tmp_path, mix):
    result = decoded(written(tmp_path / "x.wav", song() * 8, subtype="FLOAT"), mix)
    np.testing.assert_array_equal(result.audio.read(), song() * 8)
    assert result.warnings == ()


@pytest.mark.parametrize(
    "samples, warning",
    [
        (np.zeros((RATE, 2)), "silent"),
        (np.full((1, 1), 0.01), "very short"),
        (song(0.099), "very short"),
        (song() * 0.5 + 0.3, "DC offset (0.30"),
    ],
)
def test_odd_but_valid_recordings_come_with_a_warning(tmp_path, mix, samples, warning):
    result = decoded(written(tmp_path / "x.wav", samples, subtype="FLOAT"), mix)
    assert result.audio.length == len(samples)
    assert [warning in text for text in result.warnings] == [True]


@pytest.mark.parametrize("ending", ["wav", "flac", "aiff", "ogg", "mkv"])
@pytest.mark.parametrize("range_s", [(0.0, 0.5), (0.123456, 0.987654), (1.2, 1.2001)])
def test_a_range_is_exact_to_the_sample(tmp_path, mix, ending, range_s):
    path = tmp_path / f"x.{ending}"
    if ending == "mkv":
        encoded(path, song(2.0), "aac")
    else:
        written(path, song(2.0))
    whole = decoded(path, mix)
    samples = whole.audio.read()
    part = decoded(path, mix, range_s)
    start, stop = (round(second * RATE) for second in range_s)
    np.testing.assert_array_equal(part.audio.read(), samples[start:stop])
    assert part.audio.length == stop - start
    assert part.source_duration_s == pytest.approx(whole.source_duration_s, abs=0.03)
    assert part.digest != whole.digest


@pytest.mark.parametrize("ending", ["wav", "mkv"])
def test_a_range_that_ends_after_the_recording_is_cut_with_a_warning(tmp_path, mix, ending):
    path = tmp_path / f"x.{ending}"
    written(path, song()) if ending == "wav" else encoded(path, song(), "flac")
    result = decoded(path, mix, (0.5, 7.0))
    assert result.audio.length == RATE - RATE // 2
    assert result.warnings == ("the range ends after the recording: it was cut at 1.000 s",)


@pytest.mark.parametrize("ending", ["wav", "mkv"])
@pytest.mark.parametrize("range_s", [(1.0, 2.0), (5.0, 6.0), (0.5, 0.50000001)])
def test_a_range_without_samples_is_wrong_use(tmp_path, mix, ending, range_s):
    path = tmp_path / f"x.{ending}"
    written(path, song()) if ending == "wav" else encoded(path, song(), "flac")
    with pytest.raises(InvalidRequest, match=r"is 1\.000 s long"):
        decoded(path, mix, range_s)
    assert not mix.exists()


@pytest.mark.parametrize("range_s", [(-1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (math.inf, math.inf), (math.nan, 1.0)])
def test_what_is_no_range_is_wrong_use(tmp_path, mix, range_s):
    with pytest.raises(InvalidRequest, match="START:END"):
        decoded(written(tmp_path / "x.wav", song()), mix, range_s)


@pytest.mark.parametrize("rate", [4000, 384000])
def test_rates_outside_8_to_192_khz_are_refused(tmp_path, mix, rate):
    with pytest.raises(AudioUnreadable, match=f"{rate:,} samples a second.*export it at"):
        decoded(written(tmp_path / "x.wav", song(), rate), mix)


@pytest.mark.parametrize("name", ['it\'s "a" name.flac', "🎹 é.flac", "new\nline.m4a", "http:x.m4a", "%d.wav", "-.m4a"])
def test_any_name_can_be_read(tmp_path, mix, name):
    path = tmp_path / name
    encoded(path, song(), "aac") if name.endswith("m4a") else written(path, song())
    assert decoded(path, mix).warnings == ()


@pytest.mark.parametrize("ending", [b"wav", b"m4a"])
def test_a_name_that_is_not_unicode_can_be_read(tmp_path, mix, ending):
    plain = tmp_path / f"x.{ending.decode()}"
    encoded(plain, song(), "aac") if ending == b"m4a" else written(plain, song())
    path = Path(str(tmp_path) + "/caf\udce9." + ending.decode())
    try:
        shutil.move(plain, path)
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    assert decoded(path, mix).warnings == ()


def test_progress_rises_to_one(tmp_path, mix):
    heard: list[Report] = []
    decode(written(tmp_path / "x.wav", song(10.0)), mix, Progress(heard.append))
    fractions = [report.fraction for report in heard]
    assert len(fractions) > 2
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@pytest.mark.parametrize("ending", ["wav", "m4a"])
def test_cancelling_leaves_nothing(tmp_path, mix, ending):
    path = tmp_path / f"x.{ending}"
    encoded(path, song(), "aac") if ending == "m4a" else written(path, song())
    asked = threading.Event()
    asked.set()
    with pytest.raises(Cancelled):
        decode(path, mix, Progress(cancelled=asked))
    assert list(mix.parent.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, mix):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    mix.symlink_to(full)
    with pytest.raises(OutputUnwritable, match=r"No space left.*free some space"):
        decoded(written(tmp_path / "x.wav", song(10.0)), mix)
    assert list(mix.parent.iterdir()) == []


def test_a_target_in_a_missing_folder_is_said(tmp_path):
    with pytest.raises(OutputUnwritable, match=r"cannot write .*mix\.wav: .*; free some space"):
        decoded(written(tmp_path / "x.wav", song()), tmp_path / "nowhere" / "mix.wav")


def test_a_files_hash_is_that_of_its_bytes(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"abc")
    wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert file_sha256(path, Progress()) == wanted
    with pytest.raises(AudioUnreadable, match="does not exist"):
        file_sha256(tmp_path / "missing", Progress())
