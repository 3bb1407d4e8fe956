"""From an audio file to evidence, window by window: whatever its length, only a few windows are in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from bridge.audio.file import AudioFile
from bridge.audio.resample import resampled, resampled_length
from bridge.progress import Progress
from bridge.transcription.attacks import REGIONS_HZ, attack_strengths
from bridge.transcription.chords import ChordProfile
from bridge.transcription.frames import (
    CONTOUR_BINS,
    EDGE_SAMPLES,
    HOP_SAMPLES,
    KEPT_FRAMES,
    PITCHES,
    SAMPLE_RATE,
    WINDOW_SAMPLES,
    Evidence,
    Matrix,
    frames_in,
)
from bridge.transcription.levels import SILENCE_DB, power_levels, semitone_levels
from bridge.transcription.network import Network
from bridge.transcription.periodicity import pitch_probabilities
from bridge.transcription.profiles import Profile

_SILENCE = 1e-5  # -100 dB re full scale: a third of the smallest step of 16-bit audio
_HIGHEST_PERIOD_HZ = 2000.0  # lags of fewer than 11 samples are too coarse to tell semitones apart


def evidence(
    audio: AudioFile,
    network: Network,
    profile: Profile | ChordProfile,
    workers: int,
    progress: Progress,
    mix: AudioFile | None = None,
) -> Iterator[Evidence]:
    """What is known of each window, in order; together as many frames as have their middle inside the audio.

    Parameters
    ----------
    workers
        How many windows are analysed at the same time.
    mix
        What `audio` is a part of, where its share of it is of interest; as long as it.
    progress
        Told after each window; a cancelled one stops the windows at work within a tenth of a second.
    """
    frames_left = frames_in(resampled_length(audio.length, audio.sample_rate, SAMPLE_RATE))
    windows = max(1, -(-frames_left // KEPT_FRAMES))
    pool = ThreadPoolExecutor(workers, thread_name_prefix="transcribe")
    waiting: deque[Future[Evidence]] = deque()
    try:
        source = _windows_beside(audio, mix)
        for done in range(windows):
            progress.at(done / windows)
            while len(waiting) <= workers and (pair := next(source, None)) is not None:
                waiting.append(pool.submit(_analyse, *pair, network, profile))
            if not waiting:  # the file ended earlier than its header says
                break
            known = waiting.popleft().result()[: min(KEPT_FRAMES, frames_left)]
            frames_left -= len(known)
            yield known
        progress.at(1.0)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _analyse(window: Matrix, mix: Matrix, network: Network, profile: Profile | ChordProfile) -> Evidence:
    power_db = np.stack([power_levels(window), power_levels(mix)], axis=1)
    if np.max(np.abs(window)) < _SILENCE:
        return _silence(profile, power_db)
    note, onset, contour = network.posteriors(window)
    period = np.zeros((KEPT_FRAMES, 0), dtype=np.float32)
    if isinstance(profile, Profile) and profile.periodicity > 0.0:
        period = pitch_probabilities(window, profile.min_hz, min(profile.max_hz, _HIGHEST_PERIOD_HZ))
    return Evidence(note, onset, contour, semitone_levels(window), period, attack_strengths(window), power_db)


def _silence(profile: Profile | ChordProfile, power_db: Matrix) -> Evidence:
    """What is known of digital silence. The network must not be asked: it hears every window at the same loudness."""
    posterior = np.zeros((KEPT_FRAMES, PITCHES), dtype=np.float32)
    bins = np.zeros((KEPT_FRAMES, PITCHES * CONTOUR_BINS), dtype=np.float32)
    level = np.full((KEPT_FRAMES, PITCHES), SILENCE_DB, dtype=np.float32)
    period = bins if profile.periodicity > 0.0 else bins[:, :0]
    return Evidence(posterior, posterior, bins, level, period, bins[:, : len(REGIONS_HZ) - 1], power_db)


def _windows_beside(audio: AudioFile, mix: AudioFile | None) -> Iterator[tuple[Matrix, Matrix]]:
    """The windows of both, or those of the one twice."""
    if mix is None:
        return ((window, window) for window in _windows(audio))
    return zip(_windows(audio), _windows(mix), strict=False)


def _windows(audio: AudioFile) -> Iterator[Matrix]:
    """Overlapping windows of 43,844 samples; the first begins with, and the last is filled up with, zeros."""
    held = np.zeros(EDGE_SAMPLES, dtype=np.float32)
    for block in resampled(audio, SAMPLE_RATE, channels=1):
        # What is not a number counts as silence.
        held = np.concatenate([held, np.nan_to_num(block[:, 0], nan=0.0, posinf=0.0, neginf=0.0)])
        while len(held) >= WINDOW_SAMPLES:
            yield held[:WINDOW_SAMPLES]
            held = held[HOP_SAMPLES:]
    while len(held) > EDGE_SAMPLES:
        yield np.pad(held, (0, max(0, WINDOW_SAMPLES - len(held))))
        held = held[HOP_SAMPLES:]
