"""Tracks of a Live Set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from bridge.deliver.als import blocks
from bridge.deliver.als.blocks import (
    SCENES,
    TO_GROUP,
    TO_MASTER,
    TO_OUTSIDE,
    PointeeIds,
    audio_sequencer,
    chain_head,
    choice,
    device,
    devices,
    envelope_of,
    head,
    lane,
    leaf,
    leaves,
    mixer,
    parameter,
    slots,
    steps,
)
from bridge.deliver.ruler import Meter, Tempo
from bridge.deliver.xmltext import node

#: Lanes for pitch bend, channel pressure and the 129 controllers and pseudo-controllers of Live.
_CONTROLLERS = 131
#: The lanes that Live locks: channel pressure, and the controllers for data entry and all of registered parameters.
_LOCKED_CONTROLLERS = (1, 11, 66)
_LANE_HEIGHT, _MASTER_LANE_HEIGHT = 68, 85
_TRACK_WIDTH, _CUE_WIDTH = 93, 74
#: Index of the master's colour in Live's palette, as in Live's own new set.
_MASTER_COLOR = 9


@dataclass(frozen=True, slots=True)
class Track:
    """What every track has.

    Attributes
    ----------
    number
        Its Id, from 1.
    name
        Not empty; Live would name it after its first clip.
    color
        Index in Live's palette.
    group
        Id of its group, -1 for none.
    is_on
        Whether it is heard.
    """

    number: int
    name: str
    color: int
    group: int = -1
    is_on: bool = True

    def head(self, *, unfolded: bool = True) -> list[Element]:
        """How it begins."""
        return head(self.name, self.color, user_name=self.name, group=self.group, unfolded=unfolded)

    def chain_head(self) -> list[Element]:
        """How its device chain begins."""
        return chain_head(TO_MASTER if self.group == -1 else TO_GROUP, _LANE_HEIGHT)


def bend_target(ids: PointeeIds) -> Element:
    """The lane of a MIDI track's pitch wheel, which is the first of its controllers."""
    return blocks.target("ControllerTargets.0", ids)


def midi_track(track: Track, wheel: Element, clips: Sequence[Element], ids: PointeeIds) -> Element:
    """A track of MIDI clips; `wheel` is its `bend_target`."""
    others = [
        node(f"ControllerTargets.{number}", leaf("LockEnvelope", int(number in _LOCKED_CONTROLLERS)), Id=ids.take())
        for number in range(1, _CONTROLLERS)
    ]
    main = node(
        "MainSequencer",
        *device(ids, is_sequencer=True),
        slots(SCENES),
        leaf("MonitoringEnum", 1),
        lane("ClipTimeable", clips),
        node("Recorder", *leaves(IsArmed=False, TakeCounter=0)),
        node("MidiControllers", wheel, *others),
    )
    return node(
        "MidiTrack",
        *track.head(),
        *_player(),
        node(
            "DeviceChain",
            *track.chain_head(),
            mixer(ids, _TRACK_WIDTH, is_on=track.is_on),
            main,
            node("FreezeSequencer", *audio_sequencer(ids, SCENES)),
            devices(),
        ),
        *leaves(ReWireSlaveMidiTargetId=0, PitchbendRange=96),
        Id=track.number,
    )


def audio_track(track: Track, clips: Sequence[Element], ids: PointeeIds) -> Element:
    """A track of audio clips."""
    return node(
        "AudioTrack",
        *track.head(),
        *_player(),
        node(
            "DeviceChain",
            *track.chain_head(),
            mixer(ids, _TRACK_WIDTH, is_on=track.is_on),
            node("MainSequencer", *audio_sequencer(ids, SCENES, clips)),
            node("FreezeSequencer", *audio_sequencer(ids, SCENES)),
            devices(),
        ),
        Id=track.number,
    )


def group_track(track: Track, ids: PointeeIds) -> Element:
    """A group, folded; its members have to follow it."""
    return node(
        "GroupTrack",
        *track.head(unfolded=False),
        node("Slots", *(node("GroupTrackSlot", leaf("LomId", 0), Id=number) for number in range(SCENES))),
        node(
            "DeviceChain",
            *track.chain_head(),
            mixer(ids, _TRACK_WIDTH, is_on=track.is_on),
            devices(),
            node("FreezeSequencer", *audio_sequencer(ids, 0)),
        ),
        Id=track.number,
    )


def master_track(tempos: Sequence[Tempo], meters: Sequence[Meter], ids: PointeeIds) -> Element:
    """The master, which also has the tempo and the meter of the song."""
    tempo = parameter("Tempo", tempos[0].bpm, 60, 200, ids)
    meter = choice("TimeSignature", meter_code(meters[0]), ids)
    tempo_steps = steps("FloatEvent", [(beat, bpm) for beat, bpm in tempos])
    changes = [(blocks.BEFORE_ALL, meters[0]), *((change.beat, change) for change in meters[1:])]
    meter_steps = [
        node("EnumEvent", Id=number, Time=beat, Value=meter_code(change))
        for number, (beat, change) in enumerate(changes)
    ]
    own = (
        tempo,
        meter,
        parameter("GlobalGrooveAmount", 100, 0, 131.25, ids),
        parameter("CrossFade", 0, -1, 1, ids),
        *leaves(TempoAutomationViewBottom=60, TempoAutomationViewTop=200),
    )
    envelopes = [
        envelope_of("AutomationEnvelope", 0, _pointee(meter), meter_steps),
        envelope_of("AutomationEnvelope", 1, _pointee(tempo), tempo_steps),
    ]
    return node(
        "MasterTrack",
        *head("Master", _MASTER_COLOR, envelopes=envelopes),
        node(
            "DeviceChain",
            *chain_head(TO_OUTSIDE, _MASTER_LANE_HEIGHT),
            mixer(ids, _TRACK_WIDTH, *own),
            node("FreezeSequencer", node("AudioSequencer", *audio_sequencer(ids, 0), Id=0)),
            devices(),
        ),
    )


def cue_track(ids: PointeeIds) -> Element:
    """What is listened to before it is in the song."""
    return node(
        "PreHearTrack",
        *head("Master", -1, unfolded=False),
        node("DeviceChain", *chain_head(TO_OUTSIDE, _MASTER_LANE_HEIGHT), mixer(ids, _CUE_WIDTH), devices()),
    )


def meter_code(meter: Meter) -> int:
    """A time signature as Live's number: numerator up to 99, denominator a power of two."""
    return meter.numerator - 1 + 99 * (meter.denominator.bit_length() - 1)


def _pointee(automated: Element) -> Element:
    found = automated.find("AutomationTarget")
    assert found is not None
    return found


def _player() -> list[Element]:
    """What tracks that play clips have after their head."""
    return leaves(
        SavedPlayingSlot=-1,
        SavedPlayingOffset=0,
        Freeze=False,
        VelocityDetail=0,
        NeedArrangerRefreeze=True,
        PostProcessFreezeClips=0,
    )
