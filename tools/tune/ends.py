"""What judges of endings learn from: the frames after true onsets, each with whether the note still sounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.frames import LOWEST_PITCH, Evidence, Matrix, frame_time_s
from bridge.transcription.lengths import LONGEST_FRAMES, Levels
from bridge.transcription.releases import Facts
from tools.tune.examples import Lesson

_AFTER_FRAMES = 60  # after the end of a note that are learnt from: 0.7 s
#: Frames so near to a note's end are neither; those count less the later they are, as offsets may be off by a fifth.
_UNSURE_S, _UNSURE_WEIGHT, _LATE_S = 0.012, 0.3, 0.2


class Frames(NamedTuple):
    """Facts of frames, whether the note sounds in each, 0 or 1, and how much each counts."""

    facts: NDArray[np.float32]
    sounds: NDArray[np.float32]
    weight: NDArray[np.float32]


#: What is known of each frame from one to another about a note of a key that began at the first.
Told = Callable[[int, int, int], Matrix]


def told_of_ends(known: Evidence) -> Told:
    """What the judge of ends is told."""
    levels = Levels(known)
    return lambda *span: levels.facts(span)


def told_of_releases(known: Evidence) -> Told:
    """What the judge of releases is told."""
    return Facts(known, Levels(known))


def frames_of(lessons: Sequence[Lesson], told_of: Callable[[Evidence], Told]) -> Frames:
    """The frames of all true notes that are candidates."""
    parts = [part for lesson in lessons for part in _of_lesson(lesson, told_of(lesson.known[0]))]
    return Frames(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _of_lesson(lesson: Lesson, told: Told) -> Iterator[Frames]:
    length = len(lesson.known[0])
    times = np.array([frame_time_s(frame) for frame in range(length)])
    onsets = lesson.at.frame[lesson.is_note > 0], lesson.at.key[lesson.is_note > 0]
    for start, key in zip(*onsets, strict=True):
        truth = lesson.truth[lesson.truth[:, 2] == key + LOWEST_PITCH]
        offset_s = truth[np.abs(truth[:, 0] - times[start]).argmin(), 1]
        later = onsets[0][(onsets[1] == key) & (onsets[0] > start)]
        until = min(
            int(later.min(initial=length)),
            start + LONGEST_FRAMES,
            int(np.searchsorted(times, offset_s)) + _AFTER_FRAMES,
        )
        at = times[start:until]
        sure = np.where(np.abs(at - offset_s) < _UNSURE_S, _UNSURE_WEIGHT, 1.0)
        weight = sure / np.sqrt(1.0 + (at - times[start]) / _LATE_S)
        if until > start:
            yield Frames(
                told(int(start), until, int(key)),
                (at < offset_s).astype(np.float32),
                weight.astype(np.float32),
            )
