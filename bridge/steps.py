"""The steps of one conversion, each done when something first asks for it, or taken from the cache.

Where stems and notes are known already, nothing is decoded. What a step depends on stands in its cache key.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bridge.audio.decode import decode
from bridge.audio.file import AudioFile
from bridge.audio.stems import stem_format, write_stems
from bridge.cache import Cache, key_of
from bridge.engines import BeatTracker, DrumEngine, Hearing, PartBlock, PitchTranscriber, Separator
from bridge.errors import Cancelled
from bridge.listening import Listening, listenings
from bridge.model import COMPONENTS, PARTS, BeatGrid, ConversionRequest, Decoded, Note, Removed
from bridge.progress import Progress
from bridge.write import heard as heard_files
from bridge.write import notes as note_files
from bridge.write.result import PartFindings

RESIDUAL = "residual"
DRUMS_RESIDUAL = "drums_residual"
#: Part of every cache key: to be raised when a step gives other results for the same input.
STEPS_VERSION = 2
#: How often a thread that waits for the other asks whether to stop.
_WAIT_S = 0.1
_Value = TypeVar("_Value")
#: Told each part's notes as soon as they are known; called from two threads.
PartListener = Callable[[str, Sequence[Note]], None]


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines of one conversion. Swap any of them.

    Attributes
    ----------
    separator
        What makes the stems; None where the recording is transcribed whole.
    pitch, drums, beats
        What finds notes, hits and beats.
    hearings
        For each part, in what and how its notes are found.
    """

    separator: Separator | None
    pitch: PitchTranscriber
    drums: DrumEngine
    beats: BeatTracker
    hearings: Mapping[str, Hearing]


@dataclass(frozen=True, slots=True)
class Recording:
    """What decoding found out; enough to look everything else up in the cache.

    Attributes
    ----------
    digest
        Identity of the decoded samples.
    sample_rate, channels, length
        Shape of what is converted: Hz, 1 or 2, samples a channel.
    source_channels, source_duration_s
        Shape of the whole file.
    warnings
        What the user should know of it.
    """

    digest: str
    sample_rate: int
    channels: int
    length: int
    source_channels: int
    source_duration_s: float
    warnings: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """Length of what is converted, in seconds."""
        return self.length / self.sample_rate


def made_of(request: ConversionRequest) -> tuple[str, ...]:
    """The parts that a recording has and the user wants, in their usual order."""
    made = {"song": PARTS, "mix": ("melody", "drums")}.get(request.recording, (request.recording,))
    return tuple(part for part in made if part in request.parts)


