"""The values that move through a conversion. Times are seconds from the start of the audio that is converted.

Samples are float32 arrays of shape (samples, channels), nominally in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bridge.names import COMPONENTS as COMPONENTS
from bridge.names import PARTS as PARTS
from bridge.names import PITCHED_PARTS as PITCHED_PARTS
from bridge.names import USUAL_TIGHTNESS

Samples = NDArray[np.float32]

#: General MIDI level 1 percussion keys that Stembridge writes.
GM_DRUM = {
    "kick": 36,
    "snare": 38,
    "closed_hat": 42,
    "open_hat": 46,
    "crash": 49,
    "ride": 51,
    "tom_high": 48,
    "tom_mid": 45,
    "tom_low": 43,
}
COMPONENT_OF_KEY = {
    36: "kick",
    38: "snare",
    42: "hihat",
    46: "hihat",
    49: "cymbal",
    51: "ride",
    48: "tom",
    45: "tom",
    43: "tom",
}

Recording = Literal["song", "mix", "bass", "melody", "vocals", "drums"]


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note, or one drum hit.

    Attributes
    ----------
    onset_s, offset_s
        Seconds; 0 <= onset < offset.
    pitch
        MIDI note number, 60 = middle C; for drums the General MIDI key.
    velocity
        1 to 127.
    confidence
        How sure the engine is, 0 to 1.
    bend
        Pitch contour as (seconds after the onset, semitones from `pitch`), in order of time; empty where none is known.
    """

    onset_s: float
    offset_s: float
    pitch: int
    velocity: int
    confidence: float = 1.0
    bend: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.onset_s < self.offset_s < float("inf"):
            raise ValueError(f"a note needs 0 <= onset < offset, got {self.onset_s}..{self.offset_s}")
        if not 0 <= self.pitch <= 127:
            raise ValueError(f"a note's pitch is 0 to 127, got {self.pitch}")
        if not 1 <= self.velocity <= 127:
            raise ValueError(f"a note's velocity is 1 to 127, got {self.velocity}")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"a note's confidence is 0 to 1, got {self.confidence}")


@dataclass(frozen=True, slots=True)
class BeatGrid:
    """Where the beats and bars are.

    Attributes
    ----------
    bpm
        Quarter notes a minute; where the tempo varies, the median.
    beats_s
        Every beat that lies inside the audio, ascending. With a constant tempo they are exactly equally spaced.
    downbeats_s
        The beats that begin a bar; a subset of `beats_s`.
    time_signature
        (numerator, denominator), e.g. (4, 4) or (6, 8). In 6/8 a beat of `beats_s` is still a quarter note.
    is_constant
        Whether one tempo holds from start to end.
    confidence
        0 (no pulse was found: 120 BPM is a guess) to 1.
    alternatives_bpm
        Other readings (half, double, ...), likeliest first.
    source
        ``detected`` or ``given``.
    """

    bpm: float
    beats_s: tuple[float, ...]
    downbeats_s: tuple[float, ...]
    time_signature: tuple[int, int] = (4, 4)
    is_constant: bool = True
    confidence: float = 0.0
    alternatives_bpm: tuple[float, ...] = ()
    source: Literal["detected", "given"] = "detected"


@dataclass(frozen=True, slots=True)
class EngineId:
    """What made a result: enough to make it again, and to know a cached one is stale."""

    name: str
    version: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class GrooveStep:
    """How the notes of one step of a groove are played.

    Attributes
    ----------
    offset
        How late they come on average, in steps; below 0 early. -1 to 1.
    velocity
        Their mean velocity over that of the whole part; above 0, at most 127.
    """

    offset: float
    velocity: float

    def __post_init__(self) -> None:
        if not (-1.0 <= self.offset <= 1.0 and 0.0 < self.velocity <= 127.0):
            raise ValueError(
                f"a groove's offsets are -1 to 1 steps and its velocities 0 to 127 times the mean, got {self.offset} "
                f"and {self.velocity}"
            )


@dataclass(frozen=True, slots=True)
class Groove:
    """The feel of a part: how late and how loud it plays each step of a cycle of bars.

    Attributes
    ----------
    grid
        Length of a step as a fraction of a whole note.
    bars
        Bars after which it repeats, 1 or more.
    steps
        Those of the first bar, of the second, ..., equally many of each; null where the part has no note.
    """

    grid: Fraction
    bars: int
    steps: tuple[GrooveStep | None, ...]

    def __post_init__(self) -> None:
        if self.grid <= 0 or self.bars < 1 or len(self.steps) % self.bars:
            raise ValueError(
                f"a groove has a grid above 0 and equally many steps in each of its bars, got {self.grid} and "
                f"{len(self.steps)} steps in {self.bars} bars"
            )

    def step(self, bar: int, index: int) -> GrooveStep | None:
        """A step of a bar of the song; None where the part has no note, or its bars are shorter."""
        in_bar = len(self.steps) // self.bars
        return self.steps[bar % self.bars * in_bar + index] if index < in_bar else None


