"""What is answered to what: the daemon's side of the protocol without sockets, threads, files and clock.

The owner (`bridge.osc.server`) brings in datagrams, news of jobs and the time, and takes out two lists: `outgoing`,
datagrams to be sent to ports of 127.0.0.1, and `orders`, what the queue is to do. Work for a datagram is bounded,
whatever is in it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from bridge.osc import inbox as inboxes
from bridge.osc.codec import Packet, ProtocolError, Value, decode, encode, escape, json_text, to_json
from bridge.osc.endings import Ending, Endings, failure
from bridge.osc.inbox import Inbox, JobKey
from bridge.osc.orders import Cancel, Order, Outcome, Submit, Tell, key_of
from bridge.osc.protocol import ACK_DELAY_S, BY_NAME, MAX_INT, PING_IDLE_S, PROGRESS_GAP_S
from bridge.osc.sessions import SESSION_LIFE_S, Hello, Refused, Session, Sessions, read_hello
from bridge.osc.tally import LOG_GAP_S, Allowance, Tally
from bridge.osc.timers import Timers

if TYPE_CHECKING:
    from bridge.jobs.model import Job

log = logging.getLogger(__name__)

#: Orders that may wait for the queue. More means that the disk is slow; devices ask again by themselves.
MAX_ORDERS = 64

#: And of one device, whose files may lie on a drive that sleeps: the others keep their room.
MAX_ORDERS_EACH = 16

#: Refusals sent in a second: enough for every device of a set at once, too few to be of use to flood somebody.
REFUSALS_PER_S = 16

#: Lines of the log that devices may cause in a second.
LOG_LINES_PER_S = 10

#: Jobs that a device is told of after a hello: of those that run, of those that ended, of those from before the start.
MAX_TOLD = 32

_REFUSAL_CHARS = BY_NAME["refuse"].args[-1].high
_STAGE_CHARS = BY_NAME["job/progress"].args[-1].high


@dataclass(slots=True)
class _OpenJob:
    """A job that was handed to the queue and hasn't ended."""

    accepted: bool = False
    stage: str = ""
    permille: int = 0
    seq: int = 0
    sent_s: float = float("-inf")


@dataclass(slots=True)
class Outbox:
    """What the owner has to do next, in order."""

    outgoing: list[tuple[int, bytes]] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)


