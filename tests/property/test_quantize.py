"""What holds for every list of notes, every grid and every timeline."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import BeatGrid, Note
from bridge.music.quantize import nearest_grid_line, quantize, transpose
from bridge.music.timeline import Timeline


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    period_s = 60.0 / draw(st.floats(40.0, 240.0))
    first_s = draw(st.floats(0.0, 0.999)) * period_s
    wobble = draw(st.sampled_from([0.0, 0.02]))
    beats = tuple(first_s + period_s * (index + wobble * (index % 3)) for index in range(40))
    signature, quarters = draw(st.sampled_from([((4, 4), 4), ((3, 4), 3), ((6, 8), 3)]))
    downbeats = beats[draw(st.integers(0, quarters - 1)) :: quarters]
    return Timeline.from_grid(BeatGrid(60.0 / period_s, beats, downbeats, signature), 60.0)


@st.composite
def notes(draw: st.DrawFn) -> list[Note]:
    rows = draw(
        st.lists(
            st.tuples(st.floats(0, 30), st.floats(0.001, 3), st.integers(58, 61), st.integers(1, 127)), max_size=25
        )
    )
    return [Note(onset, onset + length, pitch, velocity) for onset, length, pitch, velocity in rows]


GRIDS = st.sampled_from([Fraction(1, n) for n in (1, 2, 4, 8, 12, 16, 24, 32, 48)])
UNIT = st.floats(0.0, 1.0)


@given(notes(), timelines(), GRIDS, UNIT)
def test_full_strength_lands_on_grid_ticks(given_notes, timeline, grid, swing):
    for note in quantize(given_notes, timeline, grid, 1.0, swing):
        tick = timeline.position(note.onset_s)
        assert tick == pytest.approx(round(tick), abs=1e-5)
        into_bar = round(tick) - timeline.bar_start(round(tick))
        step = grid * 1920
        line = round(into_bar / step)
        late = swing * step / 2 if grid.denominator & (grid.denominator - 1) == 0 else 0
        assert (
            min(abs(into_bar - step * index - (late if index % 2 else 0)) for index in (line - 1, line)) <= 0.5 + 1e-6
        )


@given(notes(), timelines(), GRIDS, UNIT, UNIT)
def test_no_note_moves_past_the_nearest_line_or_away_from_it(given_notes, timeline, grid, strength, swing):
    for note in given_notes:
        (moved,) = quantize([note], timeline, grid, strength, swing)
        before, after = timeline.position(note.onset_s), timeline.position(moved.onset_s)
        line = nearest_grid_line(timeline, before, grid, swing)
        assert abs(after - line) <= abs(before - line) + 0.5
        assert abs((before + strength * (line - before)) - after) <= 0.5 + 1e-6


@given(notes(), timelines(), GRIDS, st.floats(0.01, 1.0), UNIT)
def test_notes_come_out_in_order_without_overlap_and_none_is_lost_but_to_its_twin(
    given_notes, timeline, grid, strength, swing
):
    moved = quantize(given_notes, timeline, grid, strength, swing)
    assert moved == sorted(moved)
    by_pitch = defaultdict(list)
    for note in moved:
        by_pitch[note.pitch].append(note)
        assert timeline.seconds_to_ticks(note.offset_s) > timeline.seconds_to_ticks(note.onset_s)
    for same in by_pitch.values():
        assert all(before.offset_s <= after.onset_s for before, after in pairwise(same))
    singly = {(n.pitch, n.onset_s) for note in given_notes for n in quantize([note], timeline, grid, strength, swing)}
    assert {(n.pitch, n.onset_s) for n in moved} == singly
    loudest = max((n.velocity for n in given_notes), default=0)
    assert max((n.velocity for n in moved), default=0) == loudest


@given(notes(), timelines(), GRIDS, UNIT)
def test_quantizing_twice_changes_nothing_more(given_notes, timeline, grid, swing):
    once = quantize(given_notes, timeline, grid, 1.0, swing)
    twice = quantize(once, timeline, grid, 1.0, swing)
    assert [timeline.seconds_to_ticks(n.onset_s) for n in once] == [timeline.seconds_to_ticks(n.onset_s) for n in twice]


@given(notes(), st.integers(-200, 200))
def test_transposing_keeps_every_note_and_its_pitch_class(given_notes, semitones):
    moved = transpose(given_notes, semitones)
    assert [(n.onset_s, n.velocity, n.pitch % 12) for n in moved] == [
        (n.onset_s, n.velocity, (n.pitch + semitones) % 12) for n in given_notes
    ]
