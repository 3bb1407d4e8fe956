"""Which MIDI message is due when: a song on its way through time, without a clock, a port or a thread of its own.

Whoever owns a `Player` tells it the time (seconds of any steadily growing clock) and sends what it gives back. After
`stop` every note that was begun has been ended, whatever came before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from bridge.outputs import messages
from bridge.outputs.lane import Lane
from bridge.outputs.score import CHANNELS, Event, Score

#: Between "play" and the first message: enough for the port's own buffer, so that the first note isn't the latest.
LEAD_S = 0.05
#: Whoever calls this late was asleep (a laptop's lid, a stopped process). Playing then goes on where it was, since
#: a second of notes at once is noise; hiccups below this are caught up with.
STALL_S = 0.5
#: While a conversion runs, playing waits until so much is known ahead: a start that stutters is worse than a late one.
AHEAD_S = 2.0
SPEEDS = (0.1, 10.0)
#: A loop's shortest turn. A shorter one would be a buzz of note-offs.
SHORTEST_LOOP_S = 0.05


class Timed(NamedTuple):
    """A message and when it is due, by the owner's clock."""

    due_s: float
    message: bytes


class State(Enum):
    """What a player does."""

    STOPPED = "stopped"
    PLAYING = "playing"
    #: The conversion hasn't come far enough yet; playing goes on by itself.
    WAITING = "waiting"
    #: Stopped because the song is over.
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Options:
    """How a song is played.

    Attributes
    ----------
    speed
        1 is the song's own, 0.5 half of it; within `SPEEDS`.
    from_bar, to_bar
        The first and the last bar to play, counted from 1; None for the song's end.
    loop
        Begin again, and again, after the last.
    muted
        Parts that are not heard.
    clock
        Whether to send MIDI clock, start, stop, continue and song position.
    programs
        Whether to send what chooses a sound.
    """

    speed: float = 1.0
    from_bar: int = 1
    to_bar: int | None = None
    loop: bool = False
    muted: frozenset[str] = frozenset()
    clock: bool = False
    programs: bool = False

    def __post_init__(self) -> None:
        if not SPEEDS[0] <= self.speed <= SPEEDS[1]:
            raise ValueError(f"the speed is {SPEEDS[0]} to {SPEEDS[1]}, not {self.speed}")
        if self.from_bar < 1 or (self.to_bar is not None and self.to_bar < self.from_bar):
            raise ValueError(f"bars are counted from 1, and {self.from_bar} to {self.to_bar} is no stretch of them")


