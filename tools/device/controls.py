"""The device's controls: one table, from which the patcher, the script's `controls.js` and the picture are made.

Positions are whole pixels in the device view, whose height Live fixes at 169.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from bridge.names import PARTS, PITCHED_PARTS

#: Live's device view is this high (px), never scrolls, and cuts off what is lower without a word.
VIEW_HEIGHT: Final = 169
#: Narrow, as devices lie side by side, yet wide enough for the longest line of the status.
VIEW_WIDTH: Final = 408

#: Sizes of the letters (pt, which are px in Live).
TEXT_SIZE: Final = 9.5
TITLE_SIZE: Final = 11.0
#: Share of that size that a letter is wide, on average, in a grotesque such as Live's.
LETTER: Final = 0.54
#: What a box has left and right of its words together (px).
MARGIN: Final = 6

#: What is on the screen:
#: ``text``    words that the script sets;
#: ``label``   words that stay;
#: ``panel``   the dark ground of a display, below others;
#: ``rule``    a line between sections;
#: ``bar``     0 to 100, shown as a bar;
#: ``light``   a colour for each of its states;
#: ``button``  pressed, it does something;
#: ``toggle``  on or off;
#: ``menu``    one of several;
#: ``number``  a whole number.
Kind = Literal["text", "label", "panel", "rule", "bar", "light", "button", "toggle", "menu", "number"]
#: How words look. On a display: ``title``, ``plain``, ``next`` (what the user should do), ``dim``. Elsewhere:
#: ``surface``.
Look = Literal["title", "plain", "next", "dim", "surface"]
Rect = tuple[int, int, int, int]
Value = str | int | tuple[str, ...] | None

#: Kinds with a parameter of Live's, whose value the user changes.
PARAMETERS: Final = frozenset({"button", "toggle", "menu", "number"})
#: Kinds that the script writes to. None that is saved: the user's choices are never changed from inside.
WRITTEN: Final = frozenset({"text", "bar", "light", "button"})
#: States of a light, in the order of the numbers that the script sends.
LIGHT_STATES: Final = ("off", "on", "busy", "trouble")


@dataclass(frozen=True, slots=True)
class Control:
    """One thing on the screen.

    Attributes
    ----------
    name
        The word by which script and patcher know it.
    kind
        See `Kind`.
    rect
        x, y, width, height in the device view, in px.
    text
        What it shows at first; of buttons and toggles, what stands on them.
    title, info
        What Live's Info View says of it: a heading, and a sentence or two. A label has none.
    choices
        Of a menu: what the user reads, and what the script makes of it.
    initial
        Of a parameter: its value in a new device; of a menu, an index.
    low, high
        Of a number.
    look
        Of a text or label, how it looks: see `Look`.
    right
        Of a text or label: whether it ends at the right edge instead of beginning at the left one.
    """

    name: str
    kind: Kind
    rect: Rect
    text: str = ""
    title: str = ""
    info: str = ""
    choices: tuple[tuple[str, Value], ...] = ()
    initial: int = 0
    low: int = 0
    high: int = 1
    look: Look = "plain"
    right: bool = False

    @property
    def columns(self) -> int:
        """How many letters a line of it holds, on average."""
        return int((self.rect[2] - MARGIN) / (LETTER * (TITLE_SIZE if self.look == "title" else TEXT_SIZE)))

    @property
    def is_parameter(self) -> bool:
        """Whether Live knows it as a parameter."""
        return self.kind in PARAMETERS

    @property
    def is_stored(self) -> bool:
        """Whether its value is saved in the Set: whatever has one, so no button."""
        return self.is_parameter and self.kind != "button"


#: Labels and texts are this high (px): less cuts off the letters.
_LINE = 18
_LEFT, _MENU, _END = 240, 306, 400


def _row(number: int) -> int:
    """Top of a row of choices (px): a menu is 15 px high, and 4 px lie between two."""
    return 8 + 19 * number


def _choice(row: int, menu: Control) -> tuple[Control, Control]:
    """A menu in its row, and the label to its left, which says the same as its title."""
    beside = (_LEFT, _row(row) - 1, _MENU - _LEFT, _LINE)
    label = Control(f"{menu.name}_label", "label", beside, menu.title, look="surface")
    return label, replace(menu, rect=(_MENU, _row(row), _END - _MENU, 15))


_NOWHERE: Final[Rect] = (0, 0, 0, 0)

CONTROLS: Final[tuple[Control, ...]] = (
    # ------------------------------------------------------------------------------------------ the display
    Control("display", "panel", (8, 8, 220, 121)),
    Control(
        "clip",
        "text",
        (13, 12, 210, 19),
        "No clip selected",
        "Clip",
        "The audio clip that Convert reads: the one shown in Clip View, else the highlighted slot, "
        "else the clip that plays on this track.",
        look="title",
    ),
    Control(
        "facts",
        "text",
        (13, 31, 210, _LINE),
        "Select an audio clip",
        "Clip",
        "Where the clip is, whether it is warped, and how long it is.",
        look="dim",
    ),
    Control(
        "status1", "text", (13, 54, 210, _LINE), "Starting", "Status", "What is going on; below it, what to do next."
    ),
    Control("status2", "text", (13, 72, 210, _LINE), "One moment, please", "Status", "What to do next.", look="next"),
    Control("stage", "text", (13, 95, 170, _LINE), "", "Stage", "The step that the conversion is at.", look="dim"),
    Control(
        "percent",
        "text",
        (183, 95, 40, _LINE),
        "",
        "Progress",
        "How much of this step is done.",
        look="dim",
        right=True,
    ),
    Control("progress", "bar", (16, 115, 204, 7), "", "Progress", "How much of this step is done.", high=100),
    Control(
        "convert",
        "button",
        (8, 137, 150, 24),
        "Convert",
        "Convert",
        "Turns the clip into MIDI clips on new tracks after its own. The audio never leaves this computer.",
    ),
    Control(
        "cancel",
        "button",
        (162, 137, 66, 24),
        "Cancel",
        "Cancel",
        "Stops the conversion, at any time. Tracks that it has made already are removed again.",
    ),
    # ------------------------------------------------------------------------------------------ the choices
    *_choice(
        0,
        Control(
            "recording",
            "menu",
            _NOWHERE,
            title="Clip Is",
            info="A song is separated into its parts first. One instrument alone, or a mix that is to become a "
            "single clip, needs no separation: say so, and it is faster and better.",
            choices=(
                ("A Song", "song"),
                ("Bass Alone", "bass"),
                ("Melody Alone", "melody"),
                ("Vocals Alone", "vocals"),
                ("Drums Alone", "drums"),
                ("One Mix", "mix"),
            ),
        ),
    ),
    *_choice(
        1,
        Control(
            "parts",
            "menu",
            _NOWHERE,
            title="Make",
            info="The parts of a song that become MIDI clips. Has no effect on one instrument alone.",
            choices=(
                ("All Parts", PARTS),
                ("Drums", ("drums",)),
                ("All but Drums", PITCHED_PARTS),
                ("Bass", ("bass",)),
                ("Melody", ("melody",)),
                ("Vocals", ("vocals",)),
            ),
        ),
    ),
    *_choice(
        2,
        Control(
            "place",
            "menu",
            _NOWHERE,
            title="Place In",
            info="Where the new clips go: where the source clip is; the Session, in its scene; or the Arrangement, at "
            "its position, which for a Session clip is the playhead's.",
            choices=(("Same as Clip", None), ("Session", "session"), ("Arrangement", "arrangement")),
        ),
    ),
    *_choice(
        3,
        Control(
            "quantize",
            "menu",
            _NOWHERE,
            title="Quantise",
            info="Moves the notes to this grid of the clip's own beats. Off leaves them as played.",
            choices=(
                ("Off", None),
                ("1/4", "1/4"),
                ("1/8", "1/8"),
                ("1/8 Triplets", "1/12"),
                ("1/16", "1/16"),
                ("1/16 Triplets", "1/24"),
                ("1/32", "1/32"),
            ),
        ),
    ),
    *_choice(
        4,
        Control(
            "colour",
            "menu",
            _NOWHERE,
            title="Colour",
            info="The colour of the new tracks and clips: one for each part, or the source clip's.",
            choices=(("One per Part", "part"), ("Same as Clip", "clip")),
        ),
    ),
    Control(
        "stems",
        "toggle",
        (240, 104, 50, 15),
        "Stems",
        "Stems",
        "Also puts the separated audio of each part on a track of its own, beside its MIDI track.",
    ),
    Control(
        "components",
        "toggle",
        (294, 104, 54, 15),
        "Drum Kit",
        "Drum Kit",
        "Also makes a clip for each piece of the drum kit: kick, snare, hi-hat, cymbal, ride and tom.",
    ),
    Control(
        "pitch_bend",
        "toggle",
        (352, 104, 48, 15),
        "Bend",
        "Bend",
        "Writes the pitch contour of bass and vocals as pitch bend, into the MIDI files of the result: "
        "Live lets no device write it into clips.",
    ),
    # ------------------------------------------------------------------------------------------ the converter
    Control("rule", "rule", (240, 122, 160, 5)),
    Control(
        "light",
        "light",
        (241, 135, 8, 8),
        "",
        "Converter",
        "Green: the converter runs. Amber: it is at work, or being looked for. Red: look at the status. "
        "Dark: it does not run.",
        high=len(LIGHT_STATES) - 1,
    ),
    Control(
        "daemon",
        "text",
        (251, 130, 149, _LINE),
        "Connecting",
        "Converter",
        "The program on this computer that does the work, its version, and the UDP port at which it is asked. "
        "Start it with: stembridge serve",
        look="surface",
    ),
    Control(
        "version",
        "text",
        (240, 149, 90, _LINE),
        "",
        "Version",
        "The device's version and build. After an update, drag the device in again.",
        look="surface",
    ),
    Control("port_label", "label", (330, 149, 28, _LINE), "Port", look="surface", right=True),
    Control(
        "port",
        "number",
        (359, 151, 41, 15),
        "",
        "Port",
        "The converter's UDP port on this computer. 0 is the one that the device was installed with, which is right "
        "unless osc_port was changed in the settings since.",
        high=65535,
    ),
)


def named(name: str) -> Control:
    """The control of a name."""
    return next(control for control in CONTROLS if control.name == name)
