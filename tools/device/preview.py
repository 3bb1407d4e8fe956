"""The device's presentation as a picture: what the patcher's boxes say, drawn as Live's dark theme draws them.

The words that the script would write are those of a conversion on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from bridge import __version__
from bridge.osc.protocol import DAEMON_PORT
from tools.device.controls import TEXT_SIZE, VIEW_HEIGHT, VIEW_WIDTH
from tools.device.theme import LIGHTS, THEME, css

#: What the script has written, by the box's scripting name.
SCENE: Final[Mapping[str, str]] = {
    "clip": "Verse Loop",
    "facts": "Session, warped, 32 beats",
    "status1": "Converting. Keep on working.",
    "status2": "Cancel stops it at any time.",
    "stage": "Separating the song",
    "percent": "64%",
    "progress": "64",
    "light": "busy",
    "daemon": f"Runs {__version__} on port {DAEMON_PORT}",
    "version": f"{__version__} 0000abcd",
    "stems": "1",
    "convert": "inactive",
}
#: Live draws it above each device (px).
_TITLE_BAR = 20
_MARGIN = 12
_FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif"

_SURFACE, _CONTROL, _WORDS = (css(THEME[name]) for name in ("live_surface_bg", "live_control_bg", "live_control_fg"))
_SELECTED, _FRAME = css(THEME["live_control_selection"]), css(THEME["live_contrast_frame"])
_TITLE = "#4a4a4a"


def picture(patcher: Mapping[str, Any]) -> str:
    """The picture, as SVG text; twice as large as in Live."""
    width, height = VIEW_WIDTH + 2 * _MARGIN, VIEW_HEIGHT + _TITLE_BAR + 2 * _MARGIN
    boxes = [item["box"] for item in patcher["boxes"] if item["box"].get("presentation") == 1]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{2 * width}" '
        f'height="{2 * height}" font-family="{_FONT}" font-size="{TEXT_SIZE}" role="img" '
        'aria-label="The Stembridge device in Live, converting a clip">',
        f'<rect width="{width}" height="{height}" fill="#1b1b1b"/>',
        f'<g transform="translate({_MARGIN} {_MARGIN})">',
        *_frame(),
        f'<g transform="translate(0 {_TITLE_BAR})">',
        *(line for box in reversed(boxes) for line in _box(box)),  # the first lies on top
        "</g>",
        "</g>",
        "</svg>",
    ]
    return "\n".join([*lines, ""])


def _frame() -> Iterator[str]:
    """What Live draws around a device."""
    yield f'<rect width="{VIEW_WIDTH}" height="{VIEW_HEIGHT + _TITLE_BAR}" rx="4" fill="{_SURFACE}"/>'
    yield f'<path d="M0 {_TITLE_BAR}V4a4 4 0 0 1 4-4H{VIEW_WIDTH - 4}a4 4 0 0 1 4 4V{_TITLE_BAR}z" fill="{_TITLE}"/>'
    yield f'<circle cx="12" cy="{_TITLE_BAR / 2:g}" r="4.5" fill="{_SELECTED}"/>'
    yield _text(22, _TITLE_BAR / 2, "Stembridge", "#e4e4e4", size=10.5, weight=600)


def _box(box: Mapping[str, Any]) -> Iterator[str]:
    """A box, as its class looks."""
    x, y, width, height = box["presentation_rect"]
    written = SCENE.get(box.get("varname", ""), "")
    match box["maxclass"]:
        case "panel" if box.get("shape") == 1:
            fill = css(LIGHTS[written])
            yield f'<circle cx="{x + width / 2:g}" cy="{y + height / 2:g}" r="{width / 2:g}" fill="{fill}"/>'
        case "panel":
            yield _rect(box["presentation_rect"], css(tuple(box["bgcolor"])), box.get("rounded", 0))
        case "live.line":
            middle = y + height / 2
            yield f'<path d="M{x:g} {middle:g}h{width:g}" stroke="{_FRAME}"/>'
        case "comment":
            color, bold = css(tuple(box["textcolor"])), box["fontname"].endswith("Bold")
            yield from _words(box, written or box["text"], color, box["fontsize"], 600 if bold else 400)
        case "live.comment":
            yield from _words(box, written or box["text"], _WORDS, TEXT_SIZE, 400)
        case "multislider":
            share = (float(written) - box["setminmax"][0]) / (box["setminmax"][1] - box["setminmax"][0])
            yield _rect((x, y, width, height), css(tuple(box["bgcolor"])))
            yield _rect((x, y, round(share * width), height), css(tuple(box["slidercolor"])))
        case "live.text":
            yield from _button(box, written)
        case "live.menu":
            told = _told(box)
            yield _rect((x, y, width, height), _CONTROL, 2)
            yield _text(x + 6, y + height / 2, told["parameter_enum"][told["parameter_initial"][0]], _WORDS)
            yield f'<path d="M{x + width - 12:g} {y + 6:g}h6l-3 4z" fill="{_WORDS}"/>'
        case "live.numbox":
            value = str(_told(box)["parameter_initial"][0])
            yield _rect((x, y, width, height), _CONTROL, 2)
            yield _text(x + width / 2, y + height / 2, value, _WORDS, anchor="middle")


def _button(box: Mapping[str, Any], written: str) -> Iterator[str]:
    """A button, or a toggle, which is lit when it is on; either may be grey, because it would do nothing."""
    x, y, width, height = box["presentation_rect"]
    fill, color = (_SELECTED, "#101010") if written == "1" else (_CONTROL, _WORDS)
    if written == "inactive":
        color = "#5c5c5c"
    yield _rect((x, y, width, height), fill, 2)
    size = box.get("fontsize", TEXT_SIZE)
    yield _text(x + width / 2, y + height / 2, box["text"], color, anchor="middle", size=size)


def _told(box: Mapping[str, Any]) -> Mapping[str, Any]:
    told: Mapping[str, Any] = box["saved_attribute_attributes"]["valueof"]
    return told


def _words(box: Mapping[str, Any], text: str, color: str, size: float, weight: int) -> Iterator[str]:
    """A line of words, which begins or ends 3 px from the box's edge."""
    x, y, width, height = box["presentation_rect"]
    if text and box["textjustification"] == 2:
        yield _text(x + width - 3, y + height / 2, text, color, size=size, weight=weight, anchor="end")
    elif text:
        yield _text(x + 3, y + height / 2, text, color, size=size, weight=weight)


def _rect(rect: Any, fill: str, rounded: float = 0) -> str:
    x, y, width, height = rect
    corner = f' rx="{rounded:g}"' if rounded else ""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"{corner} fill="{fill}"/>'


def _text(
    x: float, middle: float, text: str, color: str, *, size: float = TEXT_SIZE, weight: int = 400, anchor: str = "start"
) -> str:
    """Words whose capitals are centred on a height: these are about 0.72 of the font's size."""
    where = f'x="{x:g}" y="{middle + 0.36 * size:.2f}"'
    look = f'fill="{color}" font-size="{size:g}"' + (f' font-weight="{weight}"' if weight != 400 else "")
    ends = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f"<text {where} {look}{ends}>{escape(text)}</text>"
