"""Whatever the datagram: a packet of the table that python-osc reads the same, or a ProtocolError."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.osc.codec import ProtocolError, Value, decode, encode, escape, json_text, unescape
from bridge.osc.protocol import FORMS, MESSAGES, Arg, Message
from bridge.osc.sessions import read_hello


def values_of(arg: Arg) -> st.SearchStrategy[Any]:
    """Everything that the table allows for an argument."""
    if arg.tag == "i":
        return st.integers(arg.low, arg.high)
    if arg.form == "numbers":
        return st.lists(st.integers(0, 9999), max_size=arg.high // 5).map(lambda numbers: ",".join(map(str, numbers)))
    letters = [letter for letter in map(chr, range(256)) if re.fullmatch(FORMS[arg.form].pattern, letter)]
    if arg.form == "percent":
        pieces = st.sampled_from([*letters, "%C3%BC", "%00", "%ff"])
        return st.lists(pieces, min_size=arg.low, max_size=arg.high // 6).map("".join)
    return st.text(letters, min_size=arg.low, max_size=arg.high)


@st.composite
def messages(draw: st.DrawFn) -> tuple[Message, dict[str, Value]]:
    message = draw(st.sampled_from(MESSAGES))
    return message, {arg.name: draw(values_of(arg)) for arg in message.args}


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid datagram with bytes changed, cut, doubled or put in."""
    message, values = draw(messages())
    data = bytearray(encode(message.name, **values))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["set", "cut", "insert", "remove", "double"]))
        if kind == "set" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = draw(st.binary(max_size=8))
        elif kind == "remove":
            del data[at : at + 4]
        else:
            data += data[at:]
    return bytes(data)


@settings(max_examples=60)
@given(messages())
def test_every_message_comes_back_as_it_was(sent: tuple[Message, dict[str, Value]]):
    message, values = sent
    packet = decode(encode(message.name, **values), to="daemon" if message.to == "both" else message.to)
    assert (packet.name, dict(packet.values)) == (message.name, values)


@settings(max_examples=60)
@given(messages())
def test_python_osc_reads_and_writes_the_same_bytes(sent: tuple[Message, dict[str, Value]]):
    message, values = sent
    datagram = encode(message.name, **values)
    parsed = OscMessage(datagram)
    assert (parsed.address, parsed.params) == (message.address, list(values.values()))
    builder = OscMessageBuilder(message.address)
    for value in values.values():
        builder.add_arg(value)
    assert builder.build().dgram == datagram


@given(st.one_of(st.binary(max_size=1100), mutated()), st.sampled_from(["daemon", "device"]))
@example(b"/stembridge/1/ping\0\0,ssi\0\0\0\0", "daemon")
@example(b"/\0\0\0", "daemon")
@example(b"/stembridge/1/ping", "daemon")
def test_any_bytes_are_a_valid_message_or_a_protocol_error(datagram: bytes, to: Any):
    try:
        packet = decode(datagram, to)
    except ProtocolError:
        return
    assert encode(packet.name, **packet.values) == datagram


@given(st.text())
def test_any_text_is_escaped_to_ascii_and_comes_back(text: str):
    escaped = escape(text)
    assert escaped.isascii()
    if not any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        assert unescape(escaped) == text


@given(st.text(), st.integers(0, 50))
def test_escaping_to_a_limit_keeps_a_beginning_that_reads(text: str, limit: int):
    escaped = escape(text, limit)
    assert len(escaped) <= limit
    assert escape(text).startswith(escaped)
    unescape(escaped)


@given(st.text(max_size=1000))
def test_any_hello_is_read_or_refused(text: str):
    for received in (text, "{" + text, "%7B" + text):
        with suppress(ProtocolError):
            read_hello(received)


@given(st.text())
def test_any_text_is_json_or_refused(text: str):
    with suppress(ProtocolError):
        json_text(text)
