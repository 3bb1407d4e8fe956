"""``stembridge deliver``: more kinds of files for a result that exists, and its MIDI anew, without converting again."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from bridge.deliver.make import Failure, Made, make, present_kinds, with_deliveries
from bridge.deliver.remarks import remarks
from bridge.deliver.song import Song, read_song
from bridge.errors import InvalidRequest
from bridge.model import PITCHED_PARTS, DeliverOptions, MidiOptions
from bridge.names import DELIVERIES
from bridge.progress import Progress
from bridge.write import manifest as manifests
from bridge.write.files import ResultFolder, changed_meanwhile
from bridge.write.keep import as_written
from bridge.write.leftovers import clear_up_after_the_dead
from bridge.write.manifest import File, Manifest
from bridge.write.result import WITHOUT, Harmony, shortfalls, write_manifest, write_midi


@dataclass(frozen=True, slots=True)
class Delivered:
    """A result after a delivery.

    Attributes
    ----------
    folder, manifest
        Where it is, and what it says of itself.
    failures
        The kinds that could not be made.
    remarks
        What became of the user's own files, a sentence each.
    """

    folder: Path
    manifest: Manifest
    failures: tuple[Failure, ...]
    remarks: tuple[str, ...]


def deliver(folder: Path, options: DeliverOptions, midi: MidiOptions | None, progress: Progress) -> Delivered:
    """Make deliveries of an existing result, in place of those of the same kinds that it has.

    The result changes at once and whole, when all is made; until then, and after a failure, it is as it was. What isn't
    replaced is not copied. Files that the user added or changed stay, as in a conversion.

    Parameters
    ----------
    folder
        The result.
    options
        What to make. With it, kinds that the result has are made anew where they would no longer fit: all where its
        MIDI changes, else the overview. One that can't be made leaves the others as they are, and what there was of it.
    midi
        How its notes become MIDI from now on; None to leave its MIDI files as they are.
    progress
        Told how far it is; cancels.

    Raises
    ------
    InvalidRequest
        If the folder is no result.
    OutputUnwritable
        If it can't be written to, or another conversion changed it meanwhile.
    Cancelled
        When asked to stop.
    """
    folder = Path(os.path.realpath(folder))
    clear_up_after_the_dead(folder.parent)
    present = present_kinds(manifests.read(folder).files)
    options = replace(options, kinds=_with_outdated(options.kinds, present, midi))
    with ResultFolder(folder) as new:
        before = (folder / manifests.NAME).read_bytes()
        song = read_song(folder, midi, progress=progress)
        if midi is not None:
            song = _with_new_midi(song, new)
        basics = tuple(File.of(new.content, path) for path in new.listing())
        made = make(song, new, options, progress)
        if made.failures and not _has_manifest(folder, before):
            raise changed_meanwhile(folder)
        if made.failures and not made.kinds and midi is None:
            raise made.failures[0].error
        writing = progress.stage("write")
        kept = _kept(song.manifest, set(as_written(folder)) - new.listing().keys(), made)
        manifest = with_deliveries(song.manifest, made, (*basics, *kept), options)
        new.take_over([file.path for file in kept], before)
        write_manifest(new, manifest)
    writing.at(1.0)
    return Delivered(folder, manifest, made.failures, tuple(remarks(song, made.files, new.kept)))


def _with_outdated(wanted: Collection[str], present: Iterable[str], midi: MidiOptions | None) -> tuple[str, ...]:
    """The kinds to make: those that are wanted, and those of the result that would no longer fit what it holds.

    That is all of them where its MIDI changes, and the overview, which plays and links the others, in any case.
    """
    outdated = set(present) if midi is not None else {"overview"} & set(present) if wanted else set()
    return tuple(kind for kind in DELIVERIES if kind in wanted or kind in outdated)


def _has_manifest(folder: Path, data: bytes) -> bool:
    """Whether a result is still the one with this manifest."""
    try:
        return (folder / manifests.NAME).read_bytes() == data
    except OSError:
        return False


def _kept(manifest: Manifest, as_they_were: set[str], made: Made) -> list[File]:
    """The files of the result that stay: neither replaced, nor of a kind that was made anew, nor the user's now."""
    return [file for file in manifest.files if file.path in as_they_were and file.kind not in made.kinds]


def _with_new_midi(song: Song, folder: ResultFolder) -> Song:
    """Write a song's MIDI files; the song, with what it could not have among its manifest's warnings.

    Raises
    ------
    InvalidRequest
        If none of its parts has what was asked for.
    """
    found = {part.name: part.raw_notes for part in song.parts}
    curves = {part.name: part.expression for part in song.parts if part.expression}
    if song.midi.expression and not curves and any(found.get(name) for name in PITCHED_PARTS):
        raise InvalidRequest(
            "the result has no stems whose loudness could be the expression; convert the recording again without "
            "--no-stems, or leave --expression out"
        )
    if isinstance(song.midi.groove, str) and song.midi.groove not in found:
        raise InvalidRequest(f"the result has no part {song.midi.groove} to take a groove from")
    played = {part.name: part.notes for part in song.parts}
    harmony = Harmony(song.key, song.chords, song.sections)
    write_midi(folder, played, song.timeline, song.midi, harmony, curves)
    others = (warning for warning in song.manifest.warnings if not warning.startswith(WITHOUT))
    warnings = (*others, *shortfalls(found, song.midi, curves))
    return replace(song, manifest=structs.replace(song.manifest, warnings=warnings))
