"""Notes of a part that sounds one at a time: the likeliest single line through the evidence, as a whole.

A pitch is worth its evidence (as log-odds) at every instant, a rest the profile's threshold. A note begins more easily
where the audio's spectrum rises or the network hears an onset; there a sounding note may also begin anew. Ghosts an
octave away lose to the line they accompany, short drop-outs are bridged, vibrato does not break a note.

docs/measurements.md compares it with basic-pitch's own note creation on the same posteriors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.bend import contours_of
from bridge.transcription.endings import let_go
from bridge.transcription.frames import (
    ARRAYS,
    CONTOUR_BINS,
    LOWEST_PITCH,
    PITCHES,
    Evidence,
    Found,
    Matrix,
    described,
    frames_of,
)
from bridge.transcription.line import Stay, Worth, likeliest_line
from bridge.transcription.octaves import lower_octave
from bridge.transcription.profiles import Profile
from bridge.transcription.windows import highest, lowest

#: Float32 in, float32 out; float64 likewise.
_Numbers = TypeVar("_Numbers", Matrix, Worth)

_DOUBT = 0.02  # no posterior is nearer to 0 or 1 than this: a single instant may cost or earn about 4 nats
_OCTAVE_COST_FROM = 40  # E2, the octave of a bass guitar's lowest string
_SMOOTHING = 1.0  # semitones, standard deviation: the width of a sung note (pYIN's note model uses 0.8)
_PITCH_REACH = 5  # bins: periods further than 1.7 semitones from the line are not the note's
_PEAK_FRAMES = 3  # 35 ms: of onsets closer together only the strongest counts
_RESTRIKE_FRAMES = 7  # 80 ms: by the network's onsets a note is not struck again sooner (a sixteenth at 180 BPM)
_ONSET_WORTH = 6.0  # nats that an onset is worth at most
_LATE_FRAMES = 3  # 35 ms: by how much an attack may come after the rise of its spectrum
_LEAST_RISE_DB = 20.0  # a struck string's; of softer attacks the spectrum's rise is the better witness
_UNHEARD_DB = 12.0  # what is that much below a note that follows within 105 ms is before it, not one of its own
_RISE_BEFORE, _RISE_BEFORE_TO, _RISE_AFTER = 6, 2, 9  # frames: 6 before to 2 after are compared with 0 to 9 after
_ATTACK_FRAMES = 9  # 105 ms from an attack in which no evidence is asked for: posteriors and periods take that long


class Voice:
    """Finds the notes of a single voice, as one profile asks."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        low, high = keys_of(profile)
        #: The contour bin of each state of the line.
        self._bins = np.arange(low * CONTOUR_BINS, high * CONTOUR_BINS + 1, 1 if profile.glides else CONTOUR_BINS)
        self._keys = np.rint(self._bins / CONTOUR_BINS).astype(np.intp).clip(0, PITCHES - 1)

    @property
    def wanted(self) -> Collection[str]:
        """Names of the arrays of `Evidence` that it looks at."""
        return ARRAYS if self._profile.periodicity > 0.0 or self._profile.glides else set(ARRAYS) - {"period"}

    def __call__(self, known: Evidence, sounding: Collection[int]) -> list[Found]:
        """Notes of one stretch in order, none overlapping; what sounds from before it needs no telling."""
        if not len(known):
            return []
        profile = self._profile
        rest = float(_log_odds(profile.frame_threshold))
        begun, struck = self._begun(known)
        salience = self._salience(known)
        worth = self._worth(salience)
        if profile.attack_db > 0.0:
            is_attack = _follows(begun.max(axis=1) > 0.0, _ATTACK_FRAMES)
            worth[is_attack] = np.maximum(worth[is_attack], rest)
        if profile.glides:  # a voice begins softly: its onsets say only where a steady pitch begins anew
            line = likeliest_line(worth, rest, profile.steadiness, np.zeros_like(worth), np.zeros_like(worth))
            steady = [piece for stay in self._steady(known, line) for piece in self._cut(known, stay, struck)]
        else:
            line = likeliest_line(worth, rest, profile.steadiness, begun, struck)
            steady = _without_smears(self._steady(known, line), known.power_db[:, 0])
        believed = 1.0 - np.exp(-begun)
        notes = [note for stay in steady for note in self._notes(known, stay, believed)]
        return [replace(note, bend=bend) for note, bend in zip(notes, contours_of(known, notes), strict=True)]

    def _salience(self, known: Evidence) -> Worth:
        """How probable each state is in each frame, 0 to 1."""
        salience = known.note[:, self._keys].astype(np.float64)
        weight = self._profile.periodicity
        if weight > 0.0:
            salience = (1.0 - weight) * salience + weight * _about(known.period, self._bins)
        return salience

    def _worth(self, salience: Worth) -> Worth:
        """Worth of each state in each frame, nats."""
        above = np.maximum(0.0, self._bins / CONTOUR_BINS + LOWEST_PITCH - _OCTAVE_COST_FROM) / 12.0
        return np.asarray(_log_odds(salience) - self._profile.octave_cost * above)

    def _begun(self, known: Evidence) -> tuple[Worth, Worth]:
        """What beginning in a frame is worth for each state, and what beginning anew in it, nats.

        An attack counts for all, an onset of the network for those about it. A sounding note begins anew only where its
        level rises too.
        """
        profile = self._profile
        near = 1 if profile.glides else 0
        onset = _highest(known.onset, 0, near)[:, self._keys].astype(np.float64)
        begun = np.where(onset == _highest(onset, _RESTRIKE_FRAMES), _log_odds(onset), -np.inf)
        begun -= float(_log_odds(profile.onset_threshold))
        rises = _rises_db(_highest(known.level_db, 0, near))[:, self._keys] >= profile.restrike_dip_db
        begun[~rises] = 0.0
        if profile.attack_db > 0.0:
            begun = np.maximum(begun, (_attacks_db(known) - profile.attack_db)[:, None])
        begun = np.clip(begun, 0.0, _ONSET_WORTH)
        return begun, np.where(rises, begun, 0.0)

    def _steady(self, known: Evidence, line: list[Stay]) -> list[Stay]:
        """The stretches of one semitone, named by their key: drifting within it does not break a note."""
        if not self._profile.glides:
            return [replace(stay, state=int(self._keys[stay.state])) for stay in line]
        steady: list[Stay] = []
        for stay in line:
            key = _key(known.period[stay.start : stay.end], int(self._bins[stay.state]))
            start = stay.start
            if steady and (steady[-1].end, steady[-1].state) == (start, key):
                start = steady.pop().start
            steady.append(Stay(start, stay.end, key))
        return steady

    def _cut(self, known: Evidence, stay: Stay, struck: Worth) -> Iterator[Stay]:
        """The stretch in pieces, each of which is begun anew, and not too soon after the one before."""
        state = self._state_of(stay.state)
        inside = range(stay.start + _RESTRIKE_FRAMES, stay.end - _RESTRIKE_FRAMES)
        cuts = [stay.start, *(frame for frame in inside if struck[frame, state] > 0.0), stay.end]
        return (Stay(start, end, stay.state) for start, end in pairwise(cuts))

    def _notes(self, known: Evidence, stay: Stay, believed: Worth) -> Iterator[Found]:
        """The note of a stretch of steady pitch, if it is long enough to be one."""
        profile, start, end, heard = self._profile, stay.start, stay.end, stay.state + LOWEST_PITCH
        if end - start < frames_of(profile.min_note_ms):
            return
        if profile.fall_db > 0.0:
            end = let_go(known.power_db[:, 0], start, end, profile.fall_db)
        pitch = lower_octave(known, start, end, heard) if profile.lowers_octaves else heard
        note = described(known, start, end, pitch)
        first = slice(max(0, start - 2), start + 3)  # as `described` looks for its onset
        onset = max(note.onset, float(believed[first, self._state_of(stay.state)].max()))
        # A low note's fundamental may be its weakest partial.
        partials = [key for key in (pitch - LOWEST_PITCH, pitch - LOWEST_PITCH + 12) if key < PITCHES]
        level_db = float(known.level_db[start : min(end, start + 12), partials].max())
        yield replace(note, onset=onset, level_db=level_db)

    def _state_of(self, key: int) -> int:
        """The state in the middle of a semitone, or the nearest one that there is."""
        return int(np.abs(self._bins - key * CONTOUR_BINS).argmin())


