"""The bundled song, and the comparison of a conversion with its truth."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import mido
import numpy as np
import pytest
import soundfile

from bridge.demo import Score, bundled_song, read_tracks, render_scores, score_against_truth
from bridge.model import COMPONENT_OF_KEY, COMPONENTS, GM_DRUM, PARTS, BeatGrid, MidiOptions, Note
from bridge.music.timeline import Timeline
from bridge.progress import Progress
from bridge.write import notes as note_files
from bridge.write.result import find_harmony

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_demo_song", REPOSITORY / "tools" / "make_demo_song.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def truth() -> dict[str, list[Note]]:
    with bundled_song() as song:
        return read_tracks(song.truth)


def test_the_truth_is_what_the_script_composes(maker: ModuleType, tmp_path: Path):
    maker.midi_file().save(tmp_path / "song.mid")
    with bundled_song() as song:
        assert song.truth.read_bytes() == (tmp_path / "song.mid").read_bytes()


def test_the_lead_line_fills_its_bars(maker: ModuleType):
    bars = [line for line in maker.LEAD.splitlines() if line]
    assert len(bars) == maker.BARS == len(maker.CHORDS) == len(maker.DRUM_BARS)
    for bar in bars:
        assert sum(float(word.partition(":")[2]) for word in bar.split()) == maker.BEATS_PER_BAR, bar


def test_the_song_has_what_a_conversion_looks_for(truth: dict[str, list[Note]]):
    assert set(PARTS) < set(truth)
    components = Counter(COMPONENT_OF_KEY[note.pitch] for note in truth["drums"])
    assert set(components) == set(COMPONENTS)
    assert {note.pitch for note in truth["drums"]} == set(GM_DRUM.values())
    assert min(len(truth[part]) for part in PARTS) >= 60
    assert all(before.offset_s <= after.onset_s for before, after in pairwise(truth["vocals"]))


def test_its_notes_are_in_a_minor_with_the_chords_that_were_composed(maker: ModuleType, truth: dict[str, list[Note]]):
    beats = tuple(beat * 60 / maker.BPM for beat in range(maker.BARS * maker.BEATS_PER_BAR + 1))
    timeline = Timeline.from_grid(BeatGrid(maker.BPM, beats, beats[::4]), beats[-1])
    harmony = find_harmony({part: truth[part] for part in PARTS}, timeline, MidiOptions(), Progress())
    assert harmony.key == "A minor"
    for start_beat, beats_long, symbol in maker.chords():
        middle_s = (start_beat + beats_long / 2) * 60 / maker.BPM
        heard = next(chord.symbol for chord in harmony.chords if chord.start_s <= middle_s < chord.end_s)
        assert heard.removesuffix("7") == symbol.removesuffix("7"), start_beat


def test_the_recording_is_small_stereo_and_as_long_as_its_notes(truth: dict[str, list[Note]]):
    with bundled_song() as song:
        assert song.audio.stat().st_size < 2_000_000
        facts = soundfile.info(str(song.audio))
    assert (facts.samplerate, facts.channels) == (44100, 2)
    last_s = max(note.onset_s for part in PARTS for note in truth[part])
    assert 30.0 <= last_s + 1.0 < facts.duration <= 36.0


def test_the_recording_is_in_time_with_its_notes(truth: dict[str, list[Note]]):
    with bundled_song() as song:
        samples, rate = soundfile.read(song.audio, always_2d=True)
    # The snare's and hats' attacks are what is above 5 kHz: differences of differences are a crude high-pass.
    bright = np.abs(np.diff(samples.mean(axis=1), n=4))
    lags_ms = []
    for note in truth["drums"]:
        start = round((note.onset_s - 0.02) * rate)
        around = bright[start : start + round(0.045 * rate)]
        if note.pitch == GM_DRUM["snare"] and start > 0:
            lags_ms.append((np.argmax(around > around.max() / 4) / rate - 0.02) * 1000)
    assert len(lags_ms) > 20
    assert 0.0 <= np.median(lags_ms) <= 10.0
    assert np.quantile(lags_ms, 0.9) <= 10.0


def make_result(folder: Path, notes: dict[str, list[Note]]) -> Path:
    parts = []
    for name, found in notes.items():
        (folder / f"{name}.json").write_bytes(note_files.encode(name, found))
        part = {"name": name, "midi": None, "audio": None, "notes": f"{name}.json", "confidence": 1.0}
        parts.append({**part, "color": "0x000000", "program": None})
    source = {"path": "/a", "sha256": "0" * 64, "duration_s": 1.0, "sample_rate": 44100, "channels": 2}
    tempo = {"bpm": 112.0, "confidence": 1.0, "alternatives_bpm": [], "source": "detected"}
    manifest = {"schema": 1, "stembridge": "0", "source": source, "range_s": None, "tempo_bpm": 112.0, "tempo": tempo}
    manifest |= {"beats_s": [], "downbeats_s": [], "time_signature": [4, 4], "key": None, "parts": parts, "files": []}
    manifest |= {"separator": {"name": "none", "version": ""}, "timings_s": {}, "warnings": []}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def make_truth(path: Path, **tracks: list[tuple[float, int]]) -> Path:
    """A MIDI file at 60 BPM, then 120 BPM from 1 s on: (onset in seconds, key) rows."""
    file = mido.MidiFile(ticks_per_beat=1000)
    tempo = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1_000_000)])
    tempo.append(mido.MetaMessage("set_tempo", tempo=500_000, time=1000))
    file.tracks.append(tempo)
    for name, rows in tracks.items():
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        tick = 0
        for onset_s, key in rows:
            start = round(onset_s * 1000 if onset_s < 1 else 1000 + (onset_s - 1) * 2000)
            track.append(mido.Message("note_on", note=key, time=start - tick))
            track.append(mido.Message("note_on", note=key, velocity=0, time=10))
            tick = start + 10
        file.tracks.append(track)
    file.save(path)
    return path


def notes(*rows: tuple[float, int]) -> list[Note]:
    return [Note(onset_s, onset_s + 0.1, pitch, 80) for onset_s, pitch in rows]


def test_a_hit_is_within_50_ms_and_of_the_same_pitch(tmp_path: Path):
    truth = make_truth(tmp_path / "t.mid", bass=[(0.5, 40), (1.5, 41), (2.0, 42), (3.0, 43)])
    found = notes((0.549, 40), (1.451, 41), (2.06, 42), (3.0, 44), (4.0, 45))
    assert score_against_truth(make_result(tmp_path, {"bass": found}), truth) == {"bass": Score(5, 4, 2)}


def test_each_found_note_counts_once_and_as_many_pairs_as_possible_are_made(tmp_path: Path):
    truth = make_truth(tmp_path / "t.mid", bass=[(1.00, 40), (1.04, 40), (2.0, 40), (2.03, 40)])
    found = notes((0.97, 40), (1.02, 40), (2.01, 40))
    assert score_against_truth(make_result(tmp_path, {"bass": found}), truth) == {"bass": Score(3, 4, 3)}


def test_drums_agree_when_their_component_does(tmp_path: Path):
    truth = make_truth(tmp_path / "t.mid", drums=[(0.5, 42), (1.0, 48), (1.5, 36)])
    found = notes((0.5, 46), (1.0, 43), (1.5, 38))
    assert score_against_truth(make_result(tmp_path, {"drums": found}), truth) == {"drums": Score(3, 3, 2)}


def test_only_parts_that_both_have_are_compared(tmp_path: Path):
    truth = make_truth(tmp_path / "t.mid", bass=[(0.5, 40)], banjo=[(0.5, 40)])
    result = make_result(tmp_path, {"bass": [], "melody": notes((1.0, 60)), "kick": notes((1.0, 36))})
    assert score_against_truth(result, truth) == {"bass": Score(0, 1, 0)}


def test_the_truth_scores_fully_against_itself(tmp_path: Path, truth: dict[str, list[Note]]):
    result = make_result(tmp_path, {part: truth[part] for part in PARTS})
    with bundled_song() as song:
        scores = score_against_truth(result, song.truth)
    assert {part: score.hits for part, score in scores.items()} == {part: len(truth[part]) for part in PARTS}


def test_the_summary_has_a_line_for_each_part():
    text = render_scores({"bass": Score(10, 8, 6), "vocals": Score(3, 0, 0)})
    assert [line.split() for line in text.splitlines()] == [
        ["part", "found", "true", "of", "these", "found"],
        ["bass", "10", "8", "6", "(75%)"],
        ["vocals", "3", "0", "-"],
    ]
