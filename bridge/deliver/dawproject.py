"""A DAWproject, the open exchange format (version 1.0) of Bitwig Studio, Studio One and Cubase: ``<name>.dawproject``.

It is a ZIP of ``project.xml``, ``metadata.xml`` and the stems. It holds what the Live Set holds: tracks of notes and,
where wanted, of stems, folded in groups, tempo, meter and markers. Times are beats, except inside audio clips, which
are seconds. docs/reference/live-set.md describes both.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from bridge import __version__
from bridge.deliver.arrangement import Bend, Family, Marker, PartTracks, Sample, families, markers
from bridge.deliver.kinds import Outlet
from bridge.deliver.ruler import Meter, Ruler, Tempo
from bridge.deliver.samples import BLOCK_BYTES, check_room
from bridge.deliver.song import Song
from bridge.deliver.xmltext import Value, clean, node, shortened
from bridge.model import DeliverOptions
from bridge.progress import Progress

_FORMAT = "1.0"
#: The time of every file in the archive, the earliest that ZIP knows, so that the same song gives the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
#: Ordinary files that everyone may read: the rights that Unix programs give what they unpack.
_RIGHTS = 0o100644 << 16
#: Room for the notes of a long song, which are compressed.
_SMALL_BYTES = 1 << 22
_MASTER, _TEMPO, _METER = "master", "tempo", "meter"
#: Steps of the pitch wheel from the middle to its lower end.
_WHEEL_STEPS = 8192


def write(song: Song, out: Outlet, options: DeliverOptions, progress: Progress) -> None:
    """Write the DAWproject of a song: a `bridge.deliver.kinds.Writer`."""
    ruler = Ruler.of(song.grid, song.timeline)
    found = families(song, ruler, audio=options.audio_tracks)
    project = _project(found, ruler, markers(song, ruler, options.loop_bars))
    samples = [part.sample for family in found for part in family.members if part.sample is not None]
    progress.at(0.1)
    target = out.path(shortened(song.name, ".dawproject"))
    check_room("the DAWproject needs", (sample.source for sample in samples), _SMALL_BYTES, target.parent)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(_entry("metadata.xml"), _document(_metadata(song)), zipfile.ZIP_DEFLATED)
        archive.writestr(_entry("project.xml"), _document(project), zipfile.ZIP_DEFLATED)
        for index, sample in enumerate(samples):
            span = progress.part(0.1 + 0.9 * index / len(samples), 0.1 + 0.9 * (index + 1) / len(samples))
            _store(archive, sample, span)
    progress.at(1.0)


def _project(found: Sequence[Family], ruler: Ruler, places: Sequence[Marker]) -> Element:
    tempos, meters = ruler.tempos(), ruler.meters()
    project = node("Project", node("Application", name="Stembridge", version=__version__), version=_FORMAT)
    transport = SubElement(project, "Transport")
    transport.append(node("Tempo", unit="bpm", value=tempos[0].bpm, id=_TEMPO, name="Tempo"))
    transport.append(node("TimeSignature", **_signature(meters[0]), id=_METER))
    structure = SubElement(project, "Structure")
    structure.extend(_structure(found))
    arrangement = SubElement(project, "Arrangement", id="arrangement")
    arrangement.append(node("Lanes", *_lanes(found), timeUnit="beats", id="lanes"))
    if places:  # the schema wants at least one
        shown = (node("Marker", time=place.beat, name=place.name) for place in places)
        arrangement.append(node("Markers", *shown, id="markers"))
    arrangement.extend(_automation(tempos, meters))
    SubElement(project, "Scenes")
    return project


def _structure(found: Sequence[Family]) -> Iterator[Element]:
    """The tracks and their channels, then the master."""
    for family, name in _named(found):
        members = [track for part, key in _keyed(family, name) for track in _part_tracks(part, key, family, name)]
        if family.name:
            channel = _channel(name, _MASTER)
            yield _track(name, family.name, family.color, "tracks", channel, *members)
        else:
            yield from members
    yield _track(_MASTER, "Master", None, "audio notes", _channel(_MASTER, None))


def _part_tracks(part: PartTracks, key: str, family: Family, group: str) -> Iterator[Element]:
    destination = group if family.name else _MASTER
    yield _track(f"{key}-notes", part.name, part.color, "notes", _channel(f"{key}-notes", destination))
    if part.sample is not None:
        # What is in its parent's stem too would be heard twice.
        channel = _channel(f"{key}-audio", destination, part.sample.audio.channels, is_muted=part.is_component)
        yield _track(f"{key}-audio", f"{part.name} stem", part.color, "audio", channel)


def _named(found: Sequence[Family]) -> Iterator[tuple[Family, str]]:
    """Families with an id for each."""
    yield from ((family, f"group{number}") for number, family in enumerate(found))


def _keyed(family: Family, name: str) -> Iterator[tuple[PartTracks, str]]:
    """A family's parts with the beginning of their ids."""
    yield from ((part, f"{name}-part{number}") for number, part in enumerate(family.members))


def _track(name: str, shown: str, color: int | None, content: str, *children: Element) -> Element:
    look: dict[str, Value] = {} if color is None else {"color": f"#{color:06x}"}
    return node("Track", *children, contentType=content, loaded=True, id=name, name=shown, **look)