def keys_of(profile: Profile) -> tuple[int, int]:
    """The lowest and highest fundamental of a profile, in semitones from A0."""
    semitones = 12.0 * np.log2(np.array([profile.min_hz, profile.max_hz]) / 440.0) + 69.0
    low, high = (round(float(pitch)) - LOWEST_PITCH for pitch in semitones)
    return max(0, low), min(PITCHES - 1, high)


def _without_smears(line: list[Stay], power_db: Matrix) -> list[Stay]:
    """The line without what is only the evidence of a note, smeared to before its attack, where it is not heard yet."""
    kept: list[Stay] = []
    for stay in line:
        before = kept[-1] if kept else None
        is_smear = (
            before is not None
            and (before.end, before.state) == (stay.start, stay.state)
            and before.end - before.start < _ATTACK_FRAMES
            and power_db[before.start : before.end].max() < power_db[stay.start : stay.end].max() - _UNHEARD_DB
        )
        if is_smear:
            kept.pop()
        kept.append(stay)
    return kept


def _attacks_db(known: Evidence) -> NDArray[np.float64]:
    """How strong an attack is in each frame, dB; 0 where there is none.

    A rise of the spectrum is felt as soon as a window of 46 ms touches it. So it is put where the level rises most.
    """
    strength = known.attack_db.mean(axis=1)
    level_db = known.power_db[:, 0]
    rises = np.zeros(len(level_db))
    louder, before = np.maximum(level_db[2:-1], level_db[3:]), np.maximum(level_db[:-3], level_db[1:-2])
    rises[2:-1] = louder - before
    attacks = np.zeros(len(strength))
    for peak in np.flatnonzero(strength == _highest(strength[:, None], _PEAK_FRAMES)[:, 0]):
        near = rises[peak : peak + _LATE_FRAMES + 1]
        place = peak + int(near.argmax()) if near.max() >= _LEAST_RISE_DB else peak
        attacks[place] = max(attacks[place], strength[peak])
    return attacks


