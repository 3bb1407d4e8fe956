"""What is known of each instant of a part, and which instant that is.

Everything is on basic-pitch's grid of frames: 142 frames are kept of each window of the network, windows are 36,164
samples apart, and the frames of a window are 256 samples apart. The two do not divide, so a frame's time comes from its
window and its place in it, never from a frame rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

SAMPLE_RATE = 22050  # fixed by the network (basic_pitch.constants.AUDIO_SAMPLE_RATE)
FRAME_SAMPLES = 256  # fixed by the network (basic_pitch.constants.FFT_HOP)
WINDOW_SAMPLES = 43844  # fixed by the network (basic_pitch.constants.AUDIO_N_SAMPLES)
WINDOW_FRAMES = 172  # frames that the network gives for a window
EDGE_FRAMES = 15  # half of the 30 frames by which basic_pitch.inference.run_inference lets windows overlap
EDGE_SAMPLES = EDGE_FRAMES * FRAME_SAMPLES
KEPT_FRAMES = WINDOW_FRAMES - 2 * EDGE_FRAMES
HOP_SAMPLES = WINDOW_SAMPLES - 2 * EDGE_SAMPLES

LOWEST_PITCH = 21  # A0: the network's first semitone
PITCHES = 88
CONTOUR_BINS = 3  # contour bins a semitone


def frame_time_s(frame: int) -> float:
    """Seconds from the start of the audio to the middle of a frame."""
    window, place = divmod(frame, KEPT_FRAMES)
    return (window * HOP_SAMPLES + place * FRAME_SAMPLES) / SAMPLE_RATE


def frames_in(samples: int) -> int:
    """How many frames have their middle inside `samples` samples (at `SAMPLE_RATE`)."""
    windows, rest = divmod(samples, HOP_SAMPLES)
    return windows * KEPT_FRAMES + min(KEPT_FRAMES, -(-rest // FRAME_SAMPLES))


def frames_of(milliseconds: float) -> int:
    """The nearest whole number of frames to a duration."""
    return round(milliseconds / 1000.0 * SAMPLE_RATE / FRAME_SAMPLES)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of consecutive frames; every array has one row a frame.

    Attributes
    ----------
    note, onset
        Posteriors of the network that a pitch sounds, or begins, 0 to 1: (frames, 88), from A0 up.
    contour
        Posterior of the pitch at a third of a semitone: (frames, 264).
    level_db
        Level of the audio in the semitone about each fundamental, dB re full scale: (frames, 88).
    period
        How probable each pitch is by the waveform's periodicity, at a third of a semitone: (frames, 264), or (frames,
        0) where not asked for.
    attack_db
        By how much the spectrum rises in three regions, dB: (frames, 3); see `bridge.transcription.attacks`.
    power_db
        Level of the whole audio, and of the mix that it is a part of, dB re full scale: (frames, 2); equal where no mix
        lies beside it.
    """

    note: Matrix
    onset: Matrix
    contour: Matrix
    level_db: Matrix
    period: Matrix
    attack_db: Matrix
    power_db: Matrix
    beside: tuple[Evidence, ...] = ()

    def __len__(self) -> int:
        return len(self.note)

    def __getitem__(self, frames: slice) -> Evidence:
        arrays = {name: getattr(self, name)[frames] for name in ARRAYS}
        return evidence_of(arrays, tuple(other[frames] for other in self.beside))


#: The names of the arrays.
ARRAYS = tuple(field.name for field in fields(Evidence) if field.name != "beside")


def evidence_of(arrays: Mapping[str, Matrix], beside: tuple[Evidence, ...] = ()) -> Evidence:
    """Evidence from its arrays by name."""
    build: Callable[..., Evidence] = Evidence
    return build(**arrays, beside=beside)


def joined(pieces: Sequence[Evidence]) -> Evidence:
    """One after the other."""
    arrays = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in ARRAYS}
    return evidence_of(arrays, tuple(map(joined, zip(*(piece.beside for piece in pieces), strict=True))))


@dataclass(frozen=True, slots=True)
class Found:
    """A note on the grid of frames, before it has a velocity.

    Attributes
    ----------
    start, end
        Frames; `end` is the first one in which it no longer sounds.
    pitch
        MIDI note number.
    onset
        Highest onset posterior at its start, 0 to 1.
    sounding
        Mean of the posterior that it sounds, 0 to 1.
    level_db
        Highest level of its fundamental soon after its start, dB re full scale.
    share_db
        Level of the whole audio over its length, against that of the mix beside it.
    bend
        (frame, semitones from `pitch`), empty where not asked for.
    judged
        How probable it is, 0 to 1, where a judge has said so.
    reason
        Why it is no note after all; empty where it is one.
    touch_db
        How hard it was struck (`bridge.transcription.touch`), where that was asked.
    is_stop
        Whether a single voice struck it together with another note, and holds it as long.
    """

    start: int
    end: int
    pitch: int
    onset: float
    sounding: float
    level_db: float
    share_db: float = 0.0
    bend: tuple[tuple[int, float], ...] = ()
    judged: float | None = None
    reason: str = ""
    touch_db: float | None = None
    is_stop: bool = False


def described(known: Evidence, start: int, end: int, pitch: int) -> Found:
    """A note of frames `start` to `end` of `known`, with what the evidence says of it."""
    key = pitch - LOWEST_PITCH
    # The onset's posterior peaks within two frames (23 ms) of where a note is set, the level within 12 (140 ms).
    onset = known.onset[max(0, start - 2) : start + 3, key].max()
    sounding = known.note[start:end, key].mean()
    level_db = known.level_db[start : min(end, start + 12), key].max()
    power = np.sum(10.0 ** (known.power_db[start:end].astype(np.float64) / 10.0), axis=0)
    share_db = 10.0 * np.log10(power[0] / power[1])
    return Found(start, end, pitch, float(onset), float(sounding), float(level_db), float(share_db))
