"""The device's patcher: all controls of the table, the script, and the cords between them."""

from __future__ import annotations

from typing import Any, Final

from bridge import __version__
from bridge.osc.protocol import DAEMON_PORT, DEVICE_PORT
from tools.device.container import AUDIO_EFFECT, MIDI_EFFECT
from tools.device.controls import (
    CONTROLS,
    LIGHT_STATES,
    TEXT_SIZE,
    TITLE_SIZE,
    VIEW_HEIGHT,
    VIEW_WIDTH,
    WRITTEN,
    Control,
)
from tools.device.patch import Patch
from tools.device.script import INLETS, OUTLETS, SCRIPT_NAME
from tools.device.theme import LIGHTS, themed

#: The oldest Max whose Live is served (11 and 12.0 have 8.x): a newer number may be refused by it.
_APP_VERSION: Final = {"major": 8, "minor": 6, "revision": 5, "architecture": "x64", "modernui": 1}
#: Of the project that Max keeps in each device: any date will do, and this one is the same in each build.
PROJECT_DATE: Final = 3_850_000_000
_FONT, _FONT_BOLD = "Ableton Sans Medium", "Ableton Sans Bold"
#: Parameters that are saved with the Set but can't be automated, and ones that are neither.
_STORED, _HIDDEN = 1, 2
#: Colour of words on a display by their look. It is dark in every theme; so are none of the surface's colours.
_TEXT_COLORS: Final = {
    "title": "live_lcd_title",
    "plain": "live_lcd_title",
    "next": "live_lcd_control_fg",
    "dim": "live_lcd_control_fg_zombie",
}


def patcher(kind: bytes) -> dict[str, Any]:
    """The patcher of the audio effect or the MIDI effect."""
    patch = Patch()
    # Boxes lie on top of later ones, so grounds come last.
    shown = [control for control in CONTROLS if control.kind != "panel"]
    ids = {control.name: _control(patch, control, row) for row, control in enumerate(shown)}
    _signal(patch, kind)
    script = _script(patch)
    _from_controls(patch, ids, script)
    _to_controls(patch, ids, script)
    _network(patch, script)
    _readiness(patch, ids, script)
    for control in CONTROLS:
        if control.kind == "panel":
            _control(patch, control, 0)
    return _root(kind, patch)


def _root(kind: bytes, patch: Patch) -> dict[str, Any]:
    boxes = [item["box"] for item in patch.boxes]
    named = {control.name: control for control in CONTROLS if control.is_parameter}
    parameters = {
        box["id"]: [control.title] * 2 + [0] for box in boxes if (control := named.get(box.get("varname", "")))
    }
    return {
        "fileversion": 1,
        "appversion": _APP_VERSION,
        "classnamespace": "box",
        "rect": [60.0, 100.0, 1280.0, 860.0],
        "openrect": [0.0, 0.0, float(VIEW_WIDTH), float(VIEW_HEIGHT)],
        "openinpresentation": 1,
        "default_fontsize": 10.0,
        "default_fontface": 0,
        "default_fontname": "Arial Bold",
        "gridsize": [8.0, 8.0],
        "boxanimatetime": 500,
        "devicewidth": float(VIEW_WIDTH),
        "description": "Turns the selected audio clip into MIDI clips on new tracks.",
        "digest": f"Stembridge {__version__}",
        "boxes": patch.boxes,
        "lines": patch.lines,
        "parameters": {**parameters, "inherited_shortname": 1},
        "dependency_cache": [{"name": SCRIPT_NAME, "bootpath": ".", "type": "TEXT", "implicit": 1}],
        "latency": 0,
        "is_mpe": 0,
        "minimum_live_version": "",
        "minimum_max_version": "",
        "platform_compatibility": 0,
        "project": _project(kind),
        "autosave": 0,
    }


