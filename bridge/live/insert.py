"""``live/insert.json``: the clips that the device makes of a result, with notes in their own beats.

docs/reference/insert.md describes the files. Everything is worked out here, so that the device only inserts.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote_from_bytes

import msgspec
from msgspec import Struct

from bridge import __version__
from bridge.disk import unwritable, write_whole
from bridge.live.clip import RE_PITCH, ClipFacts, wanted_names
from bridge.live.notes import BeatNote, notes_in_clip
from bridge.live.warp import Layout, WarpMap
from bridge.write import manifest as manifests
from bridge.write import notes as note_files

#: Number of the format of ``insert.json`` and of the notes beside it.
SCHEMA = 1
#: What stands as itself in a path: printable ASCII but the percent sign.
_PLAIN = "".join(chr(code) for code in range(32, 127) if chr(code) != "%")


class InsertClip(Struct, frozen=True, kw_only=True):
    """One clip to make, on a track of its own; docs/reference/insert.md says what each member is."""

    kind: Literal["midi", "audio"]
    part: str
    name: str
    color: int
    path: str
    place: Literal["session", "arrangement"]
    scene: int | None
    start_time: float | None
    end_time: float | None
    length_beats: float
    start_marker: float
    end_marker: float
    looping: bool
    loop_start: float
    loop_end: float
    signature: tuple[int, int]
    notes_path: str | None = None
    notes: int | None = None
    notes_crc32: str | None = None
    warping: bool | None = None
    warp_mode: int | None = None
    warp_markers: tuple[tuple[float, float], ...] | None = None
    pitch_coarse: int | None = None
    pitch_fine: float | None = None
    gain: float | None = None


def write_insert(result_folder: Path, clip: ClipFacts) -> Path:
    """Write ``live/insert.json`` and the notes that it names into a result folder; gives its path.

    Each file appears whole, ``insert.json`` last; doing it again gives the same.

    Parameters
    ----------
    result_folder
        A finished result of the clip's file, whole or in the stretch that ``manifest.json`` states.
    clip
        The clip.

    Raises
    ------
    InvalidRequest
        If the folder is no result, or the clip plays nothing.
    OutputUnwritable
        If a file can't be written.
    """
    folder = result_folder.absolute()
    manifest = manifests.read(folder)
    offset_s, end_s = manifest.range_s or (0.0, manifest.source.duration_s)
    end_s = min(end_s, manifest.source.duration_s)
    warp, layout = clip.warp_map(), clip.layout()
    found = {part.name: part for part in manifest.parts}
    clips = []
    for name in wanted_names(clip.options):
        part = found.get(name)
        if part is None or part.midi is None or part.notes is None:
            continue
        heard = notes_in_clip(name, note_files.read(folder / part.notes), offset_s, clip, warp, layout)
        data = _notes_file(name, heard)
        notes_path = folder / "live" / f"{name}.json"
        _replace(notes_path, data)
        clips.append(_midi_clip(clip, layout, part, folder, notes_path, len(heard), data))
    if clip.options.stems:
        heard_parts = [found[name] for name in wanted_names(clip.options) if name in found]
        clips += [
            _audio_clip(clip, layout, warp, part, folder, (offset_s, end_s)) for part in heard_parts if part.audio
        ]
    path = folder / "live" / "insert.json"
    _replace(path, _insert_file(clip, clips))
    return path


def _midi_clip(
    clip: ClipFacts, layout: Layout, part: manifests.Part, folder: Path, notes_path: Path, count: int, data: bytes
) -> InsertClip:
    loop_start, loop_end = layout.loop or (layout.start_marker, layout.end_marker)
    return InsertClip(
        **_common(clip, layout, part),
        kind="midi",
        path=encoded_path(folder / str(part.midi)),
        start_marker=layout.start_marker,
        end_marker=layout.end_marker,
        looping=layout.loop is not None,
        loop_start=loop_start,
        loop_end=loop_end,
        notes_path=encoded_path(notes_path),
        notes=count,
        notes_crc32=crc32(data),
    )


def _audio_clip(
    clip: ClipFacts, layout: Layout, warp: WarpMap, part: manifests.Part, folder: Path, stretch_s: tuple[float, float]
) -> InsertClip:
    """A stem's clip: as the source's, but its file is only the stretch `stretch_s` of the source's."""
    left_s = 0.0 if clip.warping else stretch_s[0]
    start, end = (clip.start_marker, clip.end_marker) if clip.warping else (clip.loop_start, clip.loop_end)
    return InsertClip(
        **_common(clip, layout, part),
        kind="audio",
        path=encoded_path(folder / str(part.audio)),
        start_marker=start - left_s,
        end_marker=end - left_s,
        looping=clip.warping and clip.looping,
        loop_start=clip.loop_start - left_s,
        loop_end=clip.loop_end - left_s,
        warping=clip.warping,
        warp_mode=clip.warp_mode,
        warp_markers=tuple(markers_within(warp, *stretch_s)) if clip.warping else (),
        pitch_coarse=clip.pitch_coarse,
        pitch_fine=clip.pitch_fine,
        gain=clip.gain,
    )


