"""What is there to be played: MIDI messages at seconds of the song, a channel for each part, and the bars and beats."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.outputs.messages import CLOCKS_PER_QUARTER, begins_note, note_off, note_on

#: Of each part, counted from 0: what musicians call 1, 2, 3 and, for percussion, 10.
CHANNELS: Mapping[str, int] = {"bass": 0, "melody": 1, "vocals": 2, "drums": 9}
#: A note that ended before it began would never be ended; none is shorter than a tick of a fast song.
SHORTEST_S = 0.001


class Event(NamedTuple):
    """A message at its second of the song."""

    at_s: float
    message: bytes


class TimedNote(NamedTuple):
    """A note as it is handed over while a conversion runs.

    Attributes
    ----------
    onset_s, offset_s
        Seconds of the song.
    pitch, velocity
        As in MIDI: 0 to 127, 1 to 127.
    """

    onset_s: float
    offset_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Score:
    """A song as it is played.

    Attributes
    ----------
    parts
        The events of each part, ascending; within one time in the order in which they are to be sent. All of a part's
        messages are on its own channel of `CHANNELS`.
    bars_s
        Where bars begin, in seconds, ascending; the last number is where the last bar ends.
    beats_s
        Where quarter notes begin, from the song's start to beyond its end; empty where nobody knows (there is no MIDI
        clock then).
    end_s
        Where the song ends.
    """

    parts: Mapping[str, tuple[Event, ...]]
    bars_s: tuple[float, ...]
    beats_s: tuple[float, ...]
    end_s: float

    @property
    def last_bar(self) -> int:
        """Number of the last bar, counted from 1; 0 where there are none."""
        return max(0, len(self.bars_s) - 1)

    def bar_at(self, seconds: float) -> int:
        """Number of the bar at a time, counted from 1."""
        return min(max(1, bisect_left(self.bars_s, seconds + 1e-9)), max(1, self.last_bar))

    def bar_start_s(self, bar: int) -> float:
        """Where a bar begins; `bar` is 1 to `last_bar`, or one more for the end of the last."""
        return self.bars_s[bar - 1]

    def pulse_s(self, pulse: int) -> float | None:
        """When the MIDI clock ticks for the `pulse`-th time (from 0); None beyond the last beat."""
        beat, within = divmod(pulse, CLOCKS_PER_QUARTER)
        if beat + 1 >= len(self.beats_s):
            return None
        start, end = self.beats_s[beat], self.beats_s[beat + 1]
        return start + (end - start) * within / CLOCKS_PER_QUARTER

    def first_pulse(self, seconds: float, multiple: int) -> int:
        """The first tick at or after a time whose number divides by `multiple`."""
        beat = max(0, bisect_left(self.beats_s, seconds) - 1)
        pulse = beat * CLOCKS_PER_QUARTER
        while (at_s := self.pulse_s(pulse)) is not None and at_s < seconds - 1e-9:
            pulse += multiple
        return pulse

    def pitches(self) -> dict[int, set[int]]:
        """The pitches that are played on each channel."""
        found: dict[int, set[int]] = {CHANNELS[part]: set() for part in self.parts}
        for part, events in self.parts.items():
            found[CHANNELS[part]].update(event.message[1] for event in events if begins_note(event.message))
        return found


def events_of(part: str, notes: Iterable[TimedNote]) -> list[Event]:
    """The events of a part's notes, ascending; what ends at a time comes before what begins there."""
    channel = CHANNELS[part]
    rows: list[tuple[float, bool, bytes]] = []
    for note in notes:
        rows.append((note.onset_s, True, note_on(channel, note.pitch, note.velocity)))
        offset_s = max(note.offset_s, note.onset_s + SHORTEST_S)
        rows.append((offset_s, False, note_off(channel, note.pitch)))
    return [Event(at_s, message) for at_s, _, message in sorted(rows)]


def empty_score(parts: Sequence[str]) -> Score:
    """A score to which notes are added while it plays."""
    return Score({part: () for part in parts}, (), (), 0.0)
