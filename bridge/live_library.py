"""Where Ableton Live keeps the user's own devices: the User Library, which the user may have moved."""

from __future__ import annotations

import html
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

#: Live's list of its folders is some kilobytes; what is larger is none.
_MAX_LIST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Computer:
    """What has to be known of a computer to find Live's folders.

    Attributes
    ----------
    platform
        As `sys.platform` has it.
    home
        The user's folder.
    documents
        The user's documents, which Windows may keep elsewhere than in `home`.
    app_data
        On Windows, the folder of programs' settings (``%APPDATA%``); elsewhere not used.
    """

    platform: str
    home: Path
    documents: Path
    app_data: Path

    @property
    def default_library(self) -> Path | None:
        """Where Live puts the User Library unless told otherwise; None on systems without Live."""
        if self.platform == "darwin":
            return self.home / "Music/Ableton/User Library"
        if self.platform == "win32":
            return self.documents / "Ableton/User Library"
        return None

    def lists(self) -> list[Path]:
        """Each installed version's list of its folders, the newest version's first."""
        if self.platform == "darwin":
            found = (self.home / "Library/Preferences/Ableton").glob("Live */Library.cfg")
        elif self.platform == "win32":
            found = (self.app_data / "Ableton").glob("Live */Preferences/Library.cfg")
        else:
            return []
        return sorted(found, key=_version, reverse=True)


def this_computer() -> Computer:
    """The one that this runs on."""
    import platformdirs

    home = Path.home()
    app_data = os.environ.get("APPDATA", "")
    return Computer(
        platform=sys.platform,
        home=home,
        documents=platformdirs.user_documents_path(),
        app_data=Path(app_data) if app_data else home / "AppData/Roaming",
    )


def user_libraries(computer: Computer) -> list[Path]:
    """The User Libraries that are there, the newest Live's first; more than one where versions of Live differ."""
    named = [library for file in computer.lists() if (library := _library_of(file)) is not None]
    default = computer.default_library
    candidates = [*named, default] if default is not None and not named else named
    return [library for library in dict.fromkeys(candidates) if library.is_dir()]


def _library_of(file: Path) -> Path | None:
    """The User Library that a ``Library.cfg`` names: XML in which it is a path and a name below ``UserLibrary``.

    Only these two values are looked for, so that a version which writes the rest in another way makes no difference.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(_MAX_LIST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    part = re.search(r"<UserLibrary>.*?</UserLibrary>", text, re.DOTALL)
    values = {
        name: html.unescape(found[1])
        for name in ("ProjectPath", "ProjectName")
        if part is not None and (found := re.search(rf'<{name}\s+Value="([^"]*)"', part[0]))
    }
    if not values.get("ProjectPath"):
        return None
    return Path(values["ProjectPath"]) / (values.get("ProjectName") or "User Library")


def _version(file: Path) -> tuple[int, ...]:
    """The version in the name of the folder that a list lies in, such as ``Live 12.1.5``."""
    folder = next((part for part in reversed(file.parts) if part.startswith("Live ")), "")
    return tuple(map(int, re.findall(r"\d+", folder)))
