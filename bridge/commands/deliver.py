"""``stembridge deliver``: more kinds of files for a result that exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.commands.options import (
    deliver_options,
    deliver_options_of,
    has_midi_options,
    json_option,
    midi_options,
    midi_options_of,
)
from bridge.errors import Cancelled
from bridge.names import DEFAULT_DELIVERIES, DELIVERIES
from bridge.progress import Progress
from bridge.terminal import displayed, explain, explain_all, say_remarks, stoppable, working_folder

if TYPE_CHECKING:
    from bridge.deliver.update import Delivered


@click.command(short_help="Make more of a result, without converting again.")
@click.argument("result", type=click.Path(path_type=Path))
@deliver_options
@midi_options
@json_option
@click.pass_context
def deliver(ctx: click.Context, /, result: Path, as_json: bool, **given: Any) -> None:
    """Make more of RESULT, a folder that `convert` made, without converting again.

    With options for MIDI, its MIDI files are made anew from the notes as they were detected, and so are all
    deliveries that it has, besides those that you ask for. Options that aren't given are as the result was made with.
    """
    debug = ctx.obj["debug"]
    place = working_folder()
    with displayed(as_json) as display, stoppable((place / result).resolve().parent) as cancelled:
        try:
            delivered = _deliver(result, given, Progress(display.report, cancelled))
        except Exception as failure:
            error = Cancelled("cancelled") if cancelled.is_set() else failure
            ctx.exit(explain(error, display, as_json, debug=debug))
        say_remarks((*delivered.remarks, *_where_you_are(delivered.folder, place)), display)
        folder = delivered.folder
        display.say("result", _summary(delivered), folder=str(folder), manifest=str(folder / "manifest.json"))
        exit_code = explain_all(delivered.failures, display, as_json, debug=debug)
    ctx.exit(exit_code)


def _deliver(result: Path, given: dict[str, Any], progress: Progress) -> Delivered:
    from bridge.deliver.update import deliver as run
    from bridge.model import DeliverOptions, MidiOptions
    from bridge.write import manifest as manifests

    manifest = manifests.read(result)
    wants_midi = has_midi_options(given)
    midi = midi_options_of(given, manifest.midi or MidiOptions()) if wants_midi else None
    usual = replace(manifest.deliver or DeliverOptions(), kinds=() if wants_midi else DEFAULT_DELIVERIES)
    return run(result, deliver_options_of(given, usual), midi, progress)


def _where_you_are(folder: Path, place: Path) -> Iterator[str]:
    """That the terminal's folder was in the result, whose place a new one has taken."""
    if place.is_relative_to(folder):
        yield "the folder that you are in was replaced by a new one; enter that with: cd ."


def _summary(delivered: Delivered) -> str:
    """How many files there are of each kind, and where."""
    from bridge.disk import printable

    kinds = [file.kind for file in delivered.manifest.files]
    there = ", ".join(f"{kind} {kinds.count(kind)}" for kind in DELIVERIES if kind in kinds)
    return f"files: {there or 'no deliveries'}\n{printable(delivered.folder)}"
