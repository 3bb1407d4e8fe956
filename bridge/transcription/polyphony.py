"""Notes of a part that may sound several at a time: basic-pitch's own note creation."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import ModuleType



from bridge.transcription.frames import LOWEST_PITCH, Evidence, Found, frames_of
from bridge.transcription.profiles import Profile

#: Back-ends that basic-pitch imports when it finds them; TensorFlow alone costs seconds and a gigabyte, and none is used.
_UNUSED_BACK_ENDS = ("tensorflow", "coremltools", "tflite_runtime", "tflite_runtime.interpreter")
_IMPORT = threading.Lock()


class Polyphony:
    """Finds notes with `basic_pitch.note_creation`, as one profile asks."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._creation = _note_creation()

    def __call__(self, known: Evidence, sounding: Collection[int]) -> list[Found]:
        """Notes of one stretch.

        Parameters
        ----------
        known
            The stretch.
        sounding
            MIDI pitches that sound from before the stretch: they get an onset at its start, so that their end is found in it.
        """
        profile = self._profile
        onset = known.onset.copy()  # basic-pitch writes into what it is given
        for pitch in sounding:
            onset[:3, pitch - LOWEST_PITCH] = (0.0, 1.0, 0.0)
        created = self._creation.output_to_notes_polyphonic(
            known.note.copy(),
            onset,
            onset_thresh=profile.onset_threshold,
            frame_thresh=profile.frame_threshold,
            min_note_len=frames_of(profile.min_note_ms),
            # Onsets inferred from rising posteriors are scaled by the loudest of the whole recording, which a stretch does not know.
            # Without them the same notes are found: at these thresholds none of them ever counted (measured).
            infer_onsets=False,
            max_freq=profile.max_hz,
            min_freq=profile.min_hz,
            melodia_trick=profile.melodia,
            energy_tol=frames_of(profile.tolerance_ms),
        ) if len(known) > 2 else []
        return sorted(
            (described(known, int(start), int(end), int(pitch)) for start, end, pitch, _ in created),
            key=lambda note: (note.start, note.pitch),
        )


def described(known: Evidence, start: int, end: int, pitch: int) -> Found:
    """A note of frames `start` to `end`, with what the evidence says of it."""
    key = pitch - LOWEST_PITCH
    # An onset's posterior peaks within two frames (23 ms) of where the note is set, its level within 12 (140 ms).
    onset = known.onset[max(0, start - 2) : start + 3, key].max()
    sounding = known.note[start:end, key].mean()
    level_db = known.level_db[start : min(end, start + 12), key].max()
    return Found(start, end, pitch, float(onset), float(sounding), float(level_db))


def _note_creation() -> ModuleType:
    """`basic_pitch.note_creation`, imported without its back-ends and without a word."""
    with _IMPORT, _without_back_ends(), _without_log():
        from basic_pitch import note_creation

        return note_creation