class Player:
    """Plays one score.

    Methods that take `now_s` give what is to be sent at once, in order. The time never goes backwards.

    Parameters
    ----------
    score
        What to play.
    options
        How to play it.
    growing
        The score is still being made: notes come by `add`, and nobody knows yet what lies beyond the part that is
        known least far.

    Raises
    ------
    ValueError
        If the score hasn't the bars that the options name.
    """

    def __init__(self, score: Score, options: Options, *, growing: bool = False) -> None:
        self._score, self._options = score, options
        self._start_s, self._stop_s = _section(score, options)
        self._lanes = {
            part: Lane(CHANNELS[part], events, programs=options.programs) for part, events in score.parts.items()
        }
        for part in options.muted & self._lanes.keys():
            self._lanes[part].muted = True
        self._known_s: dict[str, float] | None = dict.fromkeys(score.parts, 0.0) if growing else None
        self._used: set[int] = set()
        self._speed = options.speed
        self._position_s = self._start_s
        self._base_s = 0.0  # when `_position_s` was, or will be, by the owner's clock; only while playing
        self._clock = _Clock(score) if options.clock and score.beats_s else None
        self.state = State.STOPPED
        self.turns = 0
        self.stalls = 0

    @property
    def is_growing(self) -> bool:
        """Whether more notes may come."""
        return self._known_s is not None

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that there are."""
        return tuple(self._lanes)

    def position_s(self, now_s: float) -> float:
        """Where in the song playing is."""
        if self.state is not State.PLAYING:
            return self._position_s
        return max(self._position_s, self._position_s + (now_s - self._base_s) * self._speed)

    def bar(self, now_s: float) -> int:
        """The bar in which playing is, counted from 1."""
        return self._score.bar_at(self.position_s(now_s))

    @property
    def zero_s(self) -> float:
        """When the song's second 0 was, or would have been at this speed, by the owner's clock."""
        return self._due_s(0.0)

    def next_due_s(self) -> float | None:
        """When `due` has something to do, by the owner's clock; None if nothing happens by itself."""
        return self._due_s(self._next()[0]) if self.state is State.PLAYING else None

    def due(self, now_s: float) -> list[Timed]:
        """What is due by now, each with when it was due."""
        sent: list[Timed] = []
        if self.state is State.PLAYING and now_s - self._due_s(self._next()[0]) > STALL_S:
            self.stalls += 1
            self._base_s += now_s - self._due_s(self._next()[0])
        while self.state is State.PLAYING:
            at_s, step = self._next()
            due_s = self._due_s(at_s)
            if due_s > now_s:
                break
            sent += [Timed(due_s, message) for message in self._noted(step())]
        return sent

    def play(self, now_s: float) -> list[Timed]:
        """Begin, or go on where it was stopped; after the end, begin again."""
        if self.state in (State.PLAYING, State.WAITING):
            return self.due(now_s)
        if self.state is State.ENDED:
            self._position_s = self._start_s
        return self._at(now_s, self._begin(now_s + LEAD_S))

    def stop(self, now_s: float) -> list[Timed]:
        """Stop where it is: every note ends, and the channels that were used are left neutral."""
        sent = self.due(now_s)
        self._position_s = self.position_s(now_s)
        if self.state is not State.ENDED:
            self.state = State.STOPPED
        return sent + self._at(now_s, [*self._silence(), *messages.closing(self._used)])

    def add(self, now_s: float, part: str, events: Iterable[Event], known_s: float) -> list[Timed]:
        """Take in notes of a growing score: all events of `part` that lie before `known_s`, and not yet given."""
        sent = self.due(now_s)
        if self._known_s is None or part not in self._lanes:
            return sent
        self._lanes[part].add(events, self.position_s(now_s))
        self._known_s[part] = max(self._known_s[part], known_s)
        return sent + self._go_on(now_s)

    def complete(self, now_s: float) -> list[Timed]:
        """All of a growing score is there: it ends after its last event."""
        sent = self.due(now_s)
        if self._known_s is not None:
            self._known_s = None
            self._stop_s = max(self._stop_s, self._end_s())
        return sent + self._go_on(now_s)

    def _due_s(self, song_s: float) -> float:
        return self._base_s + (song_s - self._position_s) / self._speed

    def _end_s(self) -> float:
        return max([self._score.end_s, *(lane.end_s for lane in self._lanes.values())])

    def _at(self, now_s: float, sent: Iterable[bytes]) -> list[Timed]:
        return [Timed(now_s, message) for message in self._noted(sent)]

    def _noted(self, sent: Iterable[bytes]) -> Iterator[bytes]:
        """The messages, their channels noted as used."""
        for message in sent:
            if message[0] < 0xF0:
                self._used.add(message[0] & 0x0F)
            yield message

    def _next(self) -> tuple[float, Callable[[], Iterable[bytes]]]:
        """What happens next, and when: the end of what is to be played or known, a tick, or a part's event."""
        at_s = self._stop_s if self._known_s is None else self._known_until_s()
        step: Callable[[], Iterable[bytes]] = self._turn if self._known_s is None else self._wait
        if self._clock is not None and self._clock.next_s < at_s:
            at_s, step = self._clock.next_s, self._clock.take
        for lane in self._lanes.values():
            if lane.next_s < at_s:
                at_s, step = lane.next_s, lane.take
        return at_s, step

    def _known_until_s(self) -> float:
        """Up to where a growing score is known; infinite once it is complete."""
        return float("inf") if self._known_s is None else min(self._known_s.values(), default=0.0)

    def _turn(self) -> Iterator[bytes]:
        """The end of what is to be played: the next turn begins in the same moment, or playing ends."""
        at_s = self._stop_s
        yield from self._silence()
        if self._options.loop and self._stop_s - self._start_s >= SHORTEST_LOOP_S:
            self.turns += 1
            base_s = self._due_s(at_s)
            self._position_s = self._start_s
            yield from self._begin(base_s)
        else:
            self._position_s = at_s
            self.state = State.ENDED
            yield from messages.closing(self._used)

    def _wait(self) -> Iterator[bytes]:
        """The end of what is known."""
        self._position_s = max(self._position_s, self._known_until_s())
        self.state = State.WAITING
        yield from self._silence()

    def _go_on(self, now_s: float) -> list[Timed]:
        """Play on if enough has become known."""
        if self.state is not State.WAITING:
            return []
        return self._at(now_s, self._begin(now_s + LEAD_S))

    def _begin(self, base_s: float) -> Iterator[bytes]:
        """Play from the position on; `base_s` is when that is, by the owner's clock."""
        if self._known_until_s() < self._position_s + AHEAD_S:
            self.state = State.WAITING
            return
        self.state = State.PLAYING
        self._base_s = base_s
        for lane in self._lanes.values():
            yield from lane.move_to(self._position_s)
        if self._clock is not None:
            self._clock.move_to(self._position_s)

    def _silence(self) -> Iterator[bytes]:
        for lane in self._lanes.values():
            yield from lane.silence()
        if self._clock is not None:
            yield from self._clock.stop()


