"""What is wrong with a device, as far as can be told without Max: it passes over most mistakes without a word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tools.device.controls import LETTER, MARGIN, TEXT_SIZE, VIEW_HEIGHT
from tools.device.patch import OBJECTS, counts

#: Members that saved boxes of each class carry; Max passes over any other.
_COMMON: Final = frozenset(
    {"id", "maxclass", "numinlets", "numoutlets", "outlettype", "patching_rect", "presentation", "presentation_rect"}
    | {"varname", "annotation", "annotation_name", "saved_attribute_attributes", "background", "ignoreclick"}
)
_FONT: Final = frozenset({"fontname", "fontsize", "text", "textcolor", "textjustification"})
MEMBERS: Final[Mapping[str, frozenset[str]]] = {
    "comment": _FONT,
    "live.comment": _FONT,
    "live.line": frozenset({"justification", "linecolor", "border"}),
    "live.menu": frozenset({"parameter_enable", "fontsize"}),
    "live.numbox": frozenset({"parameter_enable", "fontsize", "appearance"}),
    "live.text": frozenset({"parameter_enable", "mode", "outputmode", "text", "texton", "fontsize"}),
    "live.thisdevice": frozenset(),
    "message": frozenset({"text"}),
    "multislider": frozenset(
        {"bgcolor", "orientation", "parameter_enable", "setminmax", "setstyle", "size", "slidercolor"}
    ),
    "newobj": frozenset({"text", "saved_object_attributes"}),
    "panel": frozenset({"bgcolor", "mode", "rounded", "shape"}),
}
#: A menu's arrow (px).
_ARROW: Final = 12


def problems(patcher: Mapping[str, Any]) -> list[str]:
    """One line for each problem of a patcher; none if all is well."""
    boxes = [item["box"] for item in patcher["boxes"]]
    return [
        *_root(patcher),
        *_boxes(boxes),
        *_cords(boxes, patcher["lines"]),
        *_view(boxes, patcher.get("devicewidth", 0)),
        *_overlaps(boxes),
        *_words(boxes),
        *_parameters(boxes, patcher.get("parameters", {})),
        *_routes(boxes),
    ]


def _root(patcher: Mapping[str, Any]) -> Iterator[str]:
    if "amxdtype" not in patcher.get("project", {}):
        yield "no project block: Max stops"
    if patcher.get("openinpresentation") != 1:
        yield "the presentation isn't what opens"
    if patcher.get("openrect", [])[2:] != [patcher.get("devicewidth"), VIEW_HEIGHT]:
        yield "openrect isn't the device's width and Live's height"
    if patcher.get("latency") != 0:
        yield "the device has latency"
    if "parameterbanks" in patcher.get("parameters", {}):
        yield "there are parameter banks: empty ones crash Live"


def _boxes(boxes: list[dict[str, Any]]) -> Iterator[str]:
    for name, times in Counter(box["id"] for box in boxes).items():
        if times > 1:
            yield f"{name}: {times} boxes have this id"
    for name, times in Counter(box["varname"] for box in boxes if "varname" in box).items():
        if times > 1:
            yield f"{name}: {times} boxes have this scripting name"
    for box in boxes:
        maxclass = box["maxclass"]
        if maxclass not in MEMBERS:
            yield f"{box['id']}: no object {maxclass} is known"
            continue
        for member in sorted(box.keys() - _COMMON - MEMBERS[maxclass]):
            yield f"{box['id']} ({maxclass}): no member {member} is known"
        known = counts(box["text"]) if maxclass == "newobj" else OBJECTS[maxclass]
        if known and (box["numinlets"], box["numoutlets"]) != (known[0], len(known[1])):
            yield f"{box['id']} ({box.get('text', maxclass)}): has {known[0]} inlets and {len(known[1])} outlets"
        if known is None and not box["text"].startswith("js "):
            yield f"{box['id']}: no object {box['text']} is known"
        if len(box.get("outlettype", [])) != box["numoutlets"]:
            yield f"{box['id']}: types of {len(box.get('outlettype', []))} outlets for {box['numoutlets']}"


def _cords(boxes: list[dict[str, Any]], lines: list[dict[str, Any]]) -> Iterator[str]:
    known = {box["id"]: box for box in boxes}
    drawn: Counter[tuple[Any, ...]] = Counter()
    for item in lines:
        line = item["patchline"]
        ends = ((line["source"], "numoutlets", "outlet"), (line["destination"], "numinlets", "inlet"))
        drawn[(*line["source"], *line["destination"])] += 1
        for (name, port), count, word in ends:
            if name not in known:
                yield f"cord to {name}, which isn't there"
            elif not 0 <= port < known[name][count]:
                yield f"cord to {word} {port} of {name}, which has {known[name][count]}"
    for cord, times in drawn.items():
        if times > 1:
            yield f"{times} cords from {cord[0]} to {cord[2]}"
    touched = {name for item in lines for name, _ in item["patchline"].values()}
    for box in boxes:
        if "presentation" not in box and box["id"] not in touched:
            yield f"{box['id']} ({box.get('text', box['maxclass'])}): no cord leads to it"


def _shown(boxes: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], list[float]]]:
    for box in boxes:
        if box.get("presentation") == 1:
            yield box.get("varname", box["id"]), box, box.get("presentation_rect", [0, 0, 0, 0])


def _view(boxes: list[dict[str, Any]], width: float) -> Iterator[str]:
    for name, box, (x, y, w, h) in _shown(boxes):
        if x < 0 or y < 0 or w <= 0 or h <= 0 or x + w > width or y + h > VIEW_HEIGHT:
            yield f"{name}: {[x, y, w, h]} leaves the view of {width:g} x {VIEW_HEIGHT}"
        if any(value != int(value) for value in (x, y, w, h)):
            yield f"{name}: {[x, y, w, h]} isn't on whole pixels"
        decoration = box["maxclass"] == "live.line" or box.get("background") == 1 or name.endswith("_label")
        if not decoration and not (box.get("annotation") and box.get("annotation_name")):
            yield f"{name}: no info text"


def _overlaps(boxes: list[dict[str, Any]]) -> Iterator[str]:
    """Boxes that cover each other; a background may be covered, if it is listed later, which puts it below."""
    shown = [(name, box.get("background") == 1, rect) for name, box, rect in _shown(boxes)]
    for index, (name, is_ground, (x, y, w, h)) in enumerate(shown):
        for other, is_other_ground, (ox, oy, ow, oh) in shown[index + 1 :]:
            if x < ox + ow and ox < x + w and y < oy + oh and oy < y + h and (is_ground or not is_other_ground):
                yield f"{name} and {other} lie on each other"


def _words(boxes: list[dict[str, Any]]) -> Iterator[str]:
    """Words that are wider than their box."""
    for name, box, rect in _shown(boxes):
        told = box.get("saved_attribute_attributes", {}).get("valueof", {})
        is_menu = box["maxclass"] == "live.menu"
        words = told.get("parameter_enum", []) if is_menu else [box.get("text", ""), box.get("texton", "")]
        space = rect[2] - MARGIN - (_ARROW if is_menu else 0)
        for text in sorted(set(words)):
            if LETTER * box.get("fontsize", TEXT_SIZE) * len(text) > space:
                yield f"{name}: {text!r} is wider than {space:g} px"


def _parameters(boxes: list[dict[str, Any]], listed: Mapping[str, Any]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for box in boxes:
        if box["maxclass"] in ("live.text", "live.menu", "live.numbox") and box.get("parameter_enable") != 1:
            yield f"{box.get('varname', box['id'])}: no parameter, so clicks do nothing"
        if box.get("parameter_enable") != 1:
            continue
        told = box["saved_attribute_attributes"]["valueof"]
        name = told["parameter_longname"]
        seen[name] += 1
        if listed.get(box["id"], [""])[0] != name:
            yield f"{name}: not in the patcher's list of parameters"
        yield from (f"{name}: {problem}" for problem in _parameter(told))
    yield from (f"{name}: {times} parameters of this name" for name, times in seen.items() if times > 1)
    yield from (f"{name}: listed as a parameter, but no box" for name in listed if not _is_known(name, boxes))


def _is_known(name: str, boxes: list[dict[str, Any]]) -> bool:
    return name == "inherited_shortname" or any(box["id"] == name for box in boxes)


def _parameter(told: Mapping[str, Any]) -> Iterator[str]:
    low, high = told.get("parameter_mmin", 0), told["parameter_mmax"]
    if told["parameter_type"] == 1 and high > 255:
        yield "whole numbers end at 255"
    if told["parameter_type"] == 2 and high != len(told["parameter_enum"]) - 1:
        yield f"{len(told['parameter_enum'])} choices, but values up to {high}"
    if not all(low <= value <= high for value in told.get("parameter_initial", [])):
        yield f"begins with {told['parameter_initial']}, outside {low} to {high}"
    if told["parameter_invisible"] == 0:
        yield "can be automated"


def _routes(boxes: list[dict[str, Any]]) -> Iterator[str]:
    """Words that a `route` sends on: names that are there, each once."""
    for box in boxes:
        words = re.findall(r"\S+", box.get("text", ""))
        if words[:1] == ["route"]:
            yield from (f"route has {word} twice" for word, times in Counter(words[1:]).items() if times > 1)
