"""The worker process as its parent sees it: started for one job, heard line by line, and always gone in the end."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import IO, Literal, Protocol

from bridge import children
from bridge.jobs.model import Job, spec_to_json
from bridge.jobs.news import MAX_LINE_BYTES, News, from_line

COMMAND = children.command("bridge.jobs.worker_main")
#: How much of what a worker complains about is kept.
STDERR_KEPT_BYTES = 16 << 10
#: How long a worker that closed its output, or said its last word, may take to end.
ENDING_S = 5.0
#: News that wait to be heard; a worker that says more waits itself.
_BACKLOG = 256

#: The news that it was interrupted, and that there won't be any more.
INTERRUPTED: Literal["interrupted"] = "interrupted"
GONE: Literal["gone"] = "gone"
Heard = News | Literal["interrupted", "gone"]

_log = logging.getLogger(__name__)


class Worker(Protocol):
    """A process at work on one job. Leaving its context kills it and whatever it started in its session."""

    def __enter__(self) -> Worker: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def receive(self, timeout_s: float) -> Heard:
        """The next news; `TimeoutError` when there are none for so long."""

    def interrupt(self) -> None:
        """Make `receive` give ``interrupted``, now or next; from any thread."""

    def ask_to_end(self) -> None:
        """Ask the process to tidy up and end; returns at once."""

    def death(self) -> str:
        """Why a process that is gone said no last word, in one line; empty where somebody asked it to end."""

    @property
    def complaints(self) -> str:
        """The end of what it wrote to standard error."""


class StartWorker(Protocol):
    """Starts the process for a job; raises `OSError` where the system refuses."""

    def __call__(self, job: Job, /) -> Worker:
        """Start it."""


def start_worker(
    job: Job, /, command: Sequence[str] = COMMAND, variables: Mapping[str, str] | None = None
) -> WorkerProcess:
    """Start a worker process for a job.

    Parameters
    ----------
    job
        What it is to do.
    command
        The program, which reads a `JobSpec` as a line of JSON from its standard input and writes news
        (`bridge.jobs.news`) to its standard output.
    variables
        Of its environment, besides those of this process.

    Raises
    ------
    OSError
        If the system has no room for another process.
    """
    return WorkerProcess(job, command, variables or {})


class WorkerProcess:
    """See `Worker`."""

    def __init__(self, job: Job, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self._job = job
        self._news: queue.Queue[Heard] = queue.Queue(_BACKLOG)
        self._interrupted = threading.Event()
        self._complaints = _Tail(STDERR_KEPT_BYTES)
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=children.environment(**variables),
            **children.apart(below_normal=True),
        )
        self._asked = False
        self._spec_sent = threading.Event()
        self._news_thread = self._thread("news", self._talk)
        self._stderr_thread = self._thread("stderr", self._complaints.drain, self._process.stderr)
        self._end_thread = self._thread("end", self._bury)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._kill()
        self._end_thread.join()
        while self._news_thread.is_alive():  # it may wait for room among the news
            with contextlib.suppress(queue.Empty):
                self._news.get(timeout=0.05)
        self._stderr_thread.join(ENDING_S)  # a child of its own may still hold the pipe
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # what it never read
            self._process.stdin.close()

    def receive(self, timeout_s: float) -> Heard:
        """The next news; `TimeoutError` when there are none for so long."""
        if not self._interrupted.is_set():
            try:
                heard = self._news.get(timeout=timeout_s)
            except queue.Empty:
                heard = INTERRUPTED
                if not self._interrupted.is_set():
                    raise TimeoutError from None
            if heard != INTERRUPTED:
                return heard
        self._interrupted.clear()
        return INTERRUPTED

    def interrupt(self) -> None:
        """Make `receive` give ``interrupted``, now or next; from any thread."""
        self._interrupted.set()
        with contextlib.suppress(queue.Full):  # then `receive` isn't waiting
            self._news.put_nowait(INTERRUPTED)

    def ask_to_end(self) -> None:
        """Ask the process to tidy up and end; returns at once."""
        if self._asked:
            return
        self._asked = True
        if os.name != "nt":
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
        elif self._spec_sent.is_set():  # Windows has no signal that could be caught: the end of its input says the same
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def death(self) -> str:
        """Why a process that is gone said no last word, in one line; empty where somebody asked it to end."""
        try:
            code = self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            return "it closed its output without a result"
        self._stderr_thread.join(ENDING_S)
        last = self._complaints.last_line()
        if code == -9:  # SIGKILL, which Windows' signal module lacks
            reason = "it ran out of memory or was killed: close other programs, or convert less at once"
        elif code == -signal.SIGTERM:
            return ""
        elif code < 0:
            reason = f"it crashed with {_signal_name(-code)}"
        elif code == 0:
            reason = "it ended without a result"
        else:
            reason = f"it ended with code {code}"
        return f"{reason} ({last})" if last else reason

    @property
    def complaints(self) -> str:
        """The end of what it wrote to standard error."""
        return self._complaints.text()

    def _thread(self, role: str, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, name=f"job-{self._job.id[:8]}-{role}", daemon=True)
        thread.start()
        return thread

    def _talk(self) -> None:
        """Send the spec, then listen to the end: a thread of its own, since either may wait for ever."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with process.stdout as stdout:
                with contextlib.suppress(OSError):  # it is dead already: that is told by its ending
                    process.stdin.write(spec_to_json(self._job.spec).encode("ascii") + b"\n")
                    process.stdin.flush()
                    self._spec_sent.set()
                while line := stdout.readline(MAX_LINE_BYTES):
                    news = from_line(line)
                    if news is None:
                        _log.debug("job %s: its worker said what is no news: %r", self._job.id, line[:200])
                    else:
                        self._news.put(news)
        finally:  # whatever broke here, nobody is to wait for more
            self._news.put(GONE)

    def _bury(self) -> None:
        """Wait for the process's end; what it leaves behind dies too, else it could hold the pipes open for ever."""
        self._process.wait()
        self._kill()

    def _kill(self) -> None:
        """Kill the process, and what it started in its own session."""
        if sys.platform == "win32":
            self._process.kill()
        else:  # its group, not only itself: what an engine started must not outlive the job
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


class _Tail:
    """The end of a stream, of a bounded size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._held = 0

    def drain(self, stream: IO[bytes]) -> None:
        """Read the stream to its end."""
        with stream:
            while chunk := stream.read1(4096):  # type: ignore[attr-defined]  # a BufferedReader has it
                with self._lock:
                    self._chunks.append(chunk)
                    self._held += len(chunk)
                    while self._held - len(self._chunks[0]) >= self._size:
                        self._held -= len(self._chunks.popleft())

    def text(self) -> str:
        with self._lock:
            data = b"".join(self._chunks)
        return data[-self._size :].decode(errors="replace")

    def last_line(self) -> str:
        """The last line that isn't empty, in at most 300 printable characters."""
        lines = (" ".join(line.split()) for line in reversed(self.text().splitlines()))
        return "".join(char for char in next(filter(None, lines), "") if char.isprintable())[:300]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