class _Clock:
    """MIDI clock: ticks, and where in the song they are.

    It begins on a sixteenth, the only place that a song position can name, and so a fraction of a second late where
    playing begins between two of them.
    """

    def __init__(self, score: Score) -> None:
        self._score = score
        self._pulse = 0
        self._is_running = False
        self.next_s = float("inf")

    def move_to(self, seconds: float) -> None:
        """Begin at the first sixteenth from here on."""
        self._go_to(self._score.first_pulse(seconds, messages.CLOCKS_PER_SIXTEENTH))

    def take(self) -> Sequence[bytes]:
        """The next tick, after what sets the receiver going where it stands still."""
        sixteenth = self._pulse // messages.CLOCKS_PER_SIXTEENTH
        self._go_to(self._pulse + 1)
        if self._is_running:
            return [messages.CLOCK]
        self._is_running = True
        if sixteenth == 0:
            return [messages.START, messages.CLOCK]
        position = [messages.song_position(sixteenth)] if sixteenth <= messages.MAX_SONG_POSITION else []
        return [*position, messages.CONTINUE, messages.CLOCK]

    def stop(self) -> Sequence[bytes]:
        """Stop the receiver, if it was set going."""
        was_running, self._is_running = self._is_running, False
        return [messages.STOP] if was_running else []

    def _go_to(self, pulse: int) -> None:
        self._pulse = pulse
        at_s = self._score.pulse_s(pulse)
        self.next_s = float("inf") if at_s is None else at_s


def _section(score: Score, options: Options) -> tuple[float, float]:
    """Where playing begins and ends, in seconds."""
    last_bar = score.last_bar
    highest = max(options.from_bar, options.to_bar or 1)
    if highest > max(1, last_bar):
        raise ValueError(f"the song has {last_bar} bars, and no bar {highest}")
    start_s = 0.0 if options.from_bar == 1 else score.bar_start_s(options.from_bar)
    if options.to_bar is not None and score.bars_s:
        return start_s, score.bar_start_s(options.to_bar + 1)
    # A loop of the whole song ends on a bar line, so that the next turn is in time.
    return start_s, score.bars_s[-1] if options.loop and score.bars_s else score.end_s
