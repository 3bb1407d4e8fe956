"""What was found becomes notes with musical velocities."""

from dataclasses import replace

import pytest

from bridge.transcription.frames import Found
from bridge.transcription.velocity import as_notes, credible


def found(start: int, level_db: float = -20.0, onset: float = 0.8, sounding: float = 0.8) -> Found:
    return Found(start, start + 40, 60, onset, sounding, level_db)


def velocities(*notes: Found) -> list[int]:
    return [note.velocity for note in as_notes(notes, (20, 120))]


def test_a_part_of_even_strength_is_mezzo_forte() -> None:
    assert velocities(found(0), found(50), found(100)) == [80, 80, 80]


def test_twelve_decibels_of_strength_double_or_halve_the_velocity() -> None:
    quieter, louder = found(50, -20.0 - 24.0), found(100, -20.0 + 6.0)  # the level counts for half
    assert velocities(found(0), quieter, louder) == [80, 40, 95]


def test_a_weaker_onset_is_a_softer_note() -> None:
    typical, weak, _ = velocities(found(0), found(50, onset=0.4), found(100))
    assert weak < typical


def test_where_it_is_known_how_hard_notes_were_struck_level_and_onset_say_nothing() -> None:
    typical, harder = replace(found(0), touch_db=-30.0), replace(found(50, -60.0, 0.3), touch_db=-18.0)
    assert velocities(typical, harder, typical) == [80, 120, 80]
    softer = replace(found(50, -10.0, 1.0), touch_db=-42.0)
    assert velocities(typical, softer, typical) == [80, 40, 80]


def test_velocities_stay_in_the_parts_range() -> None:
    assert velocities(found(0), found(50, 60.0), found(100, -110.0)) == [80, 120, 20]


def test_confidence_says_how_sure_onset_and_sound_are() -> None:
    (note,) = as_notes([found(0, onset=0.9, sounding=0.4)], (20, 120))
    assert note.confidence == pytest.approx(0.6)


def test_bleed_far_below_the_loud_notes_is_dropped() -> None:
    loud = [found(50 * i) for i in range(10)]
    assert credible([*loud, found(600, -70.0), found(700, -60.0)], 0.3) == [*loud, found(700, -60.0)]


def test_what_the_network_hardly_believes_in_is_dropped() -> None:
    assert credible([found(0), found(50, onset=0.2, sounding=0.2)], 0.3) == [found(0)]


def test_what_is_hardly_there_in_the_mix_is_dropped_where_that_counts() -> None:
    weak = Found(50, 90, 60, 0.8, 0.8, -20.0, share_db=-19.0)
    assert credible([found(0), weak], 0.3, -18.0) == [found(0)]
    assert credible([found(0), weak], 0.3) == [found(0), weak]


def test_nothing_found_is_no_notes() -> None:
    assert as_notes(credible([], 0.3), (20, 120)) == []
