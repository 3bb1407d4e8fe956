"""What judges learn from: candidates of rendered recordings, each with whether a note begins there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.audio.file import AudioFile
from bridge.model import PITCHED_PARTS
from bridge.progress import Progress
from bridge.transcription.candidates import Candidates, candidates
from bridge.transcription.frames import ARRAYS, LOWEST_PITCH, Evidence, evidence_of, frame_time_s, joined
from bridge.transcription.judge import facts_of
from bridge.transcription.listen import evidence
from bridge.transcription.network import Network
from bridge.transcription.profiles import PROFILES
from tools.measure_notes import read_truth

ONSET_TOLERANCE_S = 0.05
_LATE_S = 0.006  # the onset posterior peaks that much after the onset, in the median
#: Kept of each evidence; the rest isn't needed for candidates.
_KEPT = ("note", "onset", "level_db")


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """The candidates of one recording as one judge sees it.

    Attributes
    ----------
    judge, song, case, profile
        Who learns from it, of which song it is (songs are held out as a whole), its name, and how it is heard.
    known
        The evidence, the part's own first.
    at, facts, is_note
        Candidates, what is said of each, and whether it is a note's onset, 0 or 1.
    truth
        Rows of onset, offset, pitch, velocity.
    """

    judge: str
    song: str
    case: str
    profile: str
    known: tuple[Evidence, ...]
    at: Candidates
    facts: NDArray[np.float32]
    is_note: NDArray[np.float32]
    truth: NDArray[np.float64]


def lessons(work: Path) -> Iterator[Lesson]:
    """Those of every case in `work`; what was heard is kept beside it."""
    network = Network()
    for case in sorted(path.parent for path in (work / "cases").glob("*/case.json")):
        about = json.loads((case / "case.json").read_text())
        song = str(about["source"])
        stems = work / "stems" / case.name
        truths = {part: case / "truth" / f"{part}.tsv" for part in PITCHED_PARTS}
        truth = {part: read_truth(path) for part, path in truths.items() if path.exists()}
        heard = {
            name: _heard(audio, work / "heard" / f"{case.name}.{name}.npz", network)
            for name, audio in {
                "mix": case / "mix.flac",
                "true": case / "stems" / "melody.flac",
                "melody": stems / "melody.wav",
                "vocals": stems / "vocals.wav",
            }.items()
            if audio.exists() and "melody" in truth
        }
        if about["kind"] in ("piano", "tones"):
            yield _lesson("alone", song, f"{case.name} alone", (heard["mix"],), truth["melody"], "solo")
        if about["kind"] == "tones":
            yield _lesson("mixed", song, f"{case.name} mix", (heard["mix"],), truth["melody"], "mix")
        if about["kind"] == "song":
            yield _lesson("alone", song, f"{case.name} true stem", (heard["true"],), truth["melody"], "melody")
            everything = np.concatenate(list(truth.values()))
            yield _lesson("mixed", song, f"{case.name} mix", (heard["mix"],), everything, "mix")
            if "melody" in heard:
                known = tuple(heard[name] for name in ("melody", "mix", "vocals"))
                yield _lesson("separated", song, f"{case.name} separated", known, truth["melody"], "rough")


def _lesson(
    judge: str, song: str, case: str, known: tuple[Evidence, ...], truth: NDArray[np.float64], profile: str
) -> Lesson:
    at = candidates(np.maximum.reduce([evidence.onset for evidence in known[:2]]), *PROFILES[profile].keys)
    return Lesson(judge, song, case, profile, known, at, facts_of(known, at), _is_note(at, truth), truth)


def _is_note(at: Candidates, truth: NDArray[np.float64]) -> NDArray[np.float32]:
    """1 for the candidate nearest to each true onset of its pitch, if there is one near enough."""
    times = np.array([frame_time_s(int(frame)) for frame in at.frame])
    is_note = np.zeros(len(times), dtype=np.float32)
    of_key: Mapping[int, NDArray[np.intp]] = {int(key): np.flatnonzero(at.key == key) for key in np.unique(at.key)}
    for onset_s, _, pitch, _ in truth:
        places = of_key.get(int(pitch) - LOWEST_PITCH, np.zeros(0, dtype=np.intp))
        away = np.abs(times[places] - onset_s - _LATE_S) + 1e3 * is_note[places]
        if len(places) and np.abs(times[places[away.argmin()]] - onset_s) <= ONSET_TOLERANCE_S:
            is_note[places[away.argmin()]] = 1.0
    return is_note


def _heard(audio: Path, path: Path, network: Network) -> Evidence:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = joined(list(evidence(AudioFile.open(audio), network, PROFILES["mix"], 1, Progress())))
        np.savez(path, **{name: getattr(whole, name).astype(np.float16) for name in _KEPT})
    with np.load(path) as kept:
        arrays = {name: kept[name].astype(np.float32) for name in _KEPT}
    nothing = np.zeros((len(arrays["note"]), 0), dtype=np.float32)
    alone = np.zeros((len(nothing), 2), dtype=np.float32)  # as loud as its mix
    return evidence_of({**dict.fromkeys(ARRAYS, nothing), "power_db": alone, **arrays})
