"""Patterns by rule: bars of sixteen steps, electronic and acoustic ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """One way of playing.

    Attributes
    ----------
    tempo_bpm
        Slowest and fastest, quarter notes a minute.
    rows
        What each kind plays, one character a step: ``x`` a stroke, ``o`` an accent, ``.`` a rest, ``?`` perhaps a soft
        stroke, ``r`` a roll.
    """

    tempo_bpm: tuple[float, float]
    rows: dict[str, str]


#: The styles by name.
STYLES: dict[str, Style] = {
    "house": Style(
        (112, 134),
        {
            "kick": "o...o...o...o...",
            "snare": "....x.......x...",
            "open_hat": "..x...x...x...x.",
            "closed_hat": "?.?x?.?x?.?x?.?x",
        },
    ),
    "techno": Style(
        (122, 150),
        {
            "kick": "o...o...o...o...",
            "closed_hat": "xxoxxxoxxxoxxxox",
            "snare": "....?.......x..?",
            "ride": "..?...?...?...?.",
        },
    ),
    "trap": Style(
        (62, 80),
        {
            "kick": "o..?..x...x..?..",
            "snare": "........o.......",
            "closed_hat": "xrxxxxrxxxxxrxrx",
            "open_hat": "..............?.",
        },
    ),
    "breakbeat": Style(
        (150, 178),
        {
            "kick": "o.x.......xx....",
            "snare": "....o..x.x..o..x",
            "closed_hat": "x.x.x.x.x.x.x.x.",
            "ride": "?...?...?...?...",
        },
    ),
    "two_step": Style(
        (126, 138),
        {
            "kick": "o.........x.....",
            "snare": "....o.......o...",
            "closed_hat": "..x.x.xx..x.x.xx",
            "open_hat": "......?.......?.",
        },
    ),
    "boom_bap": Style(
        (82, 98),
        {
            "kick": "o..x..?...xx....",
            "snare": "....o......?o..?",
            "closed_hat": "x.x.x.x.x.x.x.xx",
        },
    ),
    "rock": Style(
        (90, 150),
        {
            "kick": "o.....x.o.?.....",
            "snare": "....o.......o...",
            "closed_hat": "x.x.x.x.x.x.x.x.",
            "crash": "?...............",
        },
    ),
    "rock_ride": Style(
        (90, 160),
        {
            "kick": "o.....x.o.?.....",
            "snare": "....o.......o..?",
            "ride": "x.x.x.x.x.x.x.x.",
            "crash": "?...............",
        },
    ),
    "crash_ride": Style(
        (100, 170),
        {
            "kick": "o.?...x.o.x.....",
            "snare": "....o.......o...",
            "crash": "o...o...o...o...",
        },
    ),
    "open_hats": Style(
        (90, 150),
        {
            "kick": "o.....x.o.?.....",
            "snare": "....o.......o...",
            "open_hat": "o...o...o...o...",
        },
    ),
    "swing": Style(
        (100, 200),
        {
            "kick": "x...?...x...?...",
            "ride": "o...x..xo...x..x",
            "closed_hat": "....x.......x...",
            "snare": "?.....?....?....",
        },
    ),
    "bossa": Style(
        (100, 160),
        {
            "kick": "o..xo..xo..xo..x",
            "snare": "x..x..x...x..x..",
            "closed_hat": "xxxxxxxxxxxxxxxx",
        },
    ),
    "metal": Style(
        (140, 210),
        {
            "kick": "xxxxxxxxxxxxxxxx",
            "snare": "....o.......o...",
            "ride": "x...x...x...x...",
            "crash": "?.......?.......",
        },
    ),
    "blast": Style(
        (160, 220),
        {
            "kick": "x.x.x.x.x.x.x.x.",
            "snare": ".x.x.x.x.x.x.x.x",
            "closed_hat": "x.x.x.x.x.x.x.x.",
            "crash": "?...............",
        },
    ),
    "tom_groove": Style(
        (90, 140),
        {
            "kick": "o...x...o...x...",
            "tom_low": "x.xx..x.x.xx..x.",
            "tom_mid": "....x.......x.?.",
            "tom_high": "......?.......x.",
            "snare": "....?.......o...",
        },
    ),
    "fills": Style(
        (90, 150),
        {
            "snare": "oxxx????........",
            "tom_high": "....xxxx????....",
            "tom_mid": "????....xxxx....",
            "tom_low": "........????xxxx",
            "kick": "o...?...?...?...",
            "crash": "?...............",
        },
    ),
    "snare_roll": Style(
        (100, 150),
        {
            "kick": "o...o...o...o...",
            "snare": "x.x.xxxxxxxxrrrr",
            "crash": "?...............",
        },
    ),
    "sixteenths": Style(
        (80, 130),
        {
            "kick": "o..x..x.o..x....",
            "snare": "..?.o..?.?..o..?",
            "closed_hat": "oxxxoxxxoxxxoxxx",
        },
    ),
    "reggae": Style(
        (60, 90),
        {
            "kick": "........o.......",
            "snare": "........o.....?.",
            "closed_hat": "x.xxx.x.x.xxx.x.",
            "open_hat": "......?.........",
        },
    ),
    "electro": Style(
        (110, 135),
        {
            "kick": "o..x..x...x.?...",
            "snare": "....o.......o...",
            "closed_hat": "x.xxx.xxx.xxx.xx",
            "tom_low": "?.....?...?....?",
        },
    ),
    "train": Style(
        (180, 240),
        {
            "kick": "o...x...o...x...",
            "snare": "xxoxxxoxxxoxxxox",
        },
    ),
}
