#!/usr/bin/env python3
"""How well pitched parts are transcribed: audio to notes, without the rest of a conversion.

usage: measure_notes.py CASES [--stems FOLDER] [--only PREFIX] [--source mix|stem|separated] [--set PART.COLUMN=NUMBER]

CASES/<case>/ holds case.json, mix.flac, stems/*.flac and truth/<part>.tsv (onset s, offset s, MIDI pitch, velocity).
Songs are heard from their true stems and from their mix, and from FOLDER/<case>/<part>.wav where --stems names what a
separator made of them; solo recordings from their mix.

Printed for each part and case: precision, recall and F of notes (onset within 50 ms, pitch), F that asks for the offset
too, and what became of the notes that are wrong, by mir_eval: missed; of the extra ones, octave (a true note's onset,
octaves away), pitch (a true note's onset, another pitch), split (inside a true note of that pitch) and ghost (anything
else). --set tries another number of the table of profiles.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mir_eval
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bridge.audio.file import AudioFile
from bridge.engines import Hearing
from bridge.model import PITCHED_PARTS, Note
from bridge.names import USUAL_TIGHTNESS
from bridge.progress import Progress
from bridge.transcription.basic_pitch import BasicPitchTranscriber
from bridge.transcription.chords import ChordProfile
from bridge.transcription.profiles import HEARINGS, PROFILES, Profile

ONSET_TOLERANCE_S = 0.05
KINDS_OF_ERROR = ("missed", "octave", "pitch", "split", "ghost")
#: Kind of solo recording -> (the part of its truth, the profile that hears it).
SOLO = {
    "piano": ("melody", "solo"),
    "vocals": ("vocals", "vocals"),
    "bass": ("bass", "bass"),
    "stops": ("bass", "bass"),
}

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Job:
    """One recording to hear: `group` says which figures belong together."""

    group: str
    case: str
    audio: Path
    truth: Path
    profile: str
    beside: tuple[Path, ...] = ()


def jobs_in(cases: Path, stems: Path | None, only: str) -> Iterator[Job]:
    for case in sorted(path.parent for path in cases.glob(f"{only}*/case.json")):
        kind = json.loads((case / "case.json").read_text())["kind"]
        if kind in SOLO:
            part, profile = SOLO[kind]
            yield Job(f"{kind}, alone", case.name, case / "mix.flac", case / "truth" / f"{part}.tsv", profile)
        for part in PITCHED_PARTS if kind == "song" else ():
            truth = case / "truth" / f"{part}.tsv"
            sources = {"stem": case / "stems" / f"{part}.flac", "mix": case / "mix.flac"}
            if stems is not None:
                sources["separated"] = stems / case.name / f"{part}.wav"
            for source, audio in sources.items():
                if truth.exists() and audio.exists():
                    profile, beside = _as_a_song_is_heard(part, source, case, audio.parent)
                    yield Job(f"{part}, {source}", case.name, audio, truth, profile, beside)


def _as_a_song_is_heard(part: str, source: str, case: Path, separated: Path) -> tuple[str, tuple[Path, ...]]:
    """The profile that hears a part in that source, and what it hears beside, as the product chooses them."""
    hearing = HEARINGS[{"stem": "neural", "separated": "builtin", "mix": "none"}[source]][part]
    audio = {"mix": case / "mix.flac", "vocals": separated / "vocals.wav"}
    return hearing.profile, tuple(audio[name] for name in hearing.beside)


def notes_of(transcriber: BasicPitchTranscriber, job: Job) -> list[Note]:
    """The notes of a recording, from listening on."""
    own, *beside = (
        list(transcriber.listen(AudioFile.open(path), None, job.profile, Progress()))
        for path in (job.audio, *job.beside)
    )
    return transcriber.decode(own, Hearing("stem", job.profile), USUAL_TIGHTNESS, Progress(), beside).notes


def hz(rows: Rows) -> Rows:
    return np.asarray(440.0 * 2.0 ** ((rows[:, 2] - 69.0) / 12.0))


def read_truth(path: Path) -> Rows:
    rows = np.array(
        [[float(cell) for cell in line.split("\t")] for line in path.read_text().splitlines() if line.strip()]
    )
    rows[:, 1] = np.maximum(rows[:, 1], rows[:, 0] + 0.01)
    return rows


def rows_of(notes: list[Note]) -> Rows:
    return np.array([(note.onset_s, note.offset_s, note.pitch, note.velocity) for note in notes]).reshape(-1, 4)


def errors(truth: Rows, found: Rows) -> dict[str, int]:
    """How many notes are wrong in which way."""
    hits = mir_eval.transcription.match_notes(
        truth[:, :2], hz(truth), found[:, :2], hz(found), onset_tolerance=ONSET_TOLERANCE_S, offset_ratio=None
    )
    count = dict.fromkeys(KINDS_OF_ERROR, 0) | {"missed": len(truth) - len(hits)}
    for extra in sorted(set(range(len(found))) - {place for _, place in hits}):
        onset, _, pitch, _ = found[extra]
        together = truth[np.abs(truth[:, 0] - onset) <= ONSET_TOLERANCE_S, 2]
        inside = truth[(truth[:, 0] < onset) & (onset < truth[:, 1]), 2]
        away = np.abs(together - pitch)
        if np.any((away > 11.5) & (np.abs((away + 6.0) % 12.0 - 6.0) < 0.5)):
            count["octave"] += 1
        elif np.any(np.abs(inside - pitch) <= 0.5):
            count["split"] += 1
        else:
            count["pitch" if len(together) else "ghost"] += 1
    return count


def scores(truth: Rows, found: Rows) -> list[float]:
    """Precision, recall, F and F with offsets."""
    if not len(found):
        return [0.0] * 4
    spans = (truth[:, :2], hz(truth), found[:, :2], hz(found))
    precision, recall, f, _ = mir_eval.transcription.precision_recall_f1_overlap(
        *spans, onset_tolerance=ONSET_TOLERANCE_S, offset_ratio=None
    )
    return [precision, recall, f, mir_eval.transcription.precision_recall_f1_overlap(*spans)[2]]


def profiles_with(changes: list[str]) -> dict[str, Profile | ChordProfile]:
    profiles = dict(PROFILES)
    for change in changes:
        name, number = change.split("=")
        part, column = name.split(".")
        kind = type(getattr(profiles[part], column))
        profiles[part] = replace(profiles[part], **{column: kind(float(number))})
    return profiles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--stems", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--source", help="only songs' parts from this source")
    parser.add_argument("--set", action="append", default=[], metavar="PART.COLUMN=NUMBER")
    args = parser.parse_args()
    transcriber = BasicPitchTranscriber(profiles_with(args.set))
    table: dict[str, list[list[float]]] = {}
    print(
        f"{'':46}{'P':>7}{'R':>7}{'F':>7}{'F_off':>7}  "
        + "".join(f"{kind:>8}" for kind in KINDS_OF_ERROR)
        + f"{'x real':>8}"
    )
    for job in jobs_in(args.cases, args.stems, args.only):
        if args.source and not job.group.endswith((args.source, "alone")):
            continue
        audio, truth, began = AudioFile.open(job.audio), read_truth(job.truth), time.perf_counter()
        found = rows_of(notes_of(transcriber, job))
        speed = audio.duration_s / (time.perf_counter() - began)
        figures, kinds = scores(truth, found), errors(truth, found)
        table.setdefault(job.group, []).append(figures)
        line = (
            "".join(f"{figure:7.3f}" for figure in figures)
            + "  "
            + "".join(f"{kinds[kind]:8d}" for kind in KINDS_OF_ERROR)
        )
        print(f"{job.group:20}{job.case:26}{line}{speed:8.1f}", flush=True)
    for group, rows in table.items():
        print(
            f"{group:20}{'mean of ' + str(len(rows)):26}"
            + "".join(f"{figure:7.3f}" for figure in np.mean(rows, axis=0))
        )


if __name__ == "__main__":
    main()
