"""Text on a terminal, whatever is in it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from bridge.errors import InvalidRequest
from bridge.places import expanded


def echo(text: str) -> None:
    """Print a line; what the terminal can't show, such as half a letter in a file's name, is shown as an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


def absolute(folder: Path) -> str:
    """A folder that the user named, from the working directory or from home, as settings have it."""
    try:
        return str(expanded(folder).absolute())
    except ValueError as error:
        raise InvalidRequest(f"{error}; give an absolute path") from error


def moment(seconds: float | None) -> str:
    """A time of day, of this place; a dash for none."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
