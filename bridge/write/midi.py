"""Notes as standard MIDI files, in memory: who writes them to disk is `bridge.write.files`.

Every file has 480 ticks a quarter note and carries tempo, time signature and names; middle C is 60; drums are on
channel 10 with General MIDI keys. docs/reference/midi.md says all of it for users. Channels and programs count from 0
here, as they do in the file.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mido import Message, MetaMessage, MidiFile, MidiTrack

from bridge.model import COMPONENTS, MidiOptions, Note
from bridge.music.expression import ControlPoint
from bridge.music.timeline import TICKS_PER_BEAT, Timeline

#: General MIDI's percussion channel, which people call 10.
DRUM_CHANNEL = 9
#: The control change for dynamics within a part, as General MIDI has it.
EXPRESSION = 11
#: Semitones either way that the wheel may span: from what General MIDI devices start with to what they commonly reach.
BEND_RANGE = (2, 24)
#: Steps of the pitch wheel from the middle to its lower end.
BEND_STEPS = 8192
#: A bend that moves the pitch by less is left out: half of the 5 or 6 cents that a trained ear tells apart.
BEND_GRAIN_SEMITONES = 0.03


class Voice(NamedTuple):
    """How a part sounds in General MIDI: channel and program count from 0; percussion has no program."""

    channel: int
    program: int | None
    is_one_voice: bool = False


#: Of each part. Programs: electric bass (finger), acoustic grand piano, voice oohs.
VOICES: dict[str, Voice] = {
    "bass": Voice(0, 33, is_one_voice=True),
    "melody": Voice(1, 0),
    "vocals": Voice(2, 53, is_one_voice=True),
    "drums": Voice(DRUM_CHANNEL, None),
    **{component: Voice(DRUM_CHANNEL, None) for component in COMPONENTS},
}


@dataclass(frozen=True, slots=True)
class MidiPart:
    """A part as it goes into a file.

    Attributes
    ----------
    name
        The track's name; what is not ASCII is written as its nearest ASCII, since players disagree about anything else.
    notes
        In any order.
    voice
        Channel and program.
    has_bends
        Write the notes' pitch contours as pitch bends. A channel bends as a whole, so each contour ends where the next
        note begins.
    expression
        Where control change 11 goes, in order; it stays in its place where notes are moved.
    """

    name: str
    notes: Sequence[Note]
    voice: Voice
    has_bends: bool = False
    expression: Sequence[ControlPoint] = ()

    @classmethod
    def of(
        cls,
        name: str,
        notes: Sequence[Note],
        options: MidiOptions | None = None,
        expression: Sequence[ControlPoint] = (),
    ) -> MidiPart:
        """A part or component under its own name and, unless the options say otherwise, with its usual voice.

        It has bends only where they are wanted and it is one voice.
        """
        options = options or MidiOptions()
        voice = VOICES[name]._replace(program=program_of(name, options))
        return cls(name, notes, voice, options.pitch_bend and voice.is_one_voice, expression)


def program_of(name: str, options: MidiOptions) -> int | None:
    """The General MIDI program of a part; None for percussion."""
    usual = VOICES[name].program
    return None if usual is None else options.programs.get(name, usual)


def part_file(part: MidiPart, timeline: Timeline, *, key: str | None = None) -> bytes:
    """One part as a MIDI file of type 0.

    Parameters
    ----------
    part
        What to write. Without notes the file is still a valid one, with its tempo and its length.
    timeline
        Where seconds lie in ticks. The track ends with the audio, or with its last note where that is later.
    key
        Such as ``A minor``, or None where it isn't known.
    """
    return _file_bytes(
        0, [_track(part.name, [*_conductor_events(timeline, key), *_part_events(part, timeline)], timeline)]
    )


def song_file(
    parts: Iterable[MidiPart],
    timeline: Timeline,
    *,
    title: str = "song",
    key: str | None = None,
    markers: Iterable[tuple[float, str]] = (),
) -> bytes:
    """All parts as a MIDI file of type 1: a first track with tempo, meter, key and markers, then one for each part.

    Parameters
    ----------
    parts, timeline, key
        As for `part_file`.
    title
        Name of the first track, which sequencers show as the song's.
    markers
        (seconds, text), ascending; those of one moment stay in their order.
    """
    conductor = _track(title, [*_conductor_events(timeline, key), *_marker_events(timeline, markers)], timeline)
    return _file_bytes(1, [conductor, *(_track(part.name, _part_events(part, timeline), timeline) for part in parts)])


class _Event(NamedTuple):
    """A message at its tick; events of one tick are written in the order of their rank."""

    tick: int
    rank: int
    message: Message | MetaMessage


#: What comes first within a tick: a note ends, then wheel and controls move for the next one, then that one begins.
_SETUP, _NOTE_OFF, _BEND, _NOTE_ON = range(4)


def _file_bytes(kind: int, tracks: list[MidiTrack]) -> bytes:
    buffer = io.BytesIO()
    MidiFile(type=kind, ticks_per_beat=TICKS_PER_BEAT, tracks=tracks).save(file=buffer)
    return buffer.getvalue()


def _track(name: str, events: Iterable[_Event], timeline: Timeline) -> MidiTrack:
    """A named track of events in any order, as long as the audio."""
    messages = [MetaMessage("track_name", name=_ascii(name))]
    reached = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        message.time = tick - reached
        messages.append(message)
        reached = tick
    end = max(reached, timeline.seconds_to_ticks(timeline.duration_s))
    return MidiTrack([*messages, MetaMessage("end_of_track", time=end - reached)])


def _conductor_events(timeline: Timeline, key: str | None) -> list[_Event]:
    """Tempo, time signature and key."""
    events = [_Event(tick, _SETUP, MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in timeline.tempo_events]
    for tick, numerator, denominator in timeline.signature_events:
        meter = MetaMessage("time_signature", numerator=numerator, denominator=denominator)
        events.append(_Event(tick, _SETUP, meter))
    if key is not None:
        events.append(_Event(0, _SETUP, MetaMessage("key_signature", key=_key_signature(key))))
    return events


def _marker_events(timeline: Timeline, markers: Iterable[tuple[float, str]]) -> Iterator[_Event]:
    for seconds, text in markers:
        yield _Event(max(0, timeline.seconds_to_ticks(seconds)), _SETUP, MetaMessage("marker", text=_ascii(text)))


def _part_events(part: MidiPart, timeline: Timeline) -> Iterator[_Event]:
    channel, program, _ = part.voice
    if program is not None:
        yield _Event(0, _SETUP, Message("program_change", channel=channel, program=program))
    placed = without_overlaps(part.notes, timeline)
    for start, end, note in placed:
        yield _Event(start, _NOTE_ON, Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity))
        yield _Event(end, _NOTE_OFF, Message("note_off", channel=channel, note=note.pitch))
    if part.has_bends and any(note.bend for note in part.notes):
        yield from _bend_events(placed, timeline, channel)
    levels = {timeline.seconds_to_ticks(seconds): value for seconds, value in part.expression}
    for tick, value in levels.items():
        yield _Event(tick, _BEND, Message("control_change", channel=channel, control=EXPRESSION, value=value))


class Placed(NamedTuple):
    """A note from one tick to a later one."""

    start: int
    end: int
    note: Note


def without_overlaps(notes: Sequence[Note], timeline: Timeline) -> list[Placed]:
    """The notes in ticks, ascending, no two of a pitch at once: MIDI could not tell which of them a note-off ends.

    The earlier of two is cut where the later begins; two that begin together become the longer and louder of both.
    """
    of_pitch: dict[int, list[Placed]] = {}
    for note in sorted(notes):
        start = timeline.seconds_to_ticks(note.onset_s)
        end = max(start + 1, timeline.seconds_to_ticks(note.offset_s))
        earlier = of_pitch.setdefault(note.pitch, [])
        if earlier and earlier[-1].start == start:
            twin = earlier.pop()
            note = replace(note, velocity=max(note.velocity, twin.note.velocity), bend=note.bend or twin.note.bend)
            end = max(end, twin.end)
        elif earlier and earlier[-1].end > start:
            earlier[-1] = earlier[-1]._replace(end=start)
        earlier.append(Placed(start, end, note))
    return sorted((placed for same in of_pitch.values() for placed in same), key=lambda it: (it.start, it.note.pitch))


def _bend_events(placed: Sequence[Placed], timeline: Timeline, channel: int) -> Iterator[_Event]:
    """The wheel's range, then its moves."""
    wheel_range, moves = wheel_moves(placed, timeline)
    # Registered parameter 0 is the bend range in semitones and cents; choosing 127/127 closes it to stray data entries.
    for control, value in ((101, 0), (100, 0), (6, wheel_range), (38, 0), (101, 127), (100, 127)):
        yield _Event(0, _SETUP, Message("control_change", channel=channel, control=control, value=value))
    for tick, wheel in moves:
        yield _Event(tick, _BEND, Message("pitchwheel", channel=channel, pitch=wheel))


