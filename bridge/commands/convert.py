"""``stembridge convert`` and ``stembridge demo``."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.commands.options import (
    OUT_HELP,
    conversion_options,
    deliver_options,
    deliver_options_of,
    json_option,
    midi_options,
    midi_options_of,
)
from bridge.disk import printable
from bridge.display import Display
from bridge.errors import Cancelled, InvalidRequest
from bridge.names import DEFAULT_DELIVERIES
from bridge.progress import Progress
from bridge.terminal import displayed, explain, explain_all, say_remarks, stoppable

if TYPE_CHECKING:
    from bridge.convert import Result
    from bridge.model import ConversionRequest


@click.command(short_help="Convert audio files to stems, MIDI and more.")
@click.argument("audio", type=click.Path(path_type=Path), nargs=-1, required=True)
@conversion_options
@midi_options
@deliver_options
@json_option
@click.pass_context
def convert(ctx: click.Context, /, audio: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Convert AUDIO files; each gets a folder of its own with MIDI, stems and a manifest."""
    first_failure = 0
    with displayed(as_json) as display, stoppable(options["out"]) as cancelled:
        for request in list(_requests(audio, **options)):
            if len(audio) > 1 or as_json:
                display.say("source", printable(request.source), path=str(request.source.absolute()))
            try:
                result = _convert_one(request, display, cancelled)
                exit_code = explain_all(result.failures, display, as_json, debug=ctx.obj["debug"])
                first_failure = first_failure or exit_code
            except Exception as failure:  # one bad file must not stop the others
                # Whatever a library made of the interruption: it was one.
                error = Cancelled("cancelled") if cancelled.is_set() else failure
                exit_code = explain(error, display, as_json, debug=ctx.obj["debug"])
                first_failure = first_failure or exit_code
                if isinstance(error, Cancelled):
                    break
    ctx.exit(first_failure)


@click.command()
@click.option("--out", "out", type=click.Path(path_type=Path), default=Path(), help=OUT_HELP)
@click.pass_context
def demo(ctx: click.Context, out: Path) -> None:
    """Convert the bundled song and show how much of it was found."""
    from bridge.demo import bundled_song, render_scores, score_against_truth
    from bridge.model import ConversionRequest, DeliverOptions

    with bundled_song() as song, displayed(as_json=False) as display, stoppable(out) as cancelled:
        usual = DeliverOptions(DEFAULT_DELIVERIES)
        request = ConversionRequest(source=song.audio, out_dir=out, name="stembridge-demo", deliver=usual)
        display.say("source", "Converting the bundled song (35 s, made for this purpose, so every true note is known).")
        result = _convert_one(request, display, cancelled)
        display.say("result", render_scores(score_against_truth(result.folder, song.truth)))
        exit_code = explain_all(result.failures, display, False, debug=ctx.obj["debug"])
    click.echo(f"\nOpen overview.html, the MIDI files and stems in {printable(result.folder.resolve())}")
    ctx.exit(exit_code)


def _requests(audio: tuple[Path, ...], **options: Any) -> Iterator[ConversionRequest]:
    """A request for each file; no two share a folder."""
    from bridge.model import ConversionRequest, DeliverOptions, MidiOptions

    midi = midi_options_of(options, MidiOptions())
    deliver = deliver_options_of(options, DeliverOptions(DEFAULT_DELIVERIES))
    taken: set[str] = set()
    for source in audio:
        name = next(name for name in _names_for(source) if name.casefold() not in taken)
        taken.add(name.casefold())
        yield ConversionRequest(
            source=source,
            out_dir=options["out"],
            name=name,
            recording=options["recording"] or "song",
            separator=options["separator"],
            parts=options["parts"],
            bpm=options["bpm"],
            range_s=options["range_s"],
            midi=midi,
            stems=not options["no_stems"],
            drum_engine=options["drum_engine"],
            tightness=options["tightness"],
            fresh=options["force"],
            deliver=deliver,
        )


def _names_for(source: Path) -> Iterator[str]:
    """Names that the result folder of a file may have, best first."""
    from bridge.write.files import folder_name_for

    yield folder_name_for(source)
    yield source.name
    for number in itertools.count(2):
        yield f"{source.name} ({number})"


def _convert_one(request: ConversionRequest, display: Display, cancelled: threading.Event) -> Result:
    """Convert, and say what came of it."""
    from bridge.app import default_cache, engines_for
    from bridge.convert import convert as run

    choice = engines_for(request)
    cache = default_cache(_cache_limit_bytes(display))
    result = run(request, choice.engines, cache, Progress(display.report, cancelled), choice.reasons)
    for warning in result.manifest.warnings[: -len(result.failures) or None]:  # those of failures get a line as errors
        display.say("warning", f"Note: {warning}", message=warning)
    say_remarks(result.remarks, display)
    folder = result.folder.resolve()
    display.say("result", _summary(result), folder=str(folder), manifest=str(folder / "manifest.json"))
    return result


def _cache_limit_bytes(display: Display) -> int | None:
    """How large the cache may grow, by the settings; None, and a note, where these are wrong: they are the daemon's."""
    from bridge.app import GIGABYTE
    from bridge.config import read

    try:
        return round(read({}).settings.cache_gb * GIGABYTE)
    except InvalidRequest as error:
        text = f"the settings were left aside: {error}"
        display.say("warning", f"Note: {text}", message=text)
        return None


def _summary(result: Result) -> str:
    """What a user wants to know first: tempo, key, notes per part, where it is."""
    from bridge.write import notes

    manifest = result.manifest
    counts = {part.name: len(notes.read(result.folder / part.notes)) for part in manifest.parts if part.notes}
    found = ", ".join(f"{part.name} {counts[part.name]}" for part in manifest.parts if part.parent is None)
    pulse = f"{manifest.tempo.bpm:.2f} BPM, {manifest.time_signature[0]}/{manifest.time_signature[1]}"
    return f"{pulse}, {manifest.key or 'key unknown'}; notes: {found}\n{printable(result.folder.resolve())}"
