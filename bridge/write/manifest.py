r"""``manifest.json``: what a result folder holds, for programs.

Paths are relative to the folder and have forward slashes. The file is ASCII. A name that isn't valid UTF-8 has its odd
bytes as the lone surrogates of PEP 383 (``\udc80`` to ``\udcff``), which Python's and JavaScript's own readers give
back as they are. docs/reference/manifest.md is generated from the types below.
"""

from __future__ import annotations

import json
import re
import zlib
from fractions import Fraction as Rational
from pathlib import Path, PurePath
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from bridge.disk import printable
from bridge.errors import InvalidRequest
from bridge.model import PARTS, DeliverOptions, EngineId, MidiOptions
from bridge.music.chords import Chord
from bridge.music.sections import Section

#: The file's name in a result folder.
NAME = "manifest.json"
#: Number of the format that is written; a reader refuses others.
SCHEMA: Final = 1
#: Decimals of seconds, beats and BPM that are kept: a millionth of a beat is at most 3 µs at Live's slowest tempo.
DECIMALS = 6
#: Read at once for a checksum.
_BLOCK_BYTES = 1 << 20

#: Colours for tracks and pictures, 0xRRGGBB. They are in Ableton Live's palette, so that they arrive there unchanged;
#: components have shades of the drums' orange.
COLORS = {
    "bass": "0x5480E4",
    "melody": "0x3DC300",
    "vocals": "0xE553A0",
    "drums": "0xF66C03",
    "kick": "0xA95131",
    "snare": "0xFFA529",
    "hihat": "0xFFA374",
    "cymbal": "0xCC9927",
    "ride": "0xD3AD71",
    "tom": "0x99724B",
}

