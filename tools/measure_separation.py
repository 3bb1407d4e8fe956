#!/usr/bin/env python3
"""Measure the builtin separator against plain harmonic/percussive separation, on mixes whose true stems are known.

usage: measure_separation.py CASES [--only PREFIX]

CASES/<set>_<name>/ holds mix.flac and those of stems/{bass,drums,melody,vocals}.flac that there are; they sum to the
mix. Prints the mean signal-to-distortion ratio (dB, over the whole recording) of each stem, by set and over all, and
the processor time. The peer is `librosa.decompose.hpss`: what is percussive is drums, harmonic below 250 Hz bass, the
rest is given to both vocals and melody (in the last rows: to melody only, vocals silent).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import soundfile

from bridge.audio.file import AudioFile
from bridge.model import PARTS, Samples
from bridge.progress import Progress
from bridge.separation.builtin import BuiltinSeparator

BASS_BELOW_HZ = 250

Scores = dict[tuple[str, str], float]


def sdr_db(reference: Samples, estimate: Samples) -> float:
    """Signal-to-distortion ratio over the whole recording, as in the Music Demixing challenges."""
    signal = np.sum(reference.astype(np.float64) ** 2)
    distortion = np.sum((reference.astype(np.float64) - estimate) ** 2)
    return float(10 * np.log10((signal + 1e-9) / (distortion + 1e-9)))


def builtin(mix: AudioFile) -> dict[str, Samples]:
    """The parts as the product makes them."""
    blocks = list(BuiltinSeparator().separate(mix, Progress()))
    return {part: np.concatenate([block[part] for block in blocks]) for part in PARTS}


def plain(mix: AudioFile) -> dict[str, Samples]:
    """The parts by one harmonic/percussive split and one band limit."""
    parts: dict[str, list[Samples]] = {part: [] for part in PARTS}
    for channel in mix.read().T:
        harmonic, percussive = librosa.decompose.hpss(librosa.stft(channel))
        low = (librosa.fft_frequencies(sr=mix.sample_rate) < BASS_BELOW_HZ)[:, None]
        spectra = {"bass": harmonic * low, "drums": percussive, "melody": harmonic * ~low}
        samples = {part: librosa.istft(spectrum, length=mix.length) for part, spectrum in spectra.items()}
        for part in PARTS:
            parts[part].append(samples["melody" if part == "vocals" else part])
    return {part: np.stack(channels, axis=1) for part, channels in parts.items()}


def scores(cases: list[Path], separate: Callable[[AudioFile], dict[str, Samples]]) -> tuple[Scores, float]:
    """The ratio of every (case, stem), and the seconds of processor time for all of them."""
    found, spent_s = {}, 0.0
    for case in cases:
        began_s = time.process_time()
        parts = separate(AudioFile.open(case / "mix.flac"))
        spent_s += time.process_time() - began_s
        for stem in case.glob("stems/*.flac"):
            if stem.stem in parts:
                reference, _ = soundfile.read(stem, dtype="float32", always_2d=True)
                found[case.name, stem.stem] = sdr_db(reference, parts[stem.stem])
    return found, spent_s


def row(label: str, found: Scores, chosen: str) -> str:
    """Mean of each stem over the cases whose names start with `chosen`."""
    cells = []
    for part in PARTS:
        values = [value for (case, stem), value in found.items() if stem == part and case.startswith(chosen)]
        cells.append(f"{np.mean(values):7.2f}" if values else "      –")
    return f"{label:<24} {chosen or 'all':<6}" + " ".join(cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--only", default="", help="only the cases whose names start so")
    args = parser.parse_args()
    cases = [
        case
        for case in sorted(args.cases.glob(f"{args.only}*"))
        if any((case / "stems" / f"{part}.flac").exists() for part in PARTS)
    ]
    sets = [*sorted({case.name.split("_")[0] for case in cases}), ""]
    print(f"{'mean SDR, dB':<24} {'set':<6}" + " ".join(f"{part:>7}" for part in PARTS))
    ours, our_s = scores(cases, builtin)
    peer, peer_s = scores(cases, plain)
    unsung = {key: 0.0 if key[1] == "vocals" else value for key, value in peer.items()}  # silence scores 0 dB
    for label, found in (("builtin", ours), ("HPSS", peer), ("HPSS, vocals silent", unsung)):
        for chosen in sets:
            print(row(label, found, chosen))
    print(f"processor time: builtin {our_s:.1f} s, HPSS {peer_s:.1f} s, for {len(cases)} recordings")


if __name__ == "__main__":
    main()
