"""The container of Max for Live devices: read in all forms that Max has written, written as Max does.

The devices read here are put together byte by byte, as devices in the field are, by nothing that the reader shares.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from tools.device.container import (
    AUDIO_EFFECT,
    JSON_END,
    MIDI_EFFECT,
    ContainerError,
    File,
    frozen,
    plain,
    read,
    write,
)

PATCHER: dict[str, Any] = {"boxes": [{"box": {"id": "obj-1", "text": "héllo"}}], "lines": []}
TEXT = json.dumps({"patcher": PATCHER}, ensure_ascii=False).encode()
SCRIPT = b"outlets = 3;\n"
#: 2025-11-01 in seconds since 1904.
DATE = 3_844_713_600


def chunk(tag: bytes, payload: bytes) -> bytes:
    return tag + struct.pack("<I", len(payload)) + payload


def entry(kind: bytes, name: bytes, size: int, offset: int, flag: int) -> bytes:
    padded = name + b"\0" * (4 - len(name) % 4)
    fields = [(b"type", kind), (b"fnam", padded)]
    numbers = ((b"sz32", size), (b"of32", offset), (b"vers", 0), (b"flag", flag), (b"mdat", DATE))
    fields += [(tag, struct.pack(">I", number)) for tag, number in numbers]
    body = b"".join(tag + struct.pack(">I", len(payload) + 8) + payload for tag, payload in fields)
    return b"dire" + struct.pack(">I", len(body) + 8) + body


def mxc(text: bytes, *files: tuple[bytes, bytes, bytes, int]) -> bytes:
    """The frozen part: the patcher's text, then files as (type, name, data, flag)."""
    body = text + b"".join(data for _, _, data, _ in files)
    directory, offset = b"", 16
    for kind, name, data, flag in ((b"JSON", b"Test.amxd", text, 0x11), *files):
        directory += entry(kind, name, len(data), offset, flag)
        offset += len(data)
    header = b"mx@c" + struct.pack(">I", 16) + struct.pack(">Q", 16 + len(body))
    return header + body + b"dlst" + struct.pack(">I", len(directory) + 8) + directory


def device(patch: bytes, meta: bytes | None, kind: bytes = b"mmmm", also: bytes = b"") -> bytes:
    known = b"" if meta is None else chunk(b"meta", meta)
    return chunk(b"ampf", kind) + known + also + chunk(b"ptch", patch)


FROZEN = mxc(TEXT + JSON_END, (b"TEXT", b"main.js", SCRIPT, 0), (b"AIFF", b"kick.aif", b"\0\1\2", 8))
VARIANTS = {
    "plain, of Max 8": device(TEXT + b"\n\0", b"\0\0\0\0"),
    "plain, of Max 9": device(TEXT + b"\n\0", b"\1\0\0\0"),
    "plain, with a NUL alone": device(TEXT + b"\0", b"\0\0\0\0", b"iiii"),
    "plain, garbage behind": device(TEXT + b"\n\0\xff\xfe{garbage}", b"\1\0\0\0"),
    "exported, without meta": device(mxc(TEXT + b"\n\0"), None),
    "frozen": device(FROZEN, b"\7\0\0\0", b"aaaa"),
    "frozen, meta byte-swapped, garbage behind the JSON": device(
        mxc(TEXT + b'\n\0\x80\x81 "garbage', (b"TEXT", b"a.js", SCRIPT, 0)), b"\0\0\0\7"
    ),
    "frozen, a file twice": device(
        mxc(TEXT + b"\n\0", (b"TEXT", b"a.js", SCRIPT, 0), (b"TEXT", b"a.js", SCRIPT, 0)), b"\7\0\0\0"
    ),
    "of another kind": device(TEXT + b"\n\0", b"\1\0\0\0", b"natt"),
}


@pytest.mark.parametrize("data", VARIANTS.values(), ids=VARIANTS)
def test_a_device_from_the_field_is_read_and_written_again_byte_for_byte(data: bytes) -> None:
    found = read(data)
    assert found.patcher() == PATCHER
    assert write(found) == data


def test_the_files_of_a_frozen_device_come_with_all_that_is_known_of_them() -> None:
    found = read(VARIANTS["frozen"])
    assert (found.kind, found.meta, found.is_frozen) == (AUDIO_EFFECT, 7, True)
    assert [(file.name, file.type, file.flag, file.modified) for file in found.files] == [
        ("Test.amxd", b"JSON", 0x11, DATE),
        ("main.js", b"TEXT", 0, DATE),
        ("kick.aif", b"AIFF", 8, DATE),
    ]
    assert found.file("main.js") == SCRIPT
    with pytest.raises(KeyError):
        found.file("other.js")


@pytest.mark.parametrize(
    "data, said",
    [
        (device(b"\x93\x11", b"\7\0\0\0", also=chunk(b"ciph", bytes(332))), "encrypted"),
        (b"", "begin with ampf"),
        (b"RIFF" + bytes(40), "begin with ampf"),
        (chunk(b"ampf", b"zzzz") + chunk(b"ptch", TEXT), "known kind"),
        (chunk(b"ampf", b"aaaa") + chunk(b"meta", b"\0\0\0\0"), "no patcher"),
        (device(TEXT, b"\0\0"), "meta has 2 bytes"),
        (VARIANTS["frozen"][:-5], "5 bytes are missing"),
        (VARIANTS["frozen"] + b"abc", "3 bytes too many"),
        (device(FROZEN[:10], b"\7\0\0\0"), "cut off"),
        (device(b"mx@c" + struct.pack(">IQ", 24, 16) + FROZEN[16:], b"\7\0\0\0"), "header of 24"),
        (device(FROZEN.replace(b"dlst", b"list"), b"\7\0\0\0"), "no directory"),
        (device(FROZEN.replace(b"vers", b"vars"), b"\7\0\0\0"), "another form"),
        (
            device(FROZEN.replace(b"of32" + struct.pack(">II", 12, 16), b"of32" + struct.pack(">II", 12, 2)), None),
            "out",
        ),
        (
            device(FROZEN.replace(struct.pack(">I", len(SCRIPT)), struct.pack(">I", len(SCRIPT) + 4)), None),
            "main.js lies",
        ),
        (device(mxc(b""), b"\7\0\0\0"), "no JSON"),
        (device(b"[1]\0", None), "no patcher"),
        (device(b"[" * 100_000, None), "no JSON"),
    ],
)
def test_what_is_no_readable_device_is_refused_with_the_reason(data: bytes, said: str) -> None:
    with pytest.raises(ContainerError, match=said):
        read(data).patcher()


def test_devices_made_here_have_the_layout_that_max_writes() -> None:
    ascii_text = json.dumps({"patcher": PATCHER}, indent=1).encode()
    script = File("main.js", b"TEXT", SCRIPT, modified=DATE)
    expected = device(mxc(ascii_text + b"\n\0", (b"TEXT", b"main.js", SCRIPT, 0)), b"\7\0\0\0", b"aaaa")
    assert write(frozen(AUDIO_EFFECT, "Test.amxd", PATCHER, (script,), DATE)) == expected
    assert write(plain(MIDI_EFFECT, PATCHER)) == device(ascii_text + b"\n\0", b"\0\0\0\0")