def _project(kind: bytes) -> dict[str, Any]:
    """What every device has to have; Max stops where it is missing."""
    return {
        "version": 1,
        "creationdate": PROJECT_DATE,
        "modificationdate": PROJECT_DATE,
        "viewrect": [0.0, 0.0, 300.0, 500.0],
        "autoorganize": 1,
        "hideprojectwindow": 1,
        "showdependencies": 1,
        "autolocalize": 0,
        "contents": {"patchers": {}},
        "layout": {},
        "searchpath": {},
        "detailsvisible": 0,
        "amxdtype": int.from_bytes(kind, "big"),
        "readonly": 0,
        "devpathtype": 0,
        "devpath": ".",
        "sortmode": 0,
        "viewmode": 0,
    }


# ---------------------------------------------------------------------------------------------------------- controls


def _control(patch: Patch, control: Control, row: int) -> str:
    """The box of a control; all are in a column of the patcher's editor."""
    members: dict[str, Any] = {
        "presentation": 1,
        "presentation_rect": [*map(float, control.rect)],
        "varname": control.name,
    }
    if control.info:
        members |= {"annotation": control.info, "annotation_name": control.title}
    maxclass, own = _looks(control)
    if control.is_parameter:
        bound = own.setdefault("saved_attribute_attributes", {})
        bound["valueof"] = _parameter(control)
        members["parameter_enable"] = 1
    width, height = control.rect[2:]
    return patch.add(maxclass, (20, 20 + 30 * row), (width, height), **members, **own)


def _looks(control: Control) -> tuple[str, dict[str, Any]]:
    """The class of a control's box, and what makes it look as it should."""
    match control.kind:
        case "text" | "label" if control.look == "surface":
            justification = 2 if control.right else 0
            return "live.comment", {"text": control.text, "textjustification": justification}
        case "text" | "label":
            return "comment", {
                "text": control.text,
                "fontname": _FONT_BOLD if control.look == "title" else _FONT,
                "fontsize": TITLE_SIZE if control.look == "title" else TEXT_SIZE,
                "textjustification": 2 if control.right else 0,
                **themed(textcolor=_TEXT_COLORS[control.look]),
            }
        case "panel":
            return "panel", {
                "background": 1,
                "ignoreclick": 1,
                "mode": 0,
                "rounded": 4,
                **themed(bgfillcolor="live_lcd_bg"),
            }
        case "rule":
            return "live.line", {"justification": 1}
        case "light":
            return "panel", {"bgcolor": list(LIGHTS[LIGHT_STATES[0]]), "ignoreclick": 1, "mode": 0, "shape": 1}
        case "bar":
            return "multislider", _bar(control)
        case "button":
            size = {"fontsize": 12.0} if control.rect[3] > 15 else {}
            # Pressed when the mouse is let go on it, as Live's own buttons are.
            return "live.text", {"mode": 0, "outputmode": 1, "text": control.text, "texton": control.text, **size}
        case "toggle":
            return "live.text", {"mode": 1, "text": control.text, "texton": control.text}
        case "menu":
            return "live.menu", {}
        case "number":
            return "live.numbox", {}


def _bar(control: Control) -> dict[str, Any]:
    """A slider of one bar, from left to right, that can't be moved by hand."""
    return {
        "ignoreclick": 1,
        "orientation": 0,
        "parameter_enable": 0,
        "setminmax": [float(control.low), float(control.high)],
        "setstyle": 1,
        "size": 1,
        **themed(bgcolor="live_lcd_frame", slidercolor="live_lcd_control_fg"),
    }


def _parameter(control: Control) -> dict[str, Any]:
    """What Live is told of a parameter. Live finds a Set's values by the long name, so that never changes."""
    told: dict[str, Any] = {
        "parameter_annotation_name": control.title,
        "parameter_info": control.info,
        "parameter_invisible": _STORED if control.is_stored else _HIDDEN,
        "parameter_longname": control.title,
        "parameter_modmode": 0,
        "parameter_shortname": control.title,
    }
    if control.is_stored:
        told |= {"parameter_initial": [control.initial], "parameter_initial_enable": 1}
    if control.kind == "number":
        # Whole numbers as parameters end at 255.
        bounds = {"parameter_mmin": float(control.low), "parameter_mmax": float(control.high)}
        return {**told, **bounds, "parameter_type": 0, "parameter_unitstyle": 0}
    labels = [label for label, _ in control.choices] or ["Off", "On"]
    return {**told, "parameter_enum": labels, "parameter_mmax": len(labels) - 1, "parameter_type": 2}


