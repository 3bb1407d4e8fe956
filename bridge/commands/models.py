"""``stembridge models``: the weights of better separators."""

from __future__ import annotations

import sys

import click

from bridge.disk import printable
from bridge.errors import Cancelled, InvalidRequest
from bridge.progress import Progress
from bridge.terminal import displayed, stoppable


@click.group(invoke_without_command=True)
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
    with displayed(as_json=False) as display, stoppable() as cancelled:
        folder = download(name, Progress(display.report, cancelled).stage("download"))
        display.say("result", f"{name} is installed in {printable(folder)}; stembridge convert uses it from now on")
