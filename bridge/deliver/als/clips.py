"""Clips of the Arrangement: notes, and unwarped samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from bridge.deliver.als.blocks import envelope_of, follow_action, grid, leaf, leaves, scale, steps
from bridge.deliver.arrangement import BeatNote, PartTracks, Sample
from bridge.deliver.xmltext import node

#: How much of a beat Live's own two warp markers of an unwarped clip are apart.
_MARKER_BEATS = 1 / 32


@dataclass(frozen=True, slots=True)
class ClipLook:
    """What a clip shows: its name, its colour in Live's palette, its meter and its scale (see `blocks.scale`)."""

    name: str
    color: int
    meter: tuple[int, int]
    scale: tuple[int, str]


def midi_clip(part: PartTracks, look: ClipLook, bend_target: Element) -> Element:
    """A part's notes from the first bar line to the one at its end; `bend_target` is its wheel."""
    envelopes = [_bend_envelope(part, bend_target)] if part.bends else []
    return node(
        "MidiClip",
        *_clip_head(look, 0.0, part.end, part.end, envelopes, part.comment),
        *leaves(IsWarped=True, TakeId=1),
        _notes(part.notes),
        *leaves(BankSelectCoarse=-1, BankSelectFine=-1, ProgramChange=-1),
        *leaves(NoteEditorFoldInZoom=-1, NoteEditorFoldInScroll=0, NoteEditorFoldOutZoom=3072),
        *leaves(NoteEditorFoldOutScroll=-1320, NoteEditorFoldScaleZoom=-1, NoteEditorFoldScaleScroll=0),
        scale(*look.scale),
        *leaves(IsInKey=False, NoteSpellingPreference=3, PreferFlatRootNote=False),
        grid("ExpressionGrid", snap=False, fixed=False),
        Id=0,
        Time=0,
    )


def audio_clip(sample: Sample, look: ClipLook, bpm: float, relative_path: str, absolute_path: str) -> Element:
    """A whole sample, unwarped: it plays at its own speed whatever the tempo does.

    Parameters
    ----------
    sample
        The sample.
    look
        Of the clip.
    bpm
        Tempo that it gets should the user warp it.
    relative_path, absolute_path
        Of the file, in the project's folder and on this machine, with forward slashes.
    """
    # Where Live counts an unwarped clip's own time, it does so in seconds.
    return node(
        "AudioClip",
        *_clip_head(look, sample.start, sample.end, sample.audio.duration_s),
        *leaves(IsWarped=False, TakeId=1),
        _sample_reference(sample, relative_path, absolute_path),
        node("Onsets", node("UserOnsets"), leaf("HasUserOnsets", False)),
        *leaves(WarpMode=0, GranularityTones=30, GranularityTexture=65, FluctuationTexture=25),
        *leaves(TransientResolution=6, TransientLoopMode=2, TransientEnvelope=100),
        *leaves(ComplexProFormants=100, ComplexProEnvelope=128, Sync=True, HiQ=True, Fade=False),
        _no_fades(),
        *leaves(PitchCoarse=0, PitchFine=0, SampleVolume=1),
        node(
            "WarpMarkers",
            node("WarpMarker", Id=0, SecTime=0, BeatTime=0),
            node("WarpMarker", Id=1, SecTime=60.0 / bpm * _MARKER_BEATS, BeatTime=_MARKER_BEATS),
        ),
        node("SavedWarpMarkersForStretched"),
        *leaves(MarkersGenerated=False, IsSongTempoMaster=False),
        Id=0,
        Time=sample.start,
    )


def _clip_head(
    look: ClipLook, start: float, end: float, length: float, envelopes: Iterable[Element] = (), comment: str = ""
) -> list[Element]:
    """How every clip begins: `start` and `end` in beats, `length` in its own time."""
    numerator, denominator = look.meter
    meter = node("RemoteableTimeSignature", *leaves(Numerator=numerator, Denominator=denominator, Time=0), Id=0)
    loop = leaves(LoopStart=0, LoopEnd=length, StartRelative=0, LoopOn=False, OutMarker=length)
    return [
        *leaves(LomId=0, LomIdView=0, CurrentStart=start, CurrentEnd=end),
        node("Loop", *loop, *leaves(HiddenLoopStart=0, HiddenLoopEnd=length)),
        *leaves(Name=look.name, Annotation=comment, Color=look.color, LaunchMode=0, LaunchQuantisation=0),
        node("TimeSignature", node("TimeSignatures", meter)),
        node("Envelopes", node("Envelopes", *envelopes)),
        node("ScrollerTimePreserver", *leaves(LeftTime=0, RightTime=length)),
        node("TimeSelection", *leaves(AnchorTime=0, OtherTime=0)),
        *leaves(Legato=False, Ram=False),
        node("GrooveSettings", leaf("GrooveId", -1)),
        *leaves(Disabled=False, VelocityAmount=0),
        follow_action(1),
        grid("Grid", snap=True, fixed=True),
        *leaves(FreezeStart=0, FreezeEnd=0),
    ]


def _notes(notes: Sequence[BeatNote]) -> Element:
    """Notes by key, lowest first; each has a number of its own in the clip."""
    of_key: dict[int, list[Element]] = {}
    for number, (beat, length, pitch, velocity) in enumerate(notes, start=1):
        event = node(
            "MidiNoteEvent",
            Time=beat,
            Duration=length,
            Velocity=velocity,
            VelocityDeviation=0,
            OffVelocity=64,
            Probability=1,
            IsEnabled=True,
            NoteId=number,
        )
        of_key.setdefault(pitch, []).append(event)
    keys = (
        node("KeyTrack", node("Notes", *of_key[pitch]), leaf("MidiKey", pitch), Id=number)
        for number, pitch in enumerate(sorted(of_key))
    )
    return node(
        "Notes",
        node("KeyTracks", *keys),
        node("PerNoteEventStore", node("EventLists")),
        node("NoteIdGenerator", leaf("NextId", len(notes) + 1)),
    )


def _bend_envelope(part: PartTracks, bend_target: Element) -> Element:
    """The pitch wheel's moves, -8192 to 8191, in the middle until the first."""
    events = steps("FloatEvent", [(0.0, 0), *((bend.beat, bend.wheel) for bend in part.bends)])
    no_loop = node("LoopSlot", node("Value"))
    scrolled = node("ScrollerTimePreserver", *leaves(LeftTime=0, RightTime=0))
    return envelope_of("ClipEnvelope", 0, bend_target, events, no_loop, scrolled)


def _sample_reference(sample: Sample, relative_path: str, absolute_path: str) -> Element:
    inside_the_project = 3
    file = node(
        "FileRef",
        *leaves(RelativePathType=inside_the_project, RelativePath=relative_path, Path=absolute_path, Type=1),
        *leaves(LivePackName="", LivePackId="", OriginalFileSize=0, OriginalCrc=0),
    )
    shape = leaves(SampleUsageHint=0, DefaultDuration=sample.audio.length, DefaultSampleRate=sample.audio.sample_rate)
    return node("SampleRef", file, leaf("LastModDate", 0), node("SourceContext"), *shape)


def _no_fades() -> Element:
    return node(
        "Fades",
        *leaves(FadeInLength=0, FadeOutLength=0, ClipFadesAreInitialized=True, CrossfadeInState=0),
        *leaves(FadeInCurveSkew=0, FadeInCurveSlope=0, FadeOutCurveSkew=0, FadeOutCurveSlope=0),
        *leaves(IsDefaultFadeIn=False, IsDefaultFadeOut=False),
    )
