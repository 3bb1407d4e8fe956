"""A result as deliveries see it: parts with their notes and stems, and where beats, chords and sections are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from bridge.disk import printable
from bridge.errors import InvalidRequest
from bridge.model import BeatGrid, MidiOptions, Note
from bridge.music.arrange import arrange
from bridge.music.chords import Chord
from bridge.music.expression import ControlPoint
from bridge.music.sections import Section
from bridge.music.timeline import Timeline
from bridge.progress import Progress
from bridge.write import manifest as manifests
from bridge.write import notes as note_files
from bridge.write.expression import Curves, expression_of
from bridge.write.manifest import Manifest
from bridge.write.midi import program_of
from bridge.write.result import find_harmony


@dataclass(frozen=True, slots=True)
class SongPart:
    """One part, or one component of the drums.

    Attributes
    ----------
    name
        ``bass``, ``melody``, ``vocals``, ``drums`` or a component's name.
    notes
        As they are in its MIDI file (quantised, transposed, ...), in order of onset.
    raw_notes
        As they were detected, in order of onset.
    stem
        Absolute path of its stem; None where stems were not made.
    color
        0xRRGGBB.
    program
        General MIDI program, 0 to 127; None for percussion, which is on channel 10.
    parent
        ``drums`` for components, else None.
    confidence
        Mean confidence of its notes, 0 to 1; 0 where there are none.
    expression
        Its loudness as control change 11, in order; empty where that isn't wanted or there is no stem.
    """

    name: str
    notes: tuple[Note, ...]
    raw_notes: tuple[Note, ...]
    stem: Path | None
    color: int
    program: int | None
    parent: str | None
    confidence: float
    expression: tuple[ControlPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Song:
    """A result.

    Attributes
    ----------
    name
        The result folder's name, to call files after: it may hold any character that a file's name may but the
        backslash, which paths in a manifest can't hold.
    folder
        Where its files lie now, for reading them; in a conversion they are still to be moved.
    home
        Absolute path of the result folder once it is in place, for files that must name it.
    duration_s
        Length of its stems in seconds.
    sample_rate
        Of its stems, Hz.
    timeline
        Where seconds lie in ticks and bars.
    grid
        Its beats.
    key
        Such as ``A minor``; None where it isn't known.
    chords
        In order; empty where they aren't known.
    sections
        In order; empty where they aren't known.
    parts
        The parts, then the components of the drums.
    midi
        How the notes were arranged.
    manifest
        What the folder says of itself, or will say when its MIDI is as `midi` has it.
    """

    name: str
    folder: Path
    home: Path
    duration_s: float
    sample_rate: int
    timeline: Timeline
    grid: BeatGrid
    key: str | None
    chords: tuple[Chord, ...]
    sections: tuple[Section, ...]
    parts: tuple[SongPart, ...]
    midi: MidiOptions
    manifest: Manifest


def read_song(
    folder: Path,
    options: MidiOptions | None = None,
    *,
    home: Path | None = None,
    progress: Progress | None = None,
) -> Song:
    """The song in a result folder.

    Parameters
    ----------
    folder
        Of a result, with its manifest.
    options
        How notes are arranged; None for how the result's MIDI files were.
    home
        Where the folder will lie; None where it stays.
    progress
        Told how far it is where that takes time; cancels.

    Raises
    ------
    InvalidRequest
        If the folder is no result, or lacks notes.
    AudioUnreadable
        If a stem can't be read whose loudness is wanted.
    Cancelled
        When asked to stop.
    """
    manifest = manifests.read(folder)
    home = (home or folder).resolve()
    duration_s = _duration_s(manifest)
    grid = _grid(manifest)
    try:
        timeline = Timeline.from_grid(grid, duration_s)
        raw = {part.name: note_files.read(folder / part.notes) if part.notes else [] for part in manifest.parts}
        manifest = _arranged_anew(manifest, raw, timeline, options, progress or Progress())
        midi = manifest.midi or MidiOptions()
        played = arrange(raw, timeline, midi, manifest.key)
    except ValueError as error:
        raise InvalidRequest(
            f"{printable(folder)} holds no music that can be read: {error}; convert the recording again"
        ) from error
    stems = {part.name: folder.resolve() / part.audio for part in manifest.parts if part.audio}
    curves: Curves = {}
    if midi.expression:
        curves = expression_of(stems, raw, (progress or Progress()).stage("expression"))
    return Song(
        name=home.name.replace("\\", "_"),
        folder=folder.resolve(),
        home=home,
        duration_s=duration_s,
        sample_rate=manifest.source.sample_rate,
        timeline=timeline,
        grid=grid,
        key=manifest.key,
        chords=manifest.chords,
        sections=manifest.sections,
        parts=tuple(
            _part(part, raw[part.name], played[part.name], stems.get(part.name), curves.get(part.name, ()))
            for part in manifest.parts
        ),
        midi=midi,
        manifest=manifest,
    )


def _arranged_anew(
    manifest: Manifest,
    raw: Mapping[str, Sequence[Note]],
    timeline: Timeline,
    options: MidiOptions | None,
    progress: Progress,
) -> Manifest:
    """The manifest of a result whose MIDI is as `options` have it; as it is where they are None and it knows chords."""
    if options is None and manifest.midi is not None:
        return manifest
    harmony = find_harmony(raw, timeline, options or MidiOptions(), progress.stage("harmony"))
    if options is None:  # made by a version that looked for no chords
        return structs.replace(manifest, chords=harmony.chords, sections=harmony.sections)
    return structs.replace(
        manifest,
        midi=options,
        parts=tuple(structs.replace(part, program=program_of(part.name, options)) for part in manifest.parts),
        key=harmony.key,
        chords=harmony.chords,
        sections=harmony.sections,
    )


def _duration_s(manifest: Manifest) -> float:
    if manifest.range_s is None:
        return manifest.source.duration_s
    start_s, end_s = manifest.range_s
    return end_s - start_s


def _grid(manifest: Manifest) -> BeatGrid:
    tempo = manifest.tempo
    return BeatGrid(
        bpm=tempo.bpm,
        beats_s=manifest.beats_s,
        downbeats_s=manifest.downbeats_s,
        time_signature=manifest.time_signature,
        is_constant=tempo.is_constant,
        confidence=tempo.confidence,
        alternatives_bpm=tempo.alternatives_bpm,
        source=tempo.source,
    )


def _part(
    part: manifests.Part,
    raw: Sequence[Note],
    played: Sequence[Note],
    stem: Path | None,
    expression: Sequence[ControlPoint],
) -> SongPart:
    return SongPart(
        name=part.name,
        notes=tuple(played),
        raw_notes=tuple(raw),
        stem=stem,
        color=int(part.color, 16),
        program=part.program,
        parent=part.parent,
        confidence=part.confidence,
        expression=tuple(expression),
    )
