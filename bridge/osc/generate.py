"""Writes what is derived from the protocol's table, in a checkout.

``python -m bridge.osc.generate`` writes ``max_for_live/src/protocol.js`` (for the device) and ``docs/reference/osc.md``
(for people); with ``--check`` it only says, by its exit code too, which of them are out of date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bridge.osc import protocol
from bridge.osc.protocol import ERRORS, FORMS, MESSAGES, Arg, Field, Message

COMMAND = "python -m bridge.osc.generate"
ROOT = Path(__file__).resolve().parents[2]

_SOURCE = f"Generated from bridge/osc/protocol.py by `{COMMAND}`: change the table there."

#: What the JavaScript module lets others see.
_EXPORTS = (
    "TABLE",
    "encode",
    "decode",
    "percentEncode",
    "percentDecode",
    "toJson",
    "fromJson",
    "parts",
    "missing",
    "crc32",
    "advice",
)


def outputs() -> dict[Path, str]:
    """Each generated file, relative to the repository's root, with its content."""
    return {Path("max_for_live/src/protocol.js"): javascript(), Path("docs/reference/osc.md"): reference()}


def javascript() -> str:
    """An ES5 script that defines ``StembridgeProtocol``, and exports it where there is a module system."""
    helpers = Path(__file__).with_name("helpers.js").read_text("utf-8")
    body = "\n".join(("  " + line).rstrip() for line in ["var TABLE = " + _table() + ";", "", *helpers.splitlines()])
    exports = ",\n".join(f"    {name}: {name}" for name in _EXPORTS)
    return f"""// {_SOURCE}
// The functions come from bridge/osc/helpers.js.
/* global module */
var StembridgeProtocol = (function () {{
  "use strict";

{body}

  return {{
{exports}
  }};
}})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeProtocol;
"""


def _table() -> str:
    """The table as a JavaScript literal, a message's argument on each line; JSON in ASCII is one."""
    messages = ",\n".join(
        f'    {{"name": {_js(row.name)}, "address": {_js(row.address)}, "to": {_js(row.to)}, "args": [\n'
        + ",\n".join("      " + _js(_js_arg(arg)) for arg in row.args)
        + "\n    ]}"
        for row in MESSAGES
    )
    forms = ",\n".join(f"    {_js(name)}: {_js(form.pattern)}" for name, form in FORMS.items())
    errors = ",\n".join(f"    {_js(code)}: {_js(error.advice)}" for code, error in ERRORS.items())
    limits = ",\n".join(f"    {_js(name)}: {_js(value)}" for name, value in _limits().items())
    return (
        f'{{\n  "limits": {{\n{limits}\n  }},\n  "forms": {{\n{forms}\n  }},\n'
        f'  "errors": {{\n{errors}\n  }},\n  "messages": [\n{messages}\n  ]\n}}'.replace("\n", "\n  ")
    )


