"""Datagrams: known bytes, and every way to be wrong."""

from __future__ import annotations

import json

import pytest

from bridge.osc.codec import ProtocolError, decode, encode, escape, json_text, to_json, unescape

PING = bytes.fromhex(
    "2f7374656d6272696467652f312f70696e67 0000"  # "/stembridge/1/ping", padded to 20
    "2c737369 00000000"  # ",ssi", padded to 8
    "746f6b656e2d3031 00000000"  # token "token-01", padded to 12
    "613100 00"  # inst "a1", padded to 4
    "00000007"  # seq 7
)


def refusal(datagram: bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        decode(datagram)
    return caught.value.reason


def test_a_ping_is_these_bytes():
    assert encode("ping", token="token-01", inst="a1", seq=7) == PING


def test_a_ping_is_read_from_these_bytes():
    packet = decode(PING)
    assert (packet.name, packet.text("token"), packet.text("inst"), packet.number("seq")) == (
        "ping",
        "token-01",
        "a1",
        7,
    )


WRONG = {
    "empty": (b"", "unknown-address"),
    "zeros": (bytes(64), "unknown-address"),
    "not OSC": (b"GET / HTTP/1.0\r\n\r\n", "unknown-address"),
    "another address": (PING.replace(b"ping", b"pinG"), "unknown-address"),
    "another version": (PING.replace(b"/1/", b"/2/"), "unknown-address"),
    "an address pattern": (PING.replace(b"ping", b"p*ng"), "unknown-address"),
    "a bundle": (b"#bundle\0" + bytes(7) + b"\1" + len(PING).to_bytes(4, "big") + PING, "bundle"),
    "a message for the device": (encode("job/accepted", token="token-01", job="j"), "wrong-direction"),
    "no type tags": (PING[:20], "wrong-types"),
    "fewer arguments": (PING[:20] + b",s\0\0" + PING[28:40], "wrong-types"),
    "a float for an integer": (PING.replace(b",ssi", b",ssf"), "wrong-types"),
    "a blob for a string": (PING.replace(b",ssi", b",bsi"), "wrong-types"),
    "an unknown type": (PING.replace(b",ssi", b",ss?"), "wrong-types"),
    "true without data": (PING.replace(b",ssi", b",ssT"), "wrong-types"),
    "cut in the integer": (PING[:-1], "malformed"),
    "cut in the string": (PING[:34], "malformed"),
    "cut between arguments": (PING[:-4], "malformed"),
    "bytes after the end": (PING + bytes(4), "malformed"),
    "dirt in the padding": (PING[:37] + b"x" + PING[38:], "malformed"),
    "more than a datagram may have": (PING + bytes(1024), "oversized"),
    "broken UTF-8": (PING.replace(b"a1\0", b"\xff1\0"), "malformed"),
    "UTF-8": (PING.replace(b"a1\0", "é\0".encode()), "bad-argument"),
    "a short token": (PING.replace(b"token-01", b"token\0\0\0"), "bad-argument"),
    "a path for a name": (PING.replace(b"a1\0", b"..\0"), "bad-argument"),
    "a negative number": (PING[:-4] + b"\xff\xff\xff\xff", "bad-argument"),
}


@pytest.mark.parametrize("datagram, reason", WRONG.values(), ids=WRONG)
def test_a_wrong_datagram_is_refused_for_its_reason(datagram: bytes, reason: str):
    assert refusal(datagram) == reason


WRONG_VALUES = {
    "an unknown message": ("pang", {"token": "token-01"}),
    "an argument missing": ("ping", {"token": "token-01", "inst": "a"}),
    "an argument too many": ("ping", {"token": "token-01", "inst": "a", "seq": 1, "more": 1}),
    "a bool": ("ping", {"token": "token-01", "inst": "a", "seq": True}),
    "a float": ("ping", {"token": "token-01", "inst": "a", "seq": 1.0}),
    "more than 32 bits": ("ping", {"token": "token-01", "inst": "a", "seq": 2**31}),
    "a number for text": ("ping", {"token": "token-01", "inst": 5, "seq": 1}),
    "an end of line at the end": ("ping", {"token": "token-01", "inst": "a\n", "seq": 1}),
    "a zero byte": ("job/part", {"token": "token-01", "job": "j", "idx": 0, "total": 1, "chunk": "a\0b"}),
    "half an escape": ("job/error", {"token": "token-01", "job": "j", "code": "c", "text": "100%"}),
}


@pytest.mark.parametrize("name, values", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_wrong_message_is_not_sent(name: str, values: dict[str, int | str]):
    with pytest.raises(ProtocolError):
        encode(name, **values)


def test_text_is_escaped_to_ascii_and_comes_back():
    assert escape("/Musik/Füße 1.json") == "/Musik/F%C3%BC%C3%9Fe%201.json"
    assert unescape(escape("/音楽/🎹, 100%")) == "/音楽/🎹, 100%"


def test_escaping_to_a_limit_cuts_no_character():
    assert escape("aüb", 6) == "a"
    assert escape("aüb", 7) == "a%C3%BC"
    assert escape("aüb", 8) == "a%C3%BCb"


@pytest.mark.parametrize("wrong", ["%", "%4", "%zz", "a%", "%C3", "%C0%AF", "%ED%A0%80", "ü", "a\n"])
def test_what_is_no_escaped_text_is_refused(wrong: str):
    with pytest.raises(ProtocolError):
        unescape(wrong)


def test_json_comes_as_it_is_or_escaped():
    assert json_text('{"a":"100%41"}') == b'{"a":"100%41"}'
    assert json_text("%7B%22a%22%3A%22%C3%BC%22%7D") == '{"a":"ü"}'.encode()


@pytest.mark.parametrize("wrong", ["", "[]", "null", "%5B%5D", "%7", "%7B%", " {}"])
def test_what_is_no_object_is_refused(wrong: str):
    with pytest.raises(ProtocolError):
        json_text(wrong)


def test_json_reads_the_same_whether_or_not_escapes_are_undone_first():
    sent = to_json({"path": "100%41 ü\x7f"})
    assert (sent.isascii(), sent.isprintable()) == (True, True)
    assert unescape(sent) == sent
    assert json.loads(sent) == {"path": "100%41 ü\x7f"}
