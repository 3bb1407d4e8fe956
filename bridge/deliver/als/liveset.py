"""A whole Live Set, and the bytes of its file."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, tostring

from bridge.deliver.als.blocks import SCENES, PointeeIds, follow_action, grid, leaf, leaves, scale, wrapper
from bridge.deliver.als.tracks import cue_track, master_track, meter_code
from bridge.deliver.arrangement import Marker
from bridge.deliver.ruler import Meter, Tempo
from bridge.deliver.xmltext import node

#: The version of Live whose format this is: Live 11.3 opens it as its own, Live 12 converts it.
_HEADER = {
    "MajorVersion": "5",
    "MinorVersion": "11.0_11300",
    "SchemaChangeCount": "3",
    "Creator": "Ableton Live 11.3.21",
    "Revision": "",
}
#: The least that the number after the last pointee has been seen to be.
_LEAST_NEXT_POINTEE = 1001
#: What Live writes for a window that was never shown.
_NOWHERE = -2147483648


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What a set has beside its tracks.

    Attributes
    ----------
    annotation
        What Live shows as the set's info text.
    tempos, meters
        From the start on.
    markers
        Its locators.
    scale
        Semitones of the tonic above C, and Live's name of the scale.
    """

    annotation: str
    tempos: Sequence[Tempo]
    meters: Sequence[Meter]
    markers: Sequence[Marker]
    scale: tuple[int, str]


def live_set(tracks: Sequence[Element], facts: SetFacts, ids: PointeeIds) -> Element:
    """The set of these tracks; `ids` gave their pointees."""
    following = leaf("NextPointeeId", 0)
    root = node(
        "Ableton",
        node(
            "LiveSet",
            following,
            *leaves(OverwriteProtectionNumber=2819, LomId=0, LomIdView=0),
            node("Tracks", *tracks),
            master_track(facts.tempos, facts.meters, ids),
            cue_track(ids),
            node("SendsPre"),
            node("Scenes", *(_scene(number, meter_code(facts.meters[0])) for number in range(SCENES))),
            *_transport(),
            *_editing(facts.scale),
            *_lanes(),
            node("Locators", node("Locators", *(_locator(*item) for item in enumerate(facts.markers)))),
            node("DetailClipKeyMidis"),
            *_lists(),
            leaf("ChooserBar", 0),
            leaf("Annotation", facts.annotation),
            *_session(),
            *_looks(),
        ),
        **_HEADER,
    )
    highest = max(int(element.get("Id", 0)) for element in root.iter())
    following.set("Value", str(max(_LEAST_NEXT_POINTEE, highest + 1)))
    return root


def set_bytes(root: Element) -> bytes:
    """The file of a set: the same set gives the same bytes."""
    xml = b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="utf-8") + b"\n"
    return gzip.compress(xml, mtime=0)


def _scene(number: int, meter: int) -> Element:
    return node(
        "Scene",
        follow_action(0),
        *leaves(Name="", Annotation="", Color=-1, Tempo=120, IsTempoEnabled=False),
        *leaves(TimeSignatureId=meter, IsTimeSignatureEnabled=False, LomId=0),
        wrapper("ClipSlotsListWrapper"),
        Id=number,
    )


def _transport() -> list[Element]:
    looping = leaves(PhaseNudgeTempo=10, LoopOn=False, LoopStart=0, LoopLength=16, LoopIsSongStart=False)
    punching = leaves(CurrentTime=0, PunchIn=False, PunchOut=False, MetronomeTickDuration=0, DrawMode=False)
    return [
        node("Transport", *looping, *punching),
        node("SongMasterValues", node("SessionScrollerPos", X=0, Y=0)),
        node("SignalModulations"),
    ]


def _editing(tonic_and_name: tuple[int, str]) -> list[Element]:
    return [
        *leaves(GlobalQuantisation=4, AutoQuantisation=0),
        grid("Grid", snap=True, fixed=False),
        scale(*tonic_and_name),
        *leaves(InKey=False, SmpteFormat=0),
        node("TimeSelection", *leaves(AnchorTime=0, OtherTime=0)),
        node(
            "SequencerNavigator",
            node("BeatTimeHelper", leaf("CurrentZoom", 0.25)),
            node("ScrollerPos", X=0, Y=0),
            node("ClientSize", X=1319, Y=628),
        ),
        *leaves(IsContentSplitterOpen=True, IsExpressionSplitterOpen=True),
    ]


def _lanes() -> list[Element]:
    """The lanes of velocities and the like under notes, as a new set has them: (type, height, whether folded)."""
    expression = [(0, 41, False), (1, 41, False), (2, 41, True), (3, 41, True)]
    content = [(4, 41, False), (5, 25, True)]
    shown = [
        node(
            tag,
            *(
                node("ExpressionLane", *leaves(Type=kind, Size=size, IsMinimized=folded), Id=number)
                for number, (kind, size, folded) in enumerate(rows)
            ),
        )
        for tag, rows in (("ExpressionLanes", expression), ("ContentLanes", content))
    ]
    return [*shown, *leaves(ViewStateFxSlotCount=4, ViewStateSessionMixerHeight=120)]


def _locator(number: int, marker: Marker) -> Element:
    shown = leaves(LomId=0, Time=marker.beat, Name=marker.name, Annotation="", IsSongStart=False)
    return node("Locator", *shown, Id=number)


def _lists() -> list[Element]:
    kinds = ("Tracks", "VisibleTracks", "ReturnTracks", "Scenes", "CuePoints")
    return [wrapper(f"{kind}ListWrapper") for kind in kinds]


def _session() -> list[Element]:
    return [
        *leaves(SoloOrPflSavedValue=True, SoloInPlace=True, CrossfadeCurve=2, LatencyCompensation=2),
        leaf("HighlightedTrackIndex", 0),
        node("GroovePool", leaf("LomId", 0), node("Grooves")),
        *leaves(AutomationMode=False, SnapAutomationToGrid=True, ArrangementOverdub=False, ColorSequenceIndex=0),
        node("AutoColorPickerForPlayerAndGroupTracks", leaf("NextColorIndex", 0)),
        node("AutoColorPickerForReturnAndMasterTracks", leaf("NextColorIndex", 0)),
        leaf("ViewData", "{}"),
        *leaves(ResetNonautomatedMidiControllersOnClipStarts=True, MidiFoldIn=False, MidiFoldMode=0),
        *leaves(MultiClipFocusMode=False, MultiClipLoopBarHeight=0, MidiPrelisten=False),
        node("LinkedTrackGroups"),
        *leaves(AccidentalSpellingPreference=3, PreferFlatRootNote=False, UseWarperLegacyHiQMode=False),
    ]


def _looks() -> list[Element]:
    views: Mapping[str, int] = dict(
        SessionIO=1,
        SessionSends=1,
        SessionReturns=1,
        SessionMixer=1,
        SessionTrackDelay=0,
        SessionCrossFade=0,
        SessionShowOverView=0,
        ArrangerIO=1,
        ArrangerReturns=1,
        ArrangerMixer=1,
        ArrangerTrackDelay=0,
        ArrangerShowOverView=1,
    )
    return [
        node("VideoWindowRect", Top=_NOWHERE, Left=_NOWHERE, Bottom=_NOWHERE, Right=_NOWHERE),
        *leaves(ShowVideoWindow=True, TrackHeaderWidth=93, ViewStateArrangerHasDetail=True),
        *leaves(ViewStateSessionHasDetail=True, ViewStateDetailIsSample=False),
        node("ViewStates", *leaves(**views)),
    ]
