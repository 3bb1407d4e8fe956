"""What is rendered to tune on is what its truth says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest

from tools.tune.__main__ import main
from tools.tune.cases import one_by_one
from tools.tune.sing import sing
from tools.tune.songs import Excerpt, Played, Voice, at_the_piano, excerpt_of, sung, truth_of, unhurried, with_stops


def song(path: Path, channels: dict[int, int], notes: int = 200) -> Path:
    """A song in which every channel plays a note each quarter of a second, at 120 BPM."""
    file = mido.MidiFile(ticks_per_beat=480)
    for channel, program in channels.items():
        track = mido.MidiTrack([mido.Message("program_change", channel=channel, program=program)])
        for place in range(notes):
            pitch = 36 if channel == 9 else 48 + place % 12
            track.append(mido.Message("note_on", channel=channel, note=pitch, velocity=80, time=0))
            track.append(mido.Message("note_off", channel=channel, note=pitch, time=240))
        file.tracks.append(track)
    file.save(path)
    return path


def test_an_excerpt_has_its_parts_by_program_and_begins_on_a_beat(tmp_path: Path) -> None:
    path = song(tmp_path / "song.mid", {0: 33, 1: 0, 2: 120, 9: 0})
    excerpt = excerpt_of(path, 20.0, np.random.default_rng(3))
    assert excerpt is not None
    assert [voice.program for voice in excerpt.part("bass")] == [33]
    assert [voice.program for voice in excerpt.part("melody")] == [0]
    assert len(excerpt.part("drums")) == 1
    beat_s = 60.0 / excerpt.tempo_bpm
    for voice in excerpt.voices:
        assert 2 * 20.0 / beat_s - 3 <= len(voice.notes) <= 2 * 20.0 / beat_s
        for note in voice.notes:
            assert (note.onset_s / beat_s * 2) % 1 == pytest.approx(0, abs=1e-6) or (
                note.onset_s / beat_s * 2
            ) % 1 == pytest.approx(1, abs=1e-6)
            assert 0.0 <= note.onset_s < note.offset_s <= 20.0 + 1e-6


@pytest.mark.parametrize("channels", [{0: 33, 1: 0}, {1: 0, 9: 0}, {0: 33, 9: 0}], ids=["drums", "bass", "melody"])
def test_a_song_that_lacks_a_part_is_left_out(tmp_path: Path, channels: dict[int, int]) -> None:
    assert excerpt_of(song(tmp_path / "song.mid", channels), 20.0, np.random.default_rng(3)) is None


def line(*rows: tuple[float, float, int]) -> tuple[Played, ...]:
    return tuple(Played(onset_s, offset_s, pitch, 80) for onset_s, offset_s, pitch in rows)


def test_stops_begin_and_end_with_a_note_of_their_line() -> None:
    bass = line(*((place, place + 0.5, 30 + place % 5) for place in range(60)))
    shares = set()
    for seed in range(12):
        notes = with_stops(bass, np.random.default_rng(seed))
        spans = {(note.onset_s, note.offset_s): note.pitch for note in bass}
        stops = [note for note in notes if note.pitch != spans[note.onset_s, note.offset_s]]
        assert len(notes) == len(bass) + len(stops)
        assert all(3 <= note.pitch - spans[note.onset_s, note.offset_s] <= 12 for note in stops)
        shares.add(round(len({note.onset_s for note in stops}) / len(bass), 1))
    assert 1.0 in shares
    assert min(shares) < 0.5


def test_a_unison_is_one_note_of_the_truth() -> None:
    voices = [Voice(0, 0, {}, line((1, 2, 60), (3, 4, 60))), Voice(1, 0, {}, line((1, 2.5, 60), (1, 2, 64)))]
    assert truth_of(voices) == list(line((1, 2, 64), (1, 2.5, 60), (3, 4, 60))) or sorted(truth_of(voices)) == sorted(
        line((1, 2, 64), (1, 2.5, 60), (3, 4, 60))
    )


def test_a_pianist_plays_what_two_hands_can() -> None:
    busy = Voice(0, 30, {}, line(*((0.02 * i, 0.02 * i + 5, 40 + i % 40) for i in range(500))))
    calm = Voice(1, 0, {}, line(*((0.2 * i, 0.2 * i + 0.15, 60 + i % 12) for i in range(100))))
    excerpt = Excerpt("song", 120.0, (busy, calm))
    assert unhurried(excerpt) == [calm]
    played = at_the_piano(excerpt, np.random.default_rng(1))
    assert sorted(note.pitch for note in played) == sorted(note.pitch for note in calm.notes)
    assert len({note.velocity for note in played}) > 20


def test_a_lead_is_sung_in_a_singers_range() -> None:
    high = Voice(0, 80, {}, line(*((0.5 * i, 0.5 * i + 0.4, 90 + i % 5) for i in range(20))))
    assert high.is_lead
    assert all(
        45 <= note.pitch <= 79 and note.pitch % 12 in {(90 + i) % 12 for i in range(5)} for note in sung(high).notes
    )
    assert not replace(high, notes=line(*((0.5 * i, 0.5 * i + 0.9, 60) for i in range(20)))).is_lead


def test_notes_one_by_one_do_not_overlap() -> None:
    alone = one_by_one(line((0, 1, 60), (0.05, 0.5, 64), (0.5, 1, 65)))
    assert alone == list(line((0, 0.5, 60), (0.5, 1, 65)))


def test_a_singer_sings_in_tune_and_only_where_there_are_notes() -> None:
    rate = 22050
    sound = sing(line((0.5, 1.5, 57)), 2.0, rate, np.random.default_rng(2))
    assert np.abs(sound[: round(0.38 * rate)]).max() < 1e-3
    assert np.abs(sound[round(1.6 * rate) :]).max() < 1e-3
    steady = sound[round(0.9 * rate) : round(1.4 * rate)]
    spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady)), 1 << 16))
    low = spectrum[: round(330 / rate * (1 << 16))]
    assert low.argmax() * rate / (1 << 16) == pytest.approx(220, rel=0.04)  # half a semitone and its vibrato


def test_without_the_material_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"skipped: .* is not there; name the folder"):
        main(["make", "--samples", str(tmp_path / "nowhere"), "--work", str(tmp_path)])
