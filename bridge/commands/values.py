"""What options take on the command line: each reads a text, and says what is wrong with it in one line."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from bridge.errors import InvalidRequest
from bridge.names import COMPONENTS, PARTS, PITCHED_PARTS, deliveries_named

if TYPE_CHECKING:
    from bridge.model import Groove

#: Quantising finer than this is finer than what the engines can tell.
FINEST_QUANTIZE = 128
#: Instead of a grid, a scale or a groove: notes as they were played.
OFF = "off"
#: Instead of a soundfont: the one that comes with Stembridge.
BUNDLED = "bundled"


class RangeType(click.ParamType[tuple[float, float]]):
    """``START:END`` in seconds; either may be left out."""

    name = "start:end"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """(start, end) in seconds."""
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


class NumberType(click.FloatRange):
    """A number within limits; what is none lies within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class GridType(click.ParamType[Fraction]):
    """A note value such as ``1/16``; 0 for ``off``."""

    name = "note"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """The note value as a fraction of a whole note."""
        if value == OFF:
            return Fraction(0)
        found = re.fullmatch(r"1(?:/([1-9][0-9]{0,2}))?", str(value))
        if found is None or int(found[1] or 1) > FINEST_QUANTIZE:
            self.fail(f"{value!r} is no note value; write one such as 1/16, or 1/12 for triplets", param, ctx)
        return Fraction(1, int(found[1] or 1))


class PartsType(click.ParamType[tuple[str, ...]]):
    """A list such as ``bass,drums``."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The parts, in their usual order."""
        if isinstance(value, tuple):
            return value
        wanted = [name.strip() for name in str(value).split(",") if name.strip()]
        unknown = [name for name in wanted if name not in PARTS]
        if unknown or not wanted:
            named = ", ".join(unknown) or repr(value)
            self.fail(f"there is no part {named}; choose from {', '.join(PARTS)}", param, ctx)
        return tuple(name for name in PARTS if name in wanted)


class DeliveriesType(click.ParamType[tuple[str, ...]]):
    """A list such as ``als,loops``."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The kinds, in the order in which they are made."""
        if isinstance(value, tuple):
            return value
        names = [name.strip() for name in str(value).split(",") if name.strip()]
        if not names:
            self.fail(f"{value!r} names no delivery; write none for none", param, ctx)
        try:
            return deliveries_named(names)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ScaleType(click.ParamType[str]):
    """A scale such as ``A minor``, or ``key``; empty for ``off``."""

    name = "scale"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The scale's name, or ``key``."""
        from bridge.music.scale import KEY, parse_scale

        text = str(value)
        if text in ("", OFF):
            return ""
        try:
            return text if text == KEY else parse_scale(text).name
        except ValueError as error:
            self.fail(f"{error}, or key for that of the song's key", param, ctx)


class GrooveType(click.ParamType[Any]):
    """A part's or component's name, or a groove's file; empty for ``off``."""

    name = "part|file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Groove | str:
        """The part's name, or the groove in the file."""
        from bridge.write.grooves import read

        if not isinstance(value, str) or value in (*PARTS, *COMPONENTS):
            return cast("Groove | str", value)
        if value in ("", OFF):
            return ""
        try:
            return read(Path(value))
        except InvalidRequest as error:
            self.fail(str(error), param, ctx)


class SoundfontType(click.Path):
    """A soundfont's file, as an absolute path; empty for ``bundled``."""

    name = "file"

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, resolve_path=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The file, or an empty text. What is no soundfont is refused before anything is made."""
        if value in ("", BUNDLED):
            return ""
        from bridge.audio.soundfont import SoundFont

        path = cast("Path", super().convert(value, param, ctx))
        SoundFont(path)
        return path


class ProgramType(click.ParamType[tuple[str, int]]):
    """A pitched part and a program, such as ``bass=33``."""

    name = "part=0..127"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """The part and its program."""
        if isinstance(value, tuple):
            return value
        part, _, number = str(value).partition("=")
        if part not in PITCHED_PARTS or not re.fullmatch("[0-9]{1,3}", number) or int(number) > 127:
            named = ", ".join(PITCHED_PARTS)
            self.fail(f"{value!r} is no program; write a part ({named}) and 0 to 127, such as bass=33", param, ctx)
        return part, int(number)
