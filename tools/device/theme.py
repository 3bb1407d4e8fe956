"""Colours: names that Live's theme gives a colour to, and what they are in its dark theme."""

from __future__ import annotations

from typing import Any, Final

RGBA = tuple[float, float, float, float]

#: Names of Live's theme, and their colours in its dark one. Live goes by the name; the colour is what it falls back to,
#: and what the picture shows.
THEME: Final[dict[str, RGBA]] = {
    "live_surface_bg": (0.212, 0.212, 0.212, 1.0),
    "live_control_bg": (0.118, 0.118, 0.118, 1.0),
    "live_control_fg": (0.71, 0.71, 0.71, 1.0),
    "live_control_selection": (1.0, 0.678, 0.337, 1.0),
    "live_contrast_frame": (0.094, 0.094, 0.094, 1.0),
    "live_lcd_bg": (0.094, 0.094, 0.094, 1.0),
    "live_lcd_frame": (0.18, 0.18, 0.18, 1.0),
    "live_lcd_title": (0.86, 0.86, 0.86, 1.0),
    "live_lcd_control_fg": (1.0, 0.71, 0.196, 1.0),
    "live_lcd_control_fg_zombie": (0.56, 0.56, 0.56, 1.0),
}
#: Of the light, by its states. The same in all themes: they mean something.
LIGHTS: Final[dict[str, RGBA]] = {
    "off": (0.34, 0.34, 0.34, 1.0),
    "on": (0.36, 0.80, 0.42, 1.0),
    "busy": (1.0, 0.71, 0.196, 1.0),
    "trouble": (0.94, 0.33, 0.31, 1.0),
}


def themed(**colors: str) -> dict[str, Any]:
    """Members of a box whose colours follow the theme: each attribute's colour, and the name that it goes by."""
    fallback = {"bgcolor" if name == "bgfillcolor" else name: list(THEME[color]) for name, color in colors.items()}
    bound = {name: {"expression": f"themecolor.{color}"} for name, color in sorted(colors.items())}
    return {**fallback, "saved_attribute_attributes": bound}


def css(color: RGBA) -> str:
    """A colour for SVG."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in color[:3])
