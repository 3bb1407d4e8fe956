"""What a job is: a conversion that somebody asked the daemon for, and how far it is.

These are values of JSON types, for the database, for the worker's pipe and for messages. They know nothing of samples,
so that the daemon, which only keeps and hands on jobs, stays small; `bridge.jobs.worker_main` turns a spec into the
request that is converted. Times of day are seconds since 1970 (UTC), other times seconds of the recording.
"""

from __future__ import annotations

import json
import os
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from bridge.jobs.news import Found
from bridge.live.clip import ClipFacts
from bridge.music.scale import KEY, parse_scale
from bridge.names import DEFAULT_DELIVERIES, PARTS, USUAL_TIGHTNESS, deliveries_named

#: Who asked: a device in Live, a watched folder, a command in a terminal.
Origin = Literal["osc", "watch", "command"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
EventKind = Literal["accepted", "started", "progress", "found", "ended"]
Recording = Literal["song", "mix", "bass", "melody", "vocals", "drums"]

#: Lower goes first: who pressed a button waits for it; a folder of a hundred files can wait.
PRIORITY: dict[Origin, int] = {"osc": 0, "command": 10, "watch": 20}
#: The states that a job never leaves.
ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})
#: Longest id of a job, in characters.
MAX_ID_LENGTH = 64

#: The finest grid, as on the command line: 1/128 is finer than what the engines can tell.
_FINEST_QUANTIZE = 128
#: What no path needs: Linux allows 4,096 bytes, Windows 32,767 characters.
_MAX_PATH = 32_767
#: What no file system needs for one name.
_MAX_NAME = 255

