"""The steps of one conversion, each done when something first asks for it, or taken from the cache.

Where stems and notes are known already, nothing is decoded. What a step depends on stands in its cache key.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from bridge.audio.decode import decode
from bridge.audio.file import AudioFile
from bridge.audio.stems import stem_format, write_stems
from bridge.cache import Cache, key_of
from bridge.engines import BeatTracker, DrumEngine, Hearing, PartBlock, PitchTranscriber, Separator
from bridge.model import COMPONENTS, PARTS, BeatGrid, ConversionRequest, Note
from bridge.progress import Progress
from bridge.transcription.presence import present
from bridge.write import notes as note_files
from bridge.write.result import PartFindings

RESIDUAL = "residual"
DRUMS_RESIDUAL = "drums_residual"
#: Part of every cache key: to be raised when a step gives other results for the same input.
STEPS_VERSION = 1
#: Told each part's notes as soon as they are found; called from two threads.
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
        # Decoding and separation are needed from two threads, and done once.
        self._lock = threading.RLock()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that this recording has and the user wants, in their usual order."""
        made = {"song": PARTS, "mix": ("melody", "drums")}.get(self._request.recording, (self._request.recording,))
        return tuple(part for part in made if part in self._request.parts)

    @property
    def stem_count(self) -> int:
        """How many stems there will be, residuals included."""
        separator = self._engines.separator
        if separator is None:
            return 0
        has_components = "drums" in separator.parts and "drums" in self.parts
        return len(separator.parts) + 1 + (len(COMPONENTS) + 1 if has_components else 0)

    @cached_property
    def recording(self) -> Recording:
        """Shape and identity of the audio."""
        kept = None if self._request.fresh else self._cache.fetch_bytes(self._recording_key)
        if kept is not None:
            return msgspec.json.decode(kept, type=Recording)
        return self._decoded[1]

    @property
    def mix(self) -> AudioFile:
        """The audio that is converted, as float32 on disk."""
        with self._lock:
            return self._decoded[0]

    @property
    def stems(self) -> Mapping[str, AudioFile]:
        """The parts' stems and the residual; none where nothing separates."""
        with self._lock:
            return self._stems

    @cached_property
    def _stems(self) -> Mapping[str, AudioFile]:
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

    @cached_property
    def components(self) -> Mapping[str, AudioFile]:
        """The drums' components and their residual; none where there is no drum stem."""
        drums = self.stems.get("drums")
        if drums is None or "drums" not in self.parts:
            return {}
        kept = self._kept_stems(self._components_key, (*COMPONENTS, DRUMS_RESIDUAL))
        if kept is not None:
            return kept
        with self._step("split drums") as progress:
            blocks = self._counted(self._engines.drums.split(drums, progress), progress)
            made = self._write_stems(drums, blocks, DRUMS_RESIDUAL, subtract=COMPONENTS)
        self._cache.store(self._components_key, [stem.path for stem in made.values()])
        return made

    @cached_property
    def grid(self) -> BeatGrid:
        """Beats and bars."""
        key = self._key("grid", engine=self._engines.beats.identity, bpm=self._request.bpm, drums=self._drums_from_stem)
        kept = None if self._request.fresh else self._cache.fetch_bytes(key)
        if kept is not None:
            return msgspec.json.decode(kept, type=BeatGrid)
        mix, drums = self.mix, self.stems.get("drums")
        with self._step("tempo") as progress:
            grid = self._engines.beats.track(mix, drums, self._request.bpm, progress)
        self._cache.store_bytes(key, msgspec.json.encode(grid))
        return grid

    def find_all(self, part_found: PartListener | None = None) -> tuple[BeatGrid, dict[str, PartFindings]]:
        """Beats and notes of all parts. The drums have a thread of their own: that fills two cores evenly."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="drums") as pool:
            drums = pool.submit(self._split_and_find_drums, part_found) if "drums" in self.parts else None
            grid = self.grid
            found = {part: self.found(part, part_found) for part in self.parts if part != "drums"}
            if drums is not None:
                found["drums"] = drums.result()
        return grid, {part: found[part] for part in self.parts}

    def _split_and_find_drums(self, part_found: PartListener | None) -> PartFindings:
        if self._request.stems:
            _ = self.components
        return self.found("drums", part_found)

    def found(self, part: str, part_found: PartListener | None = None) -> PartFindings:
        """The notes of a part."""
        is_drums = part == "drums"
        engine = self._engines.drums.identity if is_drums else self._engines.pitch.identity
        hearing = self._engines.hearings[part]
        key = self._key("notes", engine=engine, part=part, hearing=asdict(hearing))
        data = None if self._request.fresh else self._cache.fetch_bytes(key)
        if data is None:
            notes = self._drum_hits() if is_drums else self._pitched_notes(part)
            data = note_files.encode(part, notes)
            self._cache.store_bytes(key, data)
        findings = PartFindings(note_files.decode(data), hearing.source, engine)
        if part_found is not None:
            part_found(part, findings.notes)
        return findings

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

    def _heard_in(self, part: str) -> AudioFile:
        return self.stems[part] if self._engines.hearings[part].source == "stem" else self.mix

    def _pitched_notes(self, part: str) -> list[Note]:
        audio = self._heard_in(part)
        with self._step(f"notes {part}") as progress:
            notes = self._engines.pitch.transcribe(audio, self._engines.hearings[part].profile, progress)
        # Only a voice comes and goes in a song, and leaves other instruments in its stem while it is silent.
        is_separated = part in self.stems and self._request.recording == "song"
        return present(notes, audio, self.mix) if part == "vocals" and is_separated else notes

    def _drum_hits(self) -> list[Note]:
        audio = self._heard_in("drums")
        pieces = {name: self.components[name] for name in COMPONENTS if name in self.components}
        with self._step("notes drums") as progress:
            return self._engines.drums.transcribe(audio, pieces, progress)

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

    def _key(self, step: str, *, engine: Any, **facts: Any) -> str:
        """Key of an analysis: what it was made of, by what, and how."""
        return key_of(v=STEPS_VERSION, step=step, stems=self._stems_key, engine=asdict(engine), **facts)