def _follows(marked: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    """Which frames are marked, or are less than `frames` after one that is."""
    return np.convolve(marked, np.ones(frames, dtype=np.intp))[: len(marked)] > 0


def _highest(values: _Numbers, frames: int, columns: int = 0) -> _Numbers:
    """The highest value within so many frames, and columns, of each."""
    near = highest(values, -frames, frames)
    return highest(near.T, -columns, columns).T if columns else near


def _rises_db(level_db: Matrix) -> Matrix:
    """By how much each level rises from just before each frame to just after it."""
    return np.asarray(highest(level_db, 0, _RISE_AFTER) - lowest(level_db, -_RISE_BEFORE, _RISE_BEFORE_TO))


def _log_odds(probability: NDArray[np.float64] | float) -> NDArray[np.float64]:
    likely = np.asarray(probability, dtype=np.float64)
    return np.asarray(np.log((likely + _DOUBT) / (1.0 - likely + _DOUBT)))


def _about(period: Matrix, bins: NDArray[np.intp]) -> NDArray[np.float64]:
    """Probability that the period is about that of each of some bins: 1 where all of it lies there."""
    away = np.abs(np.arange(period.shape[1])[:, None] - bins)
    near = np.where(away <= 3 * CONTOUR_BINS, np.exp(-0.5 * (away / (_SMOOTHING * CONTOUR_BINS)) ** 2), 0.0)
    return np.asarray(np.clip(period.astype(np.float64) @ near, 0.0, 1.0))


def _key(period: Matrix, centre: int) -> int:
    """The key nearest to the mean of the periods about the line; where they say little, to the line itself."""
    low = max(0, centre - _PITCH_REACH)
    mass = period[:, low : centre + _PITCH_REACH + 1].sum(axis=0)
    mean = centre if mass.sum() <= 0.5 else low + float(mass @ np.arange(len(mass))) / float(mass.sum())
    return int(np.clip(round(mean / CONTOUR_BINS), 0, PITCHES - 1))