Seconds = Annotated[float, Meta(ge=0.0)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Bpm = Annotated[float, Meta(gt=0.0)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
#: Relative, with forward slashes, and never upwards.
RelativePath = Annotated[str, Meta(pattern=r"^(?!/)(?![\s\S]*(^|/)\.\.(/|$))[^\\]+$")]


class Source(Struct, frozen=True, kw_only=True):
    """The recording that was converted."""

    path: Annotated[str, Meta(description="Where it lay, as an absolute path.")]
    sha256: Annotated[Sha256, Meta(description="SHA-256 of the file.")]
    duration_s: Annotated[Seconds, Meta(description="Its whole length in seconds.")]
    sample_rate: Annotated[int, Meta(gt=0, description="Samples a second; the stems have the same.")]
    channels: Annotated[int, Meta(gt=0, description="Channels of the file.")]


class Tempo(Struct, frozen=True, kw_only=True):
    """The tempo, and how sure it is."""

    bpm: Annotated[Bpm, Meta(description="Quarter notes a minute; the median where the tempo varies.")]
    confidence: Annotated[Fraction, Meta(description="0: no pulse was found, the tempo is a guess; 1: certain.")]
    alternatives_bpm: Annotated[tuple[Bpm, ...], Meta(description="Other readings (half, double), likeliest first.")]
    source: Annotated[Literal["detected", "given"], Meta(description="Whether it was found or asked for.")]
    is_constant: Annotated[bool, Meta(description="Whether one tempo holds from start to end.")] = True


class Part(Struct, frozen=True, kw_only=True):
    """One part, or one component of the drums."""

    name: Annotated[str, Meta(description="`bass`, `melody`, `vocals`, `drums` or a component's name.")]
    midi: Annotated[RelativePath | None, Meta(description="Its MIDI file.")]
    audio: Annotated[RelativePath | None, Meta(description="Its stem; null where stems were not made.")]
    notes: Annotated[RelativePath | None, Meta(description="Its notes as detected (see notes.md).")]
    confidence: Annotated[Fraction, Meta(description="Mean confidence of its notes; 0 where there are none.")]
    color: Annotated[str, Meta(pattern="^0x[0-9A-F]{6}$", description="Colour for tracks and pictures, 0xRRGGBB.")]
    program: Annotated[
        Annotated[int, Meta(ge=0, le=127)] | None,
        Meta(description="General MIDI program, counted from 0; null for percussion."),
    ]
    parent: Annotated[str | None, Meta(description="`drums` for components, else null.")] = None
    source: Annotated[
        Literal["stem", "mix"],
        Meta(description="Which audio its notes were taken from: its own stem, or the whole mix."),
    ] = "stem"
    engine: Annotated[EngineId | None, Meta(description="What found its notes.")] = None
    judged_with: Annotated[
        tuple[str, ...],
        Meta(description="Other audio that its notes were judged by: `mix`, or parts for their stems."),
    ] = ()
    measured_f: Annotated[
        dict[str, Fraction],
        Meta(
            description="The measured reason for `source` and `judged_with`: the mean F-measure of such parts' notes "
            "on other recordings, whose notes are known, when taken from their `stem`, the `mix`, or all of it "
            "`together`, with this kind of separator. Differences below 0.02 say little; where it is no more, what "
            "takes less time or has lost nothing is used. Components have that of the drums. Empty where there was no "
            "choice, or none could be measured."
        ),
    ] = {}
    removed: Annotated[
        dict[str, int],
        Meta(description="How much looked like a note and is none, by reason (see notes.md)."),
    ] = {}


class File(Struct, frozen=True, kw_only=True):
    """One file of the result, other than the manifest."""

    path: Annotated[RelativePath, Meta(description="Where it is, relative to the folder.")]
    bytes: Annotated[int, Meta(ge=0, description="Its size.")]
    kind: Annotated[
        str | None, Meta(description="Which delivery it belongs to, such as `als`; null for stems, MIDI and notes.")
    ] = None
    crc32: Annotated[
        Annotated[int, Meta(ge=0, lt=1 << 32)] | None,
        Meta(description="CRC-32 of its content, as in ZIP; null in results of older versions."),
    ] = None

    @classmethod
    def of(cls, folder: Path, path: str, kind: str | None = None) -> File:
        """The entry of a file that lies in a folder; it is read once."""
        place = folder / path
        return cls(path=path, bytes=place.stat().st_size, kind=kind, crc32=crc32_of(place))


class Manifest(Struct, frozen=True, kw_only=True):
    """Everything about one result folder."""

    schema: Annotated[Literal[1], Meta(description="Number of this format.")] = SCHEMA
    stembridge: Annotated[str, Meta(description="Version of Stembridge that made the result.")]
    source: Annotated[Source, Meta(description="The recording that was converted.")]
    range_s: Annotated[
        tuple[Seconds, Seconds] | None,
        Meta(description="Start and end of the converted range in seconds of the source; null for all of it."),
    ]
    tempo_bpm: Annotated[Bpm, Meta(description="The same as `tempo.bpm`.")]
    tempo: Annotated[Tempo, Meta(description="The tempo, and how sure it is.")]
    beats_s: Annotated[tuple[Seconds, ...], Meta(description="Every beat, in seconds of the converted range.")]
    downbeats_s: Annotated[tuple[Seconds, ...], Meta(description="The beats that begin a bar.")]
    time_signature: Annotated[tuple[int, int], Meta(description="Numerator and denominator.")]
    key: Annotated[str | None, Meta(description="Such as `A minor`; null where it isn't known.")]
    separator: Annotated[EngineId, Meta(description="What separated the recording; `none` where nothing did.")]
    parts: Annotated[tuple[Part, ...], Meta(description="The parts, then the components of the drums.")]
    files: Annotated[tuple[File, ...], Meta(description="Every file that was written, other than this one.")]
    timings_s: Annotated[dict[str, Seconds], Meta(description="How long each stage took, in seconds.")]
    warnings: Annotated[tuple[str, ...], Meta(description="What the user should know, a sentence each.")]
    midi: Annotated[
        MidiOptions | None, Meta(description="How the notes became MIDI; null in results of older versions.")
    ] = None
    tightness: Annotated[
        Fraction | None,
        Meta(description="How sure notes of pitched parts had to be, 0 to 1; null in results of older versions."),
    ] = None
    deliver: Annotated[
        DeliverOptions | None,
        Meta(description="How the deliveries were made, and which there are; null in results of older versions."),
    ] = None
    chords: Annotated[tuple[Chord, ...], Meta(description="The chords, in order; empty where they aren't known.")] = ()
    sections: Annotated[
        tuple[Section, ...], Meta(description="The sections, in order; empty where they aren't known.")
    ] = ()


def parent_of(part: str) -> str | None:
    """``drums`` for a component of the drums, None for a part."""
    return None if part in PARTS else "drums"


def encode(manifest: Manifest) -> bytes:
    """The manifest as the bytes of its file: ASCII JSON for human eyes, numbers rounded to `DECIMALS`."""
    plain = msgspec.to_builtins(manifest, enc_hook=_to_text)
    text = json.dumps(rounded(plain), indent=2, ensure_ascii=True, allow_nan=False)
    # Lists of numbers go on one line. A line break can't occur within a JSON string, so names are safe from this.
    text = re.sub(r"\[\n\s+([-+.\de,\s]+?)\n\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
    return text.encode("ascii") + b"\n"


def decode(data: bytes) -> Manifest:
    """The manifest in a file's content; fields that this version doesn't know are passed over.

    Raises
    ------
    ValueError
        If it is none, with the reason in one line.
    """
    content = _parsed(data)
    if isinstance(content, dict) and content.get("schema") != SCHEMA:
        raise ValueError(f"its format is number {content.get('schema')}, not {SCHEMA}")
    return msgspec.convert(content, Manifest, dec_hook=_from_text)


def read(folder: Path) -> Manifest:
    """The manifest of a result folder.

    Raises
    ------
    InvalidRequest
        If the folder is no result of Stembridge.
    """
    try:
        return decode((folder / NAME).read_bytes())
    except OSError as error:
        raise InvalidRequest(
            f"{printable(folder)} is not a result of Stembridge: its {NAME} cannot be read ({error.strerror})"
        ) from error
    except ValueError as error:
        raise InvalidRequest(
            f"{printable(folder)} is not a result that this Stembridge can read: {NAME}: {error}"
        ) from error


def crc32_of(file: Path) -> int:
    """CRC-32 of a file's content."""
    checksum = 0
    with file.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum


def written_files(folder: Path) -> dict[str, File] | None:
    """By path, the files that Stembridge, in any version, wrote to a folder; None if it is no result."""

    class Listing(Struct):
        schema: int
        stembridge: str
        files: tuple[File, ...]

    try:
        listing = msgspec.convert(_parsed((folder / NAME).read_bytes()), Listing)
    except (OSError, ValueError):
        return None
    return {file.path: file for file in listing.files}


def rounded(value: Any) -> Any:
    """Nested lists and dicts with their floats rounded to `DECIMALS`."""
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def json_schema() -> dict[str, Any]:
    """The manifest's JSON Schema."""
    return msgspec.json.schema(Manifest, schema_hook=_schema_of_text)


def _to_text(value: Any) -> str:
    """A grid as people write it, such as ``1/16``; a path as it is."""
    if isinstance(value, Rational):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"JSON has no {type(value).__name__}")


def _from_text(kind: type, value: Any) -> Any:
    """What `_to_text` wrote."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is not Rational or not isinstance(value, str):
        raise NotImplementedError(f"JSON has no {kind.__name__}")
    try:
        return Rational(value)
    except ZeroDivisionError as error:
        raise ValueError(f"{value!r} is no fraction") from error


def _schema_of_text(kind: type) -> dict[str, Any]:
    if kind is Path:
        return {"type": "string"}
    if kind is not Rational:
        raise NotImplementedError(f"JSON has no {kind.__name__}")
    return {"type": "string", "pattern": "^[0-9]+/[0-9]+$"}


def _parsed(data: bytes) -> Any:
    """JSON from bytes; `RecursionError`, the one way for it to fail that is no `ValueError`, becomes one."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
