"""Datagrams to checked packets and back.

python-osc reads and writes the wire format; what counts as a valid message stands in `protocol.MESSAGES`. A datagram
is only valid if encoding what was read gives the same bytes again, so padding, trailing bytes and odd spellings can't
hide anything. Whatever the bytes, `decode` raises nothing but `ProtocolError`, and its work is bounded by the
datagram's size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.errors import InvalidRequest
from bridge.osc.protocol import BY_NAME, FORMS, MAX_DATAGRAM_BYTES, MESSAGES, Arg, Message, To

Value = int | str

_PATTERNS = {name: re.compile(form.pattern) for name, form in FORMS.items()}

#: Left as they are by `escape`: what paths are full of and what no program between here and the device treats
#: specially.
_PLAIN = "/:._~-"


class ProtocolError(InvalidRequest):
    """A datagram, or a value for one, is against the protocol.

    Attributes
    ----------
    reason
        The kind of mistake in a few letters, for counting.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Packet:
    """A message with its arguments; those that come from `decode` are as the table says."""

    name: str
    values: Mapping[str, Value]

    def text(self, name: str) -> str:
        """A string argument."""
        value = self.values[name]
        assert isinstance(value, str)
        return value

    def number(self, name: str) -> int:
        """An integer argument."""
        value = self.values[name]
        assert isinstance(value, int)
        return value


def decode(datagram: bytes, to: To = "daemon") -> Packet:
    """The message in a datagram that came to a side.

    Raises
    ------
    ProtocolError
        If it isn't exactly one message of the table for that side; ``reason`` says which way it is wrong.
    """
    message = _recognized(datagram, to)
    try:
        values = list(OscMessage(datagram))
    except (ParseError, ValueError) as error:
        raise ProtocolError("malformed", "arguments are cut off or not text") from error
    packet = Packet(message.name, dict(zip((arg.name for arg in message.args), values, strict=True)))
    if encode(message.name, **packet.values) != datagram:
        raise ProtocolError("malformed", "padding or trailing bytes are not as OSC has them")
    return packet


def encode(name: str, **values: Value) -> bytes:
    """The datagram of a message.

    Raises
    ------
    ProtocolError
        If there is no such message, or a value is missing, of the wrong type or against the table.
    """
    message = BY_NAME.get(name)
    if message is None:
        raise ProtocolError("unknown-address", f"there is no message {name!r}")
    if values.keys() != {arg.name for arg in message.args}:
        raise ProtocolError("wrong-types", f"{name} takes {', '.join(arg.name for arg in message.args)}")
    builder = OscMessageBuilder(message.address)
    for arg in message.args:
        _check(arg, values[arg.name])
        builder.add_arg(values[arg.name], arg.tag)
    return builder.build().dgram


def escape(text: str, limit: int | None = None) -> str:
    """Text as ASCII: UTF-8, percent-encoded.

    With `limit`, as many characters of the text from its beginning as give at most so many. What is no text (half of a
    surrogate pair) becomes a question mark.
    """
    if limit is None:
        return quote(text, safe=_PLAIN, errors="replace")
    pieces, room = [], limit
    for character in text:
        piece = quote(character, safe=_PLAIN, errors="replace")
        if len(piece) > room:
            break
        pieces.append(piece)
        room -= len(piece)
    return "".join(pieces)


def unescape(text: str) -> str:
    """The text of a percent-encoded string.

    Raises
    ------
    ProtocolError
        If an escape is no escape, or the bytes are not UTF-8.
    """
    if not text.isascii() or not _PATTERNS["percent"].fullmatch(text):
        raise ProtocolError("bad-escape", "a % is followed by something else than two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("bad-escape", "percent-encoded bytes are not UTF-8") from error


def json_text(received: str) -> bytes:
    """The UTF-8 of a JSON object that came as it is or percent-encoded.

    Only how it was sent is looked at, not whether it is JSON: an object begins with ``{``, an encoded one with ``%7B``.

    Raises
    ------
    ProtocolError
        If it begins differently, or escapes are wrong.
    """
    if received.startswith("{"):
        return received.encode("ascii", "replace")
    if received[:3].upper() != "%7B":
        raise ProtocolError("bad-json", "not a JSON object")
    return unescape(received).encode()


def to_json(value: Mapping[str, Any]) -> str:
    """A JSON object in ASCII that reads the same whether or not the reader undoes percent-encoding first."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.replace("%", "\\u0025").replace("\x7f", "\\u007f")  # DEL is ASCII, but not printable


def _recognized(datagram: bytes, to: To) -> Message:
    """The row of the table that a datagram claims to be: size, address, direction and types fit."""
    if len(datagram) > MAX_DATAGRAM_BYTES:
        raise ProtocolError("oversized", f"more than {MAX_DATAGRAM_BYTES} bytes")
    if datagram.startswith(b"#bundle"):
        raise ProtocolError("bundle", "bundles are not part of the protocol")
    message = _BY_ADDRESS.get(datagram.partition(b"\0")[0])
    if message is None:
        raise ProtocolError("unknown-address", "no address of the protocol")
    if message.to not in (to, "both"):
        raise ProtocolError("wrong-direction", f"{message.name} is sent to the {message.to}")
    if not datagram.startswith(_HEADERS[message.name]):
        raise ProtocolError("wrong-types", f"{message.name} takes arguments of types {message.tags}")
    return message


def _check(arg: Arg, value: object) -> None:
    """Raise ProtocolError unless a value is as its row of the table says."""
    if arg.tag == "i":
        if type(value) is not int:
            raise ProtocolError("wrong-types", f"{arg.name} is an integer")
        if not arg.low <= value <= arg.high:
            raise ProtocolError("bad-argument", f"{arg.name} is {arg.low} to {arg.high}")
        return
    if type(value) is not str:
        raise ProtocolError("wrong-types", f"{arg.name} is a string")
    if not arg.low <= len(value) <= arg.high or not value.isascii() or not _PATTERNS[arg.form].fullmatch(value):
        raise ProtocolError("bad-argument", f"{arg.name} is {arg.low} to {arg.high} characters: {FORMS[arg.form].doc}")


def _padded(text: str) -> bytes:
    """A string as OSC has it: ended by 1 to 4 zero bytes, to a multiple of 4."""
    return text.encode("ascii") + b"\0" * (4 - len(text) % 4)


_BY_ADDRESS = {message.address.encode("ascii"): message for message in MESSAGES}
_HEADERS = {message.name: _padded(message.address) + _padded("," + message.tags) for message in MESSAGES}