class Steps:
    """One conversion at work.

    Parameters
    ----------
    request
        What is wanted.
    engines
        What does it.
    cache
        What was done before.
    progress
        Told of each step that is really done.
    scratch
        An empty folder for the working copy of the audio and for stems that aren't delivered.
    stems_folder
        Where the stems go that are.
    earlier_stems
        Where those of an earlier result lie that this one replaces; it need not exist.
    source_sha256
        Hash of the source file.
    """

    def __init__(
        self,
        request: ConversionRequest,
        engines: Engines,
        cache: Cache,
        progress: Progress,
        *,
        scratch: Path,
        stems_folder: Path,
        earlier_stems: Path,
        source_sha256: str,
    ) -> None:
        self._request, self._engines, self._cache, self._progress = request, engines, cache, progress
        self._scratch = scratch
        self._stems_folder = stems_folder if request.stems else scratch / "stems"
        self._earlier_stems = earlier_stems if request.stems else None
        self._source_sha256 = source_sha256
        self.timings_s: dict[str, float] = {}
        self._components: Mapping[str, AudioFile] = {}
        self._heard: dict[Listening, Path] = {}
        self._removed: dict[str, tuple[Removed, ...]] = {}
        self._part_found: PartListener | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that this recording has and the user wants, in their usual order."""
        return made_of(self._request)

    @property
    def stem_count(self) -> int:
        """How many stems there will be, residuals included."""
        separator = self._engines.separator
        if separator is None:
            return 0
        return len(separator.parts) + 1 + (len(COMPONENTS) + 1 if self._makes_components else 0)

    @property
    def heard_count(self) -> int:
        """How many times audio is listened to for pitched notes, at most."""
        return len({listening for part in self.parts if part != "drums" for listening in self._listenings(part)})

    @property
    def _makes_components(self) -> bool:
        """Whether the drums are split: only for stems that are delivered."""
        return self._request.stems and self._drums_from_stem and "drums" in self.parts

    @cached_property
    def recording(self) -> Recording:
        """Shape and identity of the audio."""
        kept = None if self._request.fresh else self._cache.fetch_bytes(self._recording_key)
        if kept is not None:
            return msgspec.json.decode(kept, type=Recording)
        return self._decoded[1]

    @cached_property
    def mix(self) -> AudioFile:
        """The audio that is converted, as float32 on disk."""
        return self._decoded[0]

    @cached_property
    def stems(self) -> Mapping[str, AudioFile]:
        """The parts' stems and the residual; none where nothing separates."""
        separator = self._engines.separator
        if separator is None:
            return {}
        names = (*separator.parts, RESIDUAL)
        kept = self._kept_stems(self._stems_key, names)
        if kept is not None:
            return kept
        with self._step("separate") as progress:
            blocks = self._counted(separator.separate(self.mix, progress), progress)
            made = self._write_stems(self.mix, blocks, RESIDUAL, subtract=[p for p in separator.parts if p in PARTS])
        self._cache.store(self._stems_key, [stem.path for stem in made.values()])
        return made

    def find_all(self, part_found: PartListener | None = None) -> tuple[BeatGrid, dict[str, PartFindings]]:
        """Beats and notes of all parts, from the cache or by listening; tells each part when it is known."""
        self._part_found = part_found
        grid = self._kept(self._grid_key, lambda data: msgspec.json.decode(data, type=BeatGrid))
        notes = {part: self._kept(self._notes_key(part), partial(self._remembered, part)) for part in self.parts}
        for part, known in notes.items():
            if known is not None:
                self._tell(part, known)
        components = self._kept_components()
        if grid is None or components is None or None in notes.values():
            grid, notes = self._listen(grid, notes, components)
        return grid, {part: self._findings(part, notes[part] or []) for part in self.parts}

    @property
    def components(self) -> Mapping[str, AudioFile]:
        """The drums' components and their residual, once `find_all` has run and where stems are wanted."""
        return self._components

    def _listen(
        self, grid: BeatGrid | None, notes: Mapping[str, list[Note] | None], components: Mapping[str, AudioFile] | None
    ) -> tuple[BeatGrid, dict[str, list[Note] | None]]:
        """What the cache lacks. The drums have a thread of their own: that fills two cores evenly."""
        found = dict(notes)
        wanted = [part for part in self.parts if part != "drums" and notes[part] is None]
        needed = {listening for part in wanted for listening in self._listenings(part)}
        self._heard = {one: heard for one in needed if (heard := self._kept_heard(one)) is not None}
        drums_are_known = components is not None and notes.get("drums", []) is not None
        if grid is not None and drums_are_known and len(self._heard) == len(needed):  # nothing needs the audio
            return grid, found | {part: self._pitched_notes(part) for part in wanted}
        for engine in (self._engines.beats, self._engines.drums, self._engines.pitch):
            engine.load()
        _ = self.stems, self.mix  # what both threads begin with, made by one
        abandoned = threading.Event()
        self._progress = self._progress.until(abandoned)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="drums") as pool:
            drums = pool.submit(self._listen_to_drums, components, notes.get("drums", []))
            drums.add_done_callback(lambda done: abandoned.set() if done.exception() else None)
            try:
                grid = grid or self._track_beats()
                found |= {part: self._pitched_notes(part) for part in wanted}
                while not drums.done():  # waiting without end would be deaf to Ctrl-C on Windows
                    wait([drums], timeout=_WAIT_S)
                    self._progress.heed()  # that the drums go on is theirs to show
            except BaseException as error:
                abandoned.set()
                failure = drums.exception()  # of the two, the one that came first
                if isinstance(error, Cancelled) and failure is not None and not isinstance(failure, Cancelled):
                    raise failure from None
                raise
        if "drums" in self.parts:
            found["drums"] = drums.result()
        return grid, found

    def _listen_to_drums(self, components: Mapping[str, AudioFile] | None, hits: list[Note] | None) -> list[Note]:
        if components is None:
            self._components = self._split_drums()
        return self._drum_hits() if hits is None else hits

    def _findings(self, part: str, notes: list[Note]) -> PartFindings:
        engine = self._engines.drums.identity if part == "drums" else self._engines.pitch.identity
        hearing = self._engines.hearings[part]
        removed = self._removed.get(part, ())
        return PartFindings(notes, hearing.source, engine, hearing.beside, removed, dict(hearing.measured_f))

    # ---- how the steps are done

    @cached_property
    def _decoded(self) -> tuple[AudioFile, Recording]:
        with self._step("decode") as progress:
            decoded = decode(self._request.source, self._scratch / "mix.wav", progress, self._request.range_s)
        audio = decoded.audio
        recording = Recording(
            digest=decoded.digest,
            sample_rate=audio.sample_rate,
            channels=audio.channels,
            length=audio.length,
            source_channels=decoded.source_channels,
            source_duration_s=decoded.source_duration_s,
            warnings=decoded.warnings,
        )
        self._cache.store_bytes(self._recording_key, msgspec.json.encode(recording))
        return audio, recording

    def _track_beats(self) -> BeatGrid:
        mix, drums = self.mix, self.stems.get("drums")
        with self._step("tempo") as progress:
            grid = self._engines.beats.track(mix, drums, self._request.bpm, progress)
        self._cache.store_bytes(self._grid_key, msgspec.json.encode(grid))
        return grid

    def _split_drums(self) -> Mapping[str, AudioFile]:
        drums = self.stems["drums"]
        with self._step("split drums") as progress:
            blocks = self._counted(self._engines.drums.split(drums, progress), progress)
            made = self._write_stems(drums, blocks, DRUMS_RESIDUAL, subtract=COMPONENTS)
        self._cache.store(self._components_key, [stem.path for stem in made.values()])
        return made

    def _drum_hits(self) -> list[Note]:
        audio = self._heard_in("drums")
        pieces = {name: self._components[name] for name in COMPONENTS if name in self._components}
        with self._step("notes drums") as progress:
            return self._keep_notes("drums", Decoded(self._engines.drums.transcribe(audio, pieces, progress)))

    def _pitched_notes(self, part: str) -> list[Note]:
        hearing, tightness = self._engines.hearings[part], self._request.tightness
        needed = self._listenings(part)
        missing = [one for one in needed if one not in self._heard]
        for one in missing:
            _ = self._audio(one.audio), self.mix if one.beside_mix else None  # steps of their own
        with self._step(f"notes {part}") as progress, ExitStack() as files:
            for place, one in enumerate(missing):
                share = progress.part(place / len(missing), (place + 1) / len(missing))
                self._heard[one] = self._listen_to(one, share)
            readers = [files.enter_context(closing(heard_files.read(self._heard[one]))) for one in needed]
            decoded = self._engines.pitch.decode(readers[0], hearing, tightness, progress, readers[1:])
        return self._keep_notes(part, decoded)

    def _listenings(self, part: str) -> tuple[Listening, ...]:
        return listenings(part, self._engines.hearings, self._engines.pitch)

    def _listen_to(self, one: Listening, progress: Progress) -> Path:
        """What is heard of a pitched part, before it is decided what its notes are."""
        path, mix = self._heard_path(one), self.mix if one.beside_mix else None
        heard_files.write(path, self._engines.pitch.listen(self._audio(one.audio), mix, one.profile, progress))
        self._cache.store(self._heard_key(one), [path])
        return path

    def _kept_heard(self, one: Listening) -> Path | None:
        path = self._heard_path(one)
        is_kept = not self._request.fresh and self._cache.fetch(self._heard_key(one), path.parent)
        return path if is_kept else None

    def _heard_path(self, one: Listening) -> Path:
        path = self._scratch / "heard" / self._heard_key(one) / "evidence"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _keep_notes(self, part: str, decoded: Decoded) -> list[Note]:
        """Keep notes in the cache; gives them as they will come back from there, so that both ways have one result."""
        data = note_files.encode(part, decoded.notes, decoded.removed)
        self._cache.store_bytes(self._notes_key(part), data)
        notes = self._remembered(part, data)
        self._tell(part, notes)
        return notes

    def _remembered(self, part: str, data: bytes) -> list[Note]:
        """The notes in what was kept of a part; what else it holds is put by for the result."""
        notes = note_files.decode(data)
        self._removed[part] = note_files.removed_in(data)
        return notes

    def _tell(self, part: str, notes: Sequence[Note]) -> None:
        if self._part_found is not None:
            self._part_found(part, notes)

    def _heard_in(self, part: str) -> AudioFile:
        return self._audio(part if self._engines.hearings[part].source == "stem" else "mix")

    def _audio(self, name: str) -> AudioFile:
        return self.mix if name == "mix" else self.stems[name]

    @property
    def _drums_from_stem(self) -> bool:
        return self._engines.separator is not None and "drums" in self._engines.separator.parts

    def _write_stems(
        self, source: AudioFile, blocks: Iterator[PartBlock], residual: str, *, subtract: Any
    ) -> Mapping[str, AudioFile]:
        return write_stems(
            source, blocks, self._stems_folder, residual, subtract=subtract, sample_format=stem_format(source)
        )

    def _counted(self, blocks: Iterator[PartBlock], progress: Progress) -> Iterator[PartBlock]:
        """The blocks, asking between them whether to stop."""
        for block in blocks:
            progress.check()
            yield block

    def _kept_components(self) -> Mapping[str, AudioFile] | None:
        """Components from the cache, or none at all where none are wanted; None where they must be made."""
        if not self._makes_components:
            return {}
        kept = self._kept_stems(self._components_key, (*COMPONENTS, DRUMS_RESIDUAL))
        self._components = kept or {}
        return kept

    def _kept(self, key: str, decode: Callable[[bytes], _Value]) -> _Value | None:
        """What was found before, or None."""
        data = None if self._request.fresh else self._cache.fetch_bytes(key)
        return None if data is None else decode(data)

    def _kept_stems(self, key: str, names: tuple[str, ...]) -> Mapping[str, AudioFile] | None:
        """Stems from the cache, copied to where stems go, or None."""
        if self._request.fresh or not self._cache.fetch(key, self._stems_folder, self._earlier_stems):
            return None
        return {name: AudioFile.open(self._stems_folder / f"{name}.wav") for name in names}

    @contextmanager
    def _step(self, name: str) -> Iterator[Progress]:
        began = time.monotonic()
        progress = self._progress.stage(name)
        yield progress
        progress.at(1.0)
        self.timings_s[name] = round(time.monotonic() - began, 3)

    # ---- what each step depends on

    @property
    def _recording_key(self) -> str:
        return key_of(v=STEPS_VERSION, step="recording", file=self._source_sha256, range=self._request.range_s)

    @cached_property
    def _stems_key(self) -> str:
        separator = self._engines.separator
        return key_of(
            v=STEPS_VERSION, step="stems", audio=self.recording.digest, engine=separator and asdict(separator.identity)
        )

    @cached_property
    def _components_key(self) -> str:
        return key_of(
            v=STEPS_VERSION, step="components", stems=self._stems_key, engine=asdict(self._engines.drums.identity)
        )

    @property
    def _grid_key(self) -> str:
        beats = self._engines.beats.identity
        return self._key("grid", engine=beats, bpm=self._request.bpm, drums=self._drums_from_stem)

    def _notes_key(self, part: str) -> str:
        hearing = self._engines.hearings[part].facts()
        if part == "drums":
            return self._key("notes", engine=self._engines.drums.identity, part=part, hearing=hearing)
        engine, tightness = self._engines.pitch.identity, self._request.tightness
        return self._key("notes", engine=engine, part=part, hearing=hearing, tightness=tightness)

    def _heard_key(self, one: Listening) -> str:
        """Parts that are heard in one audio with one ear share what is heard."""
        return self._key("heard", engine=one.ear, audio=one.audio, beside_mix=one.beside_mix)

    def _key(self, step: str, *, engine: Any, **facts: Any) -> str:
        """Key of an analysis: what it was made of, by what, and how."""
        return key_of(v=STEPS_VERSION, step=step, stems=self._stems_key, engine=asdict(engine), **facts)
