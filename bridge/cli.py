"""The ``stembridge`` command: its group, its exit codes, and what happens when something goes wrong.

Each command is a module of `bridge.commands`, imported when it is used, so that ``--help`` answers at once.
"""

from __future__ import annotations

import io
import logging
import os
import sys

import click

from bridge import __version__
from bridge.commands.lazy import LazyGroup
from bridge.errors import Cancelled, InvalidRequest
from bridge.terminal import explain, fail


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stembridge")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong; works anywhere in the line.")
def stembridge(debug: bool) -> None:
    """Turn recordings into stems and MIDI, on this machine."""


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
        code = fail("cancelled", Cancelled.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = InvalidRequest.exit_code
    except click.ClickException as error:
        code = fail(_usage_line(error), InvalidRequest.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone. What is still buffered must not raise again when Python flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = fail("cancelled", Cancelled.exit_code)
    except Exception as error:
        code = explain(error, None, debug=is_debugging)
    sys.exit(code)


def _usage_line(error: click.ClickException) -> str:
    """Click's message, and where the help is."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "stembridge"
    return f"{error.format_message().rstrip('.')}. See {command} --help"
