from __future__ import annotations

import pytest

from bridge.music.meter import BAR, BEAT, EIGHTH, FINER, MIDDLE, SIXTEENTH, meter


@pytest.mark.parametrize(
    "signature, beats, middle",
    [
        ((4, 4), [0, 480, 960, 1440, 1920], 960),
        ((3, 4), [0, 480, 960, 1440], None),
        ((2, 4), [0, 480, 960], None),
        ((6, 8), [0, 720, 1440], 720),
        ((9, 8), [0, 720, 1440, 2160], None),
        ((7, 8), [0, 480, 960, 1680], None),
        ((5, 8), [0, 480, 1200], None),
        ((3, 8), [0, 720], None),
        ((2, 2), [0, 480, 960, 1440, 1920], 960),
        ((5, 4), [0, 480, 960, 1440, 1920, 2400], None),
        ((1, 32), [0, 60], None),
    ],
)
def test_bars_have_the_beats_that_musicians_count(signature, beats, middle):
    made = meter(*signature)
    assert list(made.beats) == beats
    assert made.middle == middle


def test_places_in_a_bar_are_as_strong_as_they_are_felt():
    common = meter(4, 4)
    assert [common.strength(place) for place in (0, 960, 480, 240, 120, 60)] == [
        BAR,
        MIDDLE,
        BEAT,
        EIGHTH,
        SIXTEENTH,
        FINER,
    ]
    assert meter(6, 8).strength(240) == EIGHTH
    assert meter(6, 8).strength(480) == EIGHTH  # no beat there, unlike in 3/4