class Switchboard:
    """The daemon's side of the protocol.

    Parameters
    ----------
    secret
        The user's secret, which every hello must have.
    own_port
        The port that the daemon listens on, which no device can have.
    version, features
        The daemon's version and what it can do beyond the protocol's version 1, for the welcome.
    """

    def __init__(self, secret: str, own_port: int, version: str, features: Sequence[str] = ()) -> None:
        self.outbox = Outbox()
        self.tally = Tally()
        self._version = version
        self._features = list(features)
        self._own_port = own_port
        self._sessions = Sessions(secret)
        self._inbox = Inbox()
        self._endings = Endings()
        self._jobs: dict[JobKey, _OpenJob] = {}
        self._cancelling: set[JobKey] = set()
        self._history: dict[str, list[Tell]] = {}
        self._busy: set[str] = set()
        self._orders_open: Counter[str] = Counter()  # by device
        self._refusals = Allowance(REFUSALS_PER_S)
        self._lines = Allowance(LOG_LINES_PER_S)
        self._timers = Timers()

    # What the owner brings in

    def receive(self, datagram: bytes, host: str, now_s: float) -> None:
        """A datagram came."""
        try:
            self._answer(datagram, host, now_s)
        except ProtocolError as error:
            self.dropped(error.reason, now_s)

    def dropped(self, reason: str, now_s: float) -> None:
        """Something was left out; the log will say how much of it."""
        self.tally.add(reason)
        if ("tally",) not in self._timers:
            self._timers.set(("tally",), now_s + LOG_GAP_S)

    def jobs_known(self, jobs: Iterable[Job]) -> None:
        """What the queue knew at start: what hasn't ended, and what has, newest first."""
        for job in jobs:
            key = key_of(job.id)
            if not job.ended:
                self._busy.add(job.id)
                if key is not None:
                    self._jobs.setdefault(key, _OpenJob(accepted=True))
            elif key is not None:
                ended = self._history.setdefault(key[0], [])
                if len(ended) < MAX_TOLD:
                    ended.append(Tell(key, Outcome.of(job)))
        for owner in [owner for owner in self._history if self._sessions.of(owner)]:  # they were quicker than the disk
            self.outbox.orders += self._history.pop(owner)

    def job_moved(self, job: Job, now_s: float) -> None:
        """The queue says that a job was accepted, started, moved on or ended."""
        key = key_of(job.id)
        if job.ended:
            self._busy.discard(job.id)
            if key is not None and key not in self._endings:
                self.outbox.orders.append(Tell(key, Outcome.of(job)))
            return
        self._busy.add(job.id)
        if key is not None and key not in self._endings:
            self.job_accepted(key, now_s)
            open_job = self._jobs[key]
            open_job.stage, open_job.permille = job.stage, min(1000, max(0, round(job.fraction * 1000)))
            self._send_progress_soon(key, open_job, now_s)

    def job_accepted(self, key: JobKey, now_s: float) -> None:
        """A job is in the queue, to stay."""
        if key in self._endings:
            return
        open_job = self._jobs.setdefault(key, _OpenJob())
        if not open_job.accepted:
            open_job.accepted = True
            self._send(key, "job/accepted")

    def job_ended(self, key: JobKey, ending: Ending, now_s: float) -> None:
        """A job has ended; only the first end of a job counts."""
        self._jobs.pop(key, None)
        self._inbox.drop(key)
        self._timers.drop(("assembly", *key))
        if self._endings.add(key, ending, now_s):
            self._log(now_s, "job %s of %s ended: %s", key[1], key[0], ending.values.get("code", "done"))
            self._tell(key, now_s)

    def order_done(self, order: Submit | Cancel) -> None:
        """An order was carried out, whatever came of it."""
        owner = order.key[0]
        self._orders_open[owner] -= 1
        if not self._orders_open[owner]:
            del self._orders_open[owner]
        if isinstance(order, Cancel):
            self._cancelling.discard(order.key)

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        for name, *rest in self._timers.due(now_s):
            _TIMERS[name](self, tuple(rest), now_s)

    def say_goodbye(self) -> None:
        """Tell all devices that nobody listens any more, so that they needn't find out by the silence."""
        for session in self._sessions.all():
            self._send_to(session.rx, session.token, "bye", {})
            self._sessions.close(session)

    def next_s(self) -> float | None:
        """When `tick` is needed next."""
        return self._timers.next_s()

    # Messages

    def _answer(self, datagram: bytes, host: str, now_s: float) -> None:
        if not host.startswith("127."):
            raise ProtocolError("not-loopback", "from another machine")
        packet = decode(datagram)
        if packet.name == "hello":
            self._on_hello(read_hello(packet.text("json")), now_s)
            return
        session = self._sessions.by_token(packet.text("token"))
        if session is None:
            raise ProtocolError("unknown-token", "no session has this token")
        session.heard_s = now_s
        _HANDLERS[packet.name](self, session, packet, now_s)

    def _on_hello(self, hello: Hello, now_s: float) -> None:
        if hello.rx == self._own_port:
            raise ProtocolError("bad-hello", "rx is the daemon's own port")
        try:
            session = self._sessions.open(hello, now_s)
        except Refused as refusal:
            self.dropped(f"refused-{refusal.reason}", now_s)
            if self._refusals.take(now_s):
                values: dict[str, Value] = {"code": refusal.reason, "text": escape(str(refusal), _REFUSAL_CHARS)}
                self._send_to(hello.rx, hello.token, "refuse", values)
            return
        self._log(now_s, "device %s: port %d, version %r, Live %r", session.owner, session.rx, hello.dev, hello.live)
        self._timers.set(("session", session.token), now_s + PING_IDLE_S)
        welcome = {
            "proto": session.version,
            "daemon": self._version,
            "features": self._features,
            "busy": len(self._busy),
        }
        self._send_to(session.rx, session.token, "welcome", {"json": to_json(welcome)})
        self._tell_state(session, now_s)

    def _tell_state(self, session: Session, now_s: float) -> None:
        """What a device should know after its hello: its open jobs, and ends that it may not have heard of."""
        own = (key for key, open_job in self._jobs.items() if key[0] == session.owner and open_job.accepted)
        for key in islice(own, MAX_TOLD):
            self._send(key, "job/accepted")
            self._jobs[key].seq = 0
            self._send_progress_soon(key, self._jobs[key], now_s)
        for key in islice(self._endings.unacknowledged(session.owner), MAX_TOLD):
            self._endings.revive(key, now_s)
            self._tell(key, now_s)
        self.outbox.orders += self._history.pop(session.owner, [])

    def _on_ping(self, session: Session, packet: Packet, now_s: float) -> None:
        self._send_to(session.rx, session.token, "pong", {"inst": packet.text("inst"), "seq": packet.number("seq")})

    def _on_pong(self, session: Session, packet: Packet, now_s: float) -> None:
        """Nothing but a sign of life, and that was noted."""

    def _on_part(self, session: Session, packet: Packet, now_s: float) -> None:
        key = (session.owner, packet.text("job"))
        if key in self._endings:
            self._tell(key, now_s)
            return
        if key in self._jobs or key in self._cancelling:
            self._acknowledge_soon(key, now_s)
            return
        try:
            request = self._inbox.add(key, packet.number("idx"), packet.number("total"), packet.text("chunk"))
        except inboxes.Conflict:
            raise ProtocolError("conflict", "a part disagrees with an earlier one") from None
        except inboxes.TooLarge:
            self.job_ended(key, failure("too-large"), now_s)
        except inboxes.TooMany:
            self.job_ended(key, failure("busy"), now_s)
        else:
            self._timers.set(("assembly", *key), now_s + inboxes.ASSEMBLY_LIFE_S)
            if request is None:
                self._acknowledge_soon(key, now_s)
            else:
                self._submit(key, request, now_s)

    def _submit(self, key: JobKey, request: str, now_s: float) -> None:
        """A request is whole: say so, and hand it on."""
        for timer in ("ack", "assembly"):
            self._timers.drop((timer, *key))
        self._send(key, "job/ack", missing="")
        try:
            order = Submit(key, json_text(request))
        except ProtocolError as error:
            self.job_ended(key, failure("invalid-request", f"The request can't be read: {error}."), now_s)
            return
        if self._order(order):
            self._jobs[key] = _OpenJob()
        else:
            self.job_ended(key, failure("busy"), now_s)

    def _on_cancel(self, session: Session, packet: Packet, now_s: float) -> None:
        key = (session.owner, packet.text("job"))
        if key in self._endings:
            self._tell(key, now_s)
        elif key in self._inbox:
            self.job_ended(key, failure("cancelled", "Cancelled."), now_s)
        elif key not in self._cancelling and self._order(Cancel(key)):
            self._cancelling.add(key)

    def _on_resultack(self, session: Session, packet: Packet, now_s: float) -> None:
        key = (session.owner, packet.text("job"))
        self._endings.acknowledge(key)
        self._timers.drop(("ending", *key))

    def _on_inserted(self, session: Session, packet: Packet, now_s: float) -> None:
        job, clips, notes = packet.text("job"), packet.number("clips"), packet.number("notes")
        self._log(now_s, "job %s of %s: the device made %d clips with %d notes", job, session.owner, clips, notes)
        self._on_resultack(session, packet, now_s)

    # Things that happen later

    def _acknowledge_soon(self, key: JobKey, now_s: float) -> None:
        if ("ack", *key) not in self._timers:
            self._timers.set(("ack", *key), now_s + ACK_DELAY_S)

    def _acknowledge(self, key: tuple[str, ...], now_s: float) -> None:
        owner, job = key
        if (owner, job) in self._inbox:
            self._send((owner, job), "job/ack", missing=self._inbox.missing((owner, job)))
            return
        open_job = self._jobs.get((owner, job))
        if open_job is not None:
            self._send((owner, job), "job/ack", missing="")
            if open_job.accepted:
                self._send((owner, job), "job/accepted")

    def _forget_assembly(self, key: tuple[str, ...], now_s: float) -> None:
        owner, job = key
        self._inbox.drop((owner, job))
        self.dropped("request-never-completed", now_s)

    def _send_progress_soon(self, key: JobKey, open_job: _OpenJob, now_s: float) -> None:
        if open_job.stage and ("progress", *key) not in self._timers:
            self._timers.set(("progress", *key), max(now_s, open_job.sent_s + PROGRESS_GAP_S))

    def _send_progress(self, key: tuple[str, ...], now_s: float) -> None:
        owner, job = key
        open_job = self._jobs.get((owner, job))
        if open_job is not None:
            open_job.seq = min(open_job.seq + 1, MAX_INT)
            open_job.sent_s = now_s
            stage = escape(open_job.stage, _STAGE_CHARS)
            self._send((owner, job), "job/progress", seq=open_job.seq, permille=open_job.permille, stage=stage)

    def _tell(self, key: JobKey, now_s: float) -> None:
        """Send how a job ended, and see to it that it is sent again."""
        ending = self._endings.tell(key, now_s)
        if ending is not None:
            self._send(key, ending.name, **ending.values)
        next_s = self._endings.next_s(key)
        if next_s is not None and self._sessions.of(key[0]):
            self._timers.set(("ending", *key), next_s)

    def _tell_again(self, key: tuple[str, ...], now_s: float) -> None:
        owner, job = key
        self._tell((owner, job), now_s)

    def _look_after(self, token: tuple[str, ...], now_s: float) -> None:
        """Ask a silent device whether it is there; end its session if it has been silent for long."""
        session = self._sessions.by_token(token[0])
        if session is None:
            return
        if now_s - session.heard_s >= SESSION_LIFE_S:
            self._log(now_s, "device %s is gone", session.owner)
            self._sessions.close(session)
            return
        if now_s - session.heard_s >= PING_IDLE_S:
            session.pings += 1
            self._send_to(session.rx, session.token, "ping", {"inst": session.inst, "seq": session.pings})
        self._timers.set(("session", *token), now_s + PING_IDLE_S)

    def _log_tally(self, _: tuple[str, ...], now_s: float) -> None:
        log.warning("OSC: left out %s", self.tally.line())

    def _log(self, now_s: float, line: str, *values: object) -> None:
        """A line of the log that a device causes: not more of them than somebody could want to read."""
        if self._lines.take(now_s):
            log.info(line, *values)
        else:
            self.dropped("line-of-the-log", now_s)

    # Out

    def _order(self, order: Submit | Cancel) -> bool:
        """Whether the queue has room for one more thing to do; then it is on its way."""
        owner = order.key[0]
        if self._orders_open.total() >= MAX_ORDERS or self._orders_open[owner] >= MAX_ORDERS_EACH:
            return False
        self._orders_open[owner] += 1
        self.outbox.orders.append(order)
        return True

    def _send(self, key: JobKey, name: str, **values: Value) -> None:
        """Tell the device that a job belongs to."""
        for session in self._sessions.of(key[0]):
            self._send_to(session.rx, session.token, name, {"job": key[1], **values})

    def _send_to(self, port: int, token: str, name: str, values: dict[str, Value]) -> None:
        self.outbox.outgoing.append((port, encode(name, token=token, **values)))


_HANDLERS: dict[str, Callable[[Switchboard, Session, Packet, float], None]] = {
    "ping": Switchboard._on_ping,
    "pong": Switchboard._on_pong,
    "job/part": Switchboard._on_part,
    "job/resultack": Switchboard._on_resultack,
    "job/cancel": Switchboard._on_cancel,
    "job/inserted": Switchboard._on_inserted,
}

_TIMERS: dict[str, Callable[[Switchboard, tuple[str, ...], float], None]] = {
    "ack": Switchboard._acknowledge,
    "assembly": Switchboard._forget_assembly,
    "progress": Switchboard._send_progress,
    "ending": Switchboard._tell_again,
    "session": Switchboard._look_after,
    "tally": Switchboard._log_tally,
}