def wheel_moves(placed: Sequence[Placed], timeline: Timeline) -> tuple[int, list[tuple[int, int]]]:
    """How far the pitch wheel reaches, in semitones, and where it goes, as (tick, -8192 to 8191), in order.

    It is in the middle for notes without a contour, and at the end.
    """
    reach = max((abs(semitones) for _, _, note in placed for _, semitones in note.bend), default=0.0)
    wheel_range = min(max(math.ceil(reach), BEND_RANGE[0]), BEND_RANGE[1])
    moves = []
    sent = 0.0
    for tick, semitones in _contour(placed, timeline):
        if semitones == sent or (semitones and abs(semitones - sent) < BEND_GRAIN_SEMITONES):
            continue
        moves.append((tick, min(max(round(semitones / wheel_range * BEND_STEPS), -BEND_STEPS), BEND_STEPS - 1)))
        sent = semitones
    return wheel_range, moves


def _contour(placed: Sequence[Placed], timeline: Timeline) -> Iterator[tuple[int, float]]:
    """Where the wheel should stand, as (tick, semitones), ascending, one for a tick at most."""
    points: dict[int, float] = {}
    for index, (start, end, note) in enumerate(placed):
        is_last = index + 1 == len(placed)
        until = end if is_last else min(end, placed[index + 1].start)
        points[start] = note.bend[0][1] if note.bend else 0.0
        for after_s, semitones in note.bend:
            tick = max(start, timeline.seconds_to_ticks(note.onset_s + after_s))
            if tick < until:
                points[tick] = semitones
    if placed:
        points[max(it.end for it in placed)] = 0.0
    return iter(points.items())


def _key_signature(key: str) -> str:
    """A key such as ``Eb major`` or ``C# minor`` as MIDI writes it."""
    tonic, mode = key.split()
    return tonic + {"major": "", "minor": "m"}[mode]


def _ascii(text: str) -> str:
    """Text with letters for accented letters and ``?`` for what has none."""
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return plain.encode("ascii", "replace").decode("ascii")
