"""Notes of a part that may sound several at a time: basic-pitch's own note creation."""

from __future__ import annotations

from collections.abc import Collection

from bridge.quietly import note_creation
from bridge.transcription.frames import LOWEST_PITCH, Evidence, Found, described, frames_of
from bridge.transcription.profiles import Profile

_FEWEST_FRAMES = 3  # an onset is a peak between two frames


class Polyphony:
    """Finds notes with `basic_pitch.note_creation`, as one profile asks."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._create = note_creation().output_to_notes_polyphonic

    def __call__(self, known: Evidence, sounding: Collection[int]) -> list[Found]:
        """Notes of one stretch, in order of start and pitch.

        Parameters
        ----------
        known
            The stretch.
        sounding
            MIDI pitches that sound from before the stretch: they get an onset at its start, so that their end is found
            in it.
        """
        if len(known) < _FEWEST_FRAMES:
            return []
        profile, onset = self._profile, known.onset.copy()  # basic-pitch writes into what it is given
        for pitch in sounding:
            onset[:_FEWEST_FRAMES, pitch - LOWEST_PITCH] = (0.0, 1.0, 0.0)
        created = self._create(
            known.note.copy(),
            onset,
            onset_thresh=profile.onset_threshold,
            frame_thresh=profile.frame_threshold,
            min_note_len=frames_of(profile.min_note_ms),
            # Onsets inferred from rising posteriors are scaled by the strongest of the whole recording, which a stretch
            # cannot know. The same notes are found without: at these thresholds no inferred onset ever counted
            # (measured on 22 recordings).
            infer_onsets=False,
            max_freq=profile.max_hz,
            min_freq=profile.min_hz,
            melodia_trick=profile.melodia,
            energy_tol=frames_of(profile.tolerance_ms),
        )
        notes = (described(known, int(start), int(end), int(pitch)) for start, end, pitch, _ in created)
        return sorted(notes, key=lambda note: (note.start, note.pitch))
