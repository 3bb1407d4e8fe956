"""Making a patcher: boxes, cords between them, and what Max wants to know of each object.

Max passes over objects and attributes that it doesn't know, and cords to inlets that aren't there, without a word. So
counts come from the table here alone, and only attributes that saved devices carry are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

#: Inlets, and types of the outlets, of the objects used here; by the name of the object.
OBJECTS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "comment": (1, ()),
    "live.comment": (1, ()),
    "live.line": (1, ()),
    "live.menu": (1, ("", "", "float")),
    "live.numbox": (1, ("", "float")),
    "live.text": (1, ("", "")),
    "live.thisdevice": (1, ("bang", "int", "int")),
    "message": (2, ("",)),
    "midiin": (1, ("int",)),
    "midiout": (1, ()),
    "multislider": (1, ("", "")),
    "panel": (1, ()),
    "plugin~": (2, ("signal", "signal")),
    "plugout~": (2, ("signal", "signal")),
    "prepend": (1, ("",)),
    "udpreceive": (1, ("",)),
    "udpsend": (1, ()),
}
_TRIGGER_TYPES: Final = {"b": "bang", "i": "int", "f": "float", "l": "", "s": ""}


def counts(text: str) -> tuple[int, tuple[str, ...]] | None:
    """Inlets and types of outlets of an object by its text, such as ``route a b``; None if it isn't known.

    What `js` has is set by its script, so it isn't known here.
    """
    name, *arguments = text.split()
    arguments = arguments[: next((i for i, word in enumerate(arguments) if word.startswith("@")), len(arguments))]
    match name:
        case "route":
            return len(arguments) + 1, ("",) * (len(arguments) + 1)
        case "sel":
            return len(arguments) + 1, (*("bang",) * len(arguments), "")
        case "t":
            return 1, tuple(_TRIGGER_TYPES[word] for word in arguments)
        case _:
            return OBJECTS.get(name)


@dataclass(slots=True)
class Patch:
    """Boxes and cords in the making. Boxes lie on top of those that come later."""

    boxes: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(self, maxclass: str, at: tuple[int, int], size: tuple[int, int], /, **members: Any) -> str:
        """Add an object that has a class of its own, such as ``live.menu``; its id.

        Parameters
        ----------
        maxclass
            One of `OBJECTS`.
        at, size
            Where it lies in the patcher's editor, in px.
        members
            Everything else that is saved of it.
        """
        inlets, outlets = OBJECTS[maxclass]
        return self._add(maxclass, at, size, inlets, outlets, members)

    def object(
        self, text: str, at: tuple[int, int], ports: tuple[int, tuple[str, ...]] | None = None, /, **members: Any
    ) -> str:
        """Add an object that is known by its text, such as ``route a b``; its id.

        Parameters
        ----------
        text
            Name and arguments.
        at
            Where it lies in the patcher's editor, in px.
        ports
            Inlets and types of outlets, where the text doesn't tell.
        members
            Everything else that is saved of it.
        """
        known = ports or counts(text)
        assert known is not None, f"how many inlets and outlets has {text}?"
        size = (max(40, 7 * len(text) + 10), 22)
        return self._add("newobj", at, size, *known, {"text": text, **members})

    def connect(self, source: str, outlet: int, destination: str, inlet: int = 0) -> None:
        """Draw a cord."""
        self.lines.append({"patchline": {"source": [source, outlet], "destination": [destination, inlet]}})

    def _add(
        self,
        maxclass: str,
        at: tuple[int, int],
        size: tuple[int, int],
        inlets: int,
        outlets: tuple[str, ...],
        members: dict[str, Any],
    ) -> str:
        name = f"obj-{len(self.boxes) + 1}"
        box: dict[str, Any] = {
            "id": name,
            "maxclass": maxclass,
            "numinlets": inlets,
            "numoutlets": len(outlets),
            "patching_rect": [*map(float, at), *map(float, size)],
            **members,
        }
        if outlets:
            box["outlettype"] = list(outlets)
        self.boxes.append({"box": dict(sorted(box.items()))})
        return name
