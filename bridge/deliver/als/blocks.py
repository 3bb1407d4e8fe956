"""The groups of elements that recur all over a Live Set, in the order in which Live itself writes them.

Names, order and values are those that sets saved by Live 11.3 have in common. Live reads a set by tables of such names
and answers a missing or a strange one with anything from a message to a crash; so what Live writes, this writes, down
to its misspelling "Sesstion".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from bridge.deliver.xmltext import Value, node

#: Time of the first event of each envelope: before everything.
BEFORE_ALL = -63072000
#: Scenes of a set, and so clip slots of each track: as many as a new set of Live has.
SCENES = 8
#: Linear gain of -70 dB (silence, on Live's faders) and +6 dB.
_GAIN_RANGE = (0.0003162277571, 1.99526238)
_SCROLLED = -1073741824


class PointeeIds:
    """Numbers of what envelopes can point at: one space for a whole set.

    Parameters
    ----------
    first
        The first to be given; never 0, which points nowhere.
    """

    def __init__(self, first: int) -> None:
        self._following = first

    def take(self) -> int:
        """A number that no other pointee has."""
        self._following += 1
        return self._following - 1


@dataclass(frozen=True, slots=True)
class Route:
    """Where a track's sound goes: Live's name of it, and what it shows."""

    target: str
    upper: str
    lower: str = ""


TO_MASTER = Route("AudioOut/Master", "Master")
TO_GROUP = Route("AudioOut/GroupTrack", "Group")
TO_OUTSIDE = Route("AudioOut/External/S0", "Ext. Out", "1/2")
_FROM_AUDIO = Route("AudioIn/External/S0", "Ext. In", "1/2")
_FROM_MIDI = Route("MidiIn/External.All/-1", "Ext: All Ins")
_TO_NO_MIDI = Route("MidiOut/None", "None")


def leaf(tag: str, value: Value) -> Element:
    """An element that holds one value."""
    return node(tag, Value=value)


def leaves(**values: Value) -> list[Element]:
    """An element for each name, in order, that holds its value."""
    return [leaf(tag, value) for tag, value in values.items()]


def wrapper(tag: str) -> Element:
    """A list as Live's scripting sees it; its number means nothing in a file."""
    return node(tag, LomId=0)


def target(tag: str, ids: PointeeIds) -> Element:
    """What an envelope can point at."""
    return node(tag, leaf("LockEnvelope", 0), Id=ids.take())


def switch(tag: str, value: bool, ids: PointeeIds) -> Element:
    """Something that is on or off."""
    thresholds = node("MidiCCOnOffThresholds", *leaves(Min=64, Max=127))
    return node(tag, *leaves(LomId=0, Manual=value), target("AutomationTarget", ids), thresholds)


def parameter(tag: str, value: float, low: float, high: float, ids: PointeeIds) -> Element:
    """A number that can be automated and modulated."""
    reach = node("MidiControllerRange", *leaves(Min=low, Max=high))
    targets = (target("AutomationTarget", ids), target("ModulationTarget", ids))
    return node(tag, *leaves(LomId=0, Manual=value), reach, *targets)


def choice(tag: str, value: int, ids: PointeeIds) -> Element:
    """One of several, by its number."""
    return node(tag, *leaves(LomId=0, Manual=value), target("AutomationTarget", ids))


def grid(tag: str, *, snap: bool, fixed: bool) -> Element:
    """What notes and clips snap to."""
    step = leaves(FixedNumerator=1, FixedDenominator=16, GridIntervalPixel=20, Ntoles=2)
    return node(tag, *step, *leaves(SnapToGrid=snap, Fixed=fixed))


def scale(root: int, name: str) -> Element:
    """A scale: the semitones of its tonic above C, and Live's name of it."""
    return node("ScaleInformation", *leaves(RootNote=root, Name=name))


def follow_action(jump: int) -> Element:
    """What happens after a clip or scene in the Session: nothing."""
    timing = leaves(FollowTime=4, IsLinked=True, LoopIterations=1)
    actions = leaves(FollowActionA=4, FollowActionB=0, FollowChanceA=100, FollowChanceB=0)
    return node("FollowAction", *timing, *actions, *leaves(JumpIndexA=jump, JumpIndexB=jump, FollowActionEnabled=False))


def view() -> Element:
    """No transformation of an envelope is under way."""
    return node("AutomationTransformViewState", leaf("IsTransformPending", False), node("TimeAndValueTransforms"))


def lane(tag: str, clips: Sequence[Element] = ()) -> Element:
    """Clips of the Arrangement."""
    return node(tag, node("ArrangerAutomation", node("Events", *clips), view()))


def envelope_of(tag: str, number: int, pointee: Element, events: Sequence[Element], *tail: Element) -> Element:
    """An envelope of events over time, for what has the `Id` of `pointee`."""
    aim = node("EnvelopeTarget", leaf("PointeeId", pointee.attrib["Id"]))
    return node(tag, aim, node("Automation", node("Events", *events), view()), *tail, Id=number)


def steps(kind: str, values: Sequence[tuple[float, Value]]) -> list[Element]:
    """Events of an envelope that stays at each value until the next one's time.

    Live draws a line from event to event, so that a step is two of them at one time.
    """
    (_, first), *later = values
    points: list[tuple[float, Value]] = [(BEFORE_ALL, first)]
    for time, value in later:
        points += [(time, points[-1][1]), (time, value)]
    return [node(kind, Id=number, Time=time, Value=value) for number, (time, value) in enumerate(points)]