# ------------------------------------------------------------------------------------------------------------- wires


def _signal(patch: Patch, kind: bytes) -> None:
    """What comes in goes out, as it is and at once."""
    names = {AUDIO_EFFECT: ("plugin~", "plugout~"), MIDI_EFFECT: ("midiin", "midiout")}
    source, target = (patch.object(name, (1100, 20 + 60 * row)) for row, name in enumerate(names[kind]))
    for channel in range(2 if kind == AUDIO_EFFECT else 1):
        patch.connect(source, channel, target, channel)


def _script(patch: Patch) -> str:
    attributes = {"filename": SCRIPT_NAME, "parameter_enable": 0}
    return patch.object(f"js {SCRIPT_NAME}", (620, 420), (INLETS, ("",) * OUTLETS), saved_object_attributes=attributes)


def _from_controls(patch: Patch, ids: dict[str, str], script: str) -> None:
    """What the user does, as ``ui NAME VALUE``."""
    for row, control in enumerate(control for control in CONTROLS if control.is_parameter):
        at = (360, 20 + 30 * row)
        if control.is_stored:
            sender = patch.object(f"prepend ui {control.name}", at)
        else:  # a button says bang
            sender = patch.add("message", at, (120, 22), text=f"ui {control.name} 1")
        patch.connect(ids[control.name], 0, sender)
        patch.connect(sender, 0, script)


def _to_controls(patch: Patch, ids: dict[str, str], script: str) -> None:
    """What the script shows: the first word says where."""
    written = [control for control in CONTROLS if control.kind in WRITTEN]
    route = patch.object("route " + " ".join(control.name for control in written), (620, 470))
    patch.connect(script, 0, route)
    for outlet, control in enumerate(written):
        target = ids[control.name]
        if control.kind == "light":
            _lights(patch, route, outlet, target)
            continue
        if control.kind == "bar":  # for it, `set` has another meaning
            number = patch.object("route set", (620, 510))
            patch.connect(route, outlet, number)
            patch.connect(number, 0, target)
            continue
        patch.connect(route, outlet, target)


def _lights(patch: Patch, route: str, outlet: int, target: str) -> None:
    """The colour of each state."""
    states = patch.object("sel " + " ".join(str(number) for number in range(len(LIGHT_STATES))), (720, 510))
    patch.connect(route, outlet, states)
    for number, state in enumerate(LIGHT_STATES):
        color = " ".join(f"{part:g}" for part in LIGHTS[state])
        message = patch.add("message", (720 + 190 * number, 550), (180, 22), text=f"bgfillcolor {color}")
        patch.connect(states, number, message)
        patch.connect(message, 0, target)


def _network(patch: Patch, script: str) -> None:
    """Datagrams: out by the second outlet; in by the low-priority queue, the only one from which Live can be asked."""
    sender = patch.object(f"udpsend 127.0.0.1 {DAEMON_PORT}", (880, 420))
    receiver = patch.object(f"udpreceive {DEVICE_PORT} @defer 1", (880, 300))
    incoming = patch.object("prepend udp", (880, 340))
    patch.connect(script, 1, sender)
    patch.connect(script, 2, receiver)
    patch.connect(receiver, 0, incoming)
    patch.connect(incoming, 0, script)


def _readiness(patch: Patch, ids: dict[str, str], script: str) -> None:
    """When Live's API is ready: the values of all stored controls, then a bang. And on and off, and the self-test."""
    device = patch.object("live.thisdevice", (620, 20))
    order = patch.object("t b b", (620, 60))
    values = patch.add("message", (700, 100), (90, 22), text="outputvalue")
    enabled = patch.object("prepend enabled", (760, 60))
    patch.connect(device, 0, order)
    patch.connect(device, 1, enabled)
    patch.connect(enabled, 0, script)
    patch.connect(order, 1, values)  # a trigger goes from right to left
    for control in CONTROLS:
        if control.is_stored:
            patch.connect(values, 0, ids[control.name])
    patch.connect(order, 0, script)
    patch.connect(patch.add("message", (620, 140), (70, 22), text="selftest"), 0, script)
