"""What the queue is asked to do for devices, and the clerk who does it.

Whatever may take long (a slow disk, a network drive that sleeps, a locked database) happens here.
The queue's ids of devices' jobs are made here too.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bridge.errors import BridgeError
from bridge.jobs.refusals import UnknownJob
from bridge.osc.codec import escape
from bridge.osc.endings import Ending, failure
from bridge.osc.inbox import JobKey
from bridge.osc.protocol import BY_NAME
from bridge.osc.sessions import OWNER_LENGTH
from bridge.osc.shelf import Shelf

if TYPE_CHECKING:
    from bridge.jobs.model import Job, JobEvent, JobSpec, JobState, Origin

log = logging.getLogger(__name__)

_LONGEST_PATH = BY_NAME["job/result"].args[2].high

#: Turns a device's request (JSON, UTF-8) and the job's id into what is to be done, or raises a `BridgeError` that
#: says what is wrong.
ToSpec = Callable[[bytes, str], "JobSpec"]


class Queue(Protocol):
    """What is needed of `bridge.jobs.queue.JobQueue`."""

    def submit(self, job_id: str, origin: Origin, spec: JobSpec) -> Job:
        """Keep a job, or give the one with this id; raises a `BridgeError` such as ``busy``."""
        ...

    def cancel(self, job_id: str) -> Job:
        """Stop a job."""
        ...

    def get(self, job_id: str) -> Job | None:
        """The job with an id."""
        ...

    def active(self) -> list[Job]:
        """The jobs that haven't ended."""
        ...

    def jobs(self, limit: int, origin: Origin | None = None) -> list[Job]:
        """The newest jobs, newest first; of one origin, where that is given."""
        ...

    def subscribe(self, listener: Callable[[JobEvent], None]) -> Callable[[], None]:
        """Have each event told to a listener, until the function that comes back is called."""
        ...


@dataclass(frozen=True, slots=True)
class Submit:
    """Order: put a job into the queue. ``request`` is the JSON of the device, UTF-8."""

    key: JobKey
    request: bytes


@dataclass(frozen=True, slots=True)
class Cancel:
    """Order: stop a job, known or not."""

    key: JobKey


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended; the parts of a `Job` that tell it, without all that the job keeps of its clip."""

    state: JobState
    insert: str | None
    error_code: str
    error_text: str

    @classmethod
    def of(cls, job: Job) -> Outcome:
        """The outcome of a job that has ended."""
        return cls(job.state, job.insert, job.error_code, job.error_text)


@dataclass(frozen=True, slots=True)
class Tell:
    """Order: make the message that tells how a job ended."""

    key: JobKey
    outcome: Outcome


Order = Submit | Cancel | Tell


@dataclass(frozen=True, slots=True)
class Done:
    """An order was carried out. The job goes on, or has ended; neither where events will tell or nothing is known."""

    order: Order
    accepted: bool = False
    ending: Ending | None = None


class Clerk:
    """Carries out orders, in whatever thread it is called; those of one device in their order."""

    def __init__(self, queue: Queue, to_spec: ToSpec, shelf: Shelf) -> None:
        self._queue = queue
        self._to_spec = to_spec
        self._shelf = shelf

    def carry_out(self, order: Order) -> Done:
        """Do it. Never raises: what goes wrong with a job ends that job."""
        try:
            if isinstance(order, Submit):
                return self._submit(order)
            if isinstance(order, Cancel):
                return self._cancel(order)
            return Done(order, ending=self._ending(job_id(order.key), order.outcome))
        except UnknownJob as error:
            return Done(order, ending=failure(error.code, str(error)))
        except BridgeError as error:
            log.warning("job %s: %s", job_id(order.key), error)
            # A job that could not be stopped now goes on; the device asks again.
            return Done(order, ending=None if isinstance(order, Cancel) else failure(error.code, str(error)))
        except Exception:  # one request must not end the service of all others
            log.exception("job %s: the order failed", job_id(order.key))
            return Done(order, ending=None if isinstance(order, Cancel) else failure("internal"))

    def _submit(self, order: Submit) -> Done:
        identity = job_id(order.key)
        known = self._queue.get(identity)
        job = known or self._queue.submit(identity, "osc", self._to_spec(order.request, identity))
        return Done(order, ending=self._ending(job.id, Outcome.of(job))) if job.ended else Done(order, accepted=True)

    def _cancel(self, order: Cancel) -> Done:
        job = self._queue.get(job_id(order.key))
        if job is None:  # of a device: it came before the request, or instead of it
            return Done(order, ending=failure("cancelled", "Cancelled."))
        job = self._queue.cancel(job.id)
        return Done(order, ending=self._ending(job.id, Outcome.of(job)) if job.ended else None)

    def _ending(self, identity: str, outcome: Outcome) -> Ending:
        """The message that tells how a job ended."""
        if outcome.state == "done":
            return self._result(identity, outcome.insert)
        if outcome.state == "cancelled":
            return failure("cancelled", "Cancelled.")
        return failure(outcome.error_code, outcome.error_text)

    def _result(self, identity: str, insert: str | None) -> Ending:
        if insert is None:
            return failure("internal")  # a device's jobs have a clip, and whatever has a clip gets an insert.json
        file = Path(insert)
        try:
            path = _told(file)
            if len(path) > _LONGEST_PATH:
                file = self._shelf.put(identity, file)
                path = _told(file)
            crc = _crc32(file)
        except OSError:
            return failure("result-missing")
        except UnicodeDecodeError:
            return failure("path-unusable")
        if len(path) > _LONGEST_PATH:
            return failure("path-unusable")
        return Ending("job/result", {"path": path, "crc32": f"{crc:08x}"})


def _told(path: Path) -> str:
    """A path as messages carry it."""
    return escape(os.fsencode(path).decode("utf-8"))


def _crc32(path: Path) -> int:
    """CRC-32 of a file's bytes, as zlib and PNG have it."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


_ID_PREFIX = "osc-"
_JOB_AT = len(_ID_PREFIX) + OWNER_LENGTH + 1


def job_id(key: JobKey) -> str:
    """The queue's id of a device's job: letters, digits, ``_`` and ``-``, 61 characters at most."""
    return f"{_ID_PREFIX}{key[0]}-{key[1]}"


def key_of(identity: str) -> JobKey | None:
    """The device's job that an id of the queue stands for; None if no device asked for that job."""
    if not identity.startswith(_ID_PREFIX) or identity[_JOB_AT - 1 : _JOB_AT] != "-":
        return None
    return identity[len(_ID_PREFIX) : _JOB_AT - 1], identity[_JOB_AT:]
