"""The ``stembridge`` command. Only this module knows options, exit codes, signals and where text goes.

What is heavy is imported where it is used, so that ``--help`` and a conversion that is cached answer at once.
"""

from __future__ import annotations

import io
import itertools
import logging
import math
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge import __version__
from bridge.commands.lazy import LazyGroup
from bridge.disk import printable
from bridge.display import Display, JsonDisplay, LiveDisplay, PlainDisplay
from bridge.errors import BridgeError, Cancelled, InvalidRequest
from bridge.interrupt import end_at_once, interruptible
from bridge.names import DRUM_ENGINES, PARTS, RECORDINGS, SEPARATORS
from bridge.progress import Progress

if TYPE_CHECKING:
    from bridge.convert import Result
    from bridge.model import ConversionRequest

#: What no music has, but a typing error may.
BPM_RANGE = (20.0, 400.0)
#: Four octaves either way: more leaves nothing of most parts within MIDI's range.
TRANSPOSE_RANGE = (-48, 48)
#: Quantising finer than this is finer than what the engines can tell.
FINEST_QUANTIZE = 128
#: What to do after an error that nobody foresaw.
_REPORT = "please report it with what --debug prints"
_OUT_HELP = "Where results go. Default: the working directory."


class _Range(click.ParamType[tuple[float, float]]):
    """``START:END`` in seconds; either may be left out."""

    name = "start:end"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        start, colon, end = str(value).partition(":")
        try:
            bounds = float(start or 0.0), float(end or "inf")
        except ValueError:
            colon = ""
            bounds = (0.0, 0.0)
        if not colon or not 0.0 <= bounds[0] < bounds[1]:
            self.fail(f"{value!r} is no range; write START:END in seconds, such as 30:45.5", param, ctx)
        return bounds


class _Number(click.FloatRange):
    """A number within limits; what is none lies within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class _Grid(click.ParamType[Fraction]):
    """A note value such as ``1/16``."""

    name = "note"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        try:
            grid = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            grid = Fraction(0)
        if grid.numerator != 1 or not 1 <= grid.denominator <= FINEST_QUANTIZE:
            self.fail(f"{value!r} is no note value; write one such as 1/16, or 1/12 for triplets", param, ctx)
        return grid


class _Parts(click.ParamType[tuple[str, ...]]):
    """A list such as ``bass,drums``."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        wanted = [name.strip() for name in str(value).split(",") if name.strip()]
        unknown = [name for name in wanted if name not in PARTS]
        if unknown or not wanted:
            named = ", ".join(unknown) or repr(value)
            self.fail(f"there is no part {named}; choose from {', '.join(PARTS)}", param, ctx)
        return tuple(name for name in PARTS if name in wanted)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stembridge")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong; works anywhere in the line.")
def stembridge(debug: bool) -> None:
    """Turn recordings into stems and MIDI, on this machine."""


def _conversion_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of ``convert``, in the order in which the help lists them."""
    options = (
        click.option("--out", "out", type=click.Path(path_type=Path), default=Path(), help=_OUT_HELP),
        click.option(
            "--separator",
            type=click.Choice(SEPARATORS),
            default="auto",
            show_default=True,
            help="What splits the song into stems.",
        ),
        click.option(
            "--as",
            "recording",
            type=click.Choice(RECORDINGS),
            default=None,
            help="The recording is this one instrument, or is to stay one mix.",
        ),
        click.option(
            "--parts", type=_Parts(), default=PARTS, help="Which parts to make, such as bass,drums. Default: all."
        ),
        click.option(
            "--bpm",
            type=_Number(*BPM_RANGE),
            default=None,
            help="The tempo, where you know it. Default: detected.",
        ),
        click.option(
            "--range", "range_s", type=_Range(), default=None, help="Convert only these seconds, such as 30:45.5."
        ),
        click.option("--quantize", type=_Grid(), default=None, help="Move notes to this grid, such as 1/16."),
        click.option(
            "--strength",
            type=_Number(0.0, 1.0),
            default=1.0,
            show_default=True,
            help="How far notes move to the grid.",
        ),
        click.option(
            "--swing",
            type=_Number(0.0, 1.0),
            default=0.0,
            show_default=True,
            help="Delay of every second grid line; 0.67 is a triplet feel.",
        ),
        click.option(
            "--transpose", type=click.IntRange(*TRANSPOSE_RANGE), default=0, help="Semitones to add to pitched parts."
        ),
        click.option("--pitch-bend", is_flag=True, help="Write the pitch contour of bass and vocals as pitch bend."),
        click.option("--no-stems", is_flag=True, help="Leave the stems out of the result."),
        click.option(
            "--drum-engine",
            type=click.Choice(DRUM_ENGINES),
            default="auto",
            show_default=True,
            help="What finds the drum hits.",
        ),
        click.option("--force", is_flag=True, help="Do everything again, whatever the cache holds."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@stembridge.command()
@click.argument("audio", type=click.Path(path_type=Path), nargs=-1, required=True)
@_conversion_options
@click.pass_context
def convert(ctx: click.Context, /, audio: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Convert AUDIO files; each gets a folder of its own with MIDI, stems and a manifest."""
    first_failure = 0
    with _display(as_json) as display, _stoppable(options["out"]) as cancelled:
        for request in list(_requests(audio, **options)):
            if len(audio) > 1 or as_json:
                display.say("source", printable(request.source), path=str(request.source.absolute()))
            try:
                _convert_one(request, display, cancelled)
            except Exception as failure:  # one bad file must not stop the others
                # Whatever a library made of the interruption: it was one.
                error = Cancelled("cancelled") if cancelled.is_set() else failure
                exit_code = _explain(error, display, as_json, debug=ctx.obj["debug"])
                first_failure = first_failure or exit_code
                if isinstance(error, Cancelled):
                    break
    ctx.exit(first_failure)