def _js(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


def _js_arg(arg: Arg) -> dict[str, Any]:
    bounds = {"name": arg.name, "tag": arg.tag, "low": arg.low, "high": arg.high}
    return bounds | ({"form": arg.form} if arg.form else {})


def _limits() -> dict[str, Any]:
    """The numbers that the device needs."""
    return {
        "version": protocol.PROTOCOL_VERSION,
        "prefix": protocol.PREFIX,
        "daemon_port": protocol.DAEMON_PORT,
        "device_port": protocol.DEVICE_PORT,
        "datagram_bytes": protocol.MAX_DATAGRAM_BYTES,
        "chunk_chars": protocol.CHUNK_CHARS,
        "request_chars": protocol.MAX_REQUEST_CHARS,
        "resend_gaps_s": list(protocol.RESEND_GAPS_S),
        "ping_idle_s": protocol.PING_IDLE_S,
        "ping_busy_s": protocol.PING_BUSY_S,
        "pings_unanswered": protocol.PINGS_UNANSWERED,
    }


def reference() -> str:
    """The reference page."""
    return "\n".join(
        [
            f"<!-- {_SOURCE} -->",
            "",
            _introduction(),
            "## Messages",
            "",
            *_cells(("message", "to", "arguments", "meaning"), (_message_row(message) for message in MESSAGES)),
            "",
            "## Arguments",
            "",
            *_cells(("argument", "of", "type", "limits", "meaning"), _argument_rows()),
            "",
            "## hello",
            "",
            "Members of the JSON object; all are needed, others are ignored.",
            "",
            *_cells(("member", "type", "limits", "meaning"), map(_field_row, protocol.HELLO)),
            "",
            "## welcome",
            "",
            *_cells(("member", "type", "limits", "meaning"), map(_field_row, protocol.WELCOME)),
            "",
            "## Errors",
            "",
            "Codes of `refuse` and `job/error`. A device shows the text that came with a code; the advice here is for",
            "where none came, and a code that is not in this table is treated as `internal`.",
            "",
            *_cells(
                ("code", "what happened", "what the user should do"),
                ((f"`{code}`", error.meaning, error.advice) for code, error in ERRORS.items()),
            ),
            "",
        ]
    )


def _introduction() -> str:
    gaps = "/".join(f"{gap:g}" for gap in protocol.RESEND_GAPS_S)
    return f"""# OSC

How the Max for Live device, or any other program on the same computer, asks the daemon for conversions.
This is protocol version {protocol.PROTOCOL_VERSION}.

- UDP on 127.0.0.1. The daemon listens on port {protocol.DAEMON_PORT}, the device by default on {protocol.DEVICE_PORT}.
  Both can be changed.
- Addresses begin with `{protocol.PREFIX}`. Arguments are 32-bit integers (`i`) and ASCII strings (`s`), no others.
  A datagram has {protocol.MAX_DATAGRAM_BYTES} bytes at most and holds one message; bundles are refused.
  What breaks a rule is dropped without an answer.
- A session begins with `hello`, which brings the user's secret and a random word of the device's own, the token.
  Every other message, in both directions, begins with that token, and the receiver drops what doesn't.
  Answers go to the port `rx` of the hello, never elsewhere.
- Datagrams get lost, doubled and reordered. So every message may be sent again without harm: a job is known by its
  name. What is to be acknowledged is sent again after {gaps} s. Results and errors go on every
  {protocol.RESEND_EVERY_S:g} s for {protocol.RESEND_FOR_S:g} s, and start over when the device says hello again,
  also after a restart of the daemon.
- Every accepted job ends in exactly one `job/result` or `job/error`. Notes and audio never travel here, only paths.
- A request has {protocol.MAX_REQUEST_CHARS:,} characters at most as it is sent, in up to {protocol.MAX_PARTS:,} parts.
- A JSON object is printable ASCII, either as it is (beginning with `{{`) or percent-encoded (beginning with `%7B`).

```
device                                daemon
  │ hello {{secret, token, rx, …}}  ──▶ │
  │ ◀──  token welcome {{proto, …}}     │
  │ token job/part a 0 2 …  ─────────▶│
  │ token job/part a 1 2 …  ─────────▶│
  │ ◀───────────────  token job/ack a │
  │ ◀──────────  token job/accepted a │   on disk: it will end
  │ ◀── token job/progress a 7 412 …  │   at most {1 / protocol.PROGRESS_GAP_S:.0f} a second
  │ ◀─── token job/result a path crc  │   again and again, until
  │ token job/resultack a  ──────────▶│
```
"""


def _cells(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _message_row(message: Message) -> tuple[str, ...]:
    to = "daemon and device" if message.to == "both" else message.to
    args = ", ".join(f"`{arg.tag} {arg.name}`" for arg in message.args)
    return f"`{message.name}`", to, args, message.doc


def _argument_rows() -> list[tuple[str, ...]]:
    """The arguments, each once, however many messages have it."""
    users: dict[Arg, list[str]] = {}
    for message in MESSAGES:
        for arg in message.args:
            users.setdefault(arg, []).append(f"`{message.name}`")
    return [
        (f"`{arg.name}`", _users(names), arg.tag, _limit(arg.tag == "i", arg), arg.doc) for arg, names in users.items()
    ]


def _users(names: list[str]) -> str:
    return "all but `hello`" if len(names) == len(MESSAGES) - 1 else ", ".join(names)


def _field_row(field: Field) -> tuple[str, ...]:
    kind = {"string": "string", "integer": "integer", "strings": "list of strings"}[field.kind]
    is_free = (field.low, field.high) == (0, protocol.MAX_INT)
    return f"`{field.name}`", kind, "" if is_free else _limit(field.kind == "integer", field), field.doc


def _limit(is_number: bool, row: Arg | Field) -> str:
    if is_number:
        return f"{row.low} to {row.high}" if row.high < protocol.MAX_INT else f"from {row.low}"
    length = f"{row.low}" if row.low == row.high else f"{row.low} to {row.high}"
    return f"{length} characters" + (f": {FORMS[row.form].doc}" if row.form else "")


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with ``--check`` say which are out of date; the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"usage: {COMMAND} [--check]\n")
        return 2
    stale = [path for path, text in outputs().items() if _current(ROOT / path) != text]
    for path in stale:
        if arguments:
            sys.stderr.write(f"{path} is out of date: run {COMMAND}\n")
        else:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(outputs()[path], encoding="utf-8", newline="\n")
            sys.stdout.write(f"{path} written\n")
    return int(bool(arguments and stale))


def _current(path: Path) -> str:
    """A file's content; empty where there is none."""
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
