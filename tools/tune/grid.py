"""What each number of the table of chord profiles is worth: F at neighbouring values, by judges of other songs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.chords import CHORD_PROFILES, ChordProfile
from bridge.transcription.frames import Evidence, frame_time_s
from bridge.transcription.judge import Judge
from bridge.transcription.polyphony import Polyphony
from tools.measure_notes import scores
from tools.tune.examples import Lesson
from tools.tune.fit import held_out

#: By column of the table, the values that are tried, each with the rest as it stands there.
TRIED: Mapping[str, Sequence[float]] = {
    "least_confidence": (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45),
    "judged_ends": (0.0, 0.25, 0.5, 0.75, 1.0),
    "frame_threshold": (0.3, 0.4, 0.5, 0.6),
    "min_note_ms": (40.0, 60.0, 80.0),
    "min_hz": (27.5, 41.0, 65.0, 80.0),
}


def print_grid(lessons: Sequence[Lesson]) -> None:
    """Print precision, recall, F and F with offsets for each profile, column and value."""
    figures: defaultdict[tuple[str, str, float], list[list[float]]] = defaultdict(list)
    for judges, unknown in held_out(lessons):
        for lesson in unknown:
            for column, value, profile in _rows(CHORD_PROFILES[lesson.profile]):
                found = decoded(lesson.known, profile, judges)
                figures[lesson.profile, column, value].append(scores(lesson.truth, found))
    for (name, column, value), rows in sorted(figures.items()):
        mean = "".join(f"{figure:7.3f}" for figure in np.mean(rows, axis=0))
        chosen = "  <" if getattr(CHORD_PROFILES[name], column) == value else ""
        print(f"{name:12}{len(rows):4}  {column:18}{value:8g}{mean}{chosen}")


def decoded(known: Sequence[Evidence], profile: ChordProfile, judges: Mapping[str, Judge]) -> NDArray[np.float64]:
    """The notes as rows of onset, offset, pitch and a velocity."""
    own, *beside = known
    found = Polyphony(profile, judges)(replace(own, beside=tuple(beside)), [])
    rows = [(frame_time_s(note.start), frame_time_s(note.end), note.pitch, 80.0) for note in found if not note.reason]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _rows(profile: ChordProfile) -> Iterator[tuple[str, float, ChordProfile]]:
    for column, values in TRIED.items():
        for value in values:
            yield column, value, replace(profile, **{column: value})
