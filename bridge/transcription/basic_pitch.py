"""`BasicPitchTranscriber`: pitched parts by basic-pitch's network, run on onnxruntime in bounded memory.

What network and signal say is one thing, `listen`, and takes the time; which notes that makes is another, `decode`, and
can be asked again and again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from bridge.audio.file import AudioFile
from bridge.engines import Hearing
from bridge.errors import InvalidRequest
from bridge.model import Decoded, EngineId, Note, Removed
from bridge.music.notes import one_at_a_time, without_overlaps
from bridge.names import USUAL_TIGHTNESS
from bridge.progress import Progress
from bridge.transcription import packing
from bridge.transcription.chords import ChordProfile
from bridge.transcription.frames import Evidence, Found, frame_time_s
from bridge.transcription.judge import judges_digest
from bridge.transcription.listen import evidence
from bridge.transcription.network import Network, identity
from bridge.transcription.polyphony import Polyphony
from bridge.transcription.profiles import PROFILES, Profile
from bridge.transcription.stops import DoubleStops, beside_the_line
from bridge.transcription.stretches import Decoder, notes_of
from bridge.transcription.velocity import as_notes, confidence, credible
from bridge.transcription.voice import Voice

#: Raised whenever the same posteriors would give other notes, so that cached ones are known to be stale.
_DECODER = "notes5"
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

    def __init__(self, profiles: Mapping[str, Profile | ChordProfile] = PROFILES) -> None:
        self._profiles = profiles

    @cached_property
    def identity(self) -> EngineId:
        """Name, version (with the decoder's and the table's) and hash of the model."""
        table = hashlib.sha256(repr(sorted(self._profiles.items())).encode() + judges_digest()).hexdigest()[:8]
        return identity(f"{packing.VERSION}.{_DECODER}.{table}")

    def ear(self, profile: str) -> EngineId:
        """Name and hash of the model, its version with that of the evidence and with which periods are looked for."""
        row = self._profile(profile)
        periods = f".{row.min_hz:g}-{row.max_hz:g}" if row.periodicity > 0.0 else ""
        return identity(packing.VERSION + periods)

    def load(self) -> None:
        """Import what listening and decoding need."""
        import scipy.fft  # noqa: F401

        _ = self._network

    @cached_property
    def _network(self) -> Network:
        return Network()

    def listen(self, audio: AudioFile, mix: AudioFile | None, profile: str, progress: Progress) -> Iterator[bytes]:
        """What network and signal say of the audio, packed, about 1.6 s a block.

        Parameters
        ----------
        audio
            The part, or a mix that holds it: any rate and length, one or two channels.
        mix
            What the part was separated from, where its share of that is to be known; of the same rate and length.
        profile
            A row of the profiles: ``bass``, ``melody``, ``vocals``, ``sung`` or ``mix``.

        Raises
        ------
        InvalidRequest
            There is no such profile.
        EngineUnavailable, EngineFailed
            The model or its runtime is missing, or broke down.
        Cancelled
            Through `progress`, between two windows (each about 50 ms of work).
        """
        row = self._profile(profile)
        workers = min(_MOST_WORKERS, os.cpu_count() or 1)
        windows = evidence(audio, self._network, row, workers, progress, mix)
        return (packing.packed(window) for window in windows)

    def decode(
        self,
        heard: Iterable[bytes],
        hearing: Hearing,
        tightness: float,
        progress: Progress,
        beside: Sequence[Iterable[bytes]] = (),
    ) -> Decoded:
        """Notes in order of onset, none overlapping another of its pitch, and what looked like one and is none.

        Parameters
        ----------
        heard
            What `listen` gave, for a profile with the same ear.
        hearing
            With which profile notes are found, and how weak a part's share of the mix may be.
        tightness
            0 for every candidate, 0.5 for the profile as it is, 1 for only the sure ones.
        beside
            What `listen` gave of the other audio that `hearing` names, in that order.

        Raises
        ------
        InvalidRequest
            There is no such profile or tightness, or the profile needs other evidence beside.
        Cancelled
            Through `progress`.
        """
        if not 0.0 <= tightness <= 1.0:
            raise InvalidRequest(f"the tightness is 0 to 1, got {tightness:g}")
        row = self._profile(hearing.profile)
        profile, usual = row.at(tightness), row.at(min(tightness, USUAL_TIGHTNESS))
        if isinstance(profile, ChordProfile) and len(beside) != profile.beside:
            raise InvalidRequest(f"{hearing.profile!r} is heard with {profile.beside} recordings beside its own")
        decode = _decoder(profile)
        found = list(notes_of(_windows(heard, beside, decode.wanted, progress), decode))
        removed = tuple(_as_removed(note) for note in found if note.reason)
        found = [note for note in found if not note.reason]
        # Velocities are those of the usual notes, so that a note is no softer for being among the sure ones only.
        found = credible(found, usual.least_confidence, hearing.least_level_db)
        heard_as = zip(found, as_notes(found, profile.velocity_range), strict=True)
        sure = [(one, note) for one, note in heard_as if note.confidence >= profile.least_confidence]
        notes = without_overlaps(note for one, note in sure if not one.is_stop)
        if isinstance(profile, Profile):
            notes = one_at_a_time(notes, profile.min_note_ms / 1000.0)
        return Decoded(beside_the_line(notes, (note for one, note in sure if one.is_stop)), removed)

    def transcribe(
        self, audio: AudioFile, profile: str, progress: Progress, tightness: float = USUAL_TIGHTNESS
    ) -> list[Note]:
        """Listen and decode, without keeping what was heard; see there. The profile must need nothing beside."""
        heard = self.listen(audio, None, profile, progress)
        return self.decode(heard, Hearing("stem", profile), tightness, progress).notes

    def _profile(self, name: str) -> Profile | ChordProfile:
        try:
            return self._profiles[name]
        except KeyError:
            raise InvalidRequest(f"no part is called {name!r}; choose from {', '.join(self._profiles)}") from None


def _decoder(profile: Profile | ChordProfile) -> Decoder:
    if isinstance(profile, ChordProfile):
        return Polyphony(profile)
    return DoubleStops(profile) if profile.stops_from < 1.0 else Voice(profile)


def _windows(
    heard: Iterable[bytes], beside: Sequence[Iterable[bytes]], wanted: Collection[str], progress: Progress
) -> Iterator[Evidence]:
    for blocks in zip(heard, *beside, strict=True):
        progress.check()
        known, *others = (packing.unpacked(block, wanted) for block in blocks)
        yield replace(known, beside=tuple(others)) if others else known


def _as_removed(found: Found) -> Removed:
    return Removed(frame_time_s(found.start), found.pitch, confidence(found), found.reason)