def _channel(name: str, destination: str | None, channels: int = 2, *, is_muted: bool = False) -> Element:
    """A fader at 0 dB; the master's has no destination."""
    where: dict[str, Value] = {} if destination is None else {"destination": f"{destination}-channel"}
    return node(
        "Channel",
        node("Mute", value=is_muted, id=f"{name}-mute", name="Mute"),
        node("Pan", min=0, max=1, unit="normalized", value=0.5, id=f"{name}-pan", name="Pan"),
        node("Volume", min=0, max=2, unit="linear", value=1, id=f"{name}-volume", name="Volume"),
        audioChannels=channels,
        role="master" if destination is None else "regular",
        solo=False,
        id=f"{name}-channel",
        **where,
    )


def _lanes(found: Sequence[Family]) -> Iterator[Element]:
    """The clips of each track."""
    for family, name in _named(found):
        for part, key in _keyed(family, name):
            clips = [_note_clip(part, key)] if part.notes else []
            yield _lane(f"{key}-notes", clips)
            if part.sample is not None:
                yield _lane(f"{key}-audio", [_audio_clip(part.sample, f"{part.name} stem", key)])


def _lane(track: str, clips: Sequence[Element]) -> Element:
    return node("Lanes", node("Clips", *clips, id=f"{track}-clips"), track=track, id=f"{track}-lane")


def _note_clip(part: PartTracks, key: str) -> Element:
    notes = node(
        "Notes",
        *(
            node(
                "Note",
                time=note.beat,
                duration=note.length,
                channel=part.channel,
                key=note.pitch,
                vel=note.velocity / 127,
                rel=0.5,
            )
            for note in part.notes
        ),
        id=f"{key}-content",
    )
    content = notes
    if part.bends:
        content = node("Lanes", notes, _wheel(part.bends, part.channel, key), id=f"{key}-with-bends")
    look: dict[str, Value] = {"comment": part.comment} if part.comment else {}
    return node("Clip", content, time=0, duration=part.end, playStart=0, name=part.name, **look)


def _wheel(bends: Sequence[Bend], channel: int, key: str) -> Element:
    """The pitch wheel's moves: 0 its lower end, 0.5 the middle."""
    points = (
        _point("RealPoint", bend.beat, value=(bend.wheel + _WHEEL_STEPS) / (2 * _WHEEL_STEPS), interpolation="hold")
        for bend in bends
    )
    target = node("Target", expression="pitchBend", channel=channel)
    return node("Points", target, *points, unit="normalized", id=f"{key}-bends")


def _audio_clip(sample: Sample, name: str, key: str) -> Element:
    """A whole sample, unwarped: in beats where it lies, in seconds inside."""
    audio = node(
        "Audio",
        node("File", path=_inner_path(sample)),
        channels=sample.audio.channels,
        duration=sample.audio.duration_s,
        sampleRate=sample.audio.sample_rate,
        id=f"{key}-sample",
    )
    length = sample.end - sample.start
    return node("Clip", audio, time=sample.start, duration=length, contentTimeUnit="seconds", playStart=0, name=name)


def _automation(tempos: Sequence[Tempo], meters: Sequence[Meter]) -> Iterator[Element]:
    """Changes of tempo and meter; nothing for a song without."""
    if len(tempos) > 1:
        points = (_point("RealPoint", beat, value=bpm, interpolation="hold") for beat, bpm in tempos)
        yield node("TempoAutomation", node("Target", parameter=_TEMPO), *points, unit="bpm", id="tempos")
    if len(meters) > 1:
        changes = (_point("TimeSignaturePoint", meter.beat, **_signature(meter)) for meter in meters)
        yield node("TimeSignatureAutomation", node("Target", parameter=_METER), *changes, id="meters")


def _point(tag: str, beat: float, **values: Value) -> Element:
    return node(tag, time=beat, **values)


def _signature(meter: Meter) -> dict[str, Value]:
    return {"numerator": meter.numerator, "denominator": meter.denominator}


def _metadata(song: Song) -> Element:
    metadata = Element("MetaData")
    SubElement(metadata, "Title").text = clean(song.name)
    key = f" Key: {song.key}." if song.key else ""
    SubElement(metadata, "Comment").text = clean(f"Made by Stembridge {__version__}.{key}")
    return metadata


def _document(root: Element) -> bytes:
    indent(root)
    xml: bytes = tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + xml + b"\n"


def _inner_path(sample: Sample) -> str:
    return f"audio/{sample.name}"


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _NO_TIME)
    entry.create_system = 3  # Unix, on every system
    entry.external_attr = _RIGHTS
    return entry


def _store(archive: zipfile.ZipFile, sample: Sample, progress: Progress) -> None:
    """Put a stem into the archive as it is: audio hardly gets smaller, and unpacking it would take its time."""
    size = Path(sample.source).stat().st_size
    entry = _entry(_inner_path(sample))
    entry.file_size = size  # tells zipfile whether it needs the long form of the sizes
    with sample.source.open("rb") as read, archive.open(entry, "w") as written:
        _copy(read, written, max(1, size), progress)


def _copy(read: IO[bytes], written: IO[bytes], size: int, progress: Progress) -> None:
    done = 0
    while block := read.read(BLOCK_BYTES):
        written.write(block)
        done += len(block)
        progress.at(done / size)