@stembridge.command()
@click.option("--out", "out", type=click.Path(path_type=Path), default=Path(), help=_OUT_HELP)
@click.pass_context
def demo(ctx: click.Context, out: Path) -> None:
    """Convert the bundled song and show how much of it was found."""
    from bridge.demo import bundled_song, render_scores, score_against_truth
    from bridge.model import ConversionRequest

    with bundled_song() as song, _display(as_json=False) as display, _stoppable(out) as cancelled:
        request = ConversionRequest(source=song.audio, out_dir=out, name="stembridge-demo")
        display.say("source", "Converting the bundled song (35 s, made for this purpose, so every true note is known).")
        result = _convert_one(request, display, cancelled)
        display.say("result", render_scores(score_against_truth(result.folder, song.truth)))
    click.echo(f"\nOpen the MIDI files and stems in {printable(result.folder.resolve())}")


@stembridge.group(invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """List or fetch the weights of better separators."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_models)


@models.command("list")
def list_models() -> None:
    """Show each model's size, licence and whether it is installed."""
    from bridge.separation.weights import describe

    rows = describe()
    click.echo("builtin       needs no weights; always there")
    for row in rows:
        state = f"installed in {printable(row.installed)}" if row.installed else "not installed"
        click.echo(f"{row.name:<13} {row.size_bytes / 1e6:4.0f} MB   {state}")
        click.echo(f"{'':<13} licence: {row.licence}")
    click.echo(f"\n{rows[0].statement}\n\nFetch one with: stembridge models download NAME")


@models.command("download")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask: the licence is known and accepted.")
@click.pass_context
def download_model(ctx: click.Context, name: str, yes: bool) -> None:
    """Fetch the weights of model NAME."""
    from bridge.separation.weights import STATEMENT, find, published
    from bridge.separation.weights_download import download

    model = published(name)
    present = find(name)
    if present is not None:
        click.echo(f"{name} is installed already, in {printable(present)}")
        return
    click.echo(STATEMENT)
    if not yes and not sys.stdin.isatty():
        raise InvalidRequest(f"nobody is there to ask: stembridge models download {name} --yes accepts this")
    if not yes and not click.confirm(f"Download {model.size_bytes / 1e6:.0f} MB for {name}?"):
        raise Cancelled("nothing was downloaded")
    with _display(as_json=False) as display, _stoppable() as cancelled:
        folder = download(name, Progress(display.report, cancelled).stage("download"))
        display.say("result", f"{name} is installed in {printable(folder)}; stembridge convert uses it from now on")


def main() -> None:
    """Run the command and exit with the contract's code."""
    nowhere = io.TextIOWrapper(io.BytesIO())
    sys.stdout = sys.stdout or nowhere  # None where whoever started us has closed it
    sys.stderr = sys.stderr or nowhere
    logging.getLogger("bridge").addHandler(logging.NullHandler())  # else Python prints warnings that nobody handles
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name need not exist in the terminal's encoding
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    is_debugging = len(arguments) < len(sys.argv) - 1
    try:
        code = (
            stembridge.main(arguments, prog_name="stembridge", standalone_mode=False, obj={"debug": is_debugging}) or 0
        )
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.Abort:
        code = _fail("cancelled", Cancelled.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = InvalidRequest.exit_code
    except click.ClickException as error:
        code = _fail(_usage_line(error), InvalidRequest.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone. What is still buffered must not raise again when Python flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = _fail("cancelled", Cancelled.exit_code)
    except Exception as error:
        code = _explain(error, None, debug=is_debugging)
    sys.exit(code)


def _requests(audio: tuple[Path, ...], **options: Any) -> Iterator[ConversionRequest]:
    """A request for each file; no two share a folder."""
    from bridge.model import ConversionRequest, MidiOptions

    if options["quantize"] is None and (options["swing"] or options["strength"] != 1.0):
        raise InvalidRequest("--strength and --swing say how to quantise: give the grid with --quantize, such as 1/16")
    midi = MidiOptions(
        quantize=options["quantize"],
        strength=options["strength"],
        swing=options["swing"],
        transpose=options["transpose"],
        pitch_bend=options["pitch_bend"],
    )
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
            fresh=options["force"],
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
    for warning in result.manifest.warnings:
        display.say("warning", f"Note: {warning}", message=warning)
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


@contextmanager
def _display(as_json: bool) -> Iterator[Display]:
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
def _stoppable(out: Path | None = None) -> Iterator[threading.Event]:
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


def _explain(error: Exception, display: Display | None, as_json: bool = False, *, debug: bool) -> int:
    """Say in one line on stderr what went wrong; the exit code."""
    if isinstance(error, BridgeError):
        code, exit_code, text = error.code, error.exit_code, str(error)
    else:
        code, exit_code, text = BridgeError.code, BridgeError.exit_code, f"{type(error).__name__}: {error}; {_REPORT}"
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if display is not None:
        display.say("error", text if as_json else "", code=code, exit_code=exit_code)
    return _fail(text, exit_code)


def _fail(text: str, exit_code: int) -> int:
    click.echo(f"stembridge: {' '.join(text.split())}", err=True)
    return exit_code


def _usage_line(error: click.ClickException) -> str:
    """Click's message, and where the help is."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "stembridge"
    return f"{error.format_message().rstrip('.')}. See {command} --help"