_Path = Annotated[str, Meta(min_length=1, max_length=_MAX_PATH)]
_Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class Options(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How to convert: the options of ``stembridge convert``.

    Attributes
    ----------
    recording
        ``song`` is separated; ``mix`` is transcribed whole; a part's name says that the recording is that instrument.
    separator, drum_engine
        ``auto`` or an engine's name; the worker says when there is none of that name.
    parts
        Which of `bridge.names.PARTS` to make; at least one.
    bpm
        Tempo to use instead of the detected one, 20 to 400, or None.
    range_s
        (start, end) seconds of the source to convert; an end of None is the source's. None for all of it.
    quantize
        Grid such as ``1/16``, to ``1/128``, or None for as played.
    strength
        0 (as played) to 1 (on the grid).
    swing
        0 (straight) to 1; 2/3 is the triplet feel.
    transpose
        Semitones added to pitched parts, -48 to 48.
    pitch_bend
        Write the pitch contour of one-voice parts.
    scale
        Scale such as ``A minor`` that pitched parts are moved onto, or ``key`` for that of the song; None for none.
    groove
        Part or component whose feel all parts get, or the path of a groove's file; None for their own.
    groove_strength
        How much of it, 0 to 1.
    humanize
        How far notes stray, 0 to 1.
    seed
        Another number strays otherwise.
    programs
        General MIDI programs, 0 to 127, of pitched parts that are not to have their usual ones.
    expression
        Write the loudness of pitched parts' stems as control change 11.
    stems
        Whether stems are delivered.
    tightness
        How sure the notes of pitched parts must be: 0 (every candidate) to 1 (only the sure ones).
    fresh
        Ignore what is cached.
    deliver
        What to make besides stems and MIDI: some of `bridge.names.DELIVERIES`, or a word for several.
    loop_bars
        Bars of a loop, 1 to 999.
    split_notes
        Whether notes are cut where their loop ends.
    audio_tracks
        Whether a Live Set and a DAWproject have the stems beside the MIDI.
    soundfont
        Path of what previews are played with; None for the bundled sounds.
    """

    recording: Recording = "song"
    separator: Annotated[str, Meta(max_length=32)] = "auto"
    parts: tuple[str, ...] = PARTS
    bpm: Annotated[float, Meta(ge=20.0, le=400.0)] | None = None
    range_s: tuple[float, float | None] | None = None
    quantize: str | None = None
    strength: _Fraction = 1.0
    swing: _Fraction = 0.0
    transpose: Annotated[int, Meta(ge=-48, le=48)] = 0
    pitch_bend: bool = False
    scale: Annotated[str, Meta(max_length=40)] | None = None
    groove: _Path | None = None
    groove_strength: _Fraction = 1.0
    humanize: _Fraction = 0.0
    seed: Annotated[int, Meta(ge=0, le=(1 << 32) - 1)] = 0
    programs: dict[Literal["bass", "melody", "vocals"], Annotated[int, Meta(ge=0, le=127)]] = {}
    expression: bool = False
    stems: bool = True
    drum_engine: Annotated[str, Meta(max_length=32)] = "auto"
    tightness: _Fraction = USUAL_TIGHTNESS
    fresh: bool = False
    deliver: Annotated[tuple[str, ...], Meta(max_length=16)] = DEFAULT_DELIVERIES
    loop_bars: Annotated[int, Meta(ge=1, le=999)] = 8
    split_notes: bool = True
    audio_tracks: bool = True
    soundfont: _Path | None = None

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts:
            raise ValueError(f"parts must be some of {', '.join(PARTS)}, got {', '.join(unknown) or 'none'}")
        deliveries_named(self.deliver)
        if self.quantize is not None and not _is_grid(self.quantize):
            raise ValueError(f"quantize must be a note value such as 1/16, got {self.quantize[:20]!r}")
        if self.scale not in (None, KEY):
            parse_scale(self.scale)
        if self.range_s is not None:
            start_s, end_s = self.range_s
            if not (0.0 <= start_s < float("inf") and (end_s is None or start_s < end_s < float("inf"))):
                raise ValueError(f"range_s must be 0 <= start < end, got {start_s}..{end_s}")


class JobSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to convert, into which folder, and how.

    Attributes
    ----------
    source
        Absolute path of the audio file.
    out_dir
        Absolute path of the folder in which the result folder is made.
    name
        Name of the result folder, one component; empty for the audio file's name without its ending.
    options
        How to convert.
    clip
        What Live knows of the clip, or None: then there is no ``insert.json``.
    """

    source: _Path
    out_dir: _Path
    name: Annotated[str, Meta(max_length=_MAX_NAME)] = ""
    options: Options = Options()
    clip: ClipFacts | None = None

    def __post_init__(self) -> None:
        for path in (self.source, self.out_dir):
            if not os.path.isabs(path) or "\0" in path:  # noqa: PTH117  (a str, whatever it holds)
                raise ValueError(f"source and out_dir must be absolute paths, got {path[:200]!r}")
        separators = {"/", "\0", *("\\:" if os.name == "nt" else "")}
        if self.name in (".", "..") or separators & set(self.name):
            raise ValueError(f"name must be the name of a folder, not a path, got {self.name[:200]!r}")


class Job(Struct, frozen=True, omit_defaults=True):
    """One job and how far it is. Each change of a job is a new value.

    Attributes
    ----------
    id
        Chosen by who asks; asking again with the same id gives the same job.
    origin
        Who asked.
    priority
        Lower goes first; see `PRIORITY`.
    spec
        What to convert.
    state
        Where it is in its life; the last three are for ever.
    stage, fraction
        The stage of the conversion at work and how much of it is done, 0 to 1; empty and 0 before it starts.
    attempts
        How often it was started.
    result
        Absolute path of the result folder, once done.
    insert
        Absolute path of ``insert.json``, once done, where the spec has a clip.
    error_code, error_text
        Why it failed or was cancelled: the code for programs (`bridge.errors`, and ``hung``, ``engine-crashed``,
        ``crashed``), one line for people; empty otherwise.
    created_s, started_s, ended_s
        When it was accepted, last started, ended.
    """

    id: str
    origin: Origin
    priority: int
    spec: JobSpec
    state: JobState = "queued"
    stage: str = ""
    fraction: float = 0.0
    attempts: int = 0
    result: str | None = None
    insert: str | None = None
    error_code: str = ""
    error_text: str = ""
    created_s: float = 0.0
    started_s: float | None = None
    ended_s: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ENDED


class JobEvent(Struct, frozen=True):
    """Something happened to a job; `job` is how it is now, `found` the notes that were ``found``."""

    job: Job
    kind: EventKind
    found: Found | None = None


def spec_to_json(spec: JobSpec) -> str:
    """The spec as a line of ASCII JSON: file names that are not Unicode pass as escaped surrogates."""
    return json.dumps(msgspec.to_builtins(spec), allow_nan=False)


def spec_from_json(text: str | bytes) -> JobSpec:
    """The spec that `spec_to_json` wrote.

    Raises
    ------
    ValueError
        If it is something else; `msgspec.ValidationError` and `json.JSONDecodeError` are kinds of it.
    """
    return msgspec.convert(json.loads(text), JobSpec)


def _is_grid(text: str) -> bool:
    """Whether it is one of 1/1 to 1/128."""
    one, slash, denominator = text.partition("/")
    if (one, slash) != ("1", "/") or not (denominator.isascii() and denominator.isdigit()) or len(denominator) > 3:
        return False
    return 1 <= int(denominator) <= _FINEST_QUANTIZE and not denominator.startswith("0")
