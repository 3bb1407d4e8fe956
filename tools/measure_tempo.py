#!/usr/bin/env python3
"""Measure the beat tracker on recordings of known tempo.

usage: measure_tempo.py CASES [--only PREFIX] [--drums]

CASES/<case>/ holds mix.flac, case.json (perhaps with tempo_bpm) and perhaps truth/beats.txt and stems/drums.flac.
Prints for each case the true and the found tempo, their difference, the beats' F-measure (mir_eval, 70 ms), where in
the bar the first true beat was put, and the processor time.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import mir_eval
import numpy as np

from bridge.audio.file import AudioFile
from bridge.model import BeatGrid
from bridge.progress import Progress
from bridge.tempo.tracker import OnsetBeatTracker


def true_beats(case: Path) -> np.ndarray:
    """True beats in seconds, empty where they aren't known."""
    path = case / "truth/beats.txt"
    return np.loadtxt(path) if path.exists() else np.zeros(0)


def true_tempo(case: Path, beats_s: np.ndarray) -> float | None:
    """The tempo that the case tells, or that its beats have."""
    told = json.loads((case / "case.json").read_text()).get("tempo_bpm")
    return told or (60.0 / float(np.median(np.diff(beats_s))) if len(beats_s) > 1 else None)


def place_in_bar(grid: BeatGrid, time_s: float) -> int:
    """1 for a beat nearest to a downbeat, 2 for the one after, ..."""
    per_bar = grid.time_signature[0] * 4 // grid.time_signature[1]
    nearest = int(np.argmin(np.abs(np.array(grid.beats_s) - time_s)))
    return (nearest - grid.beats_s.index(grid.downbeats_s[0])) % per_bar + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--only", default="", help="only the cases whose names start so")
    parser.add_argument("--drums", action="store_true", help="use the true drums stem too")
    args = parser.parse_args()
    hits, scores = [], []
    for case in sorted(path.parent for path in args.cases.glob(f"{args.only}*/case.json")):
        stem = case / "stems/drums.flac"
        drums = AudioFile.open(stem) if args.drums and stem.exists() else None
        began = time.process_time()
        grid = OnsetBeatTracker().track(AudioFile.open(case / "mix.flac"), drums, None, Progress())
        seconds = time.process_time() - began
        beats_s = true_beats(case)
        tempo = true_tempo(case, beats_s)
        kind = "constant" if grid.is_constant else "map"
        meter = "/".join(map(str, grid.time_signature))
        line = f"{case.name:24} {grid.bpm:8.3f} {kind:8} confidence {grid.confidence:.2f} {meter}"
        if tempo:
            hits.append(abs(grid.bpm / tempo - 1.0) <= 0.04)
            line += f"  true {tempo:7.2f} {100 * (grid.bpm / tempo - 1):+8.3f} % {'' if hits[-1] else 'WRONG'}"
        if len(beats_s):
            scores.append(mir_eval.beat.f_measure(beats_s, np.array(grid.beats_s), f_measure_threshold=0.07))
            middle = len(beats_s) // 2 // 12 * 12  # the grid is surest there; 12 beats are whole bars of 3/4 and 4/4
            line += f"  beats F {scores[-1]:.3f}  first true beat is {place_in_bar(grid, beats_s[middle])} of the bar"
        others = " ".join(f"{bpm:.1f}" for bpm in grid.alternatives_bpm[:3])
        print(f"{line}  {seconds:.2f} s  or {others}")
    if hits:
        print(f"tempo within 4 %: {sum(hits)} of {len(hits)}")
    if scores:
        print(f"mean beats F {np.mean(scores):.3f}")


if __name__ == "__main__":
    main()