def _common(clip: ClipFacts, layout: Layout, part: manifests.Part) -> dict[str, Any]:
    """What the MIDI and the audio clip of a part share."""
    in_arrangement = clip.place == "arrangement"
    return {
        "part": part.name,
        "name": f"{clip.name} {part.name}".strip(),
        "color": int(part.color, 16),
        "place": clip.place,
        "scene": None if in_arrangement or clip.scene_index < 0 else clip.scene_index,
        "start_time": clip.start_time if in_arrangement else None,
        "end_time": clip.start_time + layout.length if in_arrangement else None,
        "length_beats": layout.length,
        "signature": clip.signature,
    }


def markers_within(warp: WarpMap, start_s: float, end_s: float) -> list[tuple[float, float]]:
    """Warp markers (seconds, clip beats) of a file that is the stretch `start_s` to `end_s` of the mapped one.

    The first and the last lie at its ends, those between where they were, so that it is warped alike; the last is no
    hidden one.
    """
    apart_s = 1e-3  # a marker this close to an end would make a segment too short to have a tempo
    inside = [second for second in warp.seconds if start_s + apart_s < second < end_s - apart_s]
    return [(second - start_s, warp.beat(second)) for second in (start_s, *inside, end_s)]


def encoded_path(path: Path) -> str:
    """A path as printable ASCII: the UTF-8 of everything else, and the percent sign, are percent-encoded."""
    return quote_from_bytes(os.fsencode(path), safe=_PLAIN)


def crc32(data: bytes) -> str:
    """CRC-32 of a file's bytes, as eight hexadecimal digits."""
    return f"{zlib.crc32(data):08x}"


def warnings_for(clip: ClipFacts) -> list[str]:
    """What the user should know, a sentence each."""
    said = []
    if not clip.warping and clip.is_arrangement:
        length = clip.warp_map().beat(clip.loop_end)
        if abs(length / (clip.end_time - clip.start_time) - 1.0) > 1e-3:
            said.append(
                "The clip is not warped and the tempo changes: notes drift from the audio. Switch Warp on first."
            )
    elif not clip.warping:
        said.append("The clip is not warped: the notes fit at the tempo of now.")
    if clip.warping and clip.warp_mode == RE_PITCH:
        said.append("In Re-Pitch mode pitch follows the tempo: the notes fit at the tempo of now.")
    return said


def _notes_file(part: str, notes: Sequence[BeatNote]) -> bytes:
    """A note to a line."""
    lines = ",\n".join(json.dumps(manifests.rounded(note._asdict()), separators=(",", ":")) for note in notes)
    head = json.dumps({"schema": SCHEMA, "part": part, "unit": "beats"}, separators=(",", ":"))
    return f'{head[:-1]},"notes":[\n{lines}\n]}}\n'.encode("ascii")


def _insert_file(clip: ClipFacts, clips: Sequence[InsertClip]) -> bytes:
    content = {
        "schema": SCHEMA,
        "stembridge": __version__,
        "source": {
            "file_path": encoded_path(Path(clip.file_path)),
            "name": clip.name,
            "track_name": clip.track_name,
            "track_index": clip.track_index,
            "scene_index": clip.scene_index,
        },
        "clips": [_without_none(msgspec.to_builtins(made)) for made in clips],
        "warnings": warnings_for(clip),
    }
    return json.dumps(manifests.rounded(content), indent=1, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _replace(path: Path, data: bytes) -> None:
    """Write a file of the result's ``live`` folder."""
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        raise unwritable(path, error) from error
