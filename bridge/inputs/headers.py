"""Whether a file is audio, told by its first bytes: cheap enough for the daemon, which loads no decoder.

What passes is a recording as far as can be seen; whether it really decodes, the conversion finds out.
"""

from __future__ import annotations

import os
import stat
from enum import Enum
from pathlib import Path

#: Endings of audio files that the decoders read. A file with another one is taken if its first bytes leave no doubt.
AUDIO_ENDINGS = frozenset(
    (
        ".aac",
        ".aif",
        ".aifc",
        ".aiff",
        ".ape",
        ".au",
        ".bwf",
        ".caf",
        ".flac",
        ".m4a",
        ".m4b",
        ".mka",
        ".mp2",
        ".mp3",
        ".mp4",
        ".oga",
        ".ogg",
        ".opus",
        ".rf64",
        ".snd",
        ".w64",
        ".wav",
        ".wave",
        ".weba",
        ".webm",
        ".wma",
        ".wv",
    )
)
#: How much of a file is looked at.
_HEAD_BYTES = 16
#: What only audio begins with.
_CERTAIN_STARTS = (
    b"fLaC",
    b"OggS",
    b"caff\x00\x01",
    b"ID3\x02",
    b"ID3\x03",
    b"ID3\x04",
    b".snd\x00\x00",
    b"wvpk",
    b"riff\x2e\x91\xcf\x11",  # Sony Wave64: the first half of its GUID
)
#: Bytes that other files begin with too: taken only with an ending of audio.
_LIKELY_STARTS = (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\x1a\x45\xdf\xa3", b"MAC ")
_RIFF, _FORM = (b"RIFF", b"RF64", b"BW64"), b"FORM"


class Header(Enum):
    """What the first bytes of a file say."""

    AUDIO = "audio"
    #: It states that it is longer than it is: not all has come yet.
    PARTIAL = "partial"
    #: Not audio, or no regular file.
    OTHER = "other"


def has_audio_ending(path: Path) -> bool:
    """Whether a file's name says that it is audio."""
    return path.suffix.lower() in AUDIO_ENDINGS


def look_at(path: Path) -> Header:
    """What a file's first bytes say.

    Raises
    ------
    OSError
        If it can't be opened or read.
    """
    # Without waiting: a named pipe put in its place meanwhile must not hold up all other files.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            return Header.OTHER
        head = file.read(_HEAD_BYTES)
    if not _is_audio(head, has_audio_ending(path)):
        return Header.OTHER
    stated = _stated_bytes(head)
    return Header.PARTIAL if stated is not None and stated > facts.st_size else Header.AUDIO


def _is_audio(head: bytes, ending_says_so: bool) -> bool:
    if head.startswith(_CERTAIN_STARTS):
        return True
    if head[:4] in _RIFF:
        return head[8:12] == b"WAVE"
    if head[:4] == _FORM:
        return head[8:12] in (b"AIFF", b"AIFC")
    return ending_says_so and (head[4:8] == b"ftyp" or head.startswith(_LIKELY_STARTS) or _is_mpeg_frame(head))


def _is_mpeg_frame(head: bytes) -> bool:
    """Whether MPEG audio (layers 1 to 3) or AAC in ADTS begins without a tag: 11 bits set, none forbidden."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    is_adts = head[1] & 0xF6 == 0xF0
    version, layer, bit_rate, sample_rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return is_adts or (version != 1 and layer != 0 and bit_rate != 15 and sample_rate != 3)


def _stated_bytes(head: bytes) -> int | None:
    """How long a WAV or AIFF file says that it is; None where it doesn't, as in a stream's header or beyond 4 GiB."""
    if head[:4] == b"RIFF":
        size = int.from_bytes(head[4:8], "little")
    elif head[:4] == _FORM:
        size = int.from_bytes(head[4:8], "big")
    else:
        return None
    return size + 8 if 0 < size < 0xFFFF_0000 else None
