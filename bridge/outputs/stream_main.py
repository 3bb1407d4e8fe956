"""The process that plays: orders come in on standard input, reports go out on standard output (`bridge.outputs.wire`).

It is a process of its own so that nothing else's work makes notes late, and so that it can end every note whatever
happens to its parent: it does so on stop, at the end, on errors, when standard input ends, on SIGTERM, and when the
parent gives no sign of life. Started by `bridge.outputs.streamer`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

from bridge.errors import BridgeError
from bridge.outputs import wire
from bridge.outputs.lateness import Lateness
from bridge.outputs.messages import begins_note
from bridge.outputs.midi_port import PORT, MidiPort, open_port
from bridge.outputs.outlet import Outlet
from bridge.outputs.player import Options, Player, State, Timed
from bridge.outputs.priority import lower_priority, raise_priority
from bridge.outputs.score import TimedNote, empty_score, events_of

#: How often the position is reported while it moves.
REPORT_S = 0.25
#: No sign of life for so long means that the parent hangs; it gives one every second.
WATCHDOG_S = 5.0
#: How often to wake while nothing is due, to look after the port and the parent.
_LOOK_S = 1.0
#: Python hands the interpreter from thread to thread this often (its own default, 5 ms, would be heard).
_SWITCH_S = 0.0005
#: Reports that may wait for a parent that doesn't read. Positions beyond them are left out: the next one says more.
_BACKLOG = 64
#: What is left to say at the end may take so long.
_LAST_WORDS_S = 1.0

_Ending = Literal["closed", "terminated"]
_Received = wire.Orders | _Ending


class Stream:
    """Plays what it is told to, on one port.

    Parameters
    ----------
    port
        Where messages go.
    inbox
        Orders, or why it is to end.
    report
        Passes a report on, without ever waiting.
    watchdog_s
        How long the parent may be silent while something plays.
    """

    def __init__(
        self,
        port: MidiPort,
        inbox: SimpleQueue[_Received],
        report: Callable[[wire.Reports], None],
        watchdog_s: float = WATCHDOG_S,
    ) -> None:
        self._port, self._inbox, self._report, self._watchdog_s = port, inbox, report, watchdog_s
        self._outlet = Outlet(port.send)
        self._player = Player(empty_score(()), Options())
        self._late = Lateness()
        self._heard_s = self._reported_s = time.monotonic()
        self._reported_state = State.STOPPED

    def run(self) -> str:
        """Play until it is told to end, or the parent is gone; which of these it was.

        Raises
        ------
        OSError
            If the port is lost.
        """
        ending = ""
        try:
            while not ending:
                received = self._receive()
                now_s = time.monotonic()
                self._send(self._player.due(now_s))
                if self._outlet.sweep(now_s):
                    self._report(wire.Cleared())
                if isinstance(received, str):
                    ending = received
                elif received is not None:
                    self._heard_s = now_s
                    self._obey(received, now_s)
                self._look_after(now_s)
            self._send(self._player.stop(time.monotonic()))
        except BaseException:
            with contextlib.suppress(OSError):
                self._outlet.hush()
            raise
        return ending

    def _receive(self) -> _Received | None:
        """The next order, or None when it is time to do something else."""
        now_s = time.monotonic()
        until_s = min(self._outlet.next_sweep_s, now_s + _LOOK_S)
        due_s = self._player.next_due_s()
        if due_s is not None:
            until_s = min(until_s, due_s, self._reported_s + REPORT_S)
        try:
            # Waits on a semaphore with a deadline: no work while it waits, and it wakes within some 0.1 ms.
            return self._inbox.get(timeout=max(0.0, until_s - now_s))
        except Empty:
            return None

    def _send(self, sent: Iterable[Timed]) -> None:
        for due_s, message in sent:
            if begins_note(message):
                self._late.note(time.monotonic() - due_s)
            self._outlet.send(message)

    def _look_after(self, now_s: float) -> None:
        """The port, the parent, the priority, and the position's report."""
        if self._port.is_lost():
            raise ConnectionResetError(f"the MIDI port {self._port.name} is gone")
        if self._player.state in (State.PLAYING, State.WAITING) and now_s - self._heard_s > self._watchdog_s:
            self._send(self._player.stop(now_s))
        state = self._player.state
        if state is not self._reported_state:
            (raise_priority if state is State.PLAYING else lower_priority)()
        if state is not self._reported_state or (state is State.PLAYING and now_s - self._reported_s >= REPORT_S):
            self._reported_state, self._reported_s = state, now_s
            self._report(self._position(now_s))

    def _position(self, now_s: float) -> wire.Position:
        player = self._player
        return wire.Position(
            state=player.state.value,
            seconds=player.position_s(now_s),
            bar=player.bar(now_s),
            turns=player.turns,
            zero_s=player.zero_s,
            begun=self._late.total,
            late_ms=self._late.summary_ms(),
            stalls=player.stalls,
        )

    def _obey(self, order: wire.Orders, now_s: float) -> None:
        """Do what an order says."""
        player = self._player
        match order:
            case wire.Load():
                self._load(order, now_s)
            case wire.Grow():
                self._send(player.stop(now_s))
                options = replace(order.options, from_bar=1, to_bar=None, loop=False)
                self._player = Player(empty_score(order.parts), options, growing=True)
                self._late = Lateness()
            case wire.Add():
                notes = (TimedNote(*row) for row in order.notes)
                self._send(player.add(now_s, order.part, events_of(order.part, notes), order.known_s))
            case wire.Complete():
                self._send(player.complete(now_s))
            case wire.Play():
                self._send(player.play(now_s))
            case wire.Stop():
                self._send(player.stop(now_s))
            case wire.Clear():
                self._outlet.plan_sweeps(order.pitches, now_s)
            case wire.Beat():
                pass  # it was heard

    def _load(self, order: wire.Load, now_s: float) -> None:
        """Take a result folder, which may take seconds: nothing plays meanwhile."""
        from bridge.outputs.reader import read_score

        self._send(self._player.stop(now_s))
        self._player, self._late = Player(empty_score(()), Options()), Lateness()
        lower_priority()
        try:
            score = read_score(Path(order.folder))
            self._player = Player(score, order.options)
        except BridgeError as error:
            self._report(wire.Failed(order.number, error.code, str(error)))
            return
        except ValueError as error:
            self._report(wire.Failed(order.number, "invalid-request", str(error)))
            return
        gc.collect()
        gc.freeze()  # what is there now stays; later collections needn't look at it
        self._heard_s = time.monotonic()
        pitches = {channel: tuple(sorted(found)) for channel, found in score.pitches().items()}
        self._report(wire.Loaded(order.number, tuple(score.parts), score.bars_s, score.end_s, pitches))


