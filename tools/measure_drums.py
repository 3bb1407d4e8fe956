"""Measure a drum engine on recordings with known hits and component stems.

usage: measure_drums.py CASES [--only PREFIX ...] [--input mix.flac] [--engine kit|onset|KIT.onnx] [options]

CASES/<case>/ holds the recording (`--input`, relative to it), truth/drums.tsv (onset s, class) and, for --split,
stems/{kick,snare,hihat,toms,cymbals}.flac. Prints, for all cases together: F of each class (hits within 50 ms), micro
F of 5 and 7 classes, timing, and each component's SDR.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import mir_eval
import numpy as np
import soundfile

from bridge.audio.file import AudioFile
from bridge.drums.kit_engine import KitDrumEngine
from bridge.drums.onset_engine import OnsetDrumEngine
from bridge.engines import DrumEngine
from bridge.model import COMPONENTS, Note
from bridge.progress import Progress

CLASS_OF_KEY = {
    36: "kick",
    38: "snare",
    42: "closed_hat",
    46: "open_hat",
    49: "crash",
    51: "ride",
    48: "tom",
    45: "tom",
    43: "tom",
}
FIVE = {"closed_hat": "hat", "open_hat": "hat", "crash": "cymbal", "ride": "cymbal"}
STEMS = {"kick": ("kick",), "snare": ("snare",), "hihat": ("hihat",), "toms": ("tom",), "cymbals": ("cymbal", "ride")}
TOLERANCE_S = 0.05


def count(
    truth: list[tuple[float, str]], notes: list[Note], counts: dict[str, np.ndarray], late_s: list[float]
) -> None:
    found = [(note.onset_s, CLASS_OF_KEY[note.pitch]) for note in notes]
    for merge, prefix in ((lambda name: FIVE.get(name, name), "5:"), (lambda name: name, "7:")):
        for name in {merge(kind) for _, kind in truth + found}:
            want = np.array(sorted(at for at, kind in truth if merge(kind) == name))
            have = np.array(sorted(at for at, kind in found if merge(kind) == name))
            pairs = mir_eval.util.match_events(want, have, TOLERANCE_S) if len(want) and len(have) else []
            counts[prefix + name] += np.array([len(pairs), len(have) - len(pairs), len(want) - len(pairs)])
            if prefix == "5:":
                late_s += [have[b] - want[a] for a, b in pairs]


def f_measure(counts: np.ndarray) -> float:
    hits, extra, missed = counts
    return float(2 * hits / max(1, 2 * hits + extra + missed))


def split_sdr(engine: DrumEngine, case: Path, audio: AudioFile) -> dict[str, float]:
    made = {name: np.zeros((audio.length, audio.channels), np.float32) for name in COMPONENTS}
    at = 0
    for block in engine.split(audio, Progress()):
        for name, samples in block.items():
            made[name][at : at + len(samples)] = samples
        at += len(samples)
    assert at == audio.length
    result = {}
    for stem, names in STEMS.items():
        path = case / "stems" / f"{stem}.flac"
        if path.exists():
            true = soundfile.read(path, always_2d=True)[0]
            error = true - sum(made[name] for name in names)
            result[stem] = float(10 * np.log10((np.sum(true**2) + 1e-9) / (np.sum(error**2) + 1e-9)))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--input", default="mix.flac")
    parser.add_argument("--engine", default="kit", help="kit, onset, or another ONNX file for the kit engine")
    parser.add_argument(
        "--surrounding", default="alone", choices=("alone", "mixed"), help="thresholds of the kit engine"
    )
    parser.add_argument("--split", action="store_true")
    options = parser.parse_args()
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(3))
    late_s: list[float] = []
    sdr: dict[str, list[float]] = defaultdict(list)
    model = None if options.engine == "kit" else Path(options.engine)
    engine: DrumEngine = OnsetDrumEngine() if options.engine == "onset" else KitDrumEngine(model, options.surrounding)
    engine.load()
    spent, heard = 0.0, 0.0
    for case in sorted(options.cases.iterdir()):
        if not any(case.name.startswith(prefix) for prefix in options.only) or not (case / "truth/drums.tsv").exists():
            continue
        audio = AudioFile.open(case / options.input)
        truth = [
            (float(at), kind)
            for at, kind in (line.split("\t") for line in (case / "truth/drums.tsv").read_text().splitlines())
        ]
        begun = time.process_time()
        notes = engine.transcribe(audio, {}, Progress())
        spent, heard = spent + time.process_time() - begun, heard + audio.duration_s
        count(truth, notes, counts, late_s)
        if options.split:
            for name, value in split_sdr(engine, case, audio).items():
                sdr[name].append(value)
    for name in sorted(counts):
        print(f"{name:<14} F {f_measure(counts[name]):.3f}   hits, extra, missed {counts[name].astype(int).tolist()}")
    for prefix in ("5:", "7:"):
        total = sum(value for name, value in counts.items() if name.startswith(prefix))
        print(f"micro F {prefix[0]} classes {f_measure(total):.3f}")
    print(
        "late, ms: 10, 50, 90 %",
        np.round(1000 * np.percentile(late_s, [10, 50, 90]), 1),
        f"CPU {spent / heard * 240:.1f} s for 4 minutes",
    )
    for name, values in sdr.items():
        print(f"SDR {name:<9} {np.mean(values):6.2f} dB of {len(values)}", np.round(values, 1))


if __name__ == "__main__":
    main()
