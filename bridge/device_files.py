"""The Max for Live devices: bringing them into Live's User Library, with what they need to reach the daemon.

Beside each device lies `LINK_NAME`, from which its script learns the user's secret and the daemon's port. As with the
secret itself, only the user may read it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Final

from bridge.errors import InvalidRequest, OutputUnwritable
from bridge.live_library import Computer, user_libraries

#: The file beside a device: JSON in ASCII, ``{"secret": "<64 hexadecimal digits>", "port": 17900}``.
LINK_NAME: Final = "stembridge.json"
#: Each device, and where Live looks for its kind in the User Library.
DEVICES: Final = {
    "Stembridge.amxd": PurePosixPath("Presets/Audio Effects/Max Audio Effect"),
    "Stembridge MIDI.amxd": PurePosixPath("Presets/MIDI Effects/Max MIDI Effect"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device goes, or is.

    Attributes
    ----------
    file
        The device's file.
    is_there
        Whether there is one.
    is_current
        Whether it is the one that comes with this version.
    """

    file: Path
    is_there: bool
    is_current: bool


def bundled(name: str) -> bytes:
    """A device of `DEVICES` as it comes with this version."""
    return resources.files("bridge").joinpath("data", "device", name).read_bytes()


def places(computer: Computer, to: Path | None = None) -> list[Place]:
    """Where the devices go: into Live's User Library, or all into the folder `to`.

    Raises
    ------
    InvalidRequest
        If `to` is None and there is no User Library.
    """
    if to is not None:
        files = [to.expanduser().absolute() / name for name in DEVICES]
    else:
        files = [library / folder / name for library in _libraries(computer) for name, folder in DEVICES.items()]
    return [_place(file) for file in files]


def install(files: Sequence[Path], secret: str, port: int) -> None:
    """Put the devices at these places, each with the file that it needs beside it; what is there is replaced.

    Parameters
    ----------
    files
        Named as in `DEVICES`.
    secret
        The user's.
    port
        Of the daemon.

    Raises
    ------
    OutputUnwritable
        If that isn't possible; what was there before is still whole.
    """
    link = json.dumps({"secret": secret, "port": port}).encode("ascii") + b"\n"
    for file in files:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # First the link: where Live runs, the device looks for it as soon as it is there.
            _replace(file.with_name(LINK_NAME), link, mode=0o600)
            _replace(file, bundled(file.name), mode=0o644)
        except OSError as error:
            reason = error.strerror or error
            advice = "make its folder writable, quit Live, or choose another folder with --to FOLDER"
            raise OutputUnwritable(f"cannot write {file}: {reason}; {advice}") from error


def _libraries(computer: Computer) -> list[Path]:
    default = computer.default_library
    if default is None:
        raise InvalidRequest("there is no Ableton Live for this system; name a folder for the devices with --to FOLDER")
    found = user_libraries(computer)
    if not found:
        raise InvalidRequest(
            f"there is no User Library of Live, such as {default}: start Live once, or name a folder with --to FOLDER"
        )
    return found


def _place(file: Path) -> Place:
    try:
        data = file.read_bytes()
    except OSError:
        return Place(file, is_there=False, is_current=False)
    return Place(file, is_there=True, is_current=data == bundled(file.name))


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Put data in the place of a file, in one step; it has its permissions from its first moment."""
    work = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        work.replace(path)
    finally:
        with contextlib.suppress(OSError):
            work.unlink(missing_ok=True)
