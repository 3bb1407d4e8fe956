"""Making the device's files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tools.device.container import AUDIO_EFFECT, MIDI_EFFECT, File, frozen, patcher_bytes, write
from tools.device.lint import problems
from tools.device.patcher import PROJECT_DATE, patcher
from tools.device.preview import picture
from tools.device.script import SCRIPT_NAME, bundle, controls_js

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = Path("max_for_live/src")
#: Where the package, and so the wheel, has the devices.
BUILT: Final = Path("bridge/data/device")
PICTURE: Final = Path("docs/images/device.svg")
#: Name of each device, which is what Live shows.
DEVICES: Final = {"Stembridge.amxd": AUDIO_EFFECT, "Stembridge MIDI.amxd": MIDI_EFFECT}


def controls_file() -> tuple[Path, str]:
    """The generated part of the script."""
    return SOURCES / "controls.js", controls_js()


def devices(root: Path = ROOT) -> dict[Path, bytes]:
    """Each device's file, relative to the root, with its content.

    Raises
    ------
    ValueError
        If there is something wrong with it.
    """
    patchers = {name: patcher(kind) for name, kind in DEVICES.items()}
    script = bundle(root / SOURCES, b"".join(map(patcher_bytes, patchers.values())))
    inside = (File(SCRIPT_NAME, b"TEXT", script, modified=PROJECT_DATE),)
    built = {}
    for name, made in patchers.items():
        if wrong := problems(made):
            raise ValueError("\n".join([f"{name}:", *wrong]))
        built[BUILT / name] = write(frozen(DEVICES[name], name, made, inside, PROJECT_DATE))
    return built


def preview() -> tuple[Path, str]:
    """The picture of the device."""
    return PICTURE, picture(patcher(AUDIO_EFFECT))
