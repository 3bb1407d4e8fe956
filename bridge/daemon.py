"""The daemon: everything that runs in the background, put together, started and ended in order.

``serve`` → ``startup`` → ``main_loop`` → ``on_tick`` → ``shutdown``. Whatever starts is a context; what was started
last ends first. This process only keeps, hands on and answers; conversions run in workers, so nothing heavy is
imported here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bridge import __version__
from bridge.config import PREFIX, Settings
from bridge.daemon_stream import Playback
from bridge.daemon_watch import Intake, folders_of
from bridge.disk import nearest, printable, why_closed
from bridge.errors import BridgeError, InvalidRequest
from bridge.inputs.ledger import NAME as LEDGER_NAME
from bridge.instance import Instance, restore_secret, secret
from bridge.interrupt import end_at_once, interruptible
from bridge.jobs.clip_request import spec_from_request
from bridge.jobs.model import JobEvent, JobSpec
from bridge.jobs.queue import JobQueue
from bridge.jobs.store import NAME as STORE_NAME
from bridge.jobs.store import JobStore
from bridge.jobs.worker import start_worker
from bridge.logs import logging_to
from bridge.osc.protocol import FEATURES
from bridge.osc.server import OscServer
from bridge.peer import CommandQueue

#: How long stopping may take. What isn't done by then is left to the next start, which is ready for that.
STOP_WITHIN_S = 4.5
#: Of that, what running conversions get to tidy up.
QUEUE_STOP_S = 3.0
#: What the log's last line gets when that time is over: it may be the log's disk that hangs.
LAST_WORDS_S = 0.3
#: Folder for what is told to devices under a short path.
SHELF_NAME = "live"
#: How often the daemon looks after itself.
TICK_S = 60.0

_log = logging.getLogger(__name__)


def serve(
    settings: Settings, folder: Path, *, listen: bool = True, midi_api: str = "", say: Callable[[str], None]
) -> None:
    """Run until SIGTERM or Ctrl-C; a second one ends it at once.

    Parameters
    ----------
    settings
        What is in force.
    folder
        The daemon's own; made where missing.
    listen
        Whether devices are served. Otherwise a port of the system's choice serves the user's commands only.
    midi_api
        The MIDI system to use; empty for the first that works.
    say
        Tells the user a line.

    Raises
    ------
    AlreadyRunning
        If this user has a daemon already.
    BridgeError
        If something it needs can't be had; says what to do.
    """
    daemon = Daemon(settings, folder, listen=listen, midi_api=midi_api, say=say)
    with interruptible(_end_now, patience_s=STOP_WITHIN_S, heeds_second=True) as asked, ExitStack() as parts:
        daemon.startup(parts)
        daemon.main_loop(asked.wait)
        daemon.shutdown()  # and the parts end as their contexts are left


class Daemon:
    """The parts, and when they start and end; parameters as for `serve`."""

    def __init__(
        self, settings: Settings, folder: Path, *, listen: bool, midi_api: str = "", say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._listen = listen
        self._midi_api = midi_api
        self._tells = say
        self._problem = ""

    def startup(self, parts: ExitStack) -> None:
        """Start everything, in an order in which nothing is missed: first what may refuse, last what brings in work."""
        settings = self._settings
        self._instance = parts.enter_context(Instance(self._folder))
        greeting = f"Stembridge {__version__} starts as process {os.getpid()}"
        log_file = parts.enter_context(logging_to(self._folder / "logs", settings.log_level, greeting, self._say))
        self._secret = secret(self._folder)
        store = parts.enter_context(JobStore(self._folder / STORE_NAME))
        queue = queue_of(settings, store)
        # Before the queue: where the port is taken, no conversion should have begun. What comes meanwhile just waits.
        self._osc = parts.enter_context(self._osc_server(queue))
        parts.callback(queue.subscribe(_log_event))
        parts.callback(queue.subscribe(self._tell_end))
        if settings.stream:
            playback = parts.enter_context(Playback(settings.stream_port_name, self._midi_api, self._say))
            parts.callback(queue.subscribe(playback.on_event))
        watched = folders_of(settings)
        intake = Intake(watched, queue, self._folder / LEDGER_NAME, self._say)
        parts.callback(queue.subscribe(intake.on_event))
        parts.enter_context(queue)
        parts.callback(queue.stop, QUEUE_STOP_S)
        parts.enter_context(intake)
        self._discovery = self._instance.announce(self._osc.port)
        self._tell(log_file, [str(it.folder) for it in watched], [*queue.problems, *intake.problems])

    def main_loop(self, wait: Callable[[float], bool]) -> None:
        """Look after itself now and then, until `wait` (for so many seconds) says that it is asked to end."""
        while not wait(TICK_S):
            self.on_tick()

    def on_tick(self) -> None:
        """See to it that the user's commands find this daemon, though somebody removed its files."""
        problem = ""
        try:
            was_gone = self._instance.look_after(self._discovery)
            if restore_secret(self._folder, self._secret) or was_gone:
                _log.warning("files that say where this daemon is were gone; they were written again")
        except BridgeError as error:  # what it can do without them, it does
            problem = str(error)
            if problem != self._problem:
                _log.warning("%s; it is tried again every %.0f s", problem, TICK_S)
        self._problem = problem

    def shutdown(self) -> None:
        """Say that it ends."""
        _log.info("Stembridge ends; what runs is started again next time")

    def _osc_server(self, queue: JobQueue) -> OscServer:
        jobs = CommandQueue(queue)
        out_root = self._settings.results_folder.absolute()
        of_device = partial(spec_from_request, out_root=out_root) if self._listen else _refuse
        return OscServer(
            jobs,
            self._secret,
            partial(jobs.spec, of_device=of_device),
            self._folder / SHELF_NAME,
            port=self._settings.osc_port if self._listen else 0,
            features=features_of(self._settings, listen=self._listen),
        )

    def _say(self, line: str) -> None:
        """Tell the user a line, if there still is one who listens: a terminal may be closed, a disk full."""
        with contextlib.suppress(OSError, ValueError):
            self._tells(line)

    def _tell_end(self, event: JobEvent) -> None:
        """The queue's listener: a line for each conversion that ends."""
        if event.kind != "ended":
            return
        job = event.job
        name = printable(Path(job.spec.source).name)
        if job.state == "done":
            self._say(f"Converted {name}: {printable(job.result)}")
        elif job.state == "failed":
            self._say(f"Could not convert {name}: {printable(job.error_text)}")
        else:
            self._say(f"Cancelled: {name}")

    def _tell(self, log_file: Path, watched: list[str], problems: list[str]) -> None:
        """What the user should know after the start."""
        for problem in problems:
            self._say(f"Note: {problem}")
        results = self._settings.results_folder
        if reason := why_closed(results.absolute()):
            self._say(f"Note: results can't be written to {results}: {reason}; choose another folder with --out")
        if self._listen:
            self._say(f"Stembridge {__version__} listens for the device in Live at UDP port {self._osc.port}")
        for folder in watched:
            self._say(f"Watching {folder}" + ("" if nearest(Path(folder)) == Path(folder) else " once it is there"))
        self._say(f"Results: {self._settings.results_folder}\nLog: {log_file}\nCtrl-C ends it.")


