"""Ways to play: a time signature, tempos, and what the drums do in a bar or two."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """A style of playing.

    Attributes
    ----------
    signature
        Numerator and denominator.
    bpm
        The range of felt beats a minute.
    drums
        For each drum a row of equal steps, over `bars` bars: `X` loud, `x` soft, `.` rest.
    bars
        Bars in a row.
    swing
        The share of a pair of eighths (or sixteenths, where rows have 16 steps a bar) that the first one gets.
    backing
        `band` (bass, chords, lead), `sparse` (long chords, roots), `live` (a band whose
        tempo wanders), `piano` (no drums, free tempo), or `none` (and nothing tells the bars).
    """

    signature: tuple[int, int]
    bpm: tuple[float, float]
    drums: dict[str, str]
    bars: int = 1
    swing: float = 0.5
    backing: str = "band"

    @property
    def felt_beats(self) -> int:
        """Felt beats in a bar: quarters, dotted quarters, or in 7/8 three and a half."""
        numerator, denominator = self.signature
        return numerator // 3 if denominator == 8 and numerator % 3 == 0 else numerator


STYLES = {
    "rock": Style(
        (4, 4), (88, 150), {"kick": "X.....X.X.x.....", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."}
    ),
    "floor": Style(
        (4, 4), (116, 140), {"kick": "X...X...X...X...", "clap": "....X.......X...", "open": "..X...X...X...X."}
    ),
    "trap": Style(
        (4, 4),
        (126, 164),
        {
            "kick": "X......x..X.....X.....x.........",
            "snare": "........X...............X.......",
            "hat": "X.x.X.x.XxxxX.x.X.x.X.x.X.xxX.xx",
        },
        bars=2,
        backing="sparse",
    ),
    "jungle": Style(
        (4, 4),
        (165, 180),
        {"kick": "X.........X.....", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."},
        backing="sparse",
    ),
    "break": Style(
        (4, 4), (92, 140), {"kick": "X.X.......XX....", "snare": "....X..x.x..X..x", "ride": "X.X.X.X.X.X.X.X."}
    ),
    "ballad": Style(
        (4, 4), (56, 82), {"kick": "X......xX.x.....", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."}
    ),
    "soft": Style((4, 4), (58, 90), {"hat": "x...x...x...x...", "rim": "....x.......x..."}),
    "shuffle": Style((4, 4), (84, 150), {"kick": "X.....X..x..", "snare": "...X.....X..", "ride": "X.xX.xX.xX.x"}),
    "swing": Style((4, 4), (120, 230), {"ride": "X..X.xX..X.x", "pedal": "...x.....x..", "kick": "x.....x....."}),
    "boom": Style(
        (4, 4),
        (80, 98),
        {"kick": "X..x...x..X.....", "snare": "....X.......X...", "hat": "X.xxX.x.X.xxX.x."},
        swing=0.58,
    ),
    "drop": Style((4, 4), (68, 92), {"kick": "........X.......", "rim": "........X.......", "hat": "X.x.X.x.X.x.X.x."}),
    "punk": Style(
        (4, 4), (150, 200), {"kick": "X.X...X.X.X...X.", "snare": "....X.......X...", "hat": "X...X...X...X..."}
    ),
    "bossa": Style(
        (4, 4), (110, 150), {"kick": "X..xX..xX..xX..x", "rim": "X..X..X...X..X..", "hat": "xxxxxxxxxxxxxxxx"}
    ),
    "void": Style((4, 4), (70, 120), {"kick": "X...............", "rim": "............x..."}, backing="sparse"),
    "chorale": Style((4, 4), (66, 120), {}),
    "waltz": Style((3, 4), (86, 180), {"kick": "X.....", "snare": "..x.x.", "hat": "x.x.x."}),
    "air": Style((3, 4), (80, 150), {}),
    "three": Style((3, 4), (90, 140), {"kick": "X.....X.....", "snare": "........X...", "hat": "X.x.X.x.X.x."}),
    "jazzwaltz": Style((3, 4), (120, 200), {"ride": "X..X.xX..", "pedal": "...x.....", "kick": "x........"}),
    "jig": Style((6, 8), (50, 80), {"kick": "X.....", "snare": "...X..", "hat": "Xxxxxx"}),
    "gospel": Style((12, 8), (48, 76), {"kick": "X.....X.x...", "snare": "...X.....X..", "hat": "XxxXxxXxxXxx"}),
    "sway": Style((6, 8), (44, 72), {"kick": "X....x", "rim": "...X..", "hat": "x.xx.x"}),
    "lullaby": Style((6, 8), (44, 66), {}),
    "power": Style((6, 8), (56, 84), {"kick": "X..x.x......", "snare": "...X.....X..", "ride": "X.xX.xX.xX.x"}, bars=2),
    "blues": Style((12, 8), (44, 70), {"kick": "X....xX....x", "snare": "...X.....X..", "ride": "XxxXxxXxxXxx"}),
    "lilt": Style((4, 4), (90, 140), {"kick": "X.....X.....", "snare": "...X.....X.x", "hat": "X.xX.xX.xXxx"}),
    "rolls": Style(
        (4, 4),
        (66, 82),
        {
            "kick": "X....................X........x.................",
            "snare": "........................X.......................",
            "hat": "X.....x.....X.....x..x..X...x...x...X.....x.....",
        },
        backing="sparse",
    ),
    "five": Style((5, 4), (100, 170), {"kick": "X.....X...", "snare": "....X...X.", "hat": "X.x.X.x.X."}),
    "seven": Style((7, 8), (140, 220), {"kick": "X...X..", "snare": "..X...X", "hat": "XxXxXxx"}),
    "click": Style((4, 4), (56, 200), {"rim": "XXXX"}, backing="none"),
    "kick": Style((4, 4), (56, 180), {"kick": "XXXX"}, backing="none"),
    "stomp": Style((4, 4), (60, 180), {"kick": "X.X.", "snare": ".X.X"}, backing="none"),
    "ticks": Style((4, 4), (60, 160), {"kick": "X.X.X.X.", "hat": "XxXxXxXx"}, backing="none"),
    "rubato": Style((4, 4), (60, 110), {}, backing="piano"),
    "rubato3": Style((3, 4), (70, 120), {}, backing="piano"),
    "loose": Style(
        (4, 4),
        (80, 140),
        {"kick": "X...x...X.......", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."},
        backing="live",
    ),
}

#: Styles to judge by, which the tables are never fitted to.
ONLY_JUDGED = frozenset(("sway", "lullaby", "power", "blues", "lilt", "rolls"))
#: General MIDI keys of the drums above.
KEYS = {"kick": 36, "snare": 38, "rim": 37, "clap": 39, "hat": 42, "pedal": 44, "open": 46, "ride": 51, "crash": 49}
