"""What the overview page draws, in few bytes: notes and waveforms as base64, the rest as JSON.

``bridge/data/overview/decode.js`` reads what is written here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from bridge.audio.file import AudioFile
from bridge.model import Note
from bridge.music.chords import NO_CHORD, Chord
from bridge.progress import Progress

#: Columns of a waveform: some for each pixel of a wide screen that shows the whole song.
COLUMNS = 6000
#: Samples that are looked at at once: 6 s at 44.1 kHz.
_BLOCK = 1 << 18


def packed_spans(spans: Iterable[tuple[float, float, int, int]]) -> str:
    """Spans in order of their starts, as base64 of numbers of 7 bits a byte, the low ones first.

    Each is (start, end, a number, another number), in seconds and 0 or more, and has four numbers: milliseconds since
    the start before, milliseconds that it lasts, and the two.
    """
    data = bytearray()
    reached_ms = 0
    for start_s, end_s, one, other in spans:
        start_ms = max(reached_ms, round(start_s * 1000))
        length_ms = max(1, round(end_s * 1000) - start_ms)
        for number in (start_ms - reached_ms, length_ms, one, other):
            data += bytes(_sevens(number))
        reached_ms = start_ms
    return base64.b64encode(data).decode("ascii")


def packed_notes(notes: Iterable[Note]) -> str:
    """Notes in order of onset, as spans with pitch and velocity."""
    return packed_spans((note.onset_s, note.offset_s, note.pitch, note.velocity) for note in notes)


def packed_chords(chords: Iterable[Chord]) -> tuple[list[str], str]:
    """The symbols there are, and chords as spans with the number of their symbol and their confidence in percent."""
    sounding = [chord for chord in chords if chord.symbol != NO_CHORD]
    symbols = sorted({chord.symbol for chord in sounding})
    number = {symbol: index for index, symbol in enumerate(symbols)}
    spans = ((it.start_s, it.end_s, number[it.symbol], round(it.confidence * 100)) for it in sounding)
    return symbols, packed_spans(spans)


def packed_times(times_s: Iterable[float]) -> str:
    """Ascending times, as base64 of tenths of milliseconds since the one before, in the same way."""
    data = bytearray()
    reached = 0
    for time_s in times_s:
        tenths = max(reached, round(time_s * 10_000))
        data += bytes(_sevens(tenths - reached))
        reached = tenths
    return base64.b64encode(data).decode("ascii")


def _sevens(number: int) -> Iterator[int]:
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number


def thinned(parts: Sequence[Sequence[Note]], most: int) -> list[list[Note]]:
    """The parts with `most` notes in all, those that show most: the long and loud ones of each, its fair share."""
    total = sum(len(notes) for notes in parts)
    if total <= most:
        return [list(notes) for notes in parts]
    return [_foremost(notes, len(notes) * most // total) for notes in parts]


def _foremost(notes: Sequence[Note], count: int) -> list[Note]:
    ranked = sorted(notes, key=lambda note: (note.offset_s - note.onset_s) * note.velocity, reverse=True)
    return sorted(ranked[:count])


def packed_waveform(audio: AudioFile, progress: Progress) -> str:
    """The peaks of a file in `COLUMNS` columns, as base64 of bytes: 255 for its highest, and a quarter of it for 128.

    The square root shows quiet passages beside loud ones.
    """
    peaks = np.zeros(COLUMNS, np.float32)
    edges = np.linspace(0, audio.length, COLUMNS + 1).astype(np.int64)
    begin = 0
    for block in audio.blocks(_BLOCK):
        loudest = np.abs(block).max(axis=1)
        first = int(np.searchsorted(edges, begin, "right")) - 1
        last = int(np.searchsorted(edges, begin + len(block), "left"))
        starts = np.maximum(edges[first:last] - begin, 0)
        starts = starts[starts < len(block)]
        filled = peaks[first : first + len(starts)]
        np.maximum(filled, np.maximum.reduceat(loudest, starts), out=filled)
        begin += len(block)
        progress.at(begin / max(1, audio.length))
    height = np.sqrt(np.clip(peaks / max(float(peaks.max()), 1e-6), 0.0, 1.0))
    return base64.b64encode(np.rint(height * 255).astype(np.uint8).tobytes()).decode("ascii")


def script_json(value: Any) -> str:
    """JSON in ASCII that can stand in a page's script element, whatever its strings hold."""
    import json

    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
