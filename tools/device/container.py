"""The `.amxd` container: reading any device that isn't encrypted, writing plain and frozen ones.

A device is a flat list of chunks, each a tag of four letters, a little-endian size, and the payload: ``ampf`` (which
kind of device), ``meta`` (may be missing), ``ptch``. The payload of ``ptch`` is the patcher's JSON where the device is
plain; frozen, it is ``mx@c``, the files one after the other, and a directory of them, with big-endian numbers::

    0   "mx@c", u32 16, u64 offset of the directory
    16  the files, the first of them the patcher's JSON
    …   "dlst" with one "dire" for each file: type fnam sz32 of32 vers flag mdat

Sizes in the directory include tag and size themselves; those of chunks don't.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

AUDIO_EFFECT: Final = b"aaaa"
MIDI_EFFECT: Final = b"mmmm"
KINDS: Final = {
    AUDIO_EFFECT: "audio effect",
    MIDI_EFFECT: "MIDI effect",
    b"iiii": "instrument",
    b"nagg": "MIDI generator",
    b"natt": "MIDI transformation",
}
#: Values of ``meta``: Max writes 7 in frozen devices, 0 or 1 in others.
META_PLAIN, META_FROZEN = 0, 7
#: What follows the patcher's JSON.
JSON_END: Final = b"\n\0"
#: Flags of a file: the patcher has its own; the others have none.
FLAG_DEVICE, FLAG_NONE = 0x11, 0
#: 1904-01-01, where the directory's seconds begin, to 1970-01-01.
MAC_EPOCH_S: Final = 2_082_844_800

_FROZEN_TAG: Final = b"mx@c"
_FROZEN_HEADER: Final = 16
_FIELDS: Final = (b"type", b"fnam", b"sz32", b"of32", b"vers", b"flag", b"mdat")


class ContainerError(ValueError):
    """The bytes are no device that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class File:
    """A file inside a frozen device.

    Attributes
    ----------
    name
        Of the file; Max looks files up by it.
    type
        Four letters: ``JSON``, ``TEXT``, ...
    data
        Its content.
    flag
        0x11 of the patcher, else 0 or 8.
    modified
        When it was changed, in seconds since 1904.
    version
        0 in every file seen.
    """

    name: str
    type: bytes
    data: bytes
    flag: int = FLAG_NONE
    modified: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """A device as it lies in the file.

    Attributes
    ----------
    kind
        One of `KINDS`.
    meta
        The value of ``meta``; None where there is no such chunk.
    patch
        Of a plain device: the payload of ``ptch``.
    files
        Of a frozen device: what is inside, the patcher first. Empty in a plain one.
    """

    kind: bytes
    meta: int | None
    patch: bytes = b""
    files: tuple[File, ...] = ()

    @property
    def is_frozen(self) -> bool:
        """Whether files are inside."""
        return bool(self.files)

    def patcher(self) -> dict[str, Any]:
        """The patcher: the first JSON value of its text; what follows is no part of it.

        Raises
        ------
        ContainerError
            If there is none.
        """
        data = self.files[0].data if self.files else self.patch
        try:
            # Some devices have garbage after the NUL, which need not be UTF-8.
            value, _ = json.JSONDecoder().raw_decode(data.split(b"\0")[0].decode("utf-8").lstrip())
        except (ValueError, RecursionError) as error:
            raise ContainerError(f"the patcher is no JSON: {error}") from error
        patcher = value.get("patcher") if isinstance(value, dict) else None
        if not isinstance(patcher, dict):
            raise ContainerError("the JSON holds no patcher")
        return patcher

    def file(self, name: str) -> bytes:
        """Content of the file of a name.

        Raises
        ------
        KeyError
            If there is none.
        """
        return {file.name: file.data for file in self.files}[name]


def plain(kind: bytes, patcher: dict[str, Any]) -> Device:
    """A device without files: its scripts are looked for beside it."""
    return Device(kind, META_PLAIN, patch=patcher_bytes(patcher))


def frozen(kind: bytes, name: str, patcher: dict[str, Any], files: tuple[File, ...], modified: int) -> Device:
    """A device with its files inside.

    Parameters
    ----------
    kind
        One of `KINDS`.
    name
        Of the device, with ``.amxd``.
    patcher
        Its patcher.
    files
        What it needs.
    modified
        When it was made, in seconds since 1904.
    """
    first = File(name, b"JSON", patcher_bytes(patcher), FLAG_DEVICE, modified)
    return Device(kind, META_FROZEN, files=(first, *files))


def patcher_bytes(patcher: dict[str, Any]) -> bytes:
    """A patcher's JSON as Max writes it, in ASCII; the same for the same patcher."""
    return json.dumps({"patcher": patcher}, indent=1, ensure_ascii=True).encode("ascii") + JSON_END


