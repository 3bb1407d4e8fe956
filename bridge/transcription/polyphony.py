"""Notes of a part that may sound several at a time: candidates, weighed by a judge, each with an end.

basic-pitch's own note creation asks of an onset only whether its posterior exceeds a threshold, so that overtones and
tails with a high posterior become notes and soft notes none. Here every peak is a candidate, and what decides is how
probable it is given all that the evidence says of it and of the pitches it may be mistaken for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.candidates import Candidates, candidates
from bridge.transcription.chords import ChordProfile
from bridge.transcription.frames import LOWEST_PITCH, Evidence, Found, described, frames_of
from bridge.transcription.judge import RELEASES, Judge, facts_of, judge_named
from bridge.transcription.lengths import Ear, Levels, ends
from bridge.transcription.releases import Facts, releases
from bridge.transcription.touch import touch_db
from bridge.transcription.windows import highest

_TOGETHER = 4  # frames (46 ms) within which onsets are at the same time
#: Semitones from a note to its harmonics 2 to 6.
_HARMONICS = (12, 19, 24, 28, 31)
#: Onset posterior from which a candidate that is no note is worth a reason: as a threshold alone it is basic-pitch's.
_STRIKING = 0.5
#: Frames (120 ms) from an onset in which its level is looked for.
_LOUD_FRAMES = 10
#: What candidates, their judges and lengths are told by.
_WANTED = frozenset({"note", "onset", "level_db", "power_db"})
#: A stem beside that has so much more of a pitch than the part's own has the note.
_ELSEWHERE_DB = 6.0


class Reason(StrEnum):
    """Why a striking candidate is no note."""

    OVERTONE = "overtone"  # of a surer note that begins at the same time
    SOUNDING = "sounding"  # its pitch sounds already
    ELSEWHERE = "elsewhere"  # another part's stem has it
    UNLIKELY = "unlikely"  # taken together, what the evidence says of it


class Polyphony:
    """Finds notes as one profile asks.

    Parameters
    ----------
    profile
        How the part is heard.
    judges
        By name; those of the package where not given.
    """

    def __init__(self, profile: ChordProfile, judges: Mapping[str, Judge] | None = None) -> None:
        named = judge_named if judges is None else judges.__getitem__
        self._profile, self._judge = profile, named(profile.judge)
        self._ear = Ear(named(profile.ended_by), profile.judged_ends, profile.frame_threshold)
        self._least = min(profile.least_confidence, profile.found_from)
        self._shortest = max(1, frames_of(profile.min_note_ms))

    @property
    def wanted(self) -> Collection[str]:
        """Names of the arrays of `Evidence` that it looks at."""
        return _WANTED

    def __call__(self, known: Evidence, sounding: Collection[int]) -> list[Found]:
        """Notes of one stretch, and what is none with its reason, in order of start and pitch.

        Parameters
        ----------
        known
            The stretch, with what the judge asks for beside it.
        sounding
            MIDI pitches that sound from before the stretch: they begin at its start, so that their end is found in it.
        """
        if not len(known):
            return []
        onsets = known.onset if not known.beside else np.maximum(known.onset, known.beside[0].onset)
        at = candidates(onsets, *self._profile.keys)
        probable = self._judge(facts_of((known, *known.beside), at)) if len(at.frame) else np.zeros(0, np.float32)
        kept = _surest(at, probable, self._least, self._shortest)
        notes = [*self._notes(known, at, probable, kept, sounding)]
        lost = (onsets[at] >= _STRIKING) & (probable < self._least)
        removed = self._removed(known, Candidates(at.frame[lost], at.key[lost]), probable[lost], notes)
        return sorted([*notes, *removed], key=lambda note: (note.start, note.pitch))

    def _notes(
        self,
        known: Evidence,
        at: Candidates,
        probable: NDArray[np.float32],
        kept: Sequence[int],
        sounding: Collection[int],
    ) -> Iterator[Found]:
        """The kept candidates and what sounds from before, each with its end."""
        begun = [(0, pitch - LOWEST_PITCH, 0.0) for pitch in sounding]
        begun += [(int(at.frame[place]), int(at.key[place]), float(probable[place])) for place in kept]
        spans = _spans(begun, len(known))
        levels, held = Levels(known), len(sounding)
        # Of what sounds from before nobody knows the age or how loud it was: there the posterior decides.
        ended = [
            *ends(levels, spans[:held], replace(self._ear, weight=0.0)),
            *self._ends(known, levels, spans[held:]),
        ]
        for (_, _, judged), (start, until, key), end in zip(begun, spans, ended, strict=True):
            if until > start:
                end = min(until, max(end, start + self._shortest))
                touch = touch_db(known, start, key) if self._profile.is_struck else None
                yield replace(described(known, start, end, key + LOWEST_PITCH), judged=judged, touch_db=touch)

    def _ends(self, known: Evidence, levels: Levels, spans: list[tuple[int, int, int]]) -> list[int]:
        if self._profile.ended_by == RELEASES:
            return releases(Facts(known, levels), spans, self._ear)
        return ends(levels, spans, self._ear)

    def _removed(
        self, known: Evidence, at: Candidates, probable: NDArray[np.float32], notes: Sequence[Found]
    ) -> Iterator[Found]:
        """What looked like a note, as notes of the shortest length that have a reason."""
        reasons = _reasons(known, at, notes)
        onset, level_db = known.onset[at], highest(known.level_db, 0, _LOUD_FRAMES - 1)[at]
        columns = (at.frame, at.key + LOWEST_PITCH, onset, level_db, probable)
        for start, pitch, began, loud, judged, reason in zip(*(it.tolist() for it in columns), reasons, strict=True):
            end = min(len(known), start + self._shortest)
            yield Found(start, end, pitch, began, 0.0, loud, judged=judged, reason=reason)


def _reasons(known: Evidence, at: Candidates, notes: Sequence[Found]) -> list[Reason]:
    """Why each of some candidates is no note, given the notes."""
    rows = np.array([(note.start, note.end, note.pitch) for note in notes], dtype=np.intp).reshape(-1, 3)
    start, end, pitch = rows.T
    frame, own = at.frame[:, None], at.key[:, None] + LOWEST_PITCH
    is_overtone = ((np.abs(start - frame) <= _TOGETHER) & np.isin(own - pitch, _HARMONICS)).any(axis=1)
    is_sounding = ((pitch == own) & (start < frame) & (frame < end + _TOGETHER)).any(axis=1)
    loud_db, *others_db = (highest(it.level_db, 0, _LOUD_FRAMES - 1)[at] for it in (known, *known.beside[1:]))
    is_elsewhere = np.any([other_db > loud_db + _ELSEWHERE_DB for other_db in others_db], axis=0)
    tests = (is_overtone, is_sounding, np.broadcast_to(is_elsewhere, len(loud_db)))
    reasons = (Reason.OVERTONE, Reason.SOUNDING, Reason.ELSEWHERE, Reason.UNLIKELY)
    first = np.argmax([*tests, np.ones(len(loud_db), dtype=np.bool_)], axis=0)
    return [reasons[place] for place in first.tolist()]


def _surest(at: Candidates, probable: NDArray[np.float32], least: float, apart: int) -> list[int]:
    """Places of the candidates of at least that probability, of those of a key less than `apart` frames apart one."""
    taken: dict[int, list[int]] = {}
    kept = []
    for place in np.argsort(-probable, kind="stable"):
        if probable[place] < least:
            break
        frame, others = int(at.frame[place]), taken.setdefault(int(at.key[place]), [])
        if all(abs(frame - other) >= apart for other in others):
            others.append(frame)
            kept.append(int(place))
    return sorted(kept)


def _spans(begun: Sequence[tuple[int, int, float]], frames: int) -> list[tuple[int, int, int]]:
    """(start, frame at which the next note of its key begins, key) of each; `frames` where none does."""
    starts: dict[int, list[int]] = {}
    for start, key, _ in begun:
        starts.setdefault(key, []).append(start)
    for of_key in starts.values():
        of_key.sort()
    spans = []
    for start, key, _ in begun:
        place = bisect_right(starts[key], start)
        spans.append((start, starts[key][place] if place < len(starts[key]) else frames, key))
    return spans
