"""What a conversion needs of its engines. Each is one module behind one of these protocols, built only in `bridge.app`.

Engines never change their input, write no file, and call `progress` at least once a second.
Heavy libraries are imported inside the functions that use them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from bridge.audio.file import AudioFile
from bridge.model import BeatGrid, Decoded, EngineId, Note, Samples
from bridge.progress import Progress

#: Parts of one stretch of audio, each float32 (samples, channels), all of one length.
PartBlock = Mapping[str, Samples]


@dataclass(frozen=True, slots=True)
class Hearing:
    """How the notes of a part are found.

    Attributes
    ----------
    source
        In the part's own stem, or in the whole mix where the stem is the worse source.
    profile
        With which row of the transcriber's table.
    least_level_db
        Level of the stem against the mix, over a note, below which the note is taken for a leaving of the separator;
        None keeps every note.
    beside
        Other audio in which the same notes are heard too, to judge them by: ``mix`` or parts, for their stems.
    measured_f
        Why: (``stem``, ``mix`` or ``together``, F) for each that was compared, F being the mean of such parts' notes on
        recordings of known notes. Nothing where there was no choice or no way to measure.
    """

    source: Literal["stem", "mix"]
    profile: str
    least_level_db: float | None = None
    beside: tuple[str, ...] = ()
    measured_f: tuple[tuple[str, float], ...] = ()

    def facts(self) -> dict[str, object]:
        """What notes depend on: all but the reason."""
        return {key: value for key, value in asdict(self).items() if key != "measured_f"}


class Separator(Protocol):
    """Splits a mix into parts."""

    @property
    def identity(self) -> EngineId:
        """Name, version and hash of the weights."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts in each block: ``bass``, ``melody``, ``vocals``, ``drums`` and any extra ones."""

    def separate(self, mix: AudioFile, progress: Progress) -> Iterator[PartBlock]:
        """Yield the parts from start to end without gap or overlap, at the mix's own rate, channels and length."""


class PitchTranscriber(Protocol):
    """Finds the notes of one pitched part."""

    @property
    def identity(self) -> EngineId:
        """Name, version and hash of the model."""

    def ear(self, profile: str) -> EngineId:
        """What `listen` depends on, besides the audio: profiles with one ear hear the same."""

    def load(self) -> None:
        """Import what listening needs, before threads would import it at once: not every library can bear that."""

    def listen(self, audio: AudioFile, mix: AudioFile | None, profile: str, progress: Progress) -> Iterator[bytes]:
        """What there is to decode notes from, in blocks, from start to end.

        `mix` is what the audio was separated from, where notes are to be judged by their share of it; `profile` names
        what to listen for, such as ``bass``.
        """

    def decode(
        self,
        heard: Iterable[bytes],
        hearing: Hearing,
        tightness: float,
        progress: Progress,
        beside: Sequence[Iterable[bytes]] = (),
    ) -> Decoded:
        """Notes in order of onset from what was heard, in a tenth of the time that listening took, or less.

        `beside` is what was heard in the other audio that `hearing` names, in that order. `tightness` is 0 for every
        candidate, 0.5 for what is likely right, 1 for only the sure ones.
        """


class DrumEngine(Protocol):
    """Splits drums into components and finds their hits."""

    @property
    def identity(self) -> EngineId:
        """Name, version and hash of the model."""

    def load(self) -> None:
        """Import what the work needs, before threads would import it at once: not every library can bear that."""

    def split(self, drums: AudioFile, progress: Progress) -> Iterator[PartBlock]:
        """Yield the six components from start to end without gap or overlap, shaped like the drums themselves."""

    def transcribe(self, drums: AudioFile, components: Mapping[str, AudioFile], progress: Progress) -> list[Note]:
        """Hits in order of onset, with General MIDI keys."""


class BeatTracker(Protocol):
    """Finds tempo, beats and bars."""

    @property
    def identity(self) -> EngineId:
        """Name and version of the method."""

    def load(self) -> None:
        """Import what the work needs, before threads would import it at once: not every library can bear that."""

    def track(self, mix: AudioFile, drums: AudioFile | None, bpm: float | None, progress: Progress) -> BeatGrid:
        """The beat grid of `mix`, helped by its `drums` stem; a given `bpm` replaces the tempo, not the phase."""
