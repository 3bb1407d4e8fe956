"""The small files of a result folder: MIDI, notes and, last, the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from bridge import __version__
from bridge.model import (
    COMPONENT_OF_KEY,
    COMPONENTS,
    PARTS,
    PITCHED_PARTS,
    BeatGrid,
    EngineId,
    MidiOptions,
    Note,
    Removed,
)
from bridge.music.arrange import arrange, pitches, scale_of
from bridge.music.chords import Chord, find_chords
from bridge.music.key import TONIC_NAMES, estimate_key
from bridge.music.scale import KEY, parse_scale
from bridge.music.sections import Section, find_sections
from bridge.music.timeline import Timeline
from bridge.names import USUAL_TIGHTNESS
from bridge.progress import Progress
from bridge.write import manifest as manifests
from bridge.write import midi, notes
from bridge.write.expression import Curves, expression_of
from bridge.write.files import ResultFolder

NO_SEPARATOR = EngineId("none", "")
#: How a warning about `MidiOptions` begins.
WITHOUT = "the MIDI files are without"


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
    judged_with
        Other audio that they were judged by: ``mix``, or parts whose stems they are.
    removed
        What looked like notes and is none.
    measured_f
        Why they were taken from there; see `manifest.Part`.
    """

    notes: Sequence[Note]
    source: Literal["stem", "mix"]
    engine: EngineId
    judged_with: tuple[str, ...] = ()
    removed: tuple[Removed, ...] = ()
    measured_f: Mapping[str, float] = field(default_factory=dict)


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
    tightness
        How sure notes of pitched parts had to be, 0 to 1.
    """

    source: manifests.Source
    range_s: tuple[float, float] | None
    duration_s: float
    parts: Mapping[str, PartFindings]
    grid: BeatGrid
    separator: EngineId
    stems: frozenset[str]
    tightness: float = USUAL_TIGHTNESS


@dataclass(frozen=True, slots=True)
class Harmony:
    """What the notes of a song make up together.

    Attributes
    ----------
    key
        Such as ``A minor``; None where it isn't known.
    chords, sections
        In order.
    """

    key: str | None
    chords: tuple[Chord, ...]
    sections: tuple[Section, ...]


def write_result(
    folder: ResultFolder,
    findings: Findings,
    options: MidiOptions,
    timings_s: Mapping[str, float],
    warnings: Sequence[str],
    progress: Progress,
) -> manifests.Manifest:
    """Write MIDI, notes and the manifest into a folder that already holds the stems.

    Raises
    ------
    AudioUnreadable
        If a stem can't be read whose loudness is wanted.
    Cancelled
        When asked to stop.
    """
    parts = dict(_with_components(findings.parts))
    found = {name: part.notes for name, part in parts.items()}
    timeline = Timeline.from_grid(findings.grid, findings.duration_s)
    harmony = find_harmony(found, timeline, options, progress.stage("harmony"))
    curves: Curves = {}
    if options.expression:
        stems = {name: folder.path(f"stems/{name}.wav") for name in findings.stems}
        curves = expression_of(stems, found, progress.stage("expression"))
    write_midi(folder, arrange(found, timeline, options, harmony.key), timeline, options, harmony, curves)
    for name, part in parts.items():
        folder.write_bytes(f"notes/{name}.json", notes.encode(name, part.notes, part.removed))
    warnings = (*warnings, *shortfalls(found, options, curves))
    files = [manifests.File.of(folder.content, path) for path in folder.listing()]
    manifest = _manifest(findings, parts, harmony, options, files, timings_s, warnings)
    write_manifest(folder, manifest)
    return manifest


def write_midi(
    folder: ResultFolder,
    played: Mapping[str, Sequence[Note]],
    timeline: Timeline,
    options: MidiOptions,
    harmony: Harmony,
    curves: Curves,
) -> None:
    """Write a MIDI file for each part and component, and one with all parts.

    Parameters
    ----------
    folder
        Where to.
    played
        The notes of each part and component, arranged.
    timeline
        Where the beats and bars are.
    options
        What else is written: bends, programs.
    harmony
        The key of all files; chords and sections are markers in the one with all parts.
    curves
        The expression of parts that have any.
    """
    tracks = []
    for name, part in played.items():
        track = midi.MidiPart.of(name, part, options, curves.get(name, ()))
        folder.write_bytes(f"midi/{name}.mid", midi.part_file(track, timeline, key=harmony.key))
        if name in PARTS:
            tracks.append(track)
    song = midi.song_file(tracks, timeline, key=harmony.key, markers=_markers(harmony))
    folder.write_bytes("midi/song.mid", song)


def _markers(harmony: Harmony) -> list[tuple[float, str]]:
    """Sections and chords as (seconds, text), ascending; where both begin, the section comes first."""
    sections = [(it.start_s, f"Section {it.label}") for it in harmony.sections]
    return sorted([*sections, *((it.start_s, it.symbol) for it in harmony.chords)], key=lambda marker: marker[0])


def shortfalls(found: Mapping[str, Sequence[Note]], options: MidiOptions, curves: Curves) -> Iterator[str]:
    """A sentence about each thing that `options` ask for and the song can't have."""
    if isinstance(options.groove, str) and not found.get(options.groove):
        yield f"{WITHOUT} a groove: {options.groove} has no notes to take it from"
    if options.scale == KEY and find_key(found, options) is None:
        yield f"{WITHOUT} a scale: the key is not known"
    silent = [name for name in PITCHED_PARTS if found.get(name) and name not in curves]
    if options.expression and silent:
        yield f"{WITHOUT} expression, for want of a stem: {', '.join(silent)}"


