"""From what was found to notes: seconds, velocity and confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bridge.model import Note
from bridge.transcription.frames import Found, frame_time_s

_TYPICAL_VELOCITY = 80  # mezzo-forte: what a note of the part's median strength gets
_FAINT_DB = 45.0  # a note that much below the part's loud ones is bleed from another part, or reverberation
_INAUDIBLE_DB = -75.0  # and so is one whose fundamental is below this, re full scale
_LOUD_PERCENTILE = 90.0


def credible(found: Sequence[Found], least_confidence: float, least_share_db: float | None = None) -> list[Found]:
    """The notes without those less sure than `least_confidence` and those far below the part's loud ones.

    The network hears every window at the same loudness, even one of nothing but noise. Where `least_share_db` is given,
    notes go too over whose length the audio is weaker than that against its mix: what a separator left of other parts.
    """
    if not found:
        return []
    loud_db = float(np.percentile([note.level_db for note in found], _LOUD_PERCENTILE))
    faintest_db = max(loud_db - _FAINT_DB, _INAUDIBLE_DB)
    return [
        note
        for note in found
        if note.level_db >= faintest_db
        and confidence(note) >= least_confidence
        and (least_share_db is None or note.share_db >= least_share_db)
    ]


def confidence(note: Found) -> float:
    """What its judge says; else the geometric mean of the onset's posterior and the mean one that it sounds; 0 to 1."""
    if note.judged is not None:
        return note.judged
    return min(1.0, math.sqrt(note.onset * note.sounding))


def as_notes(found: Sequence[Found], velocity_range: tuple[int, int]) -> list[Note]:
    """Notes in seconds, with velocity and confidence.

    Notes
    -----
    Strength (`strength_db`) relative to the part's median note becomes velocity by the curve that General MIDI
    synthesizers play, amplitude proportional to velocity squared (Downloadable Sounds level 1): 12 dB above the median
    doubles the velocity of 80, 12 dB below halves it.
    """
    if not found:
        return []
    strength = np.array([strength_db(note) for note in found])
    velocity = _TYPICAL_VELOCITY * 10.0 ** ((strength - np.median(strength)) / 40.0)
    velocity = np.clip(np.rint(velocity), *velocity_range)
    return [_note(note, int(value)) for note, value in zip(found, velocity, strict=True)]


def strength_db(note: Found) -> float:
    """How strong a note is beside others of its recording.

    How hard it was struck, where that is known. Else the mean of two measures in dB: the level of its fundamental soon
    after its onset, and the posterior of that onset (20 log10). Each alone follows velocities loosely, and where one
    fails the other mostly holds.
    """
    if note.touch_db is not None:
        return note.touch_db
    return 0.5 * note.level_db + 10.0 * math.log10(max(note.onset, 1e-3))


def _note(found: Found, velocity: int) -> Note:
    onset_s = frame_time_s(found.start)
    return Note(
        onset_s=onset_s,
        offset_s=frame_time_s(found.end),
        pitch=found.pitch,
        velocity=velocity,
        confidence=confidence(found),
        bend=tuple((frame_time_s(frame) - onset_s, semitones) for frame, semitones in found.bend),
    )
