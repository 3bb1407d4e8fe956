"""The player's process as its parent sees it: orders to it, reports from it, and another one where it died."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.errors import BridgeError, EngineFailed, InvalidRequest
from bridge.outputs import child, wire
from bridge.outputs.midi_port import PORT, NoMidiPort
from bridge.outputs.player import Options, State
from bridge.outputs.score import CHANNELS, TimedNote

#: -P: never the working directory. Warnings are the developers' concern.
COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "bridge.outputs.stream_main")
#: How often the process is told that we live; it waits for several of these (stream_main.WATCHDOG_S).
BEAT_S = 1.0
#: How long opening the port may take; the first MIDI program after a Mac's start waits seconds for its MIDI server.
OPENING_S = 15.0
#: How long reading a result folder may take; a two-hour song takes a few seconds.
LOADING_S = 60.0
#: How long a new process may take to end what the one before it left sounding: it starts, and does so for two seconds.
CLEARING_S = 4.0
#: How long the process may take to end its notes and go.
ENDING_S = 3.0
#: How long to wait before the first, the second and so on attempt to replace a process that died.
RETRIES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
#: A process that lived so long was a good one: its death is the first.
GOOD_LIFE_S = 30.0
#: A process that plays, and was silent during so many beats, hangs; it reports several times a second. So does one that
#: takes nothing of what is said to it during as many: it listens in a thread of its own, whatever else it does.
SILENT_BEATS = 5
#: A portion of notes that fits into one line of the wire.
_PORTION = 1000

_ERRORS: dict[str, type[BridgeError]] = {error.code: error for error in (InvalidRequest, NoMidiPort)}
_log = logging.getLogger(__name__)


class Streamer:
    """Plays results to the MIDI port. Entering its context opens the port, leaving it ends every note.

    All methods may be called from any thread. Where the process dies (killed, the port lost), another one opens the
    port again and ends what may have been left sounding; playing then stands still until it is told to play again.

    Parameters
    ----------
    port
        Name of the virtual port, or of an existing one.
    api
        MIDI back-end; empty for the first that works.
    listener
        Called with each `wire.Position`, in a thread of this object; it must be quick.
    command
        The program to start.
    """

    def __init__(
        self,
        port: str = PORT,
        api: str = "",
        *,
        listener: Callable[[wire.Position], None] | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._command = (*command, "--port", port, "--api", api)
        self._listener = listener
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._numbers = count(1)
        # All below is guarded by `_changed`.
        self._process: subprocess.Popen[bytes] | None = None
        self._mouth: child.Mouth | None = None
        self._ready: wire.Ready | None = None
        self._position: wire.Position | None = None
        self._answers: dict[int, wire.Loaded | wire.Failed] = {}
        self._pitches: dict[int, set[int]] = {}
        self._silent_beats = 0
        self._is_clearing = False
        self._failure: BridgeError | None = None
        self._lost_before = 0
        self.lost = 0

    def __enter__(self) -> Self:
        self._start()
        threading.Thread(target=self._beat, name="stream-beat", daemon=True).start()
        threading.Thread(target=self._hear, name="stream-reports", daemon=True).start()
        try:
            self._wait_for(lambda: self._ready is not None, OPENING_S, "opening the MIDI port")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> wire.Ready:
        """The port that is open."""
        with self._changed:
            assert self._ready is not None, "a streamer is used within its context"
            return self._ready

    @property
    def position(self) -> wire.Position | None:
        """Where playing was when last heard; None before it began."""
        with self._changed:
            return self._position

    @property
    def failure(self) -> BridgeError | None:
        """Why this streamer plays nothing any more; None where it does, or is about to do so again."""
        with self._changed:
            return self._failure

    @property
    def pid(self) -> int:
        """Process id of the player."""
        with self._changed:
            assert self._process is not None, "a streamer is used within its context"
            return self._process.pid

    def load(self, folder: Path, options: Options | None = None) -> wire.Loaded:
        """Take a result folder; what played before ends.

        Raises
        ------
        InvalidRequest
            If the folder is no result, or hasn't the bars that the options name.
        """
        self._wait_for(lambda: self._ready is not None, OPENING_S, "opening the MIDI port again")
        number = next(self._numbers)
        self._order(wire.Load(number, str(folder.absolute()), options or Options()))
        self._wait_for(lambda: number in self._answers, LOADING_S, "reading the result")
        with self._changed:
            answer = self._answers.pop(number)
            # What was heard of the song before doesn't count, nor what died then.
            self._position, self._lost_before = None, self.lost
        if isinstance(answer, wire.Failed):
            raise _error(answer)
        return answer

    def grow(self, parts: Sequence[wire.PartName], options: Options | None = None) -> None:
        """Take a song that is still being converted, of these parts; what played before ends."""
        lost = self.lost
        self._wait_for(lambda: self._ready is not None, OPENING_S, "opening the MIDI port again")
        with self._changed:
            self._position, self._lost_before = None, lost
        self._order(wire.Grow(tuple(parts), options or Options()))

    def append(self, part: wire.PartName, notes: Iterable[TimedNote], known_s: float) -> None:
        """Add notes of a growing song.

        Parameters
        ----------
        part
            One of those that `grow` was told.
        notes
            Those not given before, in any order; what playing has passed already isn't heard.
        known_s
            No further notes of this part will begin before this second of the song. Playing waits at the least of all
            parts' known seconds.
        """
        rows = [(note.onset_s, note.offset_s, note.pitch, note.velocity) for note in notes]
        with self._changed:
            self._pitches.setdefault(CHANNELS[part], set()).update(row[2] for row in rows)
        for start in range(0, len(rows), _PORTION):
            self._order(wire.Add(part, tuple(rows[start : start + _PORTION]), 0.0))
        self._order(wire.Add(part, (), known_s))

    def complete(self) -> None:
        """All of a growing song is there."""
        self._order(wire.Complete())

    def play(self) -> None:
        """Play, or go on where it was stopped; after the end, begin again."""
        with self._changed:
            self._position = None
        self._order(wire.Play())

    def stop(self) -> None:
        """Stop where it is; no note goes on."""
        self._order(wire.Stop())

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the song has ended; False if it hasn't within that time.

        Raises
        ------
        BridgeError
            If playing came to an end otherwise, since the song was loaded: the port was lost, the process died or was
            told to end.
        """

        def is_over() -> bool:
            ended = self._position is not None and self._position.state == State.ENDED.value
            return ended or self._failure is not None or self.lost != self._lost_before

        with self._changed:
            over = self._changed.wait_for(is_over, timeout_s)
            if self._failure is not None:
                raise self._failure
            if self.lost != self._lost_before:
                raise EngineFailed("the process that plays died, or its MIDI port was lost; its notes were ended")
        return over

    def close(self) -> None:
        """End every note and close the port. A process that replaced a dead one first clears up after it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_clearing or self._failure is not None, CLEARING_S)
            process, mouth = self._process, self._mouth
            self._closing.set()
            self._changed.notify_all()
        if process is None or mouth is None:
            return
        mouth.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # One that doesn't read what it was told before won't hear of its end either.
            process.wait(ENDING_S if mouth.stuck_for_s() < BEAT_S else 0.0)
        if process.poll() is None:
            process.kill()
            process.wait()

    def _start(self) -> None:
        """Start the process."""
        try:
            process = child.start(self._command)
        except OSError as error:
            raise EngineFailed(f"the process that plays can't be started: {error.strerror}") from error
        with self._changed:
            self._process, self._mouth = process, child.Mouth(process)
            self._ready, self._silent_beats = None, 0

    def _order(self, order: wire.Order) -> None:
        """Pass an order on. Where the process has died, the thread that hears it deals with that."""
        with self._changed:
            mouth = self._mouth
        if mouth is not None:
            mouth.say(wire.to_line(order))

    def _wait_for(self, predicate: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until something was heard."""
        lost = self.lost
        with self._changed:
            heard = self._changed.wait_for(
                lambda: predicate() or self._failure is not None or self.lost != lost or self._closing.is_set(),
                timeout_s,
            )
            if predicate():
                return
            if self._failure is not None:
                raise self._failure
        reason = "the process that plays has ended" if heard else f"nothing was heard for {timeout_s:.0f} s"
        raise EngineFailed(f"{what} failed: {reason}; try again")

    def _beat(self) -> None:
        """Tell the process that we live, and see whether it does."""
        while not self._closing.wait(BEAT_S):
            with self._changed:
                self._silent_beats += 1
                process, mouth, position = self._process, self._mouth, self._position
                plays = position is not None and position.state == State.PLAYING.value
                is_deaf = mouth is not None and mouth.stuck_for_s() > SILENT_BEATS * BEAT_S
                hangs = is_deaf or (plays and self._silent_beats > SILENT_BEATS)
            if hangs and process is not None:
                _log.info("the process that plays hangs; it is replaced")
                process.kill()
            self._order(wire.Beat())

    def _hear(self) -> None:
        """Take in reports, of one process after the other."""
        attempt = 0
        while True:
            began_s = time.monotonic()
            with self._changed:
                process = self._process
            assert process is not None
            with child.stdout(process) as reports:
                for line in reports:
                    with contextlib.suppress(ValueError):  # of another version; what is known still works
                        self._take_in(wire.report_from(line))
            process.wait()
            attempt = 0 if time.monotonic() - began_s >= GOOD_LIFE_S else min(attempt + 1, len(RETRIES_S))
            if not self._replace(RETRIES_S[max(0, attempt - 1)]):
                return

    def _take_in(self, report: wire.Reports) -> None:
        with self._changed:
            self._silent_beats = 0
            match report:
                case wire.Ready():
                    self._ready = report
                case wire.Position():
                    self._position = report
                case wire.Failed(number=0):
                    self._failure = _error(report) if self._ready is None and not self.lost else None
                    _log.info("the process that plays: %s", report.text)
                case wire.Cleared():
                    self._is_clearing = False
                case wire.Loaded() | wire.Failed():
                    self._answers[report.number] = report
                    for channel, pitches in report.pitches.items() if isinstance(report, wire.Loaded) else ():
                        self._pitches.setdefault(channel, set()).update(pitches)
                case wire.Bye(reason="terminated"):
                    self._failure = EngineFailed("the process that plays was told to end; its notes were ended")
            self._changed.notify_all()
        if isinstance(report, wire.Position) and self._listener is not None:
            try:
                self._listener(report)
            except Exception:  # a broken listener must not stop the streamer
                _log.exception("could not say where playing is")

    def _replace(self, after_s: float) -> bool:
        """Start another process after one has died, and let it end what may hang; False if that isn't wanted."""
        with self._changed:
            if self._failure is not None or self._closing.is_set():
                return False
            self.lost += 1
            self._is_clearing = True
            self._ready = self._position = None
            self._changed.notify_all()
            pitches = {channel: tuple(sorted(found)) for channel, found in self._pitches.items()}
            dead = self._mouth
        if dead is not None:
            dead.close()
        if self._closing.wait(after_s):
            return False
        try:
            self._start()
        except BridgeError as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()
            return False
        if self._closing.is_set():  # `close` has looked already, and saw the one before
            self.close()
            return False
        self._order(wire.Clear(pitches))
        return True


def _error(report: wire.Failed) -> BridgeError:
    return _ERRORS.get(report.code, EngineFailed)(report.text)
