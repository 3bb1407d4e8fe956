"""THE table: each message between daemon and device, with its arguments, limits and error codes.

Everything else is derived: ``codec`` checks datagrams against it, ``generate`` writes
``max_for_live/src/protocol.js`` and ``docs/reference/osc.md``. To rename an address, change it here and run ``python
-m bridge.osc.generate``.

Standard library only, so that anything may import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What is spoken here. A change that an older side would misunderstand raises it and the prefix.
PROTOCOL_VERSION = 1

#: Versions that this daemon can speak, both ends included. A hello always comes at version 1's address.
OLDEST_VERSION = 1

PREFIX = f"/stembridge/{PROTOCOL_VERSION}/"

DAEMON_PORT = 17900
DEVICE_PORT = 17901

#: Ports that a device may ask to be answered at: those that need no privileges.
PORT_RANGE = (1024, 65535)

#: Largest datagram, in bytes. No host documents a limit; 1 kB is what is known to pass Max (Knobbler chunks at 1,024).
MAX_DATAGRAM_BYTES = 1024

#: Characters of percent-encoded JSON in one ``job/part``. With the longest token and job id that makes 980 bytes.
CHUNK_CHARS = 800

#: Parts of one request, and its size in characters as sent: with as many warp markers as a clip may have (20,000), as
#: pairs of numbers with all their digits, it takes about 1,050,000.
MAX_PARTS = 2048
MAX_REQUEST_CHARS = 1_600_000

#: Seconds between a message and its repetitions while it is not acknowledged.
RESEND_GAPS_S = (0.3, 0.6, 1.2, 2.4)

#: How results and errors go on after those, and when they stop (until the device says hello again).
RESEND_EVERY_S = 5.0
RESEND_FOR_S = 60.0

#: An incomplete request is acknowledged, with what is missing, this long after a part came.
ACK_DELAY_S = 0.05

#: Least time between two ``job/progress`` of a job: at most five a second.
PROGRESS_GAP_S = 0.2

#: Time between pings of one side while nothing is going on and while a job runs; a side that left three unanswered is
#: gone.
PING_IDLE_S = 10.0
PING_BUSY_S = 2.0
PINGS_UNANSWERED = 3

#: Largest OSC integer, a signed 32-bit number.
MAX_INT = 2**31 - 1

To = Literal["daemon", "device", "both"]
Tag = Literal["i", "s"]


@dataclass(frozen=True, slots=True)
class Form:
    """What a string may look like.

    ``pattern`` is a regular expression for the whole string, in the syntax that Python and ES5 share.
    """

    pattern: str
    doc: str


FORMS: dict[str, Form] = {
    "word": Form(r"[A-Za-z0-9_-]*", "letters, digits, `_` and `-`"),
    "ascii": Form(r"[ -~]*", "printable ASCII"),
    "json": Form(r"[ -~]*", "a JSON object in printable ASCII, as it is or percent-encoded"),
    "percent": Form(r"(?:[ -$&-~]|%[0-9A-Fa-f]{2})*", "UTF-8, percent-encoded"),
    "numbers": Form(r"(?:[0-9]+(?:,[0-9]+)*)?", "decimal numbers with commas between, or nothing"),
    "hex": Form(r"[0-9a-f]*", "hexadecimal digits, small letters"),
}


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument of a message.

    ``low`` and ``high`` bound a number's value or a string's length in characters, both ends included. ``form`` names
    the row of `FORMS` that a string must look like; a number has none. There are no floats: OSC's have 32 bits, and
    Max sends whole ones as integers.
    """

    name: str
    tag: Tag
    doc: str
    low: int
    high: int
    form: str = ""


def _number(name: str, high: int, doc: str, low: int = 0) -> Arg:
    return Arg(name, "i", doc, low, high)


