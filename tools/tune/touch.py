"""How much each fact about a touch is worth: fitted to rendered pianos, whose velocities are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.frames import LOWEST_PITCH, described, frame_time_s
from bridge.transcription.touch import WEIGHTS, touch_facts
from bridge.transcription.velocity import strength_db
from tools.tune.examples import Lesson

_FEWEST_NOTES = 20
_LEVEL_FRAMES = 12  # as long as a note's level is looked for
_FOLDS = 3
_RIDGE = 0.01


class Piece(NamedTuple):
    """The notes of a recording: facts, the strength without them, and 40 log10 of the velocity, all re their median."""

    facts: NDArray[np.float64]
    before_db: NDArray[np.float64]
    truth_db: NDArray[np.float64]


def print_touch(lessons: Sequence[Lesson]) -> None:
    """Print the weights, and how well velocities are told by them in pieces that they don't know."""
    told = [(lesson, _piece(lesson)) for lesson in lessons if lesson.profile == "solo"]
    pieces = [(lesson.song, piece) for lesson, piece in told if len(piece.truth_db) >= _FEWEST_NOTES]
    songs = sorted({song for song, _ in pieces})
    if not pieces:
        print("no solo recording of enough notes is there")
        return
    rows = []
    for fold in range(_FOLDS):
        held = set(songs[fold::_FOLDS])
        weights = fitted([piece for song, piece in pieces if song not in held])
        for song, piece in pieces:
            if song in held:
                rows.append([*_how_well(piece.before_db, piece), *_how_well(piece.facts @ weights, piece)])
    print(f"{len(rows)} pieces, held out    r     dB off")
    for name, (r, off_db) in zip(("before", "now"), np.mean(rows, axis=0).reshape(2, 2), strict=True):
        print(f"{name:22}{r:7.3f}{off_db:9.2f}")
    for name, weight in zip(WEIGHTS, fitted([piece for _, piece in pieces]), strict=True):
        print(f"{name:22}{weight:7.3f}")


def fitted(pieces: Sequence[Piece]) -> NDArray[np.float64]:
    """Weights of the facts, by ridge regression; a piece of many notes counts by the root of their number."""
    facts, truth = (np.concatenate(column) for column in zip(*((it.facts, it.truth_db) for it in pieces), strict=True))
    counts = np.concatenate([np.full(len(it.truth_db), len(it.truth_db) ** -0.5) for it in pieces])
    scale = facts.std(axis=0) + 1e-6
    scaled = facts / scale
    weighted = (scaled * counts[:, None]).T
    inner = weighted @ scaled + _RIDGE * counts.sum() * np.eye(facts.shape[1])
    return np.asarray(np.linalg.solve(inner, weighted @ truth) / scale)


def _piece(lesson: Lesson) -> Piece:
    """The true notes that are candidates, with the velocity of the true note nearest to each."""
    known = lesson.known[0]
    is_note = lesson.is_note > 0
    facts, before, truth = [], [], []
    for start, key, at_s in zip(lesson.at.frame[is_note], lesson.at.key[is_note], _times(lesson)[is_note], strict=True):
        same = lesson.truth[lesson.truth[:, 2] == key + LOWEST_PITCH]
        velocity = same[np.abs(same[:, 0] - at_s).argmin(), 3]
        facts.append(touch_facts(known, int(start), int(key)))
        end = min(len(known.note), int(start) + _LEVEL_FRAMES)
        before.append(strength_db(described(known, int(start), end, int(key) + LOWEST_PITCH)))
        truth.append(40.0 * np.log10(velocity))
    columns = (np.array(column, dtype=np.float64) for column in (facts, before, truth))
    return Piece(*(column - np.median(column, axis=0) if len(column) else column for column in columns))


def _times(lesson: Lesson) -> NDArray[np.float64]:
    return np.array([frame_time_s(int(frame)) for frame in lesson.at.frame])


def _how_well(told_db: NDArray[np.float64], piece: Piece) -> tuple[float, float]:
    """Correlation with the truth, and the root mean square of what is off."""
    off_db = told_db - np.median(told_db) - piece.truth_db
    return float(np.corrcoef(told_db, piece.truth_db)[0, 1]), float(np.sqrt(np.mean(off_db**2)))
