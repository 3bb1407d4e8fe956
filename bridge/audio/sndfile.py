"""Reading through libsndfile: wav, aiff, flac, ogg, opus and relatives."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile

from bridge.audio.downmix import downmix_note, stereo_matrix
from bridge.audio.file import BLOCK_SAMPLES, native
from bridge.audio.stream import CannotDecode, SourceStream
from bridge.model import Samples

#: Codings in which libsndfile lands on the exact sample after a seek; the others are read from the start.
_EXACT_SEEK = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")

#: A chunk size that a program writes when it can't know the length, as when it pipes: nothing is missing there.
_UNKNOWN_SIZE = 0x7FFFFF00

#: The most that an Ogg page takes: its header, 255 lacing values and as many segments of 255 bytes.
_OGG_PAGE = 27 + 255 + 255 * 255

_SHORTENED = re.compile(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)", re.MULTILINE)


@contextmanager
def open_sndfile(path: Path, start_s: float = 0.0) -> Iterator[SourceStream]:
    """Open `path` through libsndfile, at `start_s` seconds where it can seek exactly, else at the start.

    Raises
    ------
    CannotDecode
        libsndfile does not read this file.
    """
    try:
        file = soundfile.SoundFile(native(path))
    except soundfile.LibsndfileError as error:
        raise CannotDecode(_one_line(error.error_string)) from error
    except (TypeError, ValueError, RuntimeError) as error:  # a headerless kind, known by its ending only
        raise CannotDecode("format not recognised") from error
    with file:
        if file.format == "RAW":
            raise CannotDecode("format not recognised")
        position = _seek(file, start_s)
        stream = SourceStream(file.samplerate, file.channels, file.frames, position, iter(()), file.subtype)
        stream.is_cut = _is_shortened(file.extra_info) or (file.format == "OGG" and _lacks_ogg_end(path))
        stream.is_damaged = stream.is_cut
        if file.channels > 2:
            stream.notes.append(downmix_note(file.channels))
        stream.blocks = _blocks(file, stream)
        yield stream


def _seek(file: soundfile.SoundFile, start_s: float) -> int:
    if not file.subtype.startswith(_EXACT_SEEK) or not file.seekable():
        return 0
    wanted = min(round(start_s * file.samplerate), file.frames)
    try:
        return int(file.seek(wanted))
    except soundfile.LibsndfileError as error:
        raise CannotDecode(_one_line(error.error_string)) from error


def _blocks(file: soundfile.SoundFile, stream: SourceStream) -> Iterator[Samples]:
    matrix = stereo_matrix(("?",) * file.channels) if file.channels > 2 else None
    size = max(1, BLOCK_SAMPLES * 2 // max(2, file.channels))  # a header may claim a thousand channels
    left = file.frames - stream.position
    while left > 0:
        try:
            block: Samples = file.read(min(size, left), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            break
        if not len(block):
            break
        left -= len(block)
        yield block if matrix is None else block @ matrix
    stream.is_damaged = stream.is_damaged or left > 0


def _is_shortened(log: str) -> bool:
    """Whether libsndfile's log says that the samples' chunk claims more than the file holds."""
    found = _SHORTENED.search(log)
    return found is not None and int(found[2]) < int(found[1]) < _UNKNOWN_SIZE


def _lacks_ogg_end(path: Path) -> bool:
    """Whether the last page of an Ogg file is not marked as the last, or not whole (RFC 3533, section 6)."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, _OGG_PAGE), os.SEEK_END)
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if not page.startswith(b"OggS") or len(page) < 27:
        return True
    lacing = page[27 : 27 + page[26]]
    return not page[5] & 0x04 or len(page) < 27 + page[26] + sum(lacing)


def _one_line(text: str) -> str:
    line = " ".join(text.split()).removeprefix("Error : ").rstrip(".")
    return line[:1].lower() + line[1:]
