"""The story of a conversion: from an audio file to a result folder.

Engines come in from outside (`bridge.app` chooses them); the steps and what is kept of them are in `bridge.steps`.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bridge.audio.decode import file_sha256
from bridge.cache import Cache
from bridge.deliver.make import Failure, make, with_deliveries
from bridge.deliver.remarks import remarks
from bridge.deliver.song import read_song
from bridge.disk import printable
from bridge.errors import InvalidRequest, OutputUnwritable
from bridge.model import ConversionRequest
from bridge.progress import Progress
from bridge.steps import Engines, PartListener, Recording, Steps, made_of
from bridge.write.files import ResultFolder, folder_name_for
from bridge.write.manifest import Manifest, Source
from bridge.write.result import NO_SEPARATOR, Findings, write_manifest, write_result

#: Bytes a sample and channel: of the working copy, and of a stem (one more where the source exceeds full scale).
_MIX_BYTES, _STEM_BYTES = 4, 3
#: Room for MIDI, notes and manifest.
_SMALL_FILES_BYTES = 4 << 20
#: What is heard of a second of audio, compressed, at most (22 kB of dense music).
_HEARD_BYTES_A_SECOND = 25_000


@dataclass(frozen=True, slots=True)
class Result:
    """A finished conversion.

    Attributes
    ----------
    folder, manifest
        Where the result is, and what it says of itself.
    failures
        The deliveries that could not be made.
    remarks
        What became of the user's own files in an earlier result, a sentence each.
    """

    folder: Path
    manifest: Manifest
    failures: tuple[Failure, ...] = ()
    remarks: tuple[str, ...] = ()


def convert(
    request: ConversionRequest,
    engines: Engines,
    cache: Cache,
    progress: Progress,
    notes: tuple[str, ...] = (),
    part_found: PartListener | None = None,
) -> Result:
    """Convert one recording. The result folder is complete when this returns; nothing is left behind when it raises.

    Parameters
    ----------
    request
        What to convert, and how.
    engines
        What converts it.
    cache
        Where finished steps are kept.
    progress
        Told how far it is; cancels.
    notes
        Sentences about choices made for the user, for the manifest's warnings.
    part_found
        Told the notes of each part as soon as they are found, as they were detected; called from two threads.

    Raises
    ------
    AudioUnreadable, InvalidRequest, EngineUnavailable, EngineFailed, OutputUnwritable, Cancelled
        See `bridge.errors`.
    """
    began = time.monotonic()
    source_sha256 = file_sha256(request.source, progress.stage("read"))
    target = request.out_dir / (request.name or folder_name_for(request.source))
    if not made_of(request):
        wanted = ", ".join(request.parts)
        raise InvalidRequest(f"--as {request.recording} has none of the parts {wanted}; choose others with --parts")
    with ResultFolder(target) as folder:
        scratch = folder.scratch
        steps = Steps(
            request,
            engines,
            cache,
            progress,
            scratch=scratch,
            stems_folder=folder.path("stems"),
            earlier_stems=folder.target / "stems",
            source_sha256=source_sha256,
        )
        _check_room(scratch, steps)
        stems = steps.stems if request.stems else {}
        grid, parts = steps.find_all(part_found)
        findings = Findings(
            source=_source(request, steps.recording, source_sha256),
            range_s=_converted_range(request, steps.recording),
            duration_s=steps.recording.duration_s,
            grid=grid,
            parts=parts,
            separator=engines.separator.identity if engines.separator else NO_SEPARATOR,
            stems=frozenset({**stems, **steps.components} if request.stems else {}),
            tightness=request.tightness,
        )
        warnings = (*notes, *steps.recording.warnings, *_empty_parts(findings))
        manifest = write_result(folder, findings, request.midi, steps.timings_s, warnings, progress)
        song = read_song(folder.content, home=folder.target, progress=progress)
        made = make(song, folder, request.deliver, progress)
        writing = progress.stage("write")
        total_s = time.monotonic() - began
        manifest = with_deliveries(manifest, made, manifest.files, request.deliver, total_s=total_s)
        write_manifest(folder, manifest)
    cache.tidy()
    writing.at(1.0)
    return Result(target, manifest, made.failures, tuple(remarks(song, made.files, folder.kept)))


def _source(request: ConversionRequest, recording: Recording, sha256: str) -> Source:
    return Source(
        path=str(request.source.parent.resolve() / request.source.name),
        sha256=sha256,
        duration_s=recording.source_duration_s,
        sample_rate=recording.sample_rate,
        channels=recording.source_channels,
    )


def _converted_range(request: ConversionRequest, recording: Recording) -> tuple[float, float] | None:
    """The range that was really converted: the wanted one ends with the file at the latest."""
    if request.range_s is None:
        return None
    start_s = request.range_s[0]
    return start_s, start_s + recording.duration_s


def _check_room(folder: Path, steps: Steps) -> None:
    """Raise `OutputUnwritable` now, rather than after minutes of work, where the disk has no room for the result."""
    recording = steps.recording
    frame_bytes = recording.channels * (_MIX_BYTES + steps.stem_count * _STEM_BYTES)
    heard_bytes = recording.duration_s * steps.heard_count * _HEARD_BYTES_A_SECOND
    needed = recording.length * frame_bytes + round(heard_bytes) + _SMALL_FILES_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputUnwritable(
            f"the result needs {_size(needed)} and {printable(folder.parents[1])} has {_size(free)} left; free some "
            "space or choose another folder with --out"
        )


def _size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _empty_parts(findings: Findings) -> tuple[str, ...]:
    """A sentence about the parts in which nothing was found."""
    empty = [name for name, found in findings.parts.items() if not found.notes]
    return (f"no notes were found in: {', '.join(empty)}",) if empty else ()