def _text(name: str, form: str, low: int, high: int, doc: str) -> Arg:
    return Arg(name, "s", doc, low, high, form)


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message; ``name`` is its address without the prefix."""

    name: str
    to: To
    args: tuple[Arg, ...]
    doc: str

    @property
    def address(self) -> str:
        """The OSC address."""
        return PREFIX + self.name

    @property
    def tags(self) -> str:
        """The OSC type tags, without the comma."""
        return "".join(arg.tag for arg in self.args)


TOKEN = _text("token", "word", 8, 64, "the device's own random word, from its hello")
JOB = _text("job", "word", 1, 40, "the job's name, chosen by the device and never used twice by its `inst`")
INST = _text("inst", "word", 1, 64, "the device's instance, from its hello")
SEQ = _number("seq", MAX_INT, "number of the ping; the pong repeats it")

MESSAGES: tuple[Message, ...] = (
    Message(
        "hello",
        "daemon",
        (_text("json", "json", 2, 996, "see *hello* below"),),
        "Opens a session, or renews one. Answered by `welcome` or `refuse`; without an answer for 2 s nobody listens. "
        "A device that was not answered three pings says hello again.",
    ),
    Message(
        "welcome",
        "device",
        (TOKEN, _text("json", "json", 2, 900, "see *welcome* below")),
        "The session is open. What the device's `inst` has running, and what ended without being acknowledged, "
        "follows by itself.",
    ),
    Message(
        "refuse",
        "device",
        (
            TOKEN,
            _text("code", "word", 1, 32, "`secret`, `version`, `token` or `too-many-devices`"),
            _text("text", "percent", 0, 800, "what the user should do"),
        ),
        "There is no session.",
    ),
    Message(
        "ping",
        "both",
        (TOKEN, INST, SEQ),
        "Are you there? The device asks every 2 s while a job runs, else every 10 s; "
        "the daemon when it heard nothing for 10 s.",
    ),
    Message("pong", "both", (TOKEN, INST, SEQ), "Answers a ping."),
    Message(
        "bye",
        "device",
        (TOKEN,),
        "The daemon is being stopped: there is no session any more. Not sent when it is killed, and may get lost; "
        "then pings tell.",
    ),
    Message(
        "loop",
        "device",
        (TOKEN, _text("nonce", "word", 1, 64, "repeats what the device sent")),
        "The device sends it to its own port, to learn whether that port is really its own.",
    ),
    Message(
        "job/part",
        "daemon",
        (
            TOKEN,
            JOB,
            _number("idx", MAX_PARTS - 1, "which part, from 0"),
            _number("total", MAX_PARTS, "how many parts there are", low=1),
            _text("chunk", "ascii", 1, CHUNK_CHARS, "the part; all in order are the request, JSON, percent-encoded"),
        ),
        "A part of a request. Parts may come in any order and more than once. "
        "A request whose name is known already starts nothing new: the answer says how far that job is.",
    ),
    Message(
        "job/ack",
        "device",
        (
            TOKEN,
            JOB,
            _text(
                "missing", "numbers", 0, 800, "indices of parts that have not come, the first of them if there are many"
            ),
        ),
        "Parts have come; without `missing` all have.",
    ),
    Message(
        "job/accepted",
        "device",
        (TOKEN, JOB),
        "The job is in the queue, on disk: it will end in exactly one result or error.",
    ),
    Message(
        "job/progress",
        "device",
        (
            TOKEN,
            JOB,
            _number("seq", MAX_INT, "counts from 1 after each `welcome`; a smaller one than seen came too late"),
            _number("permille", 1000, "how much of the stage is done"),
            _text("stage", "percent", 0, 200, "what is being done"),
        ),
        "At most five a second.",
    ),
    Message(
        "job/result",
        "device",
        (
            TOKEN,
            JOB,
            _text(
                "path",
                "percent",
                1,
                836,
                "absolute path of the job's insert.json, or of its copy where that is too long",
            ),
            _text("crc32", "hex", 8, 8, "CRC-32 of that file's bytes"),
        ),
        "The job is done. Repeated until `job/resultack`.",
    ),
    Message(
        "job/resultack",
        "daemon",
        (TOKEN, JOB),
        "The result or error has come. Sent for each that comes, "
        "also for a job that the device does not know (any more).",
    ),
    Message(
        "job/error",
        "device",
        (
            TOKEN,
            JOB,
            _text("code", "word", 1, 32, "see *errors* below"),
            _text("text", "percent", 0, 800, "what happened and what the user should do"),
        ),
        "The job ended without a result. Repeated until `job/resultack`. "
        "To try again, the device takes a new name for the job.",
    ),
    Message(
        "job/cancel",
        "daemon",
        (TOKEN, JOB),
        "Stop, at any time. Answered by the job's end: `job/error` with `cancelled`, or what came before.",
    ),
    Message(
        "job/inserted",
        "daemon",
        (TOKEN, JOB, _number("clips", MAX_INT, "clips made"), _number("notes", MAX_INT, "notes in them")),
        "The result is in the Set. Acknowledges it too.",
    ),
)

BY_NAME: dict[str, Message] = {message.name: message for message in MESSAGES}


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a JSON object: ``kind`` is ``string``, ``integer`` or ``strings``; bounds as in `Arg`."""

    name: str
    kind: Literal["string", "integer", "strings"]
    doc: str
    low: int = 0
    high: int = MAX_INT
    form: str = ""


