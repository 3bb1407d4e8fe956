"""The feel of one part, given to another."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bridge.errors import InvalidRequest
from bridge.model import BeatGrid, Groove, GrooveStep, MidiOptions, Note
from bridge.music.arrange import arrange
from bridge.music.groove import extract, with_groove
from bridge.music.timeline import Timeline
from bridge.write import grooves

#: 120 BPM: a sixteenth is 0.125 s and 120 ticks.
STEP_S = 0.125
STEADY = Timeline.from_grid(BeatGrid(120.0, tuple(i * 0.5 for i in range(32)), tuple(i * 2.0 for i in range(8))), 16.0)


def at(step: float, velocity: int = 80, pitch: int = 60) -> Note:
    return Note(step * STEP_S, step * STEP_S + 0.1, pitch, velocity)


#: Eight bars of eighths, the off-beats a third of a sixteenth late and half as loud.
SWUNG = [at(4 * beat + late, velocity) for beat in range(32) for late, velocity in ((0, 100), (2 + 1 / 3, 50))]


def steps(notes: list[Note]) -> list[float]:
    return [STEADY.position(note.onset_s) / 120 for note in notes]


def test_a_groove_says_how_late_and_how_loud_each_step_is() -> None:
    groove = extract(SWUNG, STEADY)
    assert (groove.grid, groove.bars, len(groove.steps)) == (Fraction(1, 16), 1, 16)
    assert groove.step(0, 1) is groove.step(0, 16) is None
    on, off = groove.step(0, 0), groove.step(5, 2)
    assert (on.offset, on.velocity) == (pytest.approx(0.0, abs=1e-6), pytest.approx(100 / 75))
    assert (off.offset, off.velocity) == (pytest.approx(1 / 3, abs=1e-6), pytest.approx(50 / 75))


def test_straight_notes_get_the_swing_and_the_accents() -> None:
    straight = [at(2 * eighth) for eighth in range(16)]
    played = with_groove(straight, STEADY, extract(SWUNG, STEADY), extract(straight, STEADY))
    assert steps(played) == pytest.approx([2 * i + (i % 2) / 3 for i in range(16)], abs=1e-4)
    assert [note.velocity for note in played] == [107, 53] * 8  # 80 times 4/3 and 2/3


def test_half_of_a_groove_moves_half_the_way() -> None:
    straight = [at(0), at(2)]
    played = with_groove(straight, STEADY, extract(SWUNG, STEADY), extract(straight, STEADY), 0.5)
    assert steps(played) == pytest.approx([0.0, 2 + 1 / 6], abs=1e-4)
    assert [note.velocity for note in played] == [92, 65]


def test_what_notes_differ_from_their_own_average_by_they_keep() -> None:
    loose = [at(2.1), at(18.3)]
    played = with_groove(loose, STEADY, extract(SWUNG, STEADY), extract(loose, STEADY))
    assert steps(played) == pytest.approx([2 + 1 / 3 - 0.1, 18 + 1 / 3 + 0.1], abs=1e-4)


def test_notes_of_steps_that_the_groove_lacks_stay() -> None:
    between = [at(1, 33)]
    assert with_groove(between, STEADY, extract(SWUNG, STEADY), extract(between, STEADY)) == between
    assert arrange({"bass": between}, STEADY, MidiOptions(groove="drums")) == {"bass": between}


def test_a_groove_of_two_bars_tells_them_apart() -> None:
    found = [at(0), at(16.25), at(32), at(48.25)]
    groove = extract(found, STEADY, bars=2)
    assert [round(step.offset, 3) for step in groove.steps if step] == [0.0, 0.25]
    played = with_groove([at(0), at(16)], STEADY, groove, extract([at(0), at(16)], STEADY, bars=2))
    assert steps(played) == pytest.approx([0.0, 16.25], abs=1e-4)


def test_a_pick_up_is_the_end_of_a_bar() -> None:
    beats = tuple(index * 0.5 for index in range(17))
    timeline = Timeline.from_grid(BeatGrid(120.0, beats, beats[1::4]), 8.5)
    on_four, late_four = at(0), at(16.25)  # beat four of the pick-up bar, and of the bar that follows
    groove = extract([on_four, late_four], timeline)
    assert [index for index, step in enumerate(groove.steps) if step] == [12]
    assert groove.steps[12].offset == pytest.approx(0.125, abs=1e-6)


def test_quantised_notes_get_the_groove_exactly() -> None:
    found = {"drums": SWUNG, "bass": [at(2.2), at(3.8, pitch=61)]}
    played = arrange(found, STEADY, MidiOptions(Fraction(1, 16), groove="drums"))
    assert steps(played["bass"]) == pytest.approx([2 + 1 / 3, 4.0], abs=1e-4)


def test_triplets_stay_triplets_and_get_the_feel_of_triplets() -> None:
    thirds = [at(4 * index / 3) for index in range(12)]
    found = {"drums": [at(4 * index / 3 + 0.125) for index in range(12)], "bass": thirds}
    for options in (MidiOptions(groove="drums"), MidiOptions(Fraction(1, 12), groove="drums")):
        played = arrange(found, STEADY, options)
        assert steps(played["bass"]) == pytest.approx([step + 0.125 for step in steps(thirds)], abs=1e-2)


def test_the_feel_of_notes_on_a_fine_grid_is_told_step_by_step() -> None:
    found = {"drums": [at(0), at(0.6)], "bass": [at(0), at(0.5)]}  # the second thirty-second is late
    played = arrange(found, STEADY, MidiOptions(Fraction(1, 32), groove="drums"))
    assert steps(played["bass"]) == pytest.approx([0.0, 0.6], abs=1e-4)


def test_a_groove_survives_its_file() -> None:
    groove = Groove(Fraction(1, 12), 1, (GrooveStep(0.1, 1.25), None, GrooveStep(-0.25, 0.5)))
    assert grooves.decode(grooves.encode(groove)) == groove


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"schema":2,"grid":"1/16","bars":1,"steps":[]}',
        '{"schema":1,"grid":"0/16","bars":1,"steps":[]}',
        '{"schema":1,"grid":"1/16","bars":2,"steps":[null]}',
        '{"schema":1,"grid":"1/16","bars":1,"steps":[{"offset":1e999,"velocity":1}]}',
        '{"schema":1,"grid":"1/16","bars":1,"steps":[{"offset":0,"velocity":0}]}',
    ],
)
def test_what_is_no_groove_is_refused_in_one_line(tmp_path, text) -> None:
    (tmp_path / "x.json").write_text(text, "utf-8")
    with pytest.raises(InvalidRequest, match=r"x\.json is no groove: [^\n]+$"):
        grooves.read(tmp_path / "x.json")


def test_a_groove_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(InvalidRequest, match="cannot read the groove"):
        grooves.read(tmp_path / "none.json")
