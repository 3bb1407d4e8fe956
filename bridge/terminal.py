"""What every command shares on a terminal: how progress looks, how Ctrl-C ends the work, how an error is said."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.display import Display, JsonDisplay, LiveDisplay, PlainDisplay
from bridge.errors import BridgeError, Cancelled, InvalidRequest
from bridge.interrupt import end_at_once, interruptible

if TYPE_CHECKING:
    from bridge.deliver.make import Failure

#: What to do after an error that nobody foresaw.
_REPORT = "please report it with what --debug prints"


@contextmanager
def displayed(as_json: bool) -> Iterator[Display]:
    """The display that fits where the output goes."""
    display: Display
    if as_json:
        display = JsonDisplay(sys.stdout)
    elif sys.stderr.isatty():
        display = LiveDisplay(sys.stderr, sys.stdout)
    else:
        display = PlainDisplay(sys.stderr, sys.stdout)
    with display:
        yield display


@contextmanager
def stoppable(out: Path | None = None) -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; what then doesn't end soon is cleared away from `out`."""

    def give_up(reason: str) -> None:
        if out is not None:
            from bridge.write.files import clear_up_own

            clear_up_own(out)
        show_cursor = "\x1b[?25h\n" if sys.stderr.isatty() else ""
        click.echo(f"{show_cursor}stembridge: cancelled", err=True)
        end_at_once(Cancelled.exit_code)

    with interruptible(give_up) as cancelled:
        yield cancelled


def explain(
    error: Exception, display: Display | None, as_json: bool = False, *, debug: bool, delivery: str = ""
) -> int:
    """Say in one line on stderr what went wrong; the exit code.

    Parameters
    ----------
    error
        What was raised.
    display
        What is told besides; None where there is none.
    as_json
        Whether the display has a line for it; on a terminal the one on stderr is enough.
    debug
        Whether to show the traceback.
    delivery
        Which kind of delivery could not be made, where all else was.
    """
    if isinstance(error, BridgeError):
        code, exit_code, text = error.code, error.exit_code, str(error)
    else:
        code, exit_code, text = BridgeError.code, BridgeError.exit_code, f"{type(error).__name__}: {error}; {_REPORT}"
    facts: dict[str, Any] = {}
    if delivery:
        text = f"{delivery} could not be delivered: {text}"
        facts = {"delivery": delivery}
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if display is not None:
        display.say("error", text if as_json else "", code=code, exit_code=exit_code, **facts)
    return fail(text, exit_code)


def explain_all(failures: Iterable[Failure], display: Display, as_json: bool, *, debug: bool) -> int:
    """Say which kinds of delivery could not be made; the first one's exit code, or 0."""
    codes = [explain(it.error, display, as_json, debug=debug, delivery=it.kind) for it in failures]
    return codes[0] if codes else 0


def say_remarks(remarks: Iterable[str], display: Display) -> None:
    """Say what became of the user's own files."""
    for remark in remarks:
        display.say("warning", f"Note: {remark}", message=remark)


def working_folder() -> Path:
    """The folder that the terminal is in.

    Raises
    ------
    InvalidRequest
        If it is gone.
    """
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise InvalidRequest(
            "the folder that you are in is gone, or a new one has taken its place; enter that with: cd ."
        ) from error


def fail(text: str, exit_code: int) -> int:
    """Say in one line on stderr what went wrong; the exit code."""
    click.echo(f"stembridge: {' '.join(text.split())}", err=True)
    return exit_code
