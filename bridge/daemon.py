"""The daemon: everything that runs in the background, put together, started and ended in order.

``serve`` → ``startup`` → ``main_loop`` → ``on_tick`` → ``shutdown``. Whatever starts is a context; what was started
last ends first. This process only keeps, hands on and answers; conversions run in workers, so nothing heavy is
imported here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bridge import __version__
from bridge.config import PREFIX, Settings
from bridge.daemon_stop import StopSignals
from bridge.daemon_stream import Playback
from bridge.daemon_watch import Intake, folders_of
from bridge.errors import InvalidRequest
from bridge.inputs.ledger import NAME as LEDGER_NAME
from bridge.instance import Instance, read_discovery, secret
from bridge.jobs.clip_request import spec_from_request
from bridge.jobs.model import JobEvent, JobSpec
from bridge.jobs.queue import JobQueue
from bridge.jobs.store import NAME as STORE_NAME
from bridge.jobs.store import JobStore
from bridge.jobs.worker import start_worker
from bridge.logs import logging_to
from bridge.osc.server import OscServer
from bridge.peer import CommandQueue

#: How long stopping may take. What isn't done by then is left to the next start, which is ready for that.
STOP_WITHIN_S = 4.5
#: Of that, what running conversions get to tidy up.
QUEUE_STOP_S = 3.0
#: How often a job may be cut off by a daemon's death before it counts as the cause. It hardly ever is one, since it has
#: a process of its own, and power cuts or an impatient user may well hit the same job three times.
MAX_ATTEMPTS = 5
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
    with StopSignals(STOP_WITHIN_S) as signals, ExitStack() as parts:
        daemon.startup(parts)
        daemon.main_loop(signals.wait)
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
        self._say = say

    def startup(self, parts: ExitStack) -> None:
        """Start everything, in an order in which nothing is missed: first what may refuse, last what brings in work."""
        settings = self._settings
        self._instance = parts.enter_context(Instance(self._folder))
        log_file = parts.enter_context(logging_to(self._folder / "logs", settings.log_level))
        _log.info("Stembridge %s starts as process %d", __version__, os.getpid())
        store = parts.enter_context(JobStore(self._folder / STORE_NAME))
        queue = JobQueue(
            store,
            partial(start_worker, variables={f"{PREFIX}CACHE_GB": str(settings.cache_gb)}),
            concurrency=settings.concurrency,
            limit=settings.queue_limit,
            hang_timeout_s=settings.hang_timeout_s,
            max_attempts=MAX_ATTEMPTS,
        )
        # Before the queue: where the port is taken, no conversion should have begun. What comes meanwhile just waits.
        self._osc = parts.enter_context(self._osc_server(queue))
        parts.callback(queue.subscribe(_log_event))
        if settings.stream:
            playback = parts.enter_context(Playback(settings.stream_port_name, self._midi_api, self._say))
            parts.callback(queue.subscribe(playback.on_event))
        watched = folders_of(settings)
        intake = Intake(watched, queue, self._folder / LEDGER_NAME)
        parts.callback(queue.subscribe(intake.on_event))
        parts.enter_context(queue)
        parts.callback(queue.stop, QUEUE_STOP_S)
        parts.enter_context(intake)
        self._discovery = self._instance.announce(self._osc.port)
        self._tell(log_file, [str(it.folder) for it in watched], queue.problems)

    def main_loop(self, wait: Callable[[float], bool]) -> None:
        """Look after itself now and then, until `wait` (for so many seconds) says that it is asked to end."""
        while not wait(TICK_S):
            self.on_tick()

    def on_tick(self) -> None:
        """See to it that the user's commands find this daemon, though somebody removed its file."""
        found = read_discovery(self._folder)
        if found is None or found.pid != self._discovery.pid:
            _log.warning("the file that says where this daemon is was gone; it is written again")
            self._discovery = self._instance.announce(self._osc.port)

    def shutdown(self) -> None:
        """Say that it ends."""
        _log.info("Stembridge ends; what runs is started again next time")

    def _osc_server(self, queue: JobQueue) -> OscServer:
        out_root = self._settings.results_folder.absolute()
        return OscServer(
            CommandQueue(queue),
            secret(self._folder),
            partial(spec_from_request, out_root=out_root) if self._listen else _refuse,
            port=self._settings.osc_port if self._listen else 0,
        )

    def _tell(self, log_file: Path, watched: list[str], problems: list[str]) -> None:
        """What the user should know after the start."""
        for problem in problems:
            self._say(f"Note: {problem}")
        if self._listen:
            self._say(f"Stembridge {__version__} listens for the device in Live at UDP port {self._osc.port}")
        for folder in watched:
            self._say(f"Watching {folder}")
        self._say(f"Results: {self._settings.results_folder}\nLog: {log_file}\nCtrl-C ends it.")


def _log_event(event: JobEvent) -> None:
    """A line when a job starts and when it ends."""
    job = event.job
    if event.kind == "started":
        _log.info("job %s (%s) starts: %s", job.id, job.origin, job.spec.source)
    elif event.kind == "ended":
        _log.info("job %s ended: %s %s", job.id, job.state, job.result or f"({job.error_code}) {job.error_text}")


def _refuse(request: bytes, job_id: str) -> JobSpec:
    raise InvalidRequest("this Stembridge only watches folders: end it, then start it with stembridge serve")