def device(ids: PointeeIds, *, is_sequencer: bool) -> list[Element]:
    """How mixers and sequencers, which are devices to Live, begin."""
    return [
        *leaves(LomId=0, LomIdView=0, IsExpanded=True),
        switch("On", True, ids),
        leaf("ModulationSourceCount", 0),
        wrapper("ParametersListWrapper"),
        node("Pointee", Id=ids.take()),
        *leaves(LastSelectedTimeableIndex=0, LastSelectedClipEnvelopeIndex=0),
        node("LastPresetRef", node("Value")),
        node("LockedScripts"),
        *leaves(IsFolded=False, ShouldShowPresetName=is_sequencer, UserName="", Annotation=""),
        node("SourceContext", node("Value")),
    ]


def slots(count: int) -> Element:
    """Empty clip slots in the Session."""
    return node(
        "ClipSlotList",
        *(
            node(
                "ClipSlot",
                leaf("LomId", 0),
                node("ClipSlot", node("Value")),
                *leaves(HasStop=True, NeedRefreeze=True),
                Id=number,
            )
            for number in range(count)
        ),
    )


def audio_sequencer(ids: PointeeIds, slot_count: int, clips: Sequence[Element] = ()) -> list[Element]:
    """What plays audio clips."""
    modulated = ("Volume", "Transposition", "GrainSize", "Flux", "SampleOffset")
    return [
        *device(ids, is_sequencer=True),
        slots(slot_count),
        leaf("MonitoringEnum", 1),
        lane("Sample", clips),
        *(target(f"{name}ModulationTarget", ids) for name in modulated),
        *leaves(PitchViewScrollPosition=_SCROLLED, SampleOffsetModulationScrollPosition=_SCROLLED),
        node("Recorder", *leaves(IsArmed=False, TakeCounter=1)),
    ]


def mixer(ids: PointeeIds, width: int, *more: Element, is_on: bool = True) -> Element:
    """A track's fader, pan and switches; `is_on` is False for a track that is switched off."""
    return node(
        "Mixer",
        *device(ids, is_sequencer=False),
        node("Sends"),
        switch("Speaker", is_on, ids),
        *leaves(SoloSink=False, PanMode=0),
        parameter("Pan", 0, -1, 1, ids),
        parameter("SplitStereoPanL", -1, -1, 1, ids),
        parameter("SplitStereoPanR", 1, -1, 1, ids),
        parameter("Volume", 1, *_GAIN_RANGE, ids),
        leaf("ViewStateSesstionTrackWidth", width),
        choice("CrossFadeState", 1, ids),
        wrapper("SendsListWrapper"),
        *more,
    )


def head(
    name: str,
    color: int,
    *,
    user_name: str = "",
    group: int = -1,
    unfolded: bool = True,
    envelopes: Sequence[Element] = (),
) -> list[Element]:
    """How every track begins; `group` is the Id of the group that it is in."""
    names = leaves(EffectiveName=name, UserName=user_name, Annotation="", MemorizedFirstClipName="")
    return [
        *leaves(LomId=0, LomIdView=0, IsContentSelectedInDocument=False, PreferredContentViewMode=0),
        node("TrackDelay", *leaves(Value=0, IsValueSampleBased=False)),
        node("Name", *names),
        leaf("Color", color),
        node("AutomationEnvelopes", node("Envelopes", *envelopes)),
        *leaves(TrackGroupId=group, TrackUnfolded=unfolded),
        *map(wrapper, ("DevicesListWrapper", "ClipSlotsListWrapper")),
        leaf("ViewData", "{}"),
        node("TakeLanes", node("TakeLanes"), leaf("AreTakeLanesFolded", True)),
        leaf("LinkedTrackGroupId", -1),
    ]


def chain_head(output: Route, height: int) -> list[Element]:
    """How every device chain begins: its lanes and where signals come from and go to."""
    chosen = leaves(SelectedDevice=0, SelectedEnvelope=0)
    shown = node("AutomationLane", *chosen, *leaves(IsContentSelectedInDocument=False, LaneHeight=height), Id=0)
    return [
        node("AutomationLanes", node("AutomationLanes", shown), leaf("AreAdditionalAutomationLanesFolded", False)),
        node(
            "ClipEnvelopeChooserViewState", *leaves(SelectedDevice=0, SelectedEnvelope=0, PreferModulationVisible=False)
        ),
        _routing("AudioInputRouting", _FROM_AUDIO),
        _routing("MidiInputRouting", _FROM_MIDI),
        _routing("AudioOutputRouting", output),
        _routing("MidiOutputRouting", _TO_NO_MIDI),
    ]


def devices() -> Element:
    """A chain without devices."""
    return node("DeviceChain", node("Devices"), node("SignalModulations"))


def _routing(tag: str, route: Route) -> Element:
    expression = node("MpeSettings", *leaves(ZoneType=0, FirstNoteChannel=1, LastNoteChannel=15))
    shown = leaves(Target=route.target, UpperDisplayString=route.upper, LowerDisplayString=route.lower)
    return node(tag, *shown, expression)
