"""What each number of the table of chord profiles is worth: F at neighbouring values, by judges of other songs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.chords import CHORD_PROFILES, ChordProfile
from bridge.transcription.frames import Evidence, frame_time_s
from bridge.transcription.judge import ENDS, RELEASES, Judge
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
#: What says where the notes of a solo recording end: which judge, and how much it counts beside the posterior.
ENDED: Mapping[str, tuple[str, float]] = {"posterior": (ENDS, 0.0), ENDS: (ENDS, 1.0), RELEASES: (RELEASES, 1.0)}


def print_grid(lessons: Sequence[Lesson]) -> None:
    """Print precision, recall, F and F with offsets for each profile, column and value; by kind for endings."""
    figures: defaultdict[tuple[str, str, str], list[list[float]]] = defaultdict(list)
    for judges, unknown in held_out(lessons):
        for lesson in unknown:
            for group, column, value, profile in _rows(lesson):
                found = decoded(lesson.known, profile, judges)
                figures[group, column, value].append(scores(lesson.truth, found))
    for (group, column, value), rows in sorted(figures.items()):
        mean = "".join(f"{figure:7.3f}" for figure in np.mean(rows, axis=0))
        chosen = "  <" if f"{getattr(CHORD_PROFILES[group.split()[0]], column)}" == value else ""
        print(f"{group:18}{len(rows):4}  {column:18}{value:>10}{mean}{chosen}")


def decoded(known: Sequence[Evidence], profile: ChordProfile, judges: Mapping[str, Judge]) -> NDArray[np.float64]:
    """The notes as rows of onset, offset, pitch and a velocity."""
    own, *beside = known
    found = Polyphony(profile, judges)(replace(own, beside=tuple(beside)), [])
    rows = [(frame_time_s(note.start), frame_time_s(note.end), note.pitch, 80.0) for note in found if not note.reason]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _rows(lesson: Lesson) -> Iterator[tuple[str, str, str, ChordProfile]]:
    """What is tried on a recording: the group that it counts for, column, value, and the profile with that."""
    profile = CHORD_PROFILES[lesson.profile]
    for column, values in TRIED.items():
        for value in values:
            yield lesson.profile, column, f"{value}", replace(profile, **{column: value})
    if profile.ended_by == RELEASES:
        group = f"{lesson.profile} {lesson.case.split('_')[0]}"
        for name, (judge, weight) in ENDED.items():
            yield group, "ended_by", name, replace(profile, ended_by=judge, judged_ends=weight)
