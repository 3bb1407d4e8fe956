"""Conversions played to the MIDI port, one after the other: while they run where that can be, else when they are done.

A conversion is heard while it runs if nothing else is heard when its first notes are found, and if what was detected is
what its MIDI files will hold. Each part joins in when it is found. All others are played from their results.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.errors import BridgeError
from bridge.jobs.model import Job, JobEvent, Options
from bridge.jobs.news import Found, PartName
from bridge.outputs.score import TimedNote
from bridge.outputs.streamer import COMMAND, Streamer

#: Results that wait to be played. Of a whole folder of recordings nobody wants to hear more, and then the last ones.
MOST_WAITING = 16
#: How often it is looked, while something plays, whether the daemon ends.
LOOK_S = 0.5
#: How long ending may take: the player ends its notes.
STOP_S = 3.5
#: How long to wait before the port is tried again, the last for ever: each attempt starts a process.
RETRIES_S = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
#: Those of a song that is heard while it is converted; what it hasn't stays silent.
PARTS: tuple[PartName, ...] = ("bass", "melody", "vocals", "drums")
#: The options that make MIDI files differ from the notes as they were detected.
_CHANGING = ("quantize", "transpose", "pitch_bend", "scale", "groove", "humanize", "programs", "expression")
#: Later than any song ends (11 days): playing waits for no part that hasn't been found yet.
WHOLE_S = 1e6

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Song:
    """A conversion that is heard while it runs; all of it is guarded by `Playback`'s lock.

    Attributes
    ----------
    job_id
        Whose it is.
    news
        What was found and isn't with the player yet.
    is_over
        Nothing more will be found.
    result
        Its folder, once it is over; None where there is none.
    """

    job_id: str
    news: deque[Found] = field(default_factory=deque)
    is_over: bool = False
    result: Path | None = None


class Playback:
    """Plays conversions, as long as it is entered. Where there is no MIDI system it does nothing until one comes.

    Parameters
    ----------
    port
        Name of the MIDI port.
    api
        The MIDI system to use; empty for the first that works.
    say
        Tells the user a line.
    command
        The program that plays.
    retries_s
        See `RETRIES_S`.
    """

    def __init__(
        self,
        port: str,
        api: str,
        say: Callable[[str], None],
        command: Sequence[str] = COMMAND,
        retries_s: Sequence[float] = RETRIES_S,
    ) -> None:
        self._make = partial(Streamer, port, api, command=command)
        self._streamer = self._make()
        self._say = say
        self._retries_s = retries_s
        self._problem = ""
        self._changed = threading.Condition()
        # All below is guarded by `_changed`.
        self._is_open = False
        self._waiting: deque[Path | _Song] = deque(maxlen=MOST_WAITING)
        self._growing: _Song | None = None
        self._left_for_later: set[str] = set()
        self._is_busy = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="playback", daemon=True)

    def __enter__(self) -> Self:
        self._open()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            streamer = self._streamer
        streamer.close()
        self._thread.join(STOP_S)

    def on_event(self, event: JobEvent) -> None:
        """The queue's listener."""
        with self._changed:
            if event.found is not None:
                self._take_in(event.job, event.found)
            elif event.kind == "ended":
                self._end(event.job)
            elif event.kind == "progress" and event.job.state == "queued":
                self._break_off(event.job)
            self._changed.notify_all()

    def _take_in(self, job: Job, found: Found) -> None:
        """Decide whether a conversion is heard while it runs, when its first notes come."""
        is_free = self._is_open and self._growing is None and not self._waiting and not self._is_busy
        if self._growing is None or self._growing.job_id != job.id:
            if not is_free or job.id in self._left_for_later or not _is_as_detected(job.spec.options):
                self._left_for_later.add(job.id)
                return
            self._growing = _Song(job.id)
            self._waiting.append(self._growing)
        self._growing.news.append(found)

    def _end(self, job: Job) -> None:
        """Have a result played, unless it is heard already."""
        self._left_for_later.discard(job.id)
        result = None if job.result is None else Path(job.result)
        song = self._broken_off(job)
        if song is not None:
            song.result = result
        elif result is not None and self._is_open:
            self._waiting.append(result)

    def _break_off(self, job: Job) -> None:
        """A conversion was interrupted and begins again, some time: what is heard of it ends."""
        if self._broken_off(job) is not None:
            self._left_for_later.add(job.id)

    def _broken_off(self, job: Job) -> _Song | None:
        """The song that this job was making for us, which grows no more."""
        song = self._growing
        if song is None or song.job_id != job.id:
            return None
        song.is_over, self._growing = True, None
        return song

    # ---- the thread that plays

    def _run(self) -> None:
        while self._has_port() and (item := self._next()) is not None:
            # The player may have gone for good while there was nothing to play.
            if self._has_port():
                self._play_item(item)

    def _open(self) -> None:
        """Open the port, if that can be done now."""
        streamer = self._make()
        with self._changed:
            if self._stopping:
                return
            self._streamer = streamer
        try:
            streamer.__enter__()
        except BridgeError as error:  # no MIDI system, or one that hangs: all else works
            if str(error) != self._problem and not self._stopping:
                _log.warning("notes are not streamed: %s", error)
                self._say(f"Note: notes are not streamed: {error}")
            self._problem = str(error)
            self._forget_all()
            return
        with self._changed:
            self._is_open = True
        self._problem = ""
        self._say(f"Conversions are played to the MIDI port {streamer.port.port}")

    def _has_port(self) -> bool:
        """Have the port open, however often that must be tried; False once the daemon ends."""
        for wait_s in chain(self._retries_s, repeat(self._retries_s[-1])):
            with self._changed:
                if self._stopping or (self._is_open and self._streamer.failure is None):
                    return not self._stopping
                if self._changed.wait_for(lambda: self._stopping, wait_s):
                    return False
            self._streamer.close()
            self._open()
        raise AssertionError("repeat never ends")

    def _forget_all(self) -> None:
        """There is no port any more: when one comes, hours later, nobody wants to hear what is waiting now."""
        with self._changed:
            self._is_open = False
            self._waiting.clear()
            if self._growing is not None:
                self._left_for_later.add(self._growing.job_id)
                self._growing = None

    def _play_item(self, item: Path | _Song) -> None:
        """Play it; what goes wrong is logged, and the next one has its turn."""
        name = f"job {item.job_id}" if isinstance(item, _Song) else item
        try:
            if isinstance(item, _Song):
                self._play_growing(item)
            else:
                self._play(item)
        except BridgeError as error:
            _log.warning("%s could not be played to its end: %s", name, error)
        except Exception:  # a fault of ours in one song; the others are to be heard
            _log.exception("%s could not be played", name)
        else:
            return
        if isinstance(item, _Song):
            self._give_up(item)

    def _next(self) -> Path | _Song | None:
        with self._changed:
            self._is_busy = False
            self._changed.wait_for(lambda: self._stopping or self._waiting)
            if self._stopping:
                return None
            self._is_busy = True
            return self._waiting.popleft()

    def _play(self, folder: Path) -> None:
        _log.info("playing %s", folder)
        self._streamer.load(folder)
        self._streamer.play()
        self._wait()

    def _play_growing(self, song: _Song) -> None:
        """Play what is found, as it comes; a result that was quicker than we are is played itself."""
        with self._changed:
            is_over, result = song.is_over, song.result
        if is_over:
            if result is not None:
                self._play(result)
            return
        _log.info("playing job %s while it is converted", song.job_id)
        self._streamer.grow(PARTS)
        plays = False
        while (found := self._news_of(song)) is not None:
            for portion in found:
                self._streamer.append(portion.part, [TimedNote(*row) for row in portion.notes], WHOLE_S)
            if not plays:
                for part in PARTS:
                    self._streamer.append(part, (), WHOLE_S)
                self._streamer.play()
                plays = True
            self._streamer.wait(0.0)  # raises where the player was lost
        with self._changed:
            is_whole = song.result is not None and not self._stopping
        if is_whole:
            self._streamer.complete()
            self._wait()
        else:
            self._streamer.stop()

    def _news_of(self, song: _Song) -> list[Found] | None:
        """What was found since, after a while nothing; None when nothing will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or song.is_over or song.news, LOOK_S)
            if self._stopping or (song.is_over and not song.news):
                return None
            found = list(song.news)
            song.news.clear()
        return found

    def _give_up(self, song: _Song) -> None:
        """A song was lost with its player. Where its conversion still runs, its result is played."""
        with self._changed:
            if song is self._growing:
                self._growing = None
                self._left_for_later.add(song.job_id)

    def _wait(self) -> None:
        """Wait for the song's end, or ours."""
        while not self._streamer.wait(LOOK_S):
            with self._changed:
                if self._stopping:
                    return


def _is_as_detected(options: Options) -> bool:
    """Whether a conversion's MIDI files will hold the notes just as they were detected."""
    rest = Options()
    return all(getattr(options, name) == getattr(rest, name) for name in _CHANGING)
