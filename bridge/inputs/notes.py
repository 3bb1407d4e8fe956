"""Notes beside recordings that could not be converted, for whoever put them there and sees no log."""

from __future__ import annotations

import logging
from pathlib import Path

from bridge.inputs.settle import NOTE_ENDING

_log = logging.getLogger(__name__)

#: How a note begins; by this we know our own.
_GREETING = "Stembridge could not convert "
#: Longest name of a file in bytes on all common file systems.
_MAX_NAME_BYTES = 255


def note_for(recording: Path) -> Path:
    """Where the note on a recording is: beside it, with its whole name."""
    room = _MAX_NAME_BYTES - len(NOTE_ENDING)
    name = recording.name
    while len(name.encode("utf-8", "surrogateescape")) > room:
        name = name[:-1]
    return recording.with_name(name + NOTE_ENDING)


def leave_note(recording: Path, reason: str, *, again_s: float | None = None) -> None:
    """Say beside a recording why it was not converted, and what has it tried again: that it changes, or also time.

    Where that can't be written, the log says it alone.
    """
    _log.warning("could not convert %s: %s", recording, reason)
    name = recording.name.encode("utf-8", "backslashreplace").decode("utf-8")
    when = "" if again_s is None else f"by itself {_in(again_s)}, when Stembridge is started, and "
    text = f"{_GREETING}{name}:\n\n{reason}\n\nIt tries again {when}when the file changes; "
    text += "this note then goes away by itself.\n"
    try:
        note_for(recording).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        _log.warning("could not leave a note beside %s: %s", recording, error.strerror)


def _in(seconds: float) -> str:
    """About how long that is."""
    unit, name = (3600.0, "hour") if seconds >= 3600.0 else (60.0, "minute")
    number = max(1, round(seconds / unit))
    return f"in {number} {name}{'s' if number > 1 else ''}"


def remove_note(recording: Path) -> None:
    """Remove our note on a recording, if there is one; a file of the user's of that name stays."""
    note = note_for(recording)
    try:
        with note.open("rb") as file:
            is_ours = file.read(len(_GREETING)) == _GREETING.encode("ascii")
        if is_ours:
            note.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning("could not remove %s: %s", note, error.strerror)
