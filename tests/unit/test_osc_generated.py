"""The generated files: fresh, and the JavaScript says the same as the Python."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from bridge.osc import generate
from bridge.osc.codec import escape
from bridge.osc.protocol import ERRORS, FORMS, MESSAGES, PREFIX, Arg

SCRIPT = generate.ROOT / "max_for_live/src/protocol.js"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")

#: Characters that a form allows, for random strings.
LETTERS = {
    "word": "abcXYZ019_-",
    "ascii": "".join(map(chr, range(32, 127))),
    "json": '{}[]":,ab 1%',
    "percent": "ab/:. ~!$&'()*+,;=@?",
    "hex": "0123456789abcdef",
}


def some_value(arg: Arg, chance: random.Random) -> int | str:
    """A random value that the table allows."""
    if arg.tag == "i":
        return chance.choice([arg.low, arg.high, chance.randint(arg.low, arg.high)])
    length = chance.choice([arg.low, arg.high, chance.randint(arg.low, arg.high)])
    if arg.form == "numbers":
        return ",".join(str(chance.randint(0, 2047)) for _ in range(length // 5))
    text = "".join(chance.choices(LETTERS[arg.form], k=length))
    return "%C3%bc" + text[6:] if arg.form == "percent" and length > 6 else text


def in_node(expression: str, given: Any = None) -> Any:
    """The JSON of what an expression gives; `protocol` and `given` are there."""
    assert NODE is not None
    script = (
        f"const protocol = require({json.dumps(str(SCRIPT))});"
        "const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        f"process.stdout.write(JSON.stringify({expression}));"
    )
    done = subprocess.run([NODE, "-e", script], input=json.dumps(given), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", generate.outputs(), ids=lambda path: path.name)
def test_a_generated_file_is_fresh(path: Path):
    wanted = generate.outputs()[path].encode()
    assert (generate.ROOT / path).read_bytes() == wanted, f"run: {generate.COMMAND}"


def test_generated_files_say_where_they_come_from_in_their_first_line():
    for path in generate.outputs():
        assert generate.COMMAND in (generate.ROOT / path).read_text("utf-8").splitlines()[0]


def test_checking_tells_a_stale_file_and_writing_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "docs/reference/osc.md is out of date" in capsys.readouterr().err.replace("\\", "/")
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "docs/reference/osc.md").write_text("changed")
    assert generate.main(["--check"]) == 1
    assert generate.main(["--chekc"]) == 2


def test_the_reference_names_every_message_argument_and_error():
    page = generate.reference()
    for message in MESSAGES:
        assert f"| `{message.name}` |" in page
        assert all(f"`{arg.tag} {arg.name}`" in page for arg in message.args)
    assert all(f"| `{code}` |" in page for code in ERRORS)


def without_texts(script: str) -> str:
    """JavaScript without comments, strings and regular expressions."""
    return re.sub(
        r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|(?<=[(,])/(?:\\.|[^/\\\n])+/[gimuy]*", "_", script, flags=re.DOTALL
    )


#: What [js] in Max doesn't know: one of these and the whole script is dead.
NEWER_THAN_ES5 = {
    "let and const": r"\b(?:let|const)\b",
    "arrow functions": r"=>",
    "template strings": r"`",
    "classes": r"\b(?:class|extends|super)\b",
    "spread": r"\.\.\.",
    "promises": r"\b(?:async|await|Promise)\b",
    "for of": r"\bfor\s*\(\s*var\s+\w+\s+of\b",
    "new globals": r"\b(?:Map|Set|Symbol|Proxy|WeakMap|Uint8Array)\b",
    "default arguments": r"function\s*\w*\([^)]*=",
    "destructuring": r"\bvar\s*[\[{]",
    "shorthand members": r"[{,]\s*(?!for|if|while|switch|catch|function)\w+\s*\([^)]*\)\s*\{",
    "powers": r"\*\*",
    "optional chaining": r"\?\.|\?\?",
    "not in [js]": r"\b(?:console|setTimeout|setInterval|process|window)\b",
    "newer methods": r"\.(?:includes|padStart|startsWith|endsWith|repeat|find|assign|from)\(",
}


@pytest.mark.parametrize("pattern", NEWER_THAN_ES5.values(), ids=NEWER_THAN_ES5)
def test_the_script_has_nothing_newer_than_es5(pattern: str):
    assert re.findall(pattern, without_texts(SCRIPT.read_text("utf-8"))) == []


def test_the_scan_for_newer_things_finds_them():
    modern = "let a = (x = 1) => `${x}`; class A { m() {} } for (var b of [...c]) { var {d} = e?.f ?? 2 ** 3; }"
    assert sum(bool(re.search(pattern, without_texts(modern))) for pattern in NEWER_THAN_ES5.values()) >= 9


def test_the_script_is_ascii_with_short_lines():
    script = SCRIPT.read_bytes()
    assert script.isascii()
    assert b"\r" not in script
    assert max(map(len, script.splitlines())) < 200


@needs_node
def test_node_takes_the_script_and_sees_the_table():
    assert NODE is not None
    subprocess.run([NODE, "--check", str(SCRIPT)], check=True, capture_output=True, timeout=30)
    table = in_node("protocol.TABLE")
    assert [row["address"] for row in table["messages"]] == [PREFIX + message.name for message in MESSAGES]
    assert [[arg["tag"] for arg in row["args"]] for row in table["messages"]] == [list(row.tags) for row in MESSAGES]
    assert table["errors"] == {code: error.advice for code, error in ERRORS.items()}
    assert table["forms"] == {name: form.pattern for name, form in FORMS.items()}
    assert table["limits"]["resend_gaps_s"] == [0.3, 0.6, 1.2, 2.4]


@needs_node
def test_every_row_passes_through_the_script_unchanged():
    chance = random.Random(5)
    rows = [
        (message.name, {arg.name: some_value(arg, chance) for arg in message.args})
        for message in MESSAGES
        for _ in range(25)
    ]
    lists = in_node("given.map(([name, values]) => protocol.encode(name, values))", rows)
    assert lists == [[PREFIX + name, *values.values()] for name, values in rows]
    answers = in_node("given.map(([address, ...args]) => protocol.decode(address, args, args[0]))", lists)
    for message_name, values, answer in (
        (name, values, answer) for (name, values), answer in zip(rows, answers, strict=True)
    ):
        to = next(message.to for message in MESSAGES if message.name == message_name)
        assert answer == (None if to == "daemon" else {"name": message_name, "values": values})


@needs_node
def test_the_script_refuses_what_the_table_does_not_allow():
    good = ["/stembridge/1/job/progress", "token-01", "j", 3, 500, "separate"]
    wrong = [
        [*good[:1], "token-02", *good[2:]],
        good[:-1],
        [*good, 1],
        [*good[:3], 1.5, *good[4:]],
        [*good[:3], "3", *good[4:]],
        [*good[:4], 1001, good[5]],
        [*good[:5], "100%"],
        [*good[:5], "über"],
        [*good[:5], 5],
        ["/stembridge/1/job/cancel", "token-01", "j"],
        ["/stembridge/1/constructor", "token-01"],
        ["/other", "token-01"],
    ]
    answers = in_node("given.map(([address, ...args]) => protocol.decode(address, args, 'token-01'))", [good, *wrong])
    assert answers[0]["values"]["stage"] == "separate"
    assert answers[1:] == [None] * len(wrong)
    said = "(name, values) => { try { protocol.encode(name, values); return ''; } catch (e) { return e.message; } }"
    messages = in_node(
        f"given.map(row => ({said})(...row))",
        [["ping", {}], ["pang", {}], ["ping", {"token": "t", "inst": "a", "seq": 1}]],
    )
    assert messages[0] == "ping: token is a string"
    assert all(messages)


@needs_node
def test_text_and_json_pass_between_both_languages():
    texts = ["", "a b", "Füße/音楽 🎹 100%,$1;{}", "\u2028", "'\"\\"]
    assert in_node("given.map(protocol.percentDecode)", [escape(text) for text in texts]) == texts
    assert in_node("given.map(text => decodeURIComponent(protocol.percentEncode(text)))", texts) == texts
    assert in_node("['a\\ud800b', '\\udc00'].map(protocol.percentEncode)") == ["a%EF%BF%BDb", "%EF%BF%BD"]
    assert in_node("given.map(protocol.percentDecode)", ["%", "%C3", "%zz"]) == [None] * 3
    assert in_node("given.map(protocol.fromJson)", ['{"a":1}', "%7B%22a%22%3A2%7D", "[1]", "null", "", "%", "{"]) == [
        {"a": 1},
        {"a": 2},
        *[None] * 5,
    ]
    assert in_node("protocol.toJson(given)", {"a": "ü%"}) == '{"a":"\\u00fc\\u0025"}'


@needs_node
def test_the_script_makes_parts_checksums_and_lists():
    request = {"file_path": "/音楽/x.wav", "filler": "y" * 2000}
    parts = in_node("protocol.parts('token-01', 'job-1', given)", request)
    assert [(part["idx"], part["total"], part["job"]) for part in parts] == [
        (i, len(parts), "job-1") for i in range(len(parts))
    ]
    joined = "".join(part["chunk"] for part in parts)
    assert json.loads(in_node("decodeURIComponent(given)", joined)) == request
    assert max(len(part["chunk"]) for part in parts) == 800
    data = random.Random(1).randbytes(3000)
    assert in_node("protocol.crc32(given)", list(data)) == f"{zlib.crc32(data):08x}"
    assert in_node("[protocol.missing(''), protocol.missing('3'), protocol.missing('1,20')]") == [[], [3], [1, 20]]
    assert in_node("[protocol.advice('busy'), protocol.advice('toString')]") == [
        ERRORS["busy"].advice,
        ERRORS["internal"].advice,
    ]