def write(device: Device) -> bytes:
    """The bytes of a device."""
    chunks = [(b"ampf", device.kind)]
    if device.meta is not None:
        chunks.append((b"meta", struct.pack("<I", device.meta)))
    chunks.append((b"ptch", _frozen_payload(device.files) if device.files else device.patch))
    return b"".join(tag + struct.pack("<I", len(payload)) + payload for tag, payload in chunks)


def read(data: bytes) -> Device:
    """The device in a file's bytes.

    `write` gives the same bytes again, apart from what no device known has: padding other than zero, for one.

    Raises
    ------
    ContainerError
        If it is encrypted, damaged, or no device.
    """
    chunks = dict(_chunks(data))
    if chunks.get(b"ampf", b"") not in KINDS:
        raise ContainerError("not a Max for Live device of a known kind")
    if b"ciph" in chunks:
        raise ContainerError("the device is encrypted: nobody but Live can read it")
    if b"ptch" not in chunks:
        raise ContainerError("the device has no patcher")
    meta = chunks.get(b"meta")
    if meta is not None and len(meta) != 4:
        raise ContainerError(f"meta has {len(meta)} bytes, not 4")
    value = None if meta is None else int(struct.unpack("<I", meta)[0])
    payload = chunks[b"ptch"]
    if payload[:4] != _FROZEN_TAG:
        return Device(chunks[b"ampf"], value, patch=payload)
    return Device(chunks[b"ampf"], value, files=_files(payload))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Tag and payload of each chunk."""
    if data[:4] != b"ampf":
        raise ContainerError("not a Max for Live device: it doesn't begin with ampf")
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ContainerError(f"{len(data) - at} bytes too many at the end")
        size = struct.unpack_from("<I", data, at + 4)[0]
        if at + 8 + size > len(data):
            raise ContainerError(f"the device is cut off: {at + 8 + size - len(data)} bytes are missing")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size


def _frozen_payload(files: tuple[File, ...]) -> bytes:
    body, directory = b"", b""
    for file in files:
        name = file.name.encode("utf-8") + b"\0"
        numbers = (len(file.data), _FROZEN_HEADER + len(body), file.version, file.flag, file.modified)
        fields = [file.type, name + b"\0" * (-len(name) % 4), *(struct.pack(">I", number) for number in numbers)]
        directory += _field(b"dire", b"".join(map(_field, _FIELDS, fields)))
        body += file.data
    header = _FROZEN_TAG + struct.pack(">IQ", _FROZEN_HEADER, _FROZEN_HEADER + len(body))
    return header + body + _field(b"dlst", directory)


def _field(tag: bytes, payload: bytes) -> bytes:
    return tag + struct.pack(">I", 8 + len(payload)) + payload


def _files(payload: bytes) -> tuple[File, ...]:
    """The files of a frozen device, in the order of its directory."""
    if len(payload) < _FROZEN_HEADER:
        raise ContainerError("the frozen part is cut off")
    header, at = struct.unpack_from(">IQ", payload, 4)
    if header != _FROZEN_HEADER:
        raise ContainerError(f"the frozen part has a header of {header} bytes, not {_FROZEN_HEADER}")
    (tag, directory), *rest = list(_fields(payload[at:])) or [(b"", b"")]
    if tag != b"dlst" or rest:
        raise ContainerError("the frozen part has no directory where its header says")
    files = tuple(_file(payload, at, entry) for entry in _fields(directory))
    if not files:
        raise ContainerError("the frozen part's directory is empty")
    return files


def _fields(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Tag and payload of each field."""
    at = 0
    while at < len(data):
        size = struct.unpack_from(">I", data, at + 4)[0] if at + 8 <= len(data) else 0
        if size < 8 or at + size > len(data):
            raise ContainerError("the frozen part's directory is damaged")
        yield data[at : at + 4], data[at + 8 : at + size]
        at += size


def _file(payload: bytes, end: int, entry: tuple[bytes, bytes]) -> File:
    """The file of a directory's entry; files end where the directory begins."""
    tag, fields = entry
    found = dict(_fields(fields)) if tag == b"dire" else {}
    if tuple(found) != _FIELDS or any(len(found[name]) != 4 for name in _FIELDS if name != b"fnam"):
        raise ContainerError("the frozen part's directory has an entry of another form")
    size, offset, version, flag, modified = (struct.unpack(">I", found[name])[0] for name in _FIELDS[2:])
    name = found[b"fnam"].split(b"\0")[0].decode("utf-8", "replace")
    if offset < _FROZEN_HEADER or offset + size > end:
        raise ContainerError(f"{name} lies outside the frozen part")
    return File(name, found[b"type"], payload[offset : offset + size], flag, modified, version)
