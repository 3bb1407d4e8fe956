"""Who is there: devices that said hello with the user's secret, each with the port and the token for its answers.

Pure: the time comes in with each call.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from bridge.errors import InvalidRequest
from bridge.osc.codec import ProtocolError, json_text
from bridge.osc.protocol import (
    ERRORS,
    FORMS,
    HELLO,
    OLDEST_VERSION,
    PING_IDLE_S,
    PINGS_UNANSWERED,
    PROTOCOL_VERSION,
)

#: Devices served at a time: one on each track that somebody works on, with room.
MAX_SESSIONS = 16

#: A session that nothing came from for so long is over; twice what the pings allow, since Live can be busy for long.
SESSION_LIFE_S = 2 * PING_IDLE_S * PINGS_UNANSWERED

#: Enough that no two instances of one user meet.
OWNER_LENGTH = 16

_BOUNDS = {field.name: field for field in HELLO}


def _bounded(name: str) -> Meta:
    """The limits that the table sets for a member of a hello."""
    field = _BOUNDS[name]
    if field.kind == "integer":
        return Meta(ge=field.low, le=field.high)
    pattern = rf"^(?:{FORMS[field.form].pattern})\Z" if field.form else None  # $ would let a line's end pass
    return Meta(min_length=field.low, max_length=field.high, pattern=pattern)


class Hello(msgspec.Struct, frozen=True):
    """What a device says of itself; the members are described in `protocol.HELLO`, which also sets their limits."""

    dev: Annotated[str, _bounded("dev")]
    proto_min: Annotated[int, _bounded("proto_min")]
    proto_max: Annotated[int, _bounded("proto_max")]
    live: Annotated[str, _bounded("live")]
    max: Annotated[str, _bounded("max")]
    os: Annotated[str, _bounded("os")]
    inst: Annotated[str, _bounded("inst")]
    rx: Annotated[int, _bounded("rx")]
    secret: Annotated[str, _bounded("secret")]
    token: Annotated[str, _bounded("token")]


class Refused(InvalidRequest):
    """A hello that gets no session; `reason` is its row of `protocol.ERRORS`."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or ERRORS[reason].advice)
        self.reason = reason


@dataclass(slots=True)
class Session:
    """A device that may ask for jobs and is told of them at ``127.0.0.1:rx``.

    Attributes
    ----------
    owner
        What its jobs are filed under, from `owner_of`.
    version
        The protocol version agreed on.
    heard_s
        When anything last came from it.
    pings
        How many pings it was sent.
    """

    inst: str
    owner: str
    rx: int
    token: str
    version: int
    heard_s: float
    pings: int = 0


def owner_of(inst: str) -> str:
    """The name that an instance's jobs are filed under: `OWNER_LENGTH` hexadecimal digits, so that ids stay short."""
    return hashlib.blake2b(inst.encode(), digest_size=OWNER_LENGTH // 2).hexdigest()


def read_hello(received: str) -> Hello:
    """A hello's JSON, checked.

    Raises
    ------
    ProtocolError
        If it is no JSON object with all members, each within its limits.
    """
    try:
        return _DECODER.decode(json_text(received))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError("bad-hello", f"hello: {error}") from error


class Sessions:
    """The sessions: one for each port, and one for each token."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._by_token: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def open(self, hello: Hello, now_s: float) -> Session:
        """The session that a hello opens or renews.

        A device that says hello from a port takes the place of the one that was there.

        Raises
        ------
        Refused
            If the secret is wrong, no version is common, the token is another device's or there are too many sessions.
        """
        if not hmac.compare_digest(hello.secret.encode("utf-8", "replace"), self._secret):
            raise Refused("secret")
        version = _common_version(hello)
        owner = owner_of(hello.inst)
        known = self._by_token.get(hello.token)
        if known is not None and known.owner != owner:
            raise Refused("token")
        for other in [other for other in self._by_token.values() if other.rx == hello.rx or other is known]:
            self.close(other)
        if len(self) >= MAX_SESSIONS:
            raise Refused("too-many-devices")
        session = Session(hello.inst, owner, hello.rx, hello.token, version, now_s)
        self._by_token[hello.token] = session
        return session

    def by_token(self, token: str) -> Session | None:
        """The session with a token."""
        return self._by_token.get(token)

    def of(self, owner: str) -> list[Session]:
        """Sessions of an instance: one, or more after it changed its port without saying goodbye."""
        return [session for session in self._by_token.values() if session.owner == owner]

    def all(self) -> list[Session]:
        """Every session."""
        return list(self._by_token.values())

    def close(self, session: Session) -> None:
        """End a session."""
        if self._by_token.get(session.token) is session:
            del self._by_token[session.token]


def _common_version(hello: Hello) -> int:
    """The newest protocol version that both sides speak."""
    version = min(hello.proto_max, PROTOCOL_VERSION)
    if version >= max(hello.proto_min, OLDEST_VERSION):
        return version
    if hello.proto_min > PROTOCOL_VERSION:
        raise Refused(
            "version", "The device is newer than the Stembridge that runs here. Update Stembridge and start it again."
        )
    raise Refused(
        "version",
        "The device is older than the Stembridge that runs here. "
        "Run: stembridge device install. Then drag the device in again.",
    )


_DECODER = msgspec.json.Decoder(Hello)
