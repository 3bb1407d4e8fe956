#!/usr/bin/env python3
"""Measure tempo, beats and bars on recordings of known tempo.

usage: measure_tempo.py CASES [--results FOLDER] [--only PREFIX] [--drums]

CASES/<case>/ holds mix.flac, case.json (perhaps with tempo_bpm) and perhaps truth/beats.txt and stems/drums.flac. With
--results, <FOLDER>/<case>/ are conversions and what their midi/song.mid says is judged; without, the tracker runs here.
Prints for each case the true and the found tempo and their difference, the beats' F-measure (mir_eval, 70 ms) and where
in the bar the middle true beat was put; then how many tempos are within 4 %, how many within 0.1 % where the case tells
a constant tempo, and the kinds of errors.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import mido
import mir_eval
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bridge.audio.file import AudioFile
from bridge.model import BeatGrid
from bridge.progress import Progress
from bridge.tempo.tracker import OnsetBeatTracker
from tools.tempo.judge import EXACT, WINDOW_S, tempo_kind

#: A file whose beats' lengths differ by no more than this, its lead-in aside, has one tempo: whole microseconds a beat.
ONE_TEMPO_S = 2e-6


def true_beats(case: Path) -> np.ndarray:
    """True beats in seconds, empty where they aren't known."""
    path = case / "truth/beats.txt"
    return np.loadtxt(path) if path.exists() else np.zeros(0)


def tracked(case: Path, *, use_drums: bool) -> BeatGrid:
    """What the tracker finds in the case's recording, and in its true drums if wanted."""
    stem = case / "stems/drums.flac"
    drums = AudioFile.open(stem) if use_drums and stem.exists() else None
    return OnsetBeatTracker().track(AudioFile.open(case / "mix.flac"), drums, None, Progress())


def converted(result: Path) -> BeatGrid:
    """The beats and bars that the song's MIDI file has, and what its manifest adds."""
    song = mido.MidiFile(result / "midi/song.mid")
    tempo = json.loads((result / "manifest.json").read_text())["tempo"]
    duration_s = json.loads((result / "manifest.json").read_text())["source"]["duration_s"]
    tempos, lines, signature = [(0, 500_000)], [(0, 4.0)], (4, 4)
    tick = 0
    for message in mido.merge_tracks(song.tracks):
        tick += message.time
        if message.type == "set_tempo":
            tempos.append((tick, message.tempo))
        if message.type == "time_signature":
            signature = (message.numerator, message.denominator)
            lines.append((tick, 4.0 * message.numerator / message.denominator))
    beats_s, ticks, now_s = [0.0], [0], 0.0
    while now_s < duration_s:
        us = next(value for at, value in reversed(tempos) if at <= ticks[-1])
        now_s += us / 1e6
        beats_s.append(now_s)
        ticks.append(ticks[-1] + song.ticks_per_beat)
    downbeats_s = []
    for (start, length), (end, _) in pairwise([*lines, (ticks[-1], 4.0)]):
        bar_ticks = np.arange(start, end, round(length * song.ticks_per_beat))
        downbeats_s += np.interp(bar_ticks, ticks, beats_s).tolist()
    lengths_s = np.diff(beats_s[:-1])[4:]  # four beats of lead-in at most
    is_constant = len(lengths_s) > 0 and bool(np.ptp(lengths_s) <= ONE_TEMPO_S)
    bpm = 60.0 / float(lengths_s.mean() if is_constant else np.median(lengths_s))
    return BeatGrid(
        bpm,
        tuple(beats_s[:-1]),
        tuple(sorted(set(downbeats_s))),
        signature,
        is_constant,
        tempo["confidence"],
        tuple(tempo["alternatives_bpm"]),
    )


def place_in_bar(grid: BeatGrid, time_s: float) -> int:
    """1 for a beat nearest to a downbeat, 2 for the one after, ..."""
    beats_s, downbeats_s = np.array(grid.beats_s), np.array(grid.downbeats_s)
    beat_s = beats_s[np.argmin(np.abs(beats_s - time_s))]
    before = downbeats_s[downbeats_s <= beat_s + 1e-6]
    return int(np.count_nonzero((beats_s >= before[-1] - 1e-6) & (beats_s <= beat_s + 1e-6))) if len(before) else 0


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--results", type=Path, help="judge these conversions instead of running the tracker")
    parser.add_argument("--only", default="", help="only the cases whose names start so")
    parser.add_argument("--drums", action="store_true", help="use the true drums stem too")
    options = parser.parse_args()
    kinds: Counter[str] = Counter()
    exact, scores = [], []
    for case in sorted(path.parent for path in options.cases.glob(f"{options.only}*/case.json")):
        began = time.process_time()
        result = options.results and options.results / case.name
        if result and not (result / "midi/song.mid").exists():
            continue
        grid = converted(result) if result else tracked(case, use_drums=options.drums)
        seconds = time.process_time() - began
        told, beats_s = json.loads((case / "case.json").read_text()).get("tempo_bpm"), true_beats(case)
        tempo = told or (60.0 / float(np.median(np.diff(beats_s))) if len(beats_s) > 1 else None)
        kind = "constant" if grid.is_constant else "map"
        meter = "/".join(map(str, grid.time_signature))
        line = f"{case.name:24} {grid.bpm:8.3f} {kind:8} confidence {grid.confidence:.2f} {meter}"
        if tempo:
            kinds[tempo_kind(grid.bpm, tempo)] += 1
            off = grid.bpm / tempo - 1.0
            line += f"  true {tempo:7.2f} {100 * off:+8.3f} % {tempo_kind(grid.bpm, tempo)}"
            if told:
                exact.append(abs(off) <= EXACT)
        if len(beats_s):
            scores.append(mir_eval.beat.f_measure(beats_s, np.array(grid.beats_s), f_measure_threshold=WINDOW_S))
            middle_s = beats_s[len(beats_s) // 2 // 12 * 12]  # 12 beats are whole bars of 3/4 and 4/4
            line += f"  beats F {scores[-1]:.3f}  a first beat of four is {place_in_bar(grid, middle_s)} of the bar"
        others = " ".join(f"{bpm:.1f}" for bpm in grid.alternatives_bpm[:3])
        print(f"{line}  {seconds:.2f} s  or {others}")
    total = sum(kinds.values())
    print(f"tempo within 4 %: {kinds['right']} of {total}")
    print(f"within {EXACT:.1%} where the tempo is constant and known: {sum(exact)} of {len(exact)}")
    print("errors: " + (", ".join(f"{kind} {count}" for kind, count in kinds.items() if kind != "right") or "none"))
    if scores:
        print(f"mean beats F {np.mean(scores):.3f}")


if __name__ == "__main__":
    main()
