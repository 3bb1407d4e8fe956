"""One part on its way through time: which of its messages come next, and which notes it has begun."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from bridge.outputs.messages import BEND, CONTROL, PROGRAM, Sounding, begins_note, bend_centre, ends_note
from bridge.outputs.score import Event


class Lane:
    """The events of one part, played from a cursor on.

    Parameters
    ----------
    channel
        The part's own.
    events
        Ascending.
    programs
        Whether messages that choose a sound are sent.
    """

    def __init__(self, channel: int, events: Sequence[Event], *, programs: bool) -> None:
        self._events = list(events)
        self._cursor = 0
        self._bends = [event for event in events if event.message[0] & 0xF0 == BEND]
        setup_kinds = {CONTROL, PROGRAM} if programs else {CONTROL}
        self._setup = [event for event in events if event.message[0] & 0xF0 in setup_kinds]
        self._sounding = Sounding(channel)
        self._channel = channel
        self._programs = programs
        self.muted = False

    @property
    def next_s(self) -> float:
        """When the next event comes, in seconds of the song; infinite after the last."""
        return self._events[self._cursor].at_s if self._cursor < len(self._events) else float("inf")

    @property
    def end_s(self) -> float:
        """When the last event comes."""
        return self._events[-1].at_s if self._events else 0.0

    def take(self) -> Iterator[bytes]:
        """Pass the next event; what is to be sent for it."""
        message = self._events[self._cursor].message
        self._cursor += 1
        if begins_note(message):
            if not self.muted:
                yield from self._sounding.begin(message[1], message[2])
        elif ends_note(message):
            yield from self._sounding.end(message[1])
        elif self._programs or message[0] & 0xF0 != PROGRAM:
            yield message

    def move_to(self, seconds: float) -> list[bytes]:
        """Go to a time; what is to be sent so that the channel is as if it had been played up to there.

        Notes that sound must have been ended before.
        """
        self._cursor = bisect_left(self._events, seconds, key=_at_s)
        bends_before = bisect_left(self._bends, seconds, key=_at_s)
        setup = self._setup[: bisect_left(self._setup, seconds, key=_at_s)]
        bend = self._bends[bends_before - 1].message if bends_before else bend_centre(self._channel)
        return [*(event.message for event in setup), *([bend] if self._bends else [])]

    def silence(self) -> list[bytes]:
        """End what sounds."""
        return self._sounding.end_all()

    def add(self, events: Iterable[Event], position_s: float) -> None:
        """Add notes; what lies before `position_s` is too late to be played on this pass.

        All events before `position_s` must have been taken.
        """
        added = sorted(events, key=_at_s)
        if not added:
            return
        # Usually they follow what is there. Only what overlaps is sorted again, ends of notes before beginnings.
        overlap = bisect_left(self._events, added[0].at_s, key=_at_s)
        tail = self._events[overlap:] + added
        tail.sort(key=lambda event: (event.at_s, begins_note(event.message)))
        self._events[overlap:] = tail
        self._cursor += bisect_left(added, position_s, key=_at_s)


def _at_s(event: Event) -> float:
    return event.at_s
