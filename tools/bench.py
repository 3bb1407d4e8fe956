#!/usr/bin/env python3
"""Convert the bench's recordings and print their scores.

usage: bench.py [--bench FOLDER] [--out FOLDER] [--only PREFIX] [--mode mix|stems] [-- OPTIONS for convert]

The bench (recordings with known truth, and the scorer that judges them) lies beside the checkout, in
``../shared/bench``; it is no part of the product. Options after ``--`` go to ``stembridge convert``. The scorer's
figures are printed as they are, then what each conversion took.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What the scores of this project are asked to reach with the builtin separator, by the scorer's own labels.
GOALS = {
    "notes bass (song) f": 0.45,
    "notes melody (song) f": 0.46,
    "notes melody (piano) f": 0.80,
    "notes melody (piano) f_off": 0.45,
    "notes vocals (vocals) f": 0.78,
    "notes vocals (vocals) f_off": 0.60,
    "drums (drums) micro F, 5 classes": 0.90,
    "drums (drums) micro F, 7 classes": 0.87,
    "tempo Acc1": 1.0,
    "SDR drums dB": 0.0,
    "SDR kick dB": 10.0,
    "SDR snare dB": 7.0,
    "SDR hihat dB": 4.0,
}


def main() -> int:
    """Run the bench; 1 where a goal is missed, 2 where the bench is not there."""
    arguments = _arguments()
    scorer = arguments.bench / "score.py"
    if not scorer.exists():
        print(f"there is no bench in {arguments.bench}: nothing was measured")
        return 2
    cases = arguments.bench / "cases"
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch)
        command = f"{sys.executable} -m bridge"
        convert = [arguments.bench / "convert.py", cases, out, arguments.mode, "--only", arguments.only]
        subprocess.run([sys.executable, *convert, "--command", command, "--", *arguments.options], check=True, cwd=ROOT)
        scores = subprocess.run(
            [sys.executable, scorer, cases, out, "--only", arguments.only],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        print(scores)
        _print_timings(out)
    return _judge(scores) if arguments.mode == "mix" else 0


def _arguments() -> argparse.Namespace:
    own, options = sys.argv[1:], []
    if "--" in own:
        own, options = own[: own.index("--")], own[own.index("--") + 1 :]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bench", type=Path, default=ROOT.parent / "shared/bench")
    parser.add_argument("--out", type=Path, help="keep the results here")
    parser.add_argument("--only", default="", help="only the cases whose names start so")
    parser.add_argument("--mode", choices=["mix", "stems"], default="mix")
    arguments = parser.parse_args(own)
    arguments.options = options
    return arguments


def _print_timings(out: Path) -> None:
    totals: dict[str, float] = {}
    duration_s = 0.0
    for path in sorted(out.glob("*/manifest.json")):
        manifest = json.loads(path.read_text())
        duration_s += manifest["source"]["duration_s"]
        for stage, seconds in manifest["timings_s"].items():
            totals[stage] = totals.get(stage, 0.0) + seconds
    print(f"{duration_s:.0f} s of audio; seconds by stage: {', '.join(f'{k} {v:.1f}' for k, v in totals.items())}")


def _judge(scores: str) -> int:
    """Print how each goal was met; 1 where one is missed, or was not measured."""
    missed = 0
    figures = {line[:42].strip(): line[42:].split() for line in scores.splitlines()}
    for label, goal in GOALS.items():
        value = float(figures[label][0]) if label in figures else float("nan")
        missed += not value >= goal
        print(f"{'met   ' if value >= goal else 'MISSED'} {label}: {value:.3f}, goal {goal:.2f}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
