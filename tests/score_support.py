"""MusicXML as its schema and its arithmetic say that it is right."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lxml import etree


def _attributes(namespace: str, names: str) -> str:
    """A schema of attributes."""
    rows = "".join(f'<xs:attribute name="{name}" type="xs:string"/>' for name in names.split())
    return f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{namespace}">{rows}</xs:schema>'


class _Local(etree.Resolver):
    """Finds the two schemas that MusicXML's imports, as far as it uses them, without a network."""

    def resolve(self, url, public_id, context):
        if url.endswith("/xlink.xsd"):
            names = "href type role title show actuate"
            return self.resolve_string(_attributes("http://www.w3.org/1999/xlink", names), context)
        if url.endswith("/xml.xsd"):
            return self.resolve_string(_attributes("http://www.w3.org/XML/1998/namespace", "lang space"), context)
        return None


@cache
def schema() -> etree.XMLSchema:
    """MusicXML 4.0's schema, as the package musicxml carries it."""
    spec = importlib.util.find_spec("musicxml")
    file = Path(spec.submodule_search_locations[0]) / "generate_classes" / "musicxml_4_0.xsd"
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Local())
    return etree.XMLSchema(etree.parse(str(file), parser))


def complaints(data: bytes) -> list[str]:
    """What the schema says against a file."""
    checker = schema()
    checker.validate(etree.fromstring(data, etree.XMLParser(load_dtd=False, no_network=True)))
    return [f"line {error.line}: {error.message}" for error in checker.error_log]


class Heard(NamedTuple):
    """A note as a reader plays it: bar (from 0), place and length in quarters, MIDI pitch (None: unpitched)."""

    bar: int
    place: float
    length: float
    pitch: int | None


STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def heard(part: ET.Element) -> list[Heard]:
    """The notes of a part, those tied together as one; checks that every voice fills its bars exactly."""
    notes: list[Heard] = []
    tied: dict[tuple[str, int | None], int] = {}
    divisions = length = 0
    for bar, measure in enumerate(part.iter("measure")):
        if (found := measure.find("attributes/divisions")) is not None:
            divisions = int(found.text)
        if (time := measure.find("attributes/time")) is not None:
            length = int(time.findtext("beats")) * 4 * divisions // int(time.findtext("beat-type"))
        place = before = 0
        for element in measure:
            if element.tag == "backup":
                assert place == int(element.findtext("duration"))
                place = 0
            if element.tag != "note":
                continue
            ticks = int(element.findtext("duration"))
            start = before if element.find("chord") is not None else place
            if element.find("chord") is None:
                before, place = place, place + ticks
            if element.find("rest") is not None:
                continue
            note = Heard(bar, start / divisions, ticks / divisions, _pitch(element))
            key = (element.findtext("voice"), note.pitch)
            ties = {tie.get("type") for tie in element.iter("tie")}
            if "stop" in ties:
                first = notes[tied.pop(key)]
                notes[notes.index(first)] = first._replace(length=first.length + note.length)
                index = notes.index(first._replace(length=first.length + note.length))
            else:
                index = len(notes)
                notes.append(note)
            if "start" in ties:
                tied[key] = index
        assert place == length or measure.get("implicit") == "yes", f"bar {bar} has {place} of {length}"
    assert not tied
    return notes


def _pitch(note: ET.Element) -> int | None:
    pitch = note.find("pitch")
    if pitch is None:
        return None
    octave, alter = int(pitch.findtext("octave")), int(pitch.findtext("alter", "0"))
    return (octave + 1) * 12 + STEPS[pitch.findtext("step")] + alter
