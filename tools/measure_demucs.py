"""Measure Stembridge's Demucs path against demucs' own command line, on one model folder.

::

    python tools/make_random_checkpoint.py MODELS/htdemucs
    python tools/measure_demucs.py speed MODELS --seconds 40 --runs 3
    python tools/measure_demucs.py memory MODELS --minutes 5 10 30

``speed`` runs the two in turn, so that other work on the machine meets both alike, and compares what they wrote. Each
time spans the whole command: start of the process, loading, separating, writing 32-bit float files. ``memory`` gives
the peak of the child process for files of several lengths. Unix only.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bridge.audio.file import AudioFile
from bridge.progress import Progress
from bridge.separation.demucs import DemucsSeparator

RATE = 44100
PART_OF_SOURCE = {"drums": "drums", "bass": "bass", "other": "melody", "vocals": "vocals"}


@dataclass(frozen=True)
class Cost:
    """Wall-clock and processor seconds of one run."""

    wall_s: float
    cpu_s: float


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory", "one"])
    parser.add_argument("models", type=Path, help="the folder that holds the folder NAME of the model")
    parser.add_argument("--name", default="htdemucs")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 10.0])
    parser.add_argument("--files", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.models / args.name
    os.environ["STEMBRIDGE_MODELS_DIR"] = str(args.models.resolve())
    if args.what == "one":
        _separate_to_files(args.name, *args.files)
        return
    with tempfile.TemporaryDirectory() as scratch:
        if args.what == "speed":
            measure_speed(args.name, folder, args.seconds, args.runs, Path(scratch))
        else:
            measure_memory(args.name, args.minutes, Path(scratch))


def measure_speed(name: str, folder: Path, seconds: float, runs: int, scratch: Path) -> None:
    """Print times, ratios and the largest difference between the two programs' files."""
    mix = _write_noise(scratch / "mix.wav", seconds)
    theirs, ours = scratch / "theirs", scratch / "ours"
    ours.mkdir()
    demucs = [sys.executable, "-m", "demucs.separate", "-n", name, "--repo", folder, "--shifts", "0", "--float32"]
    theirs_command = [*map(str, demucs), "--clip-mode", "none", "-o", str(theirs), str(mix)]
    ours_command = [sys.executable, __file__, "one", str(folder.parent), "--name", name, "--files", str(mix), str(ours)]
    costs: dict[str, list[Cost]] = {"demucs": [], "stembridge": []}
    for run in range(runs):
        for program, command in (("demucs", theirs_command), ("stembridge", ours_command)):
            cost = _cost_of(lambda command=command: subprocess.run(command, check=True, capture_output=True))
            costs[program].append(cost)
            print(f"run {run + 1} {program:10s} {cost.wall_s:7.1f} s wall {cost.cpu_s:7.1f} s cpu", flush=True)
    for kind in ("wall_s", "cpu_s"):
        theirs_s, ours_s = ([getattr(cost, kind) for cost in costs[program]] for program in costs)
        ratios = [a / b for a, b in zip(theirs_s, ours_s, strict=True)]
        print(f"{kind}: demucs / stembridge = {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        for program, all_s in (("demucs", theirs_s), ("stembridge", ours_s)):
            print(f"       {program}: {statistics.median(all_s) / seconds:.3f} s for a second of audio")
    for source, part in PART_OF_SOURCE.items():
        expected, _ = soundfile.read(theirs / name / "mix" / f"{source}.wav", dtype="float32")
        got, _ = soundfile.read(ours / f"{part}.wav", dtype="float32")
        error = 10 * np.log10(np.mean((got - expected) ** 2.0) / np.mean(expected**2.0))
        most = np.abs(got - expected).max()
        print(f"{source:7s} difference {error:6.1f} dB, at most {most:.1e} of {np.abs(expected).max():.1e}")


def measure_memory(name: str, minutes: list[float], scratch: Path) -> None:
    """Print the child's peak memory for each length, shortest first."""
    for length in sorted(minutes):  # ru_maxrss only ever grows
        mix = AudioFile.open(_write_noise(scratch / "mix.wav", length * 60))
        cost = _cost_of(lambda mix=mix: sum(1 for _ in DemucsSeparator(name).separate(mix, Progress())))
        child_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
        own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        speed = cost.wall_s / (length * 60)
        print(
            f"{length:5.1f} min: child {child_mb:6.0f} MB, parent {own_mb:5.0f} MB, {speed:.3f} s for a second",
            flush=True,
        )


def _separate_to_files(name: str, mix: Path, folder: Path) -> None:
    """What ``measure_speed`` times: the product's path, with files of the same kind as demucs writes."""
    separator = DemucsSeparator(name)
    audio = AudioFile.open(mix)
    files = {
        part: soundfile.SoundFile(folder / f"{part}.wav", "w", audio.sample_rate, audio.channels, "FLOAT")
        for part in separator.parts
    }
    for block in separator.separate(audio, Progress()):
        for part, samples in block.items():
            files[part].write(samples)
    for file in files.values():
        file.close()


def _write_noise(path: Path, seconds: float) -> Path:
    """A stereo file of noise, written in blocks."""
    random = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        left = int(seconds * RATE)
        while left > 0:
            file.write(0.1 * random.standard_normal((min(left, 1 << 20), 2)))
            left -= 1 << 20
    return path


def _cost_of(work: Callable[[], object]) -> Cost:
    """Run something whose work is done by child processes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - began, cpu)


if __name__ == "__main__":
    main()
