"""What the device's script is made of: the generated `controls.js`, and the bundle of all files in their order."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from bridge import __version__
from tools.device.controls import CONTROLS, LIGHT_STATES, PARAMETERS, WRITTEN, Control

#: The script's name inside the device. Max has one name space for all scripts of all devices.
SCRIPT_NAME: Final = "stembridge_device.js"
INLETS, OUTLETS = 1, 3
#: Which files are bundled, and in which order; beside them.
ORDER_NAME: Final = "bundle.json"


def controls_js() -> str:
    """`controls.js`: the controls that the script reads or writes."""
    rows = ",\n".join(
        f"    {json.dumps(control.name)}: {json.dumps(_row(control))}"
        for control in CONTROLS
        if control.kind in PARAMETERS | WRITTEN
    )
    states = ",\n".join(f"    {json.dumps(state)}: {number}" for number, state in enumerate(LIGHT_STATES))
    return f"""// Generated from tools/device/controls.py by `make device`: change the table there.
/* global module */
var StembridgeControls = (function () {{
  "use strict";

  // By name: kind; of a text its `columns`, letters that a line holds on average; of a menu `labels`, and `values` by
  // index; of a parameter its `initial` value (of a menu, an index).
  var TABLE = {{
{rows}
  }};

  // States of the light, as numbers.
  var LIGHT = {{
{states}
  }};

  return {{ TABLE: TABLE, LIGHT: LIGHT }};
}})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeControls;
"""


def _row(control: Control) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": control.kind}
    if control.kind == "text":
        row["columns"] = control.columns
    if control.kind == "menu":
        row["labels"] = [label for label, _ in control.choices]
        row["values"] = [value for _, value in control.choices]
    if control.is_stored:
        row["initial"] = control.initial
    if control.kind in ("number", "bar"):
        row |= {"low": control.low, "high": control.high}
    return row


def order(sources: Path) -> list[str]:
    """Names of the script's files, in the order in which they are joined.

    Raises
    ------
    ValueError
        If a file is missing from the list, or the list names one that isn't there, or one twice.
    """
    names: list[str] = json.loads((sources / ORDER_NAME).read_text("utf-8"))
    there = {file.name for file in sources.glob("*.js")}
    if sorted(names) != sorted(there):
        wrong = sorted(there.symmetric_difference(names)) or sorted(name for name in there if names.count(name) > 1)
        raise ValueError(f"{ORDER_NAME} doesn't name each file of the script once: {', '.join(wrong)}")
    return names


def bundle(sources: Path, also: bytes = b"") -> bytes:
    """The script, made of the files in a folder: the same bytes for the same files.

    Parameters
    ----------
    sources
        The folder.
    also
        What else the stamp is to stand for.
    """
    body = "".join(f"\n// ---- {name}\n{_source(sources / name)}" for name in order(sources))
    stamp = hashlib.sha256(body.encode("utf-8") + b"\0" + also).hexdigest()[:8]
    build = json.dumps({"version": __version__, "stamp": stamp})
    head = f"""// {SCRIPT_NAME}: made by `make device` from max_for_live/src.
autowatch = 0;
inlets = {INLETS};
outlets = {OUTLETS};
var StembridgeBuild = {build};
"""
    return (head + body).encode("ascii")


def _source(file: Path) -> str:
    """A file of the script, whose encoding Max can't mistake."""
    text = file.read_text("utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.isascii():
            raise ValueError(f"{file.name}, line {number}, isn't ASCII: write \\uXXXX instead")
    return text
