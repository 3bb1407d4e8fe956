"""The table of messages: what holds for every row."""

from __future__ import annotations

import re

import pytest

import bridge.errors
import bridge.jobs.refusals
from bridge.osc import protocol
from bridge.osc.codec import encode
from bridge.osc.protocol import BY_NAME, ERRORS, FORMS, HELLO, MESSAGES, TOKEN, Arg, Message
from bridge.osc.sessions import Hello

#: What other programs rely on.
NEEDED = {
    *("hello", "welcome", "refuse", "bye", "ping", "pong", "loop"),
    *("job/part", "job/ack", "job/accepted", "job/progress", "job/result", "job/resultack"),
    *("job/error", "job/cancel", "job/inserted"),
}

#: A character of each form that makes the longest string of that form's alphabet.
FILLER = {"word": "a", "ascii": "~", "json": "{", "percent": "~", "numbers": "7", "hex": "f"}


def longest(arg: Arg) -> int | str:
    return arg.high if arg.tag == "i" else FILLER[arg.form] * arg.high


def test_the_messages_that_others_rely_on_are_there():
    assert BY_NAME.keys() == NEEDED
    assert BY_NAME["job/part"].address == "/stembridge/1/job/part"


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_every_message_but_hello_begins_with_the_token(message: Message):
    assert (message.args[0] is TOKEN) == (message.name != "hello")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_a_message_with_its_longest_arguments_fits_a_datagram(message: Message):
    datagram = encode(message.name, **{arg.name: longest(arg) for arg in message.args})
    assert len(datagram) <= protocol.MAX_DATAGRAM_BYTES


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_arguments_have_names_of_their_own_forms_that_exist_and_texts(message: Message):
    assert len({arg.name for arg in message.args}) == len(message.args)
    assert message.doc.endswith(".")
    for arg in message.args:
        assert arg.doc
        assert arg.low <= arg.high
        assert (arg.tag == "s") == (arg.form in FORMS)


def test_the_table_of_a_hello_is_what_is_checked():
    assert tuple(field.name for field in HELLO) == Hello.__struct_fields__


#: Where errors come from that a job can end with; others (ports, services) are for those who start the daemon.
OF_JOBS = ("bridge.errors", "bridge.jobs", "bridge.live", "bridge.osc")


def every_code(tree: type[bridge.errors.BridgeError]) -> set[str]:
    return {tree.code}.union(
        *(every_code(kind) for kind in tree.__subclasses__() if kind.__module__.startswith(OF_JOBS))
    )


def test_every_error_that_a_job_can_end_with_has_advice_for_the_user():
    assert every_code(bridge.errors.BridgeError) <= ERRORS.keys()
    assert {"hung", "crashed", "engine-crashed"} <= ERRORS.keys(), "what bridge.jobs.model.Job says it may have"


@pytest.mark.parametrize("code", ERRORS)
def test_error_codes_can_be_sent_and_advice_is_a_sentence(code: str):
    assert re.fullmatch(r"[a-z-]{1,32}", code)
    assert ERRORS[code].advice.endswith(".")


def test_a_request_of_the_largest_size_fits_its_parts():
    assert protocol.MAX_PARTS * protocol.CHUNK_CHARS >= protocol.MAX_REQUEST_CHARS
