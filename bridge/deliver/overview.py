"""The overview: ``overview.html``, one page that opens from disk and shows and plays a result.

Its sources are in ``bridge/data/overview``; they are put together here, with the song's data, into one file without
anything from a network.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import soundfile

from bridge import __version__
from bridge.audio.file import AudioFile
from bridge.deliver.kinds import Outlet
from bridge.deliver.overview_data import (
    packed_chords,
    packed_notes,
    packed_times,
    packed_waveform,
    script_json,
    thinned,
)
from bridge.deliver.song import Song, SongPart
from bridge.disk import printable
from bridge.errors import AudioUnreadable
from bridge.model import COMPONENT_OF_KEY, DeliverOptions
from bridge.progress import Progress
from bridge.write.manifest import NAME as MANIFEST

#: How large the page may be.
MOST_BYTES = 300_000
#: How many notes are drawn at the most; fewer where the page would be too large. One takes about 7 bytes.
_NOTES = (24_000, 20_000, 16_000, 12_000, 8_000, 4_000, 2_000)
#: A folder with more files than this is linked as a whole.
_MOST_LINKS = 24
#: Other readings of the tempo that are shown.
_MOST_ALTERNATIVES = 3
#: What becomes of each placeholder of the page.
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def write(song: Song, out: Outlet, options: DeliverOptions, progress: Progress) -> None:
    """Write the page.

    Raises
    ------
    AudioUnreadable
        If a stem is gone or no audio.
    """
    target = out.path("overview.html")
    paths = sorted(_paths(song, target.parent, options))
    parts = [part for part in song.parts if part.parent is None]
    data = _data(song, parts, paths, progress)
    out.write_bytes("overview.html", next(page for page in _pages(song, parts, data) if len(page) <= MOST_BYTES))


def _pages(song: Song, parts: list[SongPart], data: dict[str, Any]) -> Iterator[bytes]:
    """The page in full, then with less and less of what makes it large; the last one is small whatever the song."""
    title = printable(song.name)
    total = sum(len(part.notes) for part in parts)
    for most in _NOTES:
        if most <= total or most == _NOTES[0]:
            yield page(title, {**data, **_notes(parts, most, total)})
    bare = {**data, **_notes(parts, 0, total), "beats": "", "chords": packed_chords([]), "sections": []}
    yield page(title, bare)
    yield page(title, {**bare, "bars": "", "warnings": [], "files": []})


def _notes(parts: list[SongPart], most: int, total: int) -> dict[str, Any]:
    """The notes that are drawn of each part, and how many these are of how many."""
    drawn = thinned([part.notes for part in parts], most)
    return {"drawn": [packed_notes(notes) for notes in drawn], "notes": [sum(map(len, drawn)), total]}


def page(title: str, data: Mapping[str, Any]) -> bytes:
    """The page of a song.

    Parameters
    ----------
    title
        Any text.
    data
        What its scripts read; see `_data`.
    """
    sources = files("bridge") / "data" / "overview"
    script = "\n".join((sources / name).read_text("utf-8") for name in ("decode.js", "player.js", "script.js"))
    slots = {
        "title": html.escape(_clean(title)),
        "style": (sources / "style.css").read_text("utf-8"),
        "script": script,
        "data": script_json(data),
    }
    slots |= {"style_hash": _hash(slots["style"]), "script_hash": _hash(script)}
    template = (sources / "page.html").read_text("utf-8")
    return _SLOT.sub(lambda slot: slots[slot[1]], template).encode("utf-8")


def _hash(text: str) -> str:
    """By which a page's security policy knows its own script and style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _clean(text: str) -> str:
    """Text that UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _data(song: Song, parts: list[SongPart], paths: list[str], progress: Progress) -> dict[str, Any]:
    """All but the notes."""
    tempo = song.manifest.tempo
    return {
        "name": _clean(printable(song.name)),
        "version": __version__,
        "duration": song.duration_s,
        "beats": packed_times(song.grid.beats_s),
        "bars": packed_times(bar.start_s for bar in song.timeline.bars()),
        "pickup": _has_pickup(song),
        "signature": list(song.grid.time_signature),
        "tempo": [
            tempo.bpm,
            tempo.confidence,
            list(tempo.alternatives_bpm[:_MOST_ALTERNATIVES]),
            tempo.source,
            tempo.is_constant,
        ],
        "key": song.key,
        "chords": packed_chords(song.chords),
        "sections": [[round(it.start_s, 3), round(it.end_s, 3), it.label] for it in song.sections],
        "parts": [
            _part(part, paths, progress.part(index / len(parts), (index + 1) / len(parts)))
            for index, part in enumerate(parts)
        ],
        "warnings": [_clean(warning) for warning in song.manifest.warnings],
        "files": list(_links(paths)),
    }


def _has_pickup(song: Song) -> bool:
    """Whether the first bar is shorter than the song's own, so that counting begins after it."""
    numerator, denominator = song.grid.time_signature
    first = song.timeline.signature_events[0]
    return first.numerator * denominator < numerator * first.denominator


def _part(part: SongPart, paths: list[str], progress: Progress) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": part.name,
        "color": f"#{part.color:06x}",
        "confidence": round(part.confidence, 2),
        "count": len(part.notes),
        "rows": _rows(part),
    }
    for kind, path in (("stem", f"stems/{part.name}.wav"), ("preview", f"preview/{part.name}.wav")):
        data[kind] = _url(path) if path in paths else None
    if part.stem is not None:
        try:
            data["waveform"] = packed_waveform(AudioFile.open(part.stem), progress)
        except soundfile.SoundFileError as error:
            raise AudioUnreadable(
                f"the stem {printable(part.stem)} cannot be read; convert the recording again"
            ) from error
    return data


def _rows(part: SongPart) -> list[list[Any]] | None:
    """The rows of a part's grid, as keys and their name, from the top; None for a part with pitches."""
    if part.program is not None:
        return None
    rows: dict[str, list[int]] = {}
    for key, component in COMPONENT_OF_KEY.items():
        rows.setdefault(component, []).append(key)
    order = ("cymbal", "ride", "hihat", "tom", "snare", "kick")
    used = {note.pitch for note in part.notes}
    return [[component, rows[component]] for component in order if used & set(rows[component])]


def _paths(song: Song, folder: Path, options: DeliverOptions) -> set[str]:
    """Every file that the result will have: those made now, and those that stay."""
    now = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    stay = {file.path for file in song.manifest.files if file.kind not in options.kinds}
    return {*now, *stay, MANIFEST} - {"overview.html"}


def _links(paths: Iterable[str]) -> Iterator[list[Any]]:
    """Folder by folder, its name and its files and folders as (name, address); a big one as one address."""
    folders: dict[str, dict[str, int]] = {}
    for path in paths:
        first, _, rest = path.rpartition("/") if path.count("/") < 2 else path.partition("/")
        inner, slash, _ = rest.partition("/")
        entries = folders.setdefault(first, {})
        entries[inner + slash] = entries.get(inner + slash, 0) + 1
    for folder, entries in sorted(folders.items()):
        base = f"{folder}/" if folder else ""
        if len(entries) > _MOST_LINKS:
            yield [_clean(folder), [[f"{len(entries)} folders and files", _url(base)]]]
        else:
            links = ((name, f"{name} ({count})" if name.endswith("/") else name) for name, count in entries.items())
            yield [_clean(folder), [[_clean(text), _url(base + name)] for name, text in links]]


def _url(path: str) -> str:
    """A relative address; a name's odd bytes are kept."""
    return "./" + quote(os.fsencode(path) if os.name == "posix" else path.encode("utf-8", "replace"))
