"""`OnsetBeatTracker` on clicks and tones whose beats are known exactly."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio.file import AudioFile
from bridge.errors import Cancelled
from bridge.model import BeatGrid
from bridge.music.timeline import Timeline
from bridge.progress import Progress
from bridge.tempo.tracker import OnsetBeatTracker

RATE = 22050


def stroke(kind: str, rate: int) -> np.ndarray:
    seconds = np.arange(int(0.15 * rate)) / rate
    if kind == "kick":
        return np.sin(2 * np.pi * 60 * seconds) * np.exp(-seconds / 0.03)
    if kind == "hat":
        return np.diff(np.random.default_rng(0).normal(size=len(seconds) + 2), 2) * 0.2 * np.exp(-seconds / 0.02)
    if kind == "snare":
        return np.random.default_rng(0).normal(size=len(seconds)) * 0.4 * np.exp(-seconds / 0.02)
    return 0.6 * np.sin(2 * np.pi * 1000 * seconds) * np.exp(-seconds / 0.02)


def recording(
    path: Path,
    strokes: dict[str, Sequence[float]],
    length_s: float,
    rate: int = RATE,
    background: np.ndarray | None = None,
) -> AudioFile:
    samples = np.zeros(round(length_s * rate) + rate) if background is None else np.pad(background, (0, rate))
    for kind, times_s in strokes.items():
        sound = stroke(kind, rate)
        for time_s in times_s:
            start = round(time_s * rate)
            samples[start : start + len(sound)] += sound
    soundfile.write(path, 0.4 * samples[: round(length_s * rate)], rate, subtype="FLOAT")
    return AudioFile.open(path)


def track(audio: AudioFile, bpm: float | None = None, drums: AudioFile | None = None) -> BeatGrid:
    return OnsetBeatTracker().track(audio, drums, bpm, Progress())


def misses_s(grid: BeatGrid, times_s: Sequence[float]) -> np.ndarray:
    """How far each time is from the nearest beat, in seconds."""
    beats = np.array(grid.beats_s)
    return np.array([beats[np.argmin(np.abs(beats - time))] - time for time in times_s])


@pytest.mark.parametrize("kind, rate", [("click", 44100), ("kick", 44100), ("snare", 8000), ("click", 96000)])
def test_beats_lie_on_the_attacks(tmp_path, kind, rate):
    times = 0.237 + np.arange(0.0, 19.5, 60 / 108)
    grid = track(recording(tmp_path / "a.wav", {kind: times}, 20.0, rate))
    assert grid.bpm == 108.0
    assert np.abs(misses_s(grid, times)).max() < 0.005


@pytest.mark.parametrize("bpm", [73.37, 108.0])
def test_four_minutes_of_one_tempo_drift_by_less_than_ten_milliseconds(tmp_path, bpm):
    times = 0.1 + np.arange(0.0, 239.0, 60 / bpm)
    grid = track(recording(tmp_path / "a.wav", {"click": times}, 240.0, rate=11025))
    assert grid.is_constant
    assert grid.bpm == pytest.approx(bpm, abs=0.01)
    assert np.abs(misses_s(grid, times)).max() < 0.005
    assert np.ptp(np.diff(grid.beats_s)) < 1e-9


def test_beats_cover_the_whole_recording_and_silent_stretches(tmp_path):
    times = np.concatenate([np.arange(10.25, 20.0, 0.5), np.arange(30.25, 40.0, 0.5)])
    grid = track(recording(tmp_path / "a.wav", {"click": times}, 50.0))
    assert grid.is_constant
    assert np.allclose(grid.beats_s, np.arange(0.25, 50.0, 0.5), atol=0.005)


def test_a_song_that_starts_on_the_beat_gets_one_tempo_event(tmp_path):
    times = np.arange(0.0, 29.5, 0.5)
    grid = track(recording(tmp_path / "a.wav", {"kick": times[::2], "snare": times[1::2]}, 30.0))
    timeline = Timeline.from_grid(grid, 30.0)
    assert grid.beats_s[0] == 0.0
    assert [event.us_per_quarter for event in timeline.tempo_events] == [500_000]


def test_a_tempo_that_rises_becomes_a_map(tmp_path):
    times = [0.2]
    while times[-1] < 39.0:
        times.append(times[-1] + 60.0 / (100.0 + times[-1]))
    grid = track(recording(tmp_path / "a.wav", {"click": times}, 40.0))
    assert not grid.is_constant
    assert np.abs(misses_s(grid, times)).max() < 0.02


def test_two_tempos_are_not_one(tmp_path):
    times = np.concatenate([np.arange(0.2, 30.0, 0.6), np.arange(30.2, 60.0, 0.5)])
    grid = track(recording(tmp_path / "a.wav", {"click": times}, 61.0))
    assert not grid.is_constant
    assert np.percentile(np.abs(misses_s(grid, times)), 90) < 0.01


def test_a_given_tempo_keeps_the_phase(tmp_path):
    audio = recording(tmp_path / "a.wav", {"kick": np.arange(0.3, 29, 0.5), "hat": np.arange(0.55, 29, 0.5)}, 30.0)
    grid = track(audio, bpm=120.0)
    assert (grid.bpm, grid.source, grid.is_constant) == (120.0, "given", True)
    assert np.abs(misses_s(grid, np.arange(0.3, 29, 0.5))).max() < 0.005


def test_a_given_tempo_is_used_to_the_letter_even_where_there_is_no_pulse(tmp_path):
    grid = track(recording(tmp_path / "a.wav", {}, 5.0), bpm=97.31)
    assert grid.bpm == 97.31
    assert grid.source == "given"
    assert grid.beats_s[1] == pytest.approx(60 / 97.31)


@pytest.mark.parametrize("bpm", [4.0, 20.0, 999.0])
def test_a_given_tempo_may_be_extreme(tmp_path, bpm):
    grid = track(recording(tmp_path / "a.wav", {"click": np.arange(0.3, 9, 0.5)}, 10.0), bpm=bpm)
    assert grid.bpm == bpm
    assert np.allclose(np.diff(grid.beats_s), 60 / bpm)
    Timeline.from_grid(grid, 10.0)


def test_kick_on_one_and_three_and_new_chords_on_one_give_four_four_from_the_downbeat(tmp_path):
    beats = 0.3 + 0.5 * np.arange(64)
    first_downbeat = 2
    seconds = np.arange(33 * RATE) / RATE
    bar = np.floor((seconds - beats[first_downbeat]) / 2.0).astype(int)
    roots = np.array([110.0, 130.81, 87.31, 98.0])[bar % 4]
    chords = sum(0.05 * np.sin(2 * np.pi * roots * ratio * seconds) for ratio in (2, 2.52, 3))
    strokes = {"kick": beats[first_downbeat % 2 :: 2], "snare": beats[1 - first_downbeat % 2 :: 2]}
    grid = track(recording(tmp_path / "a.wav", strokes, 33.0, background=chords))
    assert grid.time_signature == (4, 4)
    assert grid.downbeats_s[0] == pytest.approx(beats[first_downbeat], abs=0.005)


def test_kicks_and_new_chords_on_every_third_beat_are_a_waltz(tmp_path):
    beats = 0.3 + 0.5 * np.arange(60)
    seconds = np.arange(31 * RATE) / RATE
    roots = np.array([110.0, 130.81, 87.31, 98.0])[np.floor((seconds - beats[1]) / 1.5).astype(int) % 4]
    chords = sum(0.05 * np.sin(2 * np.pi * roots * ratio * seconds) for ratio in (2, 2.52, 3))
    after = np.sort(np.concatenate([beats[2::3], beats[3::3]]))
    grid = track(recording(tmp_path / "a.wav", {"kick": beats[1::3], "snare": after}, 31.0, background=chords))
    assert grid.time_signature == (3, 4)
    assert grid.downbeats_s[0] == pytest.approx(beats[1], abs=0.005)


def test_a_drums_stem_helps_where_the_mix_hides_the_beat(tmp_path):
    noise = np.random.default_rng(0).normal(size=20 * RATE)
    times = np.arange(0.25, 19.5, 60 / 126)
    mix = recording(tmp_path / "mix.wav", {"click": times}, 20.0, background=noise)
    drums = recording(tmp_path / "drums.wav", {"click": times}, 20.0)
    grid = track(mix, drums=drums)
    assert grid.bpm == 126.0
    assert grid.confidence > track(mix).confidence


def test_half_and_double_are_offered_as_alternatives(tmp_path):
    grid = track(recording(tmp_path / "a.wav", {"click": np.arange(0.3, 29, 60 / 110)}, 30.0))
    for bpm in (55.0, 220.0):
        assert any(abs(other / bpm - 1) < 0.02 for other in grid.alternatives_bpm)


@pytest.mark.parametrize("length_s", [0.0, 0.0001, 0.2, 1.9, 2.1, 10.0])
@pytest.mark.parametrize("sound", ["silence", "drone", "not a number"])
def test_without_a_pulse_beats_count_from_zero_at_120(tmp_path, sound, length_s):
    seconds = np.arange(round(length_s * RATE)) / RATE
    samples = {
        "silence": np.zeros_like(seconds),
        "drone": 0.3 * np.sin(2 * np.pi * 220 * seconds),
        "not a number": np.full_like(seconds, np.nan),
    }[sound]
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    grid = track(AudioFile.open(tmp_path / "a.wav"))
    assert (grid.bpm, grid.confidence) == (120.0, 0.0)
    assert np.allclose(grid.beats_s, np.arange(0.0, length_s, 0.5))


def test_noise_has_hardly_any_confidence(tmp_path):
    noise = np.random.default_rng(1).normal(size=20 * RATE)
    assert track(recording(tmp_path / "a.wav", {}, 20.0, background=noise)).confidence < 0.15


def test_two_equal_runs_give_equal_grids_and_progress_reaches_the_end(tmp_path):
    audio = recording(tmp_path / "a.wav", {"click": np.arange(0.3, 9, 0.4)}, 10.0)
    reports = []
    first = OnsetBeatTracker().track(audio, None, None, Progress(reports.append))
    assert first == track(audio)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_tracking_stops_when_asked_to(tmp_path):
    audio = recording(tmp_path / "a.wav", {"click": np.arange(0.3, 9, 0.4)}, 10.0)
    cancelled = threading.Event()

    def stop_soon(_: object) -> None:
        cancelled.set()

    with pytest.raises(Cancelled):
        OnsetBeatTracker().track(audio, None, None, Progress(stop_soon, cancelled))


#: Bars of sixteen (twelve) steps; none has a kick on every beat.
GROOVES = {
    "rock": {"kick": "X.....X.X.......", "snare": "....X.......X...", "hat": "X.X.X.X.X.X.X.X."},
    "break": {"kick": "X.........X.....", "snare": "....X.......X...", "hat": "X.X.X.X.X.X.X.X."},
    "shuffle": {"kick": "X....X......", "snare": "...X.....X..", "hat": "X.XX.XX.XX.X"},
}


def groove_of(
    name: str, bpm: float, length_s: float, first_s: float, silent: Sequence[int] = ()
) -> dict[str, list[float]]:
    """Strokes of a groove in 4/4, but in the silent bars."""
    bar_s = 240.0 / bpm
    bars = [bar for bar in range(int((length_s - first_s) / bar_s)) if bar not in silent]
    return {
        kind: [
            first_s + (bar + place / len(row)) * bar_s for bar in bars for place, mark in enumerate(row) if mark == "X"
        ]
        for kind, row in GROOVES[name].items()
    }


@pytest.mark.parametrize("name, bpm", [("rock", 73.37), ("shuffle", 96.13), ("rock", 121.87), ("break", 174.9)])
def test_four_minutes_of_a_groove_with_a_breakdown_hold_their_tempo(tmp_path, name, bpm):
    silent = [*range(8, 10), *range(24, 40)]  # a gap, and sixteen bars without drums
    strokes = groove_of(name, bpm, 239.0, 0.4, silent)
    grid = track(recording(tmp_path / "a.wav", strokes, 240.0, rate=11025))
    assert grid.is_constant
    assert grid.bpm == pytest.approx(bpm, abs=0.01)
    assert np.abs(misses_s(grid, 0.4 + np.arange(0.0, 238.0, 60.0 / bpm))).max() < 0.01


@pytest.mark.parametrize("bpm", [60.0, 87.5, 150.0, 190.0])
def test_clicks_are_read_as_beats_or_offered_so(tmp_path, bpm):
    grid = track(recording(tmp_path / "a.wav", {"click": np.arange(0.3, 29.0, 60.0 / bpm)}, 30.0))
    assert any(abs(read / bpm - 1.0) < 0.01 for read in (grid.bpm, *grid.alternatives_bpm[:2]))


def test_fast_music_is_not_halved(tmp_path):
    grid = track(recording(tmp_path / "a.wav", groove_of("break", 172.0, 29.0, 0.3), 30.0))
    assert grid.bpm == 172.0


@pytest.mark.parametrize("first_downbeat", [0, 1, 2, 3])
def test_the_bar_begins_where_chords_change_even_when_kicks_are_on_every_beat(tmp_path, first_downbeat):
    beats = 0.3 + 0.5 * np.arange(64)
    seconds = np.arange(33 * RATE) / RATE
    roots = np.array([110.0, 130.81, 87.31, 98.0])[np.floor((seconds - beats[first_downbeat]) / 2.0).astype(int) % 4]
    chords = sum(0.05 * np.sin(2 * np.pi * roots * ratio * seconds) for ratio in (2, 2.52, 3))
    strokes = {"kick": beats, "hat": beats + 0.25}
    grid = track(recording(tmp_path / "a.wav", strokes, 33.0, background=chords))
    assert grid.time_signature == (4, 4)
    assert grid.downbeats_s[0] == pytest.approx(beats[first_downbeat], abs=0.005)