@dataclass(frozen=True, slots=True)
class MidiOptions:
    """How notes become MIDI; changing these needs no engine.

    Attributes
    ----------
    quantize
        Grid as a fraction of a whole note (1/16), or None for as played.
    strength
        0 (as played) to 1 (on the grid).
    swing
        0 (straight) to 1 (every second grid line late by half a grid step); 2/3 is the triplet feel.
    transpose
        Semitones added to pitched parts; drums keep their keys.
    pitch_bend
        Write the pitch contour of one-voice parts.
    scale
        Where notes of pitched parts go that lie beside it: a scale such as ``A minor``, or ``key`` for that of the
        song's key; None for nowhere.
    groove
        Whose feel all parts get: a groove, or the name of a part or component of the song; None for their own.
    groove_strength
        How much of it, 0 to 1.
    humanize
        How far notes stray from where they would be, 0 (not at all) to 1 (20 ms and 16 steps of velocity at most).
    seed
        Another number strays otherwise.
    programs
        General MIDI programs, 0 to 127, of pitched parts that are not to have their usual ones.
    expression
        Write the loudness of pitched parts' stems as control change 11.
    """

    quantize: Fraction | None = None
    strength: float = 1.0
    swing: float = 0.0
    transpose: int = 0
    pitch_bend: bool = False
    scale: str | None = None
    groove: str | Groove | None = None
    groove_strength: float = 1.0
    humanize: float = 0.0
    seed: int = 0
    programs: Mapping[str, int] = field(default_factory=dict)
    expression: bool = False

    def __post_init__(self) -> None:
        if any(not 0 <= program <= 127 for program in self.programs.values()):
            raise ValueError(f"a program is 0 to 127, got {dict(self.programs)}")


@dataclass(frozen=True, slots=True)
class DeliverOptions:
    """What is made of a result beyond its stems and MIDI, and how.

    Attributes
    ----------
    kinds
        Some of `bridge.names.DELIVERIES`.
    loop_bars
        Length of a loop in bars, 1 or more.
    split_notes
        Whether a note that lasts beyond the end of its loop is cut there and goes on in the next; else it stays whole
        in the loop in which it begins.
    audio_tracks
        Whether a Live Set and a DAWproject have the stems as audio tracks beside the MIDI.
    soundfont
        What previews are played with; None for the bundled sounds.
    """

    kinds: tuple[str, ...] = ()
    loop_bars: int = 8
    split_notes: bool = True
    audio_tracks: bool = True
    soundfont: Path | None = None

    def __post_init__(self) -> None:
        if self.loop_bars < 1:
            raise ValueError(f"a loop has 1 bar or more, got {self.loop_bars}")


@dataclass(frozen=True, slots=True)
class Removed:
    """What looked like a note and is none.

    Attributes
    ----------
    onset_s
        Seconds from the start.
    pitch
        MIDI note number.
    confidence
        How probable it is a note after all, 0 to 1.
    reason
        ``overtone``: of a surer note that begins at the same time; ``sounding``: its pitch sounds already;
        ``elsewhere``: another part's stem has it; ``unlikely``: all that is known of it, taken together.
    """

    onset_s: float
    pitch: int
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The notes of a part, in order of onset, and what was taken out."""

    notes: list[Note]
    removed: tuple[Removed, ...] = ()


@dataclass(frozen=True, slots=True)
class ConversionRequest:
    """One recording to convert.

    Attributes
    ----------
    source
        The audio file.
    out_dir
        The result folder is made in here.
    recording
        ``song`` is separated; ``mix`` is transcribed whole; a part's name says that the recording is that instrument.
    separator
        ``auto``, ``none`` or a separator's name.
    parts
        Which of `PARTS` to make.
    bpm
        Tempo to use instead of the detected one, or None.
    range_s
        (start, end) seconds of the source to convert, or None for all of it.
    stems
        Whether stems are delivered.
    drum_engine
        ``auto`` or a drum engine's name.
    tightness
        How sure the notes of pitched parts must be: 0 (every candidate) to 1 (only the sure ones).
    fresh
        Ignore what is cached.
    name
        Name of the result folder; empty for the audio file's name without its ending.
    deliver
        What is made beyond stems and MIDI.
    """

    source: Path
    out_dir: Path
    recording: Recording = "song"
    separator: str = "auto"
    parts: tuple[str, ...] = PARTS
    bpm: float | None = None
    range_s: tuple[float, float] | None = None
    midi: MidiOptions = field(default_factory=MidiOptions)
    stems: bool = True
    drum_engine: str = "auto"
    tightness: float = USUAL_TIGHTNESS
    fresh: bool = False
    name: str = ""
    deliver: DeliverOptions = field(default_factory=DeliverOptions)

    def __post_init__(self) -> None:
        if not 0.0 <= self.tightness <= 1.0:
            raise ValueError(f"the tightness is 0 to 1, got {self.tightness}")