def write_manifest(folder: ResultFolder, manifest: manifests.Manifest) -> None:
    """Write the manifest; it comes last."""
    folder.write_bytes(manifests.NAME, manifests.encode(manifest))


def find_harmony(
    found: Mapping[str, Sequence[Note]], timeline: Timeline, options: MidiOptions, progress: Progress
) -> Harmony:
    """Key, chords and sections of notes as they were detected, but at the pitches at which they are written.

    Raises
    ------
    Cancelled
        When asked to stop.
    """
    parts = {name: found[name] for name in PARTS if name in found}
    key = find_key(found, options)
    scale = scale_of(options, key)
    pitched = {name: pitches(name, part, options, scale) for name, part in parts.items() if name in PITCHED_PARTS}
    heard = [note for part in pitched.values() for note in part]
    progress.at(0.1)
    chords = find_chords(heard, pitched.get("bass", []), timeline, key)
    return Harmony(key, chords, find_sections(parts, timeline, progress.part(0.5, 1.0)))


def find_key(found: Mapping[str, Sequence[Note]], options: MidiOptions) -> str | None:
    """The key such as ``A minor``: of the scale that was asked for, where it is one, else the one that is heard."""
    if options.scale not in (None, KEY):
        scale = parse_scale(options.scale)
        if scale.kind in TONIC_NAMES:
            return f"{TONIC_NAMES[scale.kind][scale.tonic]} {scale.kind}"
    heard = {name: pitches(name, found[name], options, None) for name in PITCHED_PARTS if name in found}
    key = estimate_key((note for part in heard.values() for note in part), heard.get("bass", ()))
    return key.name if key else None


def _with_components(parts: Mapping[str, PartFindings]) -> Iterator[tuple[str, PartFindings]]:
    """The parts, then the components of the drums."""
    yield from parts.items()
    drums = parts.get("drums")
    if drums is not None:
        for component in COMPONENTS:
            yield component, replace(drums, notes=[n for n in drums.notes if COMPONENT_OF_KEY[n.pitch] == component])


def _manifest(
    findings: Findings,
    parts: Mapping[str, PartFindings],
    harmony: Harmony,
    options: MidiOptions,
    files: Sequence[manifests.File],
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
        key=harmony.key,
        separator=findings.separator,
        parts=tuple(_part(name, part, findings.stems, options) for name, part in parts.items()),
        files=tuple(files),
        timings_s=dict(timings_s),
        warnings=tuple(warnings),
        midi=options,
        tightness=findings.tightness,
        chords=harmony.chords,
        sections=harmony.sections,
    )


def _part(name: str, found: PartFindings, stems: frozenset[str], options: MidiOptions) -> manifests.Part:
    confidences = [note.confidence for note in found.notes]
    return manifests.Part(
        name=name,
        midi=f"midi/{name}.mid",
        audio=f"stems/{name}.wav" if name in stems else None,
        notes=f"notes/{name}.json",
        confidence=sum(confidences) / len(confidences) if confidences else 0.0,
        color=manifests.COLORS[name],
        program=midi.program_of(name, options),
        parent=manifests.parent_of(name),
        source=found.source,
        engine=found.engine,
        judged_with=found.judged_with,
        measured_f=dict(found.measured_f),
        removed=dict(sorted(Counter(what.reason for what in found.removed).items())),
    )
