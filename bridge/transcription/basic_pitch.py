"""`BasicPitchTranscriber`: pitched parts by basic-pitch's network, run on onnxruntime in bounded memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import cached_property

from bridge.audio.file import AudioFile
from bridge.errors import InvalidRequest
from bridge.model import EngineId, Note
from bridge.music.notes import one_at_a_time, without_ghosts, without_overlaps
from bridge.progress import Progress
from bridge.quietly import note_creation
from bridge.transcription.listen import evidence
from bridge.transcription.network import Network, identity
from bridge.transcription.polyphony import Polyphony
from bridge.transcription.profiles import PROFILES, Profile
from bridge.transcription.stretches import Decoder, notes_of
from bridge.transcription.velocity import as_notes, credible
from bridge.transcription.voice import Voice

#: Raised whenever the same posteriors would give other notes, so that cached ones are known to be stale.
_DECODER = "notes1"
#: Two windows side by side; more gain nothing on the two cores that most of this is measured on, and take the audio
#: program's.
_MOST_WORKERS = 2


class BasicPitchTranscriber:
    """Finds the notes of a part with the profile of its name.

    Parameters
    ----------
    profiles
        How each part is heard.
    """

    def __init__(self, profiles: Mapping[str, Profile] = PROFILES) -> None:
        self._profiles = profiles

    @cached_property
    def identity(self) -> EngineId:
        """Name, version (with the decoder's and the table's) and hash of the model."""
        table = hashlib.sha256(repr(sorted(self._profiles.items())).encode()).hexdigest()[:8]
        return identity(f"{_DECODER}.{table}")

    def load(self) -> None:
        """Import what the decoding needs."""
        import scipy.fft
        import scipy.ndimage  # noqa: F401

        note_creation()
        _ = self._network

    @cached_property
    def _network(self) -> Network:
        return Network()

    def transcribe(self, audio: AudioFile, part: str, progress: Progress) -> list[Note]:
        """Notes in order of onset, none overlapping another of its pitch.

        Parameters
        ----------
        audio
            The part, or a mix that holds it: any rate and length, one or two channels.
        part
            A row of the profiles: ``bass``, ``melody``, ``vocals`` or ``mix``.

        Raises
        ------
        InvalidRequest
            There is no such part.
        EngineUnavailable, EngineFailed
            The model or its runtime is missing, or broke down.
        Cancelled
            Through `progress`, between two windows (each about 50 ms of work).
        """
        if (profile := self._profiles.get(part)) is None:
            raise InvalidRequest(f"no part is called {part!r}; choose from {', '.join(self._profiles)}")
        decode: Decoder = Voice(profile) if profile.one_voice else Polyphony(profile)
        workers = min(_MOST_WORKERS, os.cpu_count() or 1)
        windows = evidence(audio, self._network, profile, workers, progress)
        notes = as_notes(credible(list(notes_of(windows, decode))), profile.velocity_range)
        inside = [note for note in notes if note.onset_s < audio.duration_s]
        clean = without_overlaps(inside)
        return one_at_a_time(clean, profile.min_note_ms / 1000.0) if profile.one_voice else without_ghosts(clean)
