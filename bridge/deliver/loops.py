"""Loops: each part's audio and MIDI in segments of so many bars, ``loops/bars-001-008/<part>.wav`` and ``.mid``.

Audio is cut exactly at the bar lines and copied sample for sample, so that the segments of a part, one after the other,
are its stem. MIDI segments begin at tick 0 and have the tempo of their own bars. The last ones end with the
recording.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from bridge.audio.pieces import cut
from bridge.deliver.kinds import Outlet
from bridge.deliver.samples import check_room
from bridge.deliver.song import Song
from bridge.model import DeliverOptions, Note
from bridge.music.expression import between
from bridge.music.segments import Segment, segments
from bridge.music.timeline import TICKS_PER_BEAT, Timeline
from bridge.progress import Progress
from bridge.write import midi

#: A note that begins this little before a bar line and sounds across it was meant for the bar line, and one that
#: reaches this little beyond it was meant to end there: a 1/64 note, which at 120 BPM is the 30 ms by which players
#: who play together differ.
CRUMB_TICKS = TICKS_PER_BEAT // 16
#: How much of the work is the MIDI's, as a share.
_MIDI_SHARE = 0.2
#: Room for MIDI files and headers, of one segment of one part.
_SMALL_BYTES = 1 << 14


def write(song: Song, out: Outlet, options: DeliverOptions, progress: Progress) -> None:
    """Write the loops of every part and component.

    Raises
    ------
    InvalidRequest
        If a stem that the result had is gone.
    OutputUnwritable
        If there is no room for them.
    """
    pieces = segments(song.timeline, options.loop_bars)
    stems = [part.stem for part in song.parts if part.stem is not None]
    small_bytes = len(song.parts) * len(pieces) * _SMALL_BYTES
    check_room("loops need", stems, small_bytes, out.path("loops/x").parent)
    _write_midi(song, pieces, out, options, progress.part(0.0, _MIDI_SHARE))
    _write_audio(song, pieces, out, progress.part(_MIDI_SHARE, 1.0))


def _write_midi(
    song: Song, pieces: Sequence[Segment], out: Outlet, options: DeliverOptions, progress: Progress
) -> None:
    timelines = [song.timeline.between(piece.start_tick, piece.end_tick) for piece in pieces]
    if pieces:  # the last ends with the audio
        timelines[-1] = replace(timelines[-1], duration_s=song.duration_s - pieces[-1].start_s)
    for index, part in enumerate(song.parts):
        shared = _shared_out(part.notes, song.timeline, pieces, split=options.split_notes)
        for piece, timeline, clips in zip(pieces, timelines, shared, strict=True):
            notes = [_note_in(clip, timeline) for clip in clips]
            expression = between(part.expression, piece.start_s, piece.end_s)
            track = midi.MidiPart.of(part.name, notes, song.midi, expression)
            out.write_bytes(f"{_folder_of(piece)}/{part.name}.mid", midi.part_file(track, timeline, key=song.key))
            progress.check()
        progress.at((index + 1) / len(song.parts))


def _write_audio(song: Song, pieces: Sequence[Segment], out: Outlet, progress: Progress) -> None:
    parts = [(part.name, part.stem) for part in song.parts if part.stem is not None]
    borders = [round(piece.start_s * song.sample_rate) for piece in pieces[1:]]
    for index, (name, stem) in enumerate(parts):
        targets = [out.path(f"{_folder_of(piece)}/{name}.wav") for piece in pieces]
        cut(stem, borders, targets, progress.part(index / len(parts), (index + 1) / len(parts)))


def _folder_of(piece: Segment) -> str:
    return f"loops/{piece.name}"


class _Clip(NamedTuple):
    """A note, or what is left of one, from a tick of its segment to a later one; `gone_s` of it were before."""

    start: int
    end: int
    note: Note
    gone_s: float


def _shared_out(
    notes: Iterable[Note], timeline: Timeline, pieces: Sequence[Segment], *, split: bool
) -> list[list[_Clip]]:
    """For each segment, what sounds in it; ticks count from its start."""
    starts = [piece.start_tick for piece in pieces]
    shared: list[list[_Clip]] = [[] for _ in pieces]
    for note in notes:
        start = timeline.seconds_to_ticks(note.onset_s)
        end = max(start + 1, timeline.seconds_to_ticks(note.offset_s))
        for index, begin, stop in _stretches(start, end, pieces, bisect_right(starts, start) - 1, split=split):
            gone_s = max(0.0, timeline.ticks_to_seconds(begin) - note.onset_s) if begin > start else 0.0
            shared[index].append(_Clip(begin - starts[index], stop - starts[index], note, gone_s))
    return shared


def _stretches(
    start: int, end: int, pieces: Sequence[Segment], first: int, *, split: bool
) -> Iterator[tuple[int, int, int]]:
    """The segments from `first` on in which a note sounds, each with the ticks from and to which it does."""
    for index, piece in enumerate(pieces[first:-1], first):
        border = piece.end_tick
        if end > border and start >= border - CRUMB_TICKS:
            start = border
        elif end <= border + CRUMB_TICKS or not split:
            yield index, start, border if border < end <= border + CRUMB_TICKS else end
            return
        else:
            yield index, start, border
            start = border
    yield len(pieces) - 1, start, end


def _note_in(clip: _Clip, timeline: Timeline) -> Note:
    """A clip as a note of its segment's own timeline."""
    onset_s, offset_s = timeline.ticks_to_seconds(clip.start), timeline.ticks_to_seconds(clip.end)
    before = [point for point in clip.note.bend if point[0] <= clip.gone_s]
    after = [(after_s - clip.gone_s, semitones) for after_s, semitones in clip.note.bend if after_s > clip.gone_s]
    bend = clip.note.bend if not clip.gone_s else (*((0.0, semitones) for _, semitones in before[-1:]), *after)
    length_s = offset_s - onset_s
    return replace(
        clip.note,
        onset_s=onset_s,
        offset_s=offset_s,
        bend=tuple(point for point in bend if point[0] < length_s),
    )
