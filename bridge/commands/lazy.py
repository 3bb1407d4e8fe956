"""A group of commands whose modules are imported when they are needed, so that the command line starts fast."""

from __future__ import annotations

from importlib import import_module

import click

#: Command -> module and object.
COMMANDS = {
    "config": "bridge.commands.config:config",
    "convert": "bridge.commands.convert:convert",
    "deliver": "bridge.commands.deliver:deliver",
    "demo": "bridge.commands.convert:demo",
    "device": "bridge.commands.device:device",
    "doctor": "bridge.commands.doctor:doctor",
    "groove": "bridge.commands.groove:groove",
    "jobs": "bridge.commands.jobs:jobs",
    "models": "bridge.commands.models:models",
    "play": "bridge.commands.play:play",
    "serve": "bridge.commands.serve:serve",
    "service": "bridge.commands.service:service",
    "watch": "bridge.commands.watch:watch",
}


class LazyGroup(click.Group):
    """A group that has, besides its own commands, those of `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; its module is imported now."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command