def _word(arg: Arg, doc: str) -> Field:
    return Field(arg.name, "string", doc, arg.low, arg.high, arg.form)


#: Members of a hello. Others are ignored, so that newer devices may add some.
HELLO: tuple[Field, ...] = (
    Field("dev", "string", "the device's version", 0, 64),
    Field("proto_min", "integer", "oldest protocol version that it speaks", 1),
    Field("proto_max", "integer", "newest protocol version that it speaks", 1),
    Field("live", "string", "Live's version", 0, 64),
    Field("max", "string", "Max's version", 0, 64),
    Field("os", "string", "the operating system", 0, 64),
    _word(INST, "names this instance of the device, the same as long as it is loaded; jobs belong to it"),
    Field("rx", "integer", "port on 127.0.0.1 where it listens; nothing is ever sent elsewhere", *PORT_RANGE),
    Field("secret", "string", "the user's secret, from the file beside the device", 1, 128),
    _word(TOKEN, "random, made anew when the device is loaded"),
)

#: What a daemon may say that it does.
FEATURES: dict[str, str] = {
    "insert": "converts clips and answers with an insert.json",
    "stream": "plays conversions to a MIDI port",
    "watch": "watches folders",
}

WELCOME: tuple[Field, ...] = (
    Field("proto", "integer", "the version that is spoken from now on", 1),
    Field("daemon", "string", "the daemon's version"),
    Field(
        "features",
        "strings",
        "what it does: " + ", ".join(f"`{name}` ({doc})" for name, doc in FEATURES.items()) + "; others are ignored",
    ),
    Field("busy", "integer", "jobs that wait or run"),
)


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What an error code means, and the line for a user where no better text came with it."""

    meaning: str
    advice: str


#: Codes of ``refuse`` and ``job/error``. Codes never change; the texts may.
ERRORS: dict[str, ErrorText] = {
    "secret": ErrorText(
        "the hello's secret is not this user's", "Run: stembridge device install. The device then finds it."
    ),
    "version": ErrorText("no protocol version in common", "Update Stembridge, then run: stembridge device install."),
    "token": ErrorText("another device uses this token", "Remove the device from the track and drag it in again."),
    "too-many-devices": ErrorText(
        "the daemon serves no more devices", "Remove devices that you don't need, or wait a minute."
    ),
    "busy": ErrorText(
        "the queue is full, or too many requests come at once", "Wait until some jobs are done, then convert again."
    ),
    "too-large": ErrorText("the request is larger than allowed", "Convert a clip with fewer warp markers."),
    "invalid-request": ErrorText("the request makes no sense", "Update Stembridge and the device, then convert again."),
    "audio-unreadable": ErrorText("the audio is missing or damaged", "Check that the clip plays, then convert again."),
    "engine-missing": ErrorText("an engine or its weights are not there", "Run: stembridge doctor."),
    "engine-failed": ErrorText("an engine broke down", "Convert again; if it stays, try another separator."),
    "engine-crashed": ErrorText(
        "the conversion's process died", "Close other programs to free memory, then convert again."
    ),
    "crashed": ErrorText(
        "the daemon died during the job, more than once", "Run: stembridge doctor. Its log says more."
    ),
    "hung": ErrorText(
        "the conversion made no progress and was stopped", "Convert again; if it stays, try another separator."
    ),
    "cancelled": ErrorText("the user stopped it", "Press Convert to start again."),
    "output-unwritable": ErrorText(
        "the result could not be written", "Check free space and permissions of the output folder."
    ),
    "locked": ErrorText(
        "another program holds the list of jobs", "Close other programs that use it, then convert again."
    ),
    "disk-full": ErrorText("the list of jobs could not be written", "Free some disk space, then convert again."),
    "store-unusable": ErrorText("the list of jobs can't be opened", "Run: stembridge doctor."),
    "stopping": ErrorText("Stembridge is being stopped", "Start Stembridge, then convert again."),
    "unknown-job": ErrorText("the queue knows no such job", "Convert again."),
    "result-missing": ErrorText("the result was moved or deleted before the device had it", "Convert again."),
    "path-unusable": ErrorText(
        "the result's path is not Unicode, or the user's own folder lies too deep for a message",
        "Choose an output folder whose path is plain text.",
    ),
    "internal": ErrorText("anything else", "Run: stembridge doctor. Its log says more."),
}
