"""What Live knows of a clip: the request that the device sends, checked. Nothing in it is trusted.

The daemon imports this, so it knows nothing of samples or engines. `bridge.jobs.clip_request` makes a job of a request.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from bridge.disk import printable
from bridge.errors import InvalidRequest
from bridge.live.warp import Layout, WarpMap, from_left_edge, same_ruler
from bridge.names import COMPONENTS, PARTS, USUAL_TIGHTNESS

#: Largest request in bytes: as large as the protocol can carry (`bridge.osc.protocol.MAX_REQUEST_CHARS`), since no
#: encoding makes it shorter.
MAX_REQUEST_BYTES = 1_600_000
#: Markers of one clip. Live sets one for every few bars; a two-hour recording warped by hand at every beat has 20,000.
MAX_MARKERS = 20_000
#: Heard before and after a clip's own stretch of the file (s): an attack right at a clip's edge is found by the silence
#: or sound before it, and the engines' windows are up to 2 s long.
CONTEXT_S = 1.0
#: Limits of seconds and beats: eleven days, and six times the longest Arrangement that Live has; damage is beyond them.
_MAX_SECONDS, _MAX_BEATS = 1e6, 1e7
#: Live's warp mode in which pitch follows speed, and `pitch_coarse` and `pitch_fine` have no effect (its manual).
RE_PITCH: Final = 3

_Second = Annotated[float, Meta(ge=-_MAX_SECONDS, le=_MAX_SECONDS)]
_Beat = Annotated[float, Meta(ge=-_MAX_BEATS, le=_MAX_BEATS)]
#: Of a marker: beats, or seconds where the clip isn't warped.
_Place = _Beat
_Text = Annotated[str, Meta(max_length=1000)]
_Index = Annotated[int, Meta(ge=-1, le=100_000)]
_Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class ClipOptions(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the user chose in the device. The first group goes to the conversion, where its values are checked.

    Attributes
    ----------
    recording, separator, drum_engine, parts, bpm, quantize, strength, swing, transpose, pitch_bend, stems, tightness,
    fresh
        As in `bridge.jobs.model.Options`.
    deliver
        As there too, but nothing where nothing is said: who asks is in Live already, and waits.
    place
        Where the new clips go; None for where the source is.
    components
        Whether the drums' components get clips of their own, besides the drums'.
    pitch
        ``heard``: notes are as they sound in the Set, transposed as the clip is. ``file``: as they sound in the file.
    """

    recording: Annotated[str, Meta(max_length=32)] = "song"
    separator: Annotated[str, Meta(max_length=32)] = "auto"
    drum_engine: Annotated[str, Meta(max_length=32)] = "auto"
    parts: Annotated[tuple[Annotated[str, Meta(max_length=32)], ...], Meta(max_length=16)] = PARTS
    bpm: Annotated[float, Meta(ge=20.0, le=400.0)] | None = None
    quantize: Annotated[str, Meta(max_length=5, pattern=r"^1/[1-9][0-9]{0,2}$")] | None = None
    strength: _Fraction = 1.0
    swing: _Fraction = 0.0
    transpose: Annotated[int, Meta(ge=-48, le=48)] = 0
    pitch_bend: bool = False
    stems: bool = True
    tightness: _Fraction = USUAL_TIGHTNESS
    fresh: bool = False
    deliver: Annotated[tuple[Annotated[str, Meta(max_length=32)], ...], Meta(max_length=16)] = ()
    place: Literal["session", "arrangement"] | None = None
    components: bool = False
    pitch: Literal["heard", "file"] = "heard"


class ClipFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What Live knows of an audio clip, in Live's own words and units.

    Attributes
    ----------
    file_path
        Absolute path of its file.
    sample_rate
        Of the file, in Hz.
    sample_length
        Of the file, in samples.
    warping
        Whether Warp is on. Off, one second of the file takes one second, whatever the tempo.
    warp_mode
        0 Beats, 1 Tones, 2 Texture, 3 Re-Pitch, 4 Complex, 5 REX, 6 Complex Pro.
    warp_markers
        (file seconds, clip beats) of each, with the hidden last one. Empty where Warp is off.
    start_marker, end_marker
        Clip beats. Not read where Warp is off.
    loop_start, loop_end
        Clip beats; where Warp is off, file seconds of the clip's edges.
    looping
        Whether the loop is on; an unwarped clip has none.
    is_arrangement
        Whether it lies in the Arrangement.
    start_time, end_time
        Its edges in beats of the song, in the Arrangement. For a Session clip whose copy goes to the Arrangement,
        `start_time` says where to.
    pitch_coarse, pitch_fine
        Transposition in semitones and in cents.
    gain
        0 to 1, as Live has it.
    tempo
        BPM of the song now.
    signature
        Of the clip: numerator, denominator.
    name, color
        The clip's; 0xRRGGBB.
    track_name, track_index, scene_index
        Where it is; -1 where Live gave none.
    live_version
        Such as ``12.3.1``.
    options
        What the user chose.
    """

    file_path: Annotated[str, Meta(min_length=1, max_length=32_767)]
    sample_rate: Annotated[float, Meta(ge=1.0, le=10_000_000.0)]
    sample_length: Annotated[float, Meta(ge=1.0, le=1e12)]
    warping: bool
    warp_mode: Annotated[int, Meta(ge=0, le=6)] = 0
    warp_markers: Annotated[tuple[tuple[_Second, _Beat], ...], Meta(max_length=MAX_MARKERS)] = ()
    start_marker: _Place = 0.0
    end_marker: _Place = 0.0
    loop_start: _Place
    loop_end: _Place
    looping: bool = False
    is_arrangement: bool
    start_time: _Beat = 0.0
    end_time: _Beat = 0.0
    pitch_coarse: Annotated[int, Meta(ge=-48, le=48)] = 0
    pitch_fine: Annotated[float, Meta(ge=-50.0, le=50.0)] = 0.0
    gain: _Fraction = 1.0
    tempo: Annotated[float, Meta(ge=1.0, le=1000.0)]
    signature: tuple[Annotated[int, Meta(ge=1, le=99)], Literal[1, 2, 4, 8, 16]] = (4, 4)
    name: _Text = ""
    color: Annotated[int, Meta(ge=0, le=0xFFFFFF)] = 0
    track_name: _Text = ""
    track_index: _Index = -1
    scene_index: _Index = -1
    live_version: Annotated[str, Meta(max_length=64)] = ""
    options: ClipOptions = ClipOptions()

    @property
    def file_s(self) -> float:
        """Length of its file in seconds."""
        return self.sample_length / self.sample_rate

    @property
    def bar(self) -> float:
        """Length of a bar in beats (quarter notes)."""
        return self.signature[0] * 4.0 / self.signature[1]

    @property
    def place(self) -> Literal["session", "arrangement"]:
        """Where its copies go."""
        return self.options.place or ("arrangement" if self.is_arrangement else "session")

    @property
    def speed(self) -> float:
        """How many times as fast as its file an unwarped clip plays: there, transposition changes the speed as well."""
        return float(2.0 ** ((self.pitch_coarse + self.pitch_fine / 100.0) / 12.0))

    def warp_map(self) -> WarpMap:
        """File seconds to clip beats and back."""
        if self.warping:
            return WarpMap.from_markers(self.warp_markers)
        return WarpMap.at_tempo(self.tempo, start_s=self.loop_start, speed=self.speed)

    def layout(self) -> Layout:
        """How a new clip is laid out that sounds what this one does.

        Raises
        ------
        InvalidRequest
            If it sounds nothing.
        """
        loop = (self.loop_start, self.loop_end) if self.warping and self.looping else None
        if loop is not None and not loop[0] + 1e-3 < loop[1]:
            raise InvalidRequest("the clip's loop has no length: make it longer, then convert again")
        if not self.warping:
            return from_left_edge(0.0, self._unwarped_length(), None)
        if self.is_arrangement:
            return from_left_edge(self.start_marker, self.end_time - self.start_time, loop)
        layout = same_ruler(self.start_marker, self.end_marker, loop, self.bar)
        if self.place == "session":
            return layout
        start, end = layout.heard  # with a loop, once round
        return from_left_edge(self.start_marker, end - start, loop)

    def _unwarped_length(self) -> float:
        """Its length in beats: as Live has it in the Arrangement, else from its edges at the tempo of now."""
        if self.is_arrangement:
            return self.end_time - self.start_time
        return self.warp_map().beat(self.loop_end)

    def transposition(self, seconds_per_beat: float) -> int:
        """Semitones, rounded, by which the file's pitch is heard higher where a beat takes that much of the file.

        In Re-Pitch mode it follows from the speed: the file's seconds in a beat against the song's. `pitch_fine` is at
        most half a semitone, so it never makes one of its own.
        """
        if self.warping and self.warp_mode == RE_PITCH:
            return round(12.0 * math.log2(seconds_per_beat * self.tempo / 60.0))
        return self.pitch_coarse

    def heard_s(self) -> tuple[float, float]:
        """The stretch of the file that the clip plays, in file seconds, within the file.

        Raises
        ------
        InvalidRequest
            If it plays none of it.
        """
        seconds = self.warp_map().second
        first, last = (seconds(beat) for beat in self.layout().heard)
        if not self.warping:
            last = max(last, self.loop_end)  # where the tempo changes, the length in beats doesn't tell
        start_s, end_s = max(0.0, first), min(self.file_s, last)
        if not start_s < end_s:
            raise InvalidRequest("the clip plays nothing of its file: move its markers, then convert again")
        return start_s, end_s

    def range_s(self) -> tuple[float, float] | None:
        """What to convert of the file, in seconds: what is heard, and `CONTEXT_S` around it; None for all of it.

        The end may lie behind the file's, whose exact length is only known once it is decoded.
        """
        start_s, end_s = self.heard_s()
        start_s, end_s = max(0.0, start_s - CONTEXT_S), end_s + CONTEXT_S
        return None if start_s == 0.0 and end_s >= self.file_s else (start_s, end_s)


def parse_clip(data: bytes) -> ClipFacts:
    """The clip in a request's JSON (UTF-8).

    Facts that this version doesn't know are passed over; options are refused, as their user would wait for them in
    vain. The shapes in which Live hands out truth values (0 and 1) and warp markers (JSON within a string, an array or
    an object with one) are all taken.

    Raises
    ------
    InvalidRequest
        If it is no such JSON, a value has a wrong type or is out of its range, or the values contradict each other.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidRequest(f"the request has {len(data)} bytes, more than {MAX_REQUEST_BYTES}")
    try:
        content = _loads(data.decode("utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")  # noqa: TRY004, TRY301  (one kind of error for what came in)
        for flag in ("warping", "looping", "is_arrangement"):
            if content.get(flag) in (0, 1):
                content[flag] = bool(content[flag])
        if "warp_markers" in content:
            content["warp_markers"] = _markers(content["warp_markers"])
        clip = msgspec.convert(content, ClipFacts)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else one_line(error)
        raise InvalidRequest(f"the request for a clip makes no sense: {reason}; update the device") from error
    clip.heard_s()  # markers, loop and edges must make sense together
    return clip


def wanted_names(options: ClipOptions) -> tuple[str, ...]:
    """Parts, and components where asked for, that get clips, in their order."""
    parts = tuple(part for part in PARTS if part in options.parts)
    return (*parts, *COMPONENTS) if options.components and "drums" in parts else parts


def _loads(text: str) -> Any:
    """JSON without NaN and infinity; whole numbers are ints, however they were written."""

    def number(digits: str) -> float | int:
        value = float(digits)
        if not math.isfinite(value):
            raise ValueError(f"{digits[:20]} is too large a number")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    return json.loads(text, parse_float=number, parse_constant=refuse)


def _markers(value: Any) -> list[tuple[Any, Any]]:
    """Warp markers in any of the shapes in which Live gives them."""
    if isinstance(value, str):
        value = _loads(value)
    if isinstance(value, dict):
        value = value.get("warp_markers")
    if not isinstance(value, list):
        raise ValueError("warp_markers is no list")  # noqa: TRY004
    return [_marker(marker) for marker in value]


def _marker(value: Any) -> tuple[Any, Any]:
    if isinstance(value, dict):
        return value.get("sample_time"), value.get("beat_time")
    if isinstance(value, list) and len(value) == 2:
        return value[0], value[1]
    raise ValueError("a warp marker has sample_time and beat_time")


def one_line(text: object) -> str:
    """A short printable line of anything."""
    return printable(str(text)[:300])