class Reporter:
    """Writes reports in a thread of its own, since a parent that doesn't read must not make notes late."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="reports", daemon=True)
        self._thread.start()

    def __call__(self, report: wire.Reports) -> None:
        """Pass a report on; a position is left out when too much waits."""
        if not (isinstance(report, wire.Position) and self._lines.qsize() > _BACKLOG):
            self._lines.put(wire.to_line(report))

    def finish(self) -> None:
        """Wait, not for long, until all is written."""
        self._lines.put(None)
        self._thread.join(_LAST_WORDS_S)

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            while (line := self._lines.get()) is not None:
                while line:
                    line = line[os.write(self._descriptor, line) :]


def main(arguments: list[str] | None = None) -> int:
    """Play until standard input ends; the exit code of the contract."""
    options = _arguments(arguments)
    sys.setswitchinterval(_SWITCH_S)
    inbox: SimpleQueue[_Received] = SimpleQueue()
    report = Reporter(sys.stdout.fileno())
    _end_on_signals(inbox)
    try:
        # Not as a context: closing a port that is lost would never come back.
        port = open_port(options.port, options.api)
        report(wire.Ready(port.backend, port.name, port.is_virtual))
        threading.Thread(target=_listen, args=[inbox], name="orders", daemon=True).start()
        ending = Stream(port, inbox, report, options.watchdog).run()
        port.close()
        report(wire.Bye(ending))
        code = 0
    except BridgeError as error:
        report(wire.Failed(0, error.code, str(error)))
        code = error.exit_code
    except OSError as error:
        report(wire.Failed(0, "no-midi", " ".join(str(error).split())))
        code = 4
    except Exception as error:  # the notes were ended; this says why to whoever reads the log
        report(wire.Failed(0, "internal", f"{type(error).__name__}: {error}"))
        code = 1
    report.finish()
    return code


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stream_main", description=__doc__)
    parser.add_argument("--port", default=PORT)
    parser.add_argument("--api", default="")
    parser.add_argument("--watchdog", type=float, default=WATCHDOG_S, metavar="SECONDS")
    return parser.parse_args(arguments)


def _end_on_signals(inbox: SimpleQueue[_Received]) -> None:
    """End in order on every signal that may be caught; a terminal's Ctrl-C is the parent's affair."""

    def end(*_: Any) -> None:
        inbox.put("terminated")  # a SimpleQueue may be put to from within a signal handler

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)


def _listen(inbox: SimpleQueue[_Received]) -> None:
    """Pass orders on until standard input ends, which it does when the parent is gone."""
    rest = b""
    with contextlib.suppress(OSError):
        # Not sys.stdin: its lock, held by a thread that waits, would keep Python from ending.
        while data := os.read(0, 1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):  # a parent of another version; what it knows still works
                    inbox.put(wire.order_from(line))
            if len(rest) > wire.MAX_LINE_BYTES:
                break
    inbox.put("closed")


def _exit(code: int) -> None:
    """End without tidying up: JACK's library waits for ever at the end of a process whose server is gone."""
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    _exit(main())
