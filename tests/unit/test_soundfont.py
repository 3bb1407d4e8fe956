"""Soundfonts and what is played with them, with soundfonts made here: one tone of known pitch, looped or not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.audio.sampler import Instrument
from bridge.audio.soundfont import SoundFont
from bridge.deliver import preview
from bridge.deliver.song import read_song
from bridge.errors import InvalidRequest
from bridge.model import DeliverOptions, Note, Samples
from bridge.progress import Progress
from bridge.write.files import ResultFolder
from tests.deliver_support import make_result

RATE = 44100
#: The tone's period in samples; 441 Hz, called MIDI pitch 69.
PERIOD = 100
LOOPED = {54: 1}


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def soundfont(generators: dict[int, int], *, bank: int = 0, program: int = 0) -> bytes:
    """A soundfont of one preset, of one instrument, of one zone with the given generators."""
    tone = (np.sin(2 * np.pi * np.arange(40 * PERIOD) / PERIOD) * 16384).astype("<i2")
    own = b"".join(struct.pack("<Hh", number, amount) for number, amount in [*generators.items(), (53, 0)])
    count = len(generators) + 1
    pdta = b"".join(
        (
            chunk(
                b"phdr",
                struct.pack("<20sHHHIII", b"one", program, bank, 0, 0, 0, 0)
                + struct.pack("<20sHHHIII", b"EOP", 0, 0, 1, 0, 0, 0),
            ),
            chunk(b"pbag", struct.pack("<HHHH", 0, 0, 1, 0)),
            chunk(b"pmod", bytes(10)),
            chunk(b"pgen", struct.pack("<HhHh", 41, 0, 0, 0)),
            chunk(b"inst", struct.pack("<20sH", b"one", 0) + struct.pack("<20sH", b"EOI", 1)),
            chunk(b"ibag", struct.pack("<HHHH", 0, 0, count, 0)),
            chunk(b"imod", bytes(10)),
            chunk(b"igen", own + bytes(4)),
            chunk(
                b"shdr",
                struct.pack("<20sIIIIIBbHH", b"tone", 0, len(tone), PERIOD, 30 * PERIOD, RATE, 69, 0, 0, 1)
                + struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0),
            ),
        )
    )
    lists = chunk(b"LIST", b"sdta" + chunk(b"smpl", tone.tobytes())) + chunk(b"LIST", b"pdta" + pdta)
    return chunk(b"RIFF", b"sfbk" + lists)


def played(
    folder: Path,
    generators: dict[int, int],
    key: int = 69,
    velocity: int = 127,
    held_s: float = 1.0,
    bend: tuple[tuple[float, float], ...] = (),
) -> Samples:
    path = folder / "one.sf2"
    path.write_bytes(soundfont(generators))
    return Instrument(SoundFont(path), 0, RATE).play(key, velocity, held_s, bend)


def pitch_hz(samples: Samples) -> float:
    """From how often it passes zero upwards."""
    ups = np.flatnonzero((samples[:-1, 0] < 0) & (samples[1:, 0] >= 0))
    return float((len(ups) - 1) / (ups[-1] - ups[0]) * RATE)


@pytest.mark.parametrize("key, hz", [(69, 441.0), (81, 882.0), (57, 220.5), (70, 441.0 * 2 ** (1 / 12))])
def test_a_key_sounds_at_its_pitch_for_as_long_as_it_is_held(tmp_path: Path, key: int, hz: float) -> None:
    note = played(tmp_path, LOOPED, key)
    assert pitch_hz(note[:RATE]) == pytest.approx(hz, rel=1e-3)
    assert np.abs(note[RATE - 200 : RATE]).max() == pytest.approx(0.5 * np.sqrt(0.5), rel=0.02)
    assert len(note) < RATE * 1.01


def test_a_sample_without_a_loop_ends_by_itself(tmp_path: Path) -> None:
    assert len(played(tmp_path, {})) == 40 * PERIOD - 1


@pytest.mark.parametrize("generators", [{}, LOOPED], ids=["without a loop", "looped"])
def test_a_long_note_is_the_same_after_a_short_one(tmp_path: Path, generators: dict[int, int]) -> None:
    fresh = played(tmp_path, generators, key=9, held_s=3.0)
    instrument = Instrument(SoundFont(tmp_path / "one.sf2"), 0, RATE)
    instrument.play(9, 127, 0.05)
    assert len(fresh) > 2 * RATE
    assert np.array_equal(instrument.play(9, 127, 3.0), fresh)


def test_tuning_is_heard(tmp_path: Path) -> None:
    assert pitch_hz(played(tmp_path, {**LOOPED, 51: 12})) == pytest.approx(882.0, rel=1e-3)
    assert pitch_hz(played(tmp_path, {**LOOPED, 58: 57})) == pytest.approx(882.0, rel=1e-3)


def test_a_bend_changes_the_pitch_from_where_it_is(tmp_path: Path) -> None:
    note = played(tmp_path, LOOPED, bend=((0.5, 12.0),))
    assert pitch_hz(note[: RATE // 2]) == pytest.approx(441.0, rel=1e-3)
    assert pitch_hz(note[RATE // 2 : RATE]) == pytest.approx(882.0, rel=1e-3)


def test_velocity_is_loudness(tmp_path: Path) -> None:
    loud, soft = (np.abs(played(tmp_path, LOOPED, velocity=velocity)).max() for velocity in (127, 64))
    assert soft / loud == pytest.approx((64 / 127) ** 2, rel=1e-3)


def test_a_note_fades_as_its_release_says(tmp_path: Path) -> None:
    note = played(tmp_path, {**LOOPED, 38: 1200})  # 2 s for 100 dB
    after = np.abs(note[RATE + RATE // 2 : RATE + RATE // 2 + 300]).max()
    assert 20 * np.log10(after / np.abs(note[:RATE]).max()) == pytest.approx(-25.0, abs=1.0)


def test_a_note_of_a_minute_and_more_is_played_for_a_minute(tmp_path: Path) -> None:
    assert len(played(tmp_path, LOOPED, held_s=1e6)) < 61 * RATE


def test_pan_goes_to_its_side(tmp_path: Path) -> None:
    left, right = np.abs(played(tmp_path, {**LOOPED, 17: -500})).max(axis=0)
    assert left == pytest.approx(0.5, rel=0.02)
    assert right < 1e-6


def test_percussion_is_its_own_bank(tmp_path: Path) -> None:
    path = tmp_path / "drums.sf2"
    path.write_bytes(soundfont({}, bank=128))
    font = SoundFont(path)
    assert font.instrument(None)
    assert not font.instrument(0)


def test_a_missing_program_is_played_by_its_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "one.sf2"
    path.write_bytes(soundfont({}, program=5))
    assert SoundFont(path).instrument(33)


@pytest.mark.parametrize("data", [b"", b"hello" * 50, b"RIFF\0\0\0\0WAVE", soundfont({})[:60], soundfont({})[:-60]])
def test_what_is_no_soundfont_is_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "no.sf2"
    path.write_bytes(data)
    with pytest.raises(InvalidRequest, match=r"^no\.sf2 cannot be played: .*; give --soundfont an \.sf2") as caught:
        SoundFont(path)
    assert "\n" not in str(caught.value)


def test_a_part_that_the_soundfont_cannot_play_is_named(tmp_path: Path) -> None:
    font = tmp_path / "two keys.sf2"
    font.write_bytes(soundfont({43: 0x0100}))  # its only zone is for keys 0 and 1
    song = read_song(make_result(tmp_path / "song", {"bass": [Note(0.5, 1.0, 40, 100)]}))
    said = "no sounds for bass.* General MIDI soundfont, or bundled"
    with pytest.raises(InvalidRequest, match=said), ResultFolder(tmp_path / "out") as folder:
        preview.write(song, folder, DeliverOptions(soundfont=font), Progress())


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be played"):
        SoundFont(tmp_path / "gone.sf2")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, len(soundfont({})) - 1), st.integers(0, 255)), max_size=30), st.integers(0, 127)
)
def test_a_damaged_soundfont_is_refused_or_played_with_numbers(
    tmp_path: Path, changes: list[tuple[int, int]], key: int
) -> None:
    data = bytearray(soundfont(LOOPED))
    for index, value in changes:
        data[index % len(data)] = value
    path = tmp_path / "damaged.sf2"
    path.write_bytes(bytes(data))
    try:
        note = Instrument(SoundFont(path), 0, 8000).play(key, 100, 0.05)
    except InvalidRequest:
        return
    assert np.isfinite(note).all()
    assert len(note) < 8000 * 10