def queue_of(settings: Settings, store: JobStore) -> JobQueue:
    """The queue, as the settings have it."""
    return JobQueue(
        store,
        partial(start_worker, variables={f"{PREFIX}CACHE_GB": str(settings.cache_gb)}),
        concurrency=settings.concurrency,
        limit=settings.queue_limit,
        hang_timeout_s=settings.hang_timeout_s,
    )


def features_of(settings: Settings, *, listen: bool) -> list[str]:
    """What this daemon does, for devices' welcome: words of `bridge.osc.protocol.FEATURES`."""
    does = {"insert": listen, "stream": settings.stream, "watch": bool(settings.watch)}
    return [feature for feature in FEATURES if does[feature]]


def _log_event(event: JobEvent) -> None:
    """A line when a job starts and when it ends."""
    job = event.job
    if event.kind == "started":
        _log.info("job %s (%s) starts: %s", job.id, job.origin, job.spec.source)
    elif event.kind == "ended":
        _log.info("job %s ended: %s %s", job.id, job.state, job.result or f"({job.error_code}) {job.error_text}")


def _end_now(reason: str) -> None:
    """End the process, whatever goes on in it: workers and player end with it, the next start goes on with the rest."""
    last_words = threading.Thread(target=_log.warning, args=("ending at once: %s", reason), daemon=True)
    last_words.start()
    last_words.join(LAST_WORDS_S)
    end_at_once(1)


def _refuse(request: bytes, job_id: str) -> JobSpec:
    raise InvalidRequest("this Stembridge only watches folders: end it, then start it with stembridge serve")
