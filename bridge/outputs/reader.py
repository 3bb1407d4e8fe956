"""A result folder as a `Score`: its MIDI files are what is played, so that it sounds as it does in a DAW."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import mido

from bridge.disk import printable
from bridge.errors import InvalidRequest
from bridge.model import BeatGrid
from bridge.music.timeline import TICKS_PER_BEAT, Timeline
from bridge.names import PARTS
from bridge.outputs.messages import BEND, CONTROL, NOTE_OFF, NOTE_ON, PROGRAM
from bridge.outputs.score import CHANNELS, Event, Score
from bridge.write import manifest as manifests
from bridge.write import midi, notes

#: What is played of a file. Other messages (aftertouch, system exclusive) are none of ours.
_KINDS = {NOTE_OFF, NOTE_ON, CONTROL, PROGRAM, BEND}


def read_score(folder: Path) -> Score:
    """The score of a result folder.

    A part without a MIDI file is played from its notes as they were detected.

    Raises
    ------
    InvalidRequest
        If the folder is no result, or a file of it can't be read.
    """
    manifest = manifests.read(folder)
    duration_s = _duration_s(manifest)
    timeline = _timeline(manifest, duration_s)
    parts = {
        part.name: tuple(_events(folder, part, timeline))
        for part in manifest.parts
        if part.name in PARTS and (part.midi or part.notes)
    }
    if not parts:
        raise InvalidRequest(f"{printable(folder)} holds no notes to play; convert the recording again")
    bars = timeline.bars()
    end_s = max([duration_s, *(events[-1].at_s for events in parts.values() if events)])
    return Score(
        parts,
        (*(bar.start_s for bar in bars), bars[-1].end_s) if bars else (),
        tuple(_beats(timeline, end_s)),
        end_s,
    )


def _duration_s(manifest: manifests.Manifest) -> float:
    """Length of what was converted."""
    if manifest.range_s is None:
        return manifest.source.duration_s
    start_s, end_s = manifest.range_s
    return min(end_s, manifest.source.duration_s) - start_s


def _timeline(manifest: manifests.Manifest, duration_s: float) -> Timeline:
    """Where bars and beats lie."""
    tempo = manifest.tempo
    grid = BeatGrid(
        tempo.bpm, manifest.beats_s, manifest.downbeats_s, manifest.time_signature, is_constant=tempo.is_constant
    )
    try:
        return Timeline.from_grid(grid, duration_s)
    except ValueError as error:
        raise InvalidRequest(f"the manifest's beats make no sense: {error}; convert the recording again") from error


def _beats(timeline: Timeline, end_s: float) -> Iterator[float]:
    """Where quarter notes begin, one beyond the end included."""
    tick = 0
    while True:
        at_s = timeline.ticks_to_seconds(tick)
        yield at_s
        if at_s > end_s and tick:
            return
        tick += TICKS_PER_BEAT


def _events(folder: Path, part: manifests.Part, timeline: Timeline) -> list[Event]:
    """The events of a part, on the part's own channel."""
    if part.midi is None:
        assert part.notes is not None
        detected = notes.read(folder / part.notes)
        data, name = midi.part_file(midi.MidiPart.of(part.name, detected), timeline), part.notes
    else:
        data, name = _bytes(folder / part.midi), part.midi
    try:
        return list(_messages(data, CHANNELS[part.name]))
    except Exception as error:  # mido's errors on damaged files are of many kinds: EOFError, KeyError, ValueError, …
        raise InvalidRequest(
            f"{printable(folder / name)} is no MIDI file that can be played; convert the recording again"
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"cannot read {printable(path)}: {error.strerror}; convert the recording again") from error


def _messages(data: bytes, channel: int) -> Iterator[Event]:
    """What is played of a MIDI file, by its own tempo."""
    at_s = 0.0
    for message in mido.MidiFile(file=io.BytesIO(data)):
        at_s += message.time
        if not message.is_meta:
            raw = bytes(message.bytes())
            if raw[0] & 0xF0 in _KINDS:
                yield Event(at_s, bytes([raw[0] & 0xF0 | channel, *raw[1:]]))
