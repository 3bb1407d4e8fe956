"""The small files of a result folder: MIDI, notes and, last, the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bridge import __version__
from bridge.model import COMPONENT_OF_KEY, COMPONENTS, BeatGrid, EngineId, MidiOptions, Note
from bridge.music.key import estimate_key
from bridge.music.quantize import quantize, transpose
from bridge.music.timeline import Timeline
from bridge.write import manifest as manifests
from bridge.write import midi, notes
from bridge.write.files import ResultFolder

NO_SEPARATOR = EngineId("none", "")


@dataclass(frozen=True, slots=True)
class PartFindings:
    """What was found of one part.

    Attributes
    ----------
    notes
        As detected, in order of onset.
    source
        Whether they were taken from the part's own stem or from the whole mix.
    engine
        What found them.
    """

    notes: Sequence[Note]
    source: Literal["stem", "mix"]
    engine: EngineId


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the engines found, and what it was found in.

    Attributes
    ----------
    source
        The recording.
    range_s, duration_s
        What was converted of it, and how long that is.
    parts
        By name, in the order in which they are listed.
    grid
        Beats and bars.
    separator
        What made the stems.
    stems
        Names of the stems that are delivered.
    """

    source: manifests.Source
    range_s: tuple[float, float] | None
    duration_s: float
    parts: Mapping[str, PartFindings]
    grid: BeatGrid
    separator: EngineId
    stems: frozenset[str]


def write_result(
    folder: ResultFolder,
    findings: Findings,
    options: MidiOptions,
    timings_s: Mapping[str, float],
    warnings: Sequence[str],
) -> manifests.Manifest:
    """Write MIDI, notes and the manifest into a folder that already holds the stems."""
    timeline = Timeline.from_grid(findings.grid, findings.duration_s)
    parts = dict(_with_components(findings.parts))
    pitched = [note for name, part in findings.parts.items() if name != "drums" for note in part.notes]
    key = estimate_key(transpose(pitched, options.transpose))
    key_name = key.name if key else None
    tracks = []
    for name, part in parts.items():
        track = midi.MidiPart.of(name, _arranged(name, part.notes, timeline, options), pitch_bend=options.pitch_bend)
        folder.write_bytes(f"midi/{name}.mid", midi.part_file(track, timeline, key=key_name))
        folder.write_bytes(f"notes/{name}.json", notes.encode(name, part.notes))
        if name in findings.parts:
            tracks.append(track)
    folder.write_bytes("midi/song.mid", midi.song_file(tracks, timeline, key=key_name))
    manifest = _manifest(findings, parts, key_name, folder.listing(), timings_s, warnings)
    folder.write_bytes(manifests.NAME, manifests.encode(manifest))
    return manifest


def _with_components(parts: Mapping[str, PartFindings]) -> Iterator[tuple[str, PartFindings]]:
    """The parts, then the components of the drums."""
    yield from parts.items()
    drums = parts.get("drums")
    if drums is not None:
        for component in COMPONENTS:
            yield component, replace(drums, notes=[n for n in drums.notes if COMPONENT_OF_KEY[n.pitch] == component])


def _arranged(name: str, found: Sequence[Note], timeline: Timeline, options: MidiOptions) -> list[Note]:
    """The notes of a part or component as they go into MIDI; drums keep their keys."""
    arranged = list(found) if midi.VOICES[name].program is None else transpose(found, options.transpose)
    if options.quantize is None:
        return arranged
    return quantize(arranged, timeline, options.quantize, options.strength, options.swing)


def _manifest(
    findings: Findings,
    parts: Mapping[str, PartFindings],
    key: str | None,
    files: Mapping[str, int],
    timings_s: Mapping[str, float],
    warnings: Sequence[str],
) -> manifests.Manifest:
    grid = findings.grid
    return manifests.Manifest(
        stembridge=__version__,
        source=findings.source,
        range_s=findings.range_s,
        tempo_bpm=grid.bpm,
        tempo=manifests.Tempo(
            bpm=grid.bpm,
            confidence=grid.confidence,
            alternatives_bpm=grid.alternatives_bpm,
            source=grid.source,
            is_constant=grid.is_constant,
        ),
        beats_s=grid.beats_s,
        downbeats_s=grid.downbeats_s,
        time_signature=grid.time_signature,
        key=key,
        separator=findings.separator,
        parts=tuple(_part(name, part, findings.stems) for name, part in parts.items()),
        files=tuple(manifests.File(path=path, bytes=size) for path, size in sorted(files.items())),
        timings_s=dict(timings_s),
        warnings=tuple(warnings),
    )


def _part(name: str, found: PartFindings, stems: frozenset[str]) -> manifests.Part:
    confidences = [note.confidence for note in found.notes]
    return manifests.Part(
        name=name,
        midi=f"midi/{name}.mid",
        audio=f"stems/{name}.wav" if name in stems else None,
        notes=f"notes/{name}.json",
        confidence=sum(confidences) / len(confidences) if confidences else 0.0,
        color=manifests.COLORS[name],
        program=midi.VOICES[name].program,
        parent=manifests.parent_of(name),
        source=found.source,
        engine=found.engine,
    )
