"""The device's patcher: what it does when it is followed cord by cord, and that mistakes in it are found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from bridge.jobs.model import Options
from bridge.live.clip import ClipOptions
from tools.device.container import AUDIO_EFFECT, MIDI_EFFECT
from tools.device.controls import CONTROLS, named
from tools.device.lint import problems
from tools.device.patcher import patcher

Patcher = dict[str, Any]


@pytest.fixture(scope="module", params=[AUDIO_EFFECT, MIDI_EFFECT], ids=["audio", "midi"])
def made(request: pytest.FixtureRequest) -> Patcher:
    return patcher(request.param)


@pytest.fixture
def broken() -> Patcher:
    return copy.deepcopy(patcher(AUDIO_EFFECT))


def box(made: Patcher, name: str) -> dict[str, Any]:
    """The box with a scripting name, or else with a text."""
    boxes = [item["box"] for item in made["boxes"]]
    found = [box for box in boxes if box.get("varname") == name] or [box for box in boxes if box.get("text") == name]
    assert len(found) == 1, name
    return found[0]


def reached(made: Patcher, source: str, outlet: int) -> list[tuple[str, int]]:
    """Scripting name or text of each box that an outlet leads to, and the inlet."""
    boxes = {item["box"]["id"]: item["box"] for item in made["boxes"]}
    cords = [item["patchline"] for item in made["lines"]]
    ends = [cord["destination"] for cord in cords if cord["source"] == [box(made, source)["id"], outlet]]
    return [(boxes[name].get("varname") or boxes[name]["text"], inlet) for name, inlet in ends]


def test_there_is_nothing_wrong_with_the_patcher(made: Patcher) -> None:
    assert problems(made) == []


def test_sound_passes_through_and_so_do_notes() -> None:
    audio, midi = patcher(AUDIO_EFFECT), patcher(MIDI_EFFECT)
    assert [reached(audio, "plugin~", channel) for channel in (0, 1)] == [[("plugout~", 0)], [("plugout~", 1)]]
    assert reached(midi, "midiin", 0) == [("midiout", 0)]
    assert audio["latency"] == midi["latency"] == 0


def test_every_stored_control_tells_the_script_its_value_before_the_script_is_told_to_begin(made: Patcher) -> None:
    stored = {control.name for control in CONTROLS if control.is_stored}
    script = ("js stembridge_device.js", 0)
    assert reached(made, "live.thisdevice", 0) == [("t b b", 0)]
    assert reached(made, "t b b", 1) == [("outputvalue", 0)]  # a trigger goes from right to left
    assert {name for name, _ in reached(made, "outputvalue", 0)} == stored
    assert reached(made, "t b b", 0) == [script]
    assert all(reached(made, name, 0) == [(f"prepend ui {name}", 0)] for name in stored)
    assert all(reached(made, f"prepend ui {name}", 0) == [script] for name in stored)


def test_a_button_is_told_to_the_script_as_a_press(made: Patcher) -> None:
    for name in ("convert", "cancel"):
        assert (box(made, name)["mode"], box(made, name)["outputmode"]) == (0, 1)  # when the mouse is let go
        assert reached(made, name, 0) == [(f"ui {name} 1", 0)]
        assert reached(made, f"ui {name} 1", 0) == [("js stembridge_device.js", 0)]


def test_each_word_of_the_script_leads_to_its_control(made: Patcher) -> None:
    (route,) = {text for text, _ in reached(made, "js stembridge_device.js", 0)}
    for outlet, name in enumerate(route.split()[1:]):
        kind = named(name).kind
        between = {"light": "sel 0 1 2 3", "bar": "route set"}.get(kind)
        assert reached(made, route, outlet) == [(between or name, 0)]
    assert reached(made, "route set", 0) == [("progress", 0)]


def test_the_network_is_on_this_computer_alone_and_heard_in_the_low_priority_queue(made: Patcher) -> None:
    assert reached(made, "js stembridge_device.js", 1) == [("udpsend 127.0.0.1 17900", 0)]
    assert reached(made, "js stembridge_device.js", 2) == [("udpreceive 17901 @defer 1", 0)]
    assert reached(made, "udpreceive 17901 @defer 1", 0) == [("prepend udp", 0)]


def test_every_value_of_a_menu_is_one_that_the_daemon_takes() -> None:
    for name in ("recording", "parts", "place", "quantize"):
        for _, value in named(name).choices:
            options = ClipOptions(**{name: value}) if value is not None else ClipOptions()
            assert getattr(options, name) == (value if value is not None else getattr(ClipOptions(), name))
            if name in Options.__struct_fields__ and value is not None:
                Options(**{name: value})


def shift(name: str, index: int, by: float) -> Callable[[Patcher], None]:
    def change(made: Patcher) -> None:
        box(made, name)["presentation_rect"][index] += by

    return change


def change(name: str, **members: Any) -> Callable[[Patcher], None]:
    return lambda made: box(made, name).update(members)


def tell(name: str, **members: Any) -> Callable[[Patcher], None]:
    return lambda made: box(made, name)["saved_attribute_attributes"]["valueof"].update(members)


def without(name: str, member: str) -> Callable[[Patcher], None]:
    return lambda made: box(made, name).pop(member)


def cord(source: list[Any], destination: list[Any]) -> Callable[[Patcher], None]:
    return lambda made: made["lines"].append({"patchline": {"source": source, "destination": destination}})


def front(name: str) -> Callable[[Patcher], None]:
    """Bring a box before all others."""
    return lambda made: made["boxes"].sort(key=lambda item: item["box"].get("varname") != name)


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda made: made.pop("project"), "no project block"),
        (lambda made: made.update(openinpresentation=0), "isn't what opens"),
        (lambda made: made.update(devicewidth=300.0), "openrect"),
        (lambda made: made.update(latency=64), "latency"),
        (lambda made: made["parameters"].update(parameterbanks={}), "banks"),
        (change("cancel", id="obj-1"), "2 boxes have this id"),
        (change("cancel", varname="convert"), "2 boxes have this scripting name"),
        (change("cancel", maxclass="live.txt"), "no object live.txt"),
        (change("cancel", textcolour=1), "no member textcolour"),
        (change("prepend udp", text="prepent udp"), "no object prepent udp"),
        (change("t b b", numoutlets=3), "has 1 inlets and 2 outlets"),
        (change("t b b", outlettype=["bang"]), "types of 1 outlets for 2"),
        (cord(["obj-1", 0], ["obj-999", 0]), "isn't there"),
        (cord(["obj-1", 7], ["obj-2", 0]), "outlet 7 of obj-1"),
        (cord(["obj-1", 0], ["obj-2", 1]), "inlet 1 of obj-2"),
        (lambda made: made["lines"].append(made["lines"][0]), "2 cords"),
        (lambda made: made["lines"].clear(), "no cord leads to it"),
        (shift("version", 1, 10), "leaves the view"),
        (shift("port", 0, 30), "leaves the view"),
        (shift("convert", 0, -20), "leaves the view"),
        (shift("stage", 0, 0.5), "whole pixels"),
        (shift("status2", 1, -5), "status1 and status2 lie on each other"),
        (front("display"), "display and clip lie on each other"),
        (without("parts", "annotation"), "parts: no info text"),
        (change("convert", text="Convert the selected clip now"), "wider than"),
        (tell("parts", parameter_enum=["All parts of the song together"] * 6), "wider than"),
        (change("convert", parameter_enable=0), "clicks do nothing"),
        (tell("cancel", parameter_longname="Convert"), "2 parameters of this name"),
        (lambda made: made["parameters"].update({"obj-999": ["Gone", "Gone", 0]}), "but no box"),
        (tell("port", parameter_type=1), "end at 255"),
        (tell("port", parameter_initial=[-1]), "outside"),
        (tell("parts", parameter_mmax=9), "6 choices, but values up to 9"),
        (tell("parts", parameter_invisible=0), "can be automated"),
        (change("route set", text="route set set", numinlets=3, numoutlets=3, outlettype=[""] * 3), "set twice"),
    ],
)
def test_a_mistake_in_the_patcher_is_found(broken: Patcher, damage: Callable[[Patcher], Any], said: str) -> None:
    damage(broken)
    assert any(said in problem for problem in problems(broken)), problems(broken)
