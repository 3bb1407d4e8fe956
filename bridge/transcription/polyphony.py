"""Notes of a part that may sound several at a time: candidates, weighed by a judge, each with an end.

basic-pitch's own note creation asks of an onset only whether its posterior exceeds a threshold, so that overtones and
tails with a high posterior become notes and soft notes none. Here every peak is a candidate, and what decides is how
probable it is given all that the evidence says of it and of the pitches it may be mistaken for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.candidates import Candidates, candidates
from bridge.transcription.chords import ChordProfile
from bridge.transcription.frames import LOWEST_PITCH, Evidence, Found, Matrix, described, frames_of
from bridge.transcription.judge import facts_of, judge_named

_TOGETHER = 4  # frames (46 ms) within which onsets are at the same time
#: Semitones from a note to its harmonics 2 to 6.
_HARMONICS = (12, 19, 24, 28, 31)
#: Onset posterior from which a candidate that is no note is worth a reason: as a threshold alone it is basic-pitch's.
_STRIKING = 0.5
#: A stem beside that has so much more of a pitch than the part's own has the note.
_ELSEWHERE_DB = 6.0


class Reason(StrEnum):
    """Why a striking candidate is no note."""

    OVERTONE = "overtone"  # of a surer note that begins at the same time
    SOUNDING = "sounding"  # its pitch sounds already
    ELSEWHERE = "elsewhere"  # another part's stem has it
    UNLIKELY = "unlikely"  # taken together, what the evidence says of it


class Polyphony:
    """Finds notes as one profile asks."""

    def __init__(self, profile: ChordProfile) -> None:
        self._profile = profile
        self._judge = judge_named(profile.judge)
        self._shortest = max(1, frames_of(profile.min_note_ms))

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
        kept = _surest(at, probable, self._profile.least_confidence, self._shortest)
        notes = [*self._notes(known, at, probable, kept), *self._held(known, at, kept, sounding)]
        lost = (_STRIKING <= onsets[at]) & (probable < self._profile.least_confidence)
        removed = [self._removed(known, at, place, probable, notes) for place in np.flatnonzero(lost)]
        return sorted([*notes, *removed], key=lambda note: (note.start, note.pitch))

    def _notes(
        self, known: Evidence, at: Candidates, probable: NDArray[np.float32], kept: Sequence[int]
    ) -> list[Found]:
        following = _following(at, kept, len(known))
        return [
            replace(
                self._found(known, int(at.frame[place]), following[place], int(at.key[place])),
                judged=float(probable[place]),
            )
            for place in kept
        ]

    def _held(self, known: Evidence, at: Candidates, kept: Sequence[int], sounding: Collection[int]) -> list[Found]:
        """The notes that sound from before."""
        first = {key: len(known) for key in (pitch - LOWEST_PITCH for pitch in sounding)}
        for place in kept:
            key = int(at.key[place])
            if key in first:
                first[key] = min(first[key], int(at.frame[place]))
        return [self._found(known, 0, until, key) for key, until in first.items() if until > 0]

    def _found(self, known: Evidence, start: int, until: int, key: int) -> Found:
        """The note that begins at `start`; it ends at the frame `until` at the latest."""
        profile = self._profile
        sounds = known.note[start:until, key] >= profile.frame_threshold
        if known.beside:  # a rough stem has holes that its mix has not
            sounds |= known.beside[0].note[start:until, key] >= profile.frame_threshold
        length = min(
            _until_silence(sounds, frames_of(profile.tolerance_ms)),
            _until_fallen(known.level_db[start:until, key], profile.fall_db),
        )
        end = min(until, start + max(length, self._shortest))
        return described(known, start, max(end, start + 1), key + LOWEST_PITCH)

    def _removed(
        self, known: Evidence, at: Candidates, place: int, probable: NDArray[np.float32], notes: Sequence[Found]
    ) -> Found:
        start, pitch = int(at.frame[place]), int(at.key[place]) + LOWEST_PITCH
        found = described(known, start, min(len(known), start + self._shortest), pitch)
        return replace(found, judged=float(probable[place]), reason=self._reason(known, start, pitch, notes))

    def _reason(self, known: Evidence, start: int, pitch: int, notes: Sequence[Found]) -> Reason:
        if any(abs(note.start - start) <= _TOGETHER and pitch - note.pitch in _HARMONICS for note in notes):
            return Reason.OVERTONE
        if any(note.pitch == pitch and note.start < start < note.end + _TOGETHER for note in notes):
            return Reason.SOUNDING
        soon = slice(start, start + 10), pitch - LOWEST_PITCH
        own_db = known.level_db[soon].max()
        if any(other.level_db[soon].max() > own_db + _ELSEWHERE_DB for other in known.beside[1:]):
            return Reason.ELSEWHERE
        return Reason.UNLIKELY


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


def _following(at: Candidates, kept: Sequence[int], frames: int) -> dict[int, int]:
    """By place, the frame at which the next note of its key begins; `frames` where none does."""
    following, next_of = {}, dict[int, int]()
    for place in sorted(kept, key=lambda place: -int(at.frame[place])):
        key = int(at.key[place])
        following[place] = next_of.get(key, frames)
        next_of[key] = int(at.frame[place])
    return following


def _until_silence(sounds: NDArray[np.bool_], tolerance: int) -> int:
    """Frames up to the first gap of more than `tolerance` frames."""
    heard = np.flatnonzero(sounds)
    if not len(heard) or heard[0] > tolerance:
        return 0
    gaps = np.flatnonzero(np.diff(heard) > tolerance)
    return int(heard[gaps[0]] if len(gaps) else heard[-1]) + 1


def _until_fallen(level_db: Matrix, fall_db: float) -> int:
    """Frames up to where the level is `fall_db` below the highest before."""
    fallen = level_db < np.maximum.accumulate(level_db) - fall_db
    return int(fallen.argmax()) if fallen.any() else len(level_db)
