"""What version 1.0 of the DAWproject format asks of a file, as far as our files use it.

This restates its published schema (Project.xsd and MetaData.xsd of the repository bitwig/dawproject) for tests that run
without it; `tests/peers/test_daw_readers.py` holds files against the schema itself where somebody has it at hand.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import NamedTuple


class Rule(NamedTuple):
    """Of an element: children in their order (``+`` one at least, ``*`` any number, in any order among each other where
    all are), attributes that it must have, and those that it may have."""

    children: tuple[str, ...] = ()
    needs: str = ""
    may: str = ""


_NAMED = "id name color comment"
_TIMELINE = f"{_NAMED} timeUnit track"
_PARAMETER = f"{_NAMED} parameterID"
RULES = {
    "Project": Rule(("Application+", "Transport", "Structure", "Arrangement", "Scenes"), "version"),
    "Application": Rule((), "name version"),
    "Transport": Rule(("Tempo", "TimeSignature")),
    "Tempo": Rule((), "unit", f"min max value {_PARAMETER}"),
    "TimeSignature": Rule((), "numerator denominator", _PARAMETER),
    "Structure": Rule(("Track*",)),
    "Track": Rule(("Channel", "Track*"), "", f"contentType loaded {_NAMED}"),
    "Channel": Rule(("Mute", "Pan", "Volume"), "", f"audioChannels destination role solo {_NAMED}"),
    "Mute": Rule((), "", f"value {_PARAMETER}"),
    "Pan": Rule((), "unit", f"min max value {_PARAMETER}"),
    "Volume": Rule((), "unit", f"min max value {_PARAMETER}"),
    "Arrangement": Rule(("Lanes", "Markers", "TempoAutomation", "TimeSignatureAutomation"), "", _NAMED),
    "Lanes": Rule(("Lanes*", "Clips*", "Notes*", "Points*"), "", _TIMELINE),
    "Clips": Rule(("Clip*",), "", _TIMELINE),
    "Clip": Rule(("Lanes", "Notes", "Audio"), "time", "duration contentTimeUnit playStart name color comment"),
    "Notes": Rule(("Note*",), "", _TIMELINE),
    "Note": Rule((), "time duration channel key", "vel rel"),
    "Audio": Rule(("File+",), "channels duration sampleRate", _TIMELINE),
    "File": Rule((), "path", "external"),
    "Markers": Rule(("Marker*",), "", _TIMELINE),
    "Marker": Rule((), "time", "name color comment"),
    "TempoAutomation": Rule(("Target+", "RealPoint*"), "", f"unit {_TIMELINE}"),
    "TimeSignatureAutomation": Rule(("Target+", "TimeSignaturePoint*"), "", f"unit {_TIMELINE}"),
    "Points": Rule(("Target+", "RealPoint*"), "", f"unit {_TIMELINE}"),
    "Target": Rule((), "", "parameter expression channel"),
    "RealPoint": Rule((), "time value", "interpolation"),
    "TimeSignaturePoint": Rule((), "time numerator denominator"),
    "Scenes": Rule(),
    "MetaData": Rule(("Title", "Comment")),
    "Title": Rule(),
    "Comment": Rule(),
}
_WORDS = {
    "unit": "linear normalized bpm",
    "timeUnit": "beats seconds",
    "contentTimeUnit": "beats seconds",
    "role": "regular master",
    "interpolation": "hold linear",
    "expression": "pitchBend",
    "contentType": "audio notes tracks",
    "loaded": "true false",
    "solo": "true false",
}
_NUMBERS = "time duration playStart min max numerator denominator channel key vel rel channels sampleRate audioChannels"
_ID = re.compile(r"[A-Za-z_][\w.-]*")


def faults(path: Path) -> list[str]:
    """What is wrong with a file; nothing, if all is well."""
    with zipfile.ZipFile(path) as archive:
        found = [f"damaged: {archive.testzip()}"] if archive.testzip() else []
        names = archive.namelist()
        project = ET.fromstring(archive.read("project.xml"))
        for root in (project, ET.fromstring(archive.read("metadata.xml"))):
            for element in root.iter():
                found += _element_faults(element)
    ids = [element.attrib["id"] for element in project.iter() if "id" in element.attrib]
    found += [f"id {name} is used twice" for name in {name for name in ids if ids.count(name) > 1}]
    found += [f"id {name} is none" for name in ids if not _ID.fullmatch(name)]
    for element in project.iter():
        for reference in ("destination", "track", "parameter"):
            if element.get(reference) not in (None, *ids):
                found.append(f"{element.tag} refers to {element.get(reference)}, which isn't there")
    found += [f"{it.get('path')} is missing" for it in project.iter("File") if it.get("path") not in names]
    return found


def _element_faults(element: ET.Element) -> list[str]:
    rule = RULES.get(element.tag)
    if rule is None:
        return [f"unknown element {element.tag}"]
    needed, allowed = rule.needs.split(), {*rule.needs.split(), *rule.may.split()}
    found = [f"{element.tag} lacks {name}" for name in needed if name not in element.attrib]
    found += [f"{element.tag} may not have {name}" for name in element.attrib if name not in allowed]
    found += _order_faults(element, rule.children)
    for name, text in element.attrib.items():
        if name in _WORDS and not set(text.split()) <= set(_WORDS[name].split()):
            found.append(f"{element.tag} has {name}={text!r}")
        if name in _NUMBERS.split() and not re.fullmatch(r"-?\d+(\.\d+)?", text):
            found.append(f"{element.tag} has {name}={text!r}, no number")
    return found


def _order_faults(element: ET.Element, children: tuple[str, ...]) -> list[str]:
    order = [name.rstrip("+*") for name in children]
    tags = [child.tag for child in element]
    found = [f"{element.tag} may not hold {tag}" for tag in tags if tag not in order]
    if not all(name.endswith("*") for name in children):
        places = [order.index(tag) for tag in tags if tag in order]
        found += [f"{element.tag} holds {tags}, not in order"] if places != sorted(places) else []
    for name in children:
        count = tags.count(name.rstrip("+*"))
        if (name.endswith("+") and not count) or (not name.endswith(("+", "*")) and count > 1):
            found.append(f"{element.tag} holds {count} of {name}")
    return found
