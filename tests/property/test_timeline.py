"""What holds for every grid; the written events are read back by mido and by a few lines here, not by `Timeline`."""

from __future__ import annotations

import io
from itertools import pairwise

import mido
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge.model import BeatGrid
from bridge.music.timeline import SNAP_S, TICKS_PER_BEAT, Timeline

SIGNATURES = st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 4), (5, 4)])


@st.composite
def even_grids(draw: st.DrawFn) -> BeatGrid:
    period_s = 60.0 / draw(st.floats(30.0, 300.0))
    first_s = draw(st.floats(0.0, 1.0)) * period_s
    count = draw(st.integers(2, 120))
    signature = draw(SIGNATURES)
    beats = tuple(first_s + index * period_s for index in range(count))
    quarters = signature[0] * 4 // signature[1]
    return BeatGrid(60.0 / period_s, beats, beats[draw(st.integers(0, quarters - 1)) :: quarters], signature)


@st.composite
def uneven_grids(draw: st.DrawFn) -> BeatGrid:
    gaps = draw(st.lists(st.floats(0.15, 2.5), min_size=1, max_size=60))
    beats = [draw(st.floats(0.0, 3.0))]
    for gap in gaps:
        beats.append(beats[-1] + gap)
    downbeats = draw(st.lists(st.sampled_from(beats), unique=True).map(sorted))
    return BeatGrid(120.0, tuple(beats), tuple(downbeats), draw(SIGNATURES), is_constant=False)


GRIDS = st.one_of(even_grids(), uneven_grids())


def written(timeline: Timeline, marks: list[int]) -> mido.MidiFile:
    """A MIDI file of the timeline with a note at each tick of `marks`, through bytes."""
    events = [(tick, 0, mido.MetaMessage("set_tempo", tempo=us)) for tick, us in timeline.tempo_events]
    events += [
        (tick, 0, mido.MetaMessage("time_signature", numerator=num, denominator=den))
        for tick, num, den in timeline.signature_events
    ]
    events += [(tick, 1, mido.Message("note_on", note=60)) for tick in marks]
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    buffer = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(file=buffer)
    return mido.MidiFile(file=io.BytesIO(buffer.getvalue()))


def note_times_s(file: mido.MidiFile) -> list[float]:
    now, times = 0.0, []
    for message in file:
        now += message.time
        if message.type == "note_on":
            times.append(now)
    return times


def bar_lines(file: mido.MidiFile, end_tick: int) -> set[int]:
    """Bar lines as a score program draws them: counted on from each time signature."""
    tick, changes = 0, []
    for message in file.tracks[0]:
        tick += message.time
        if message.type == "time_signature":
            changes.append((tick, message.numerator * 4 * TICKS_PER_BEAT // message.denominator))
    ends = [start for start, _ in changes[1:]] + [end_tick + 1]
    return {line for (start, bar), end in zip(changes, ends, strict=True) for line in range(start, end, bar)}


@given(GRIDS, st.lists(st.floats(0.0, 200.0), max_size=20))
def test_a_note_plays_within_a_tick_and_a_millisecond_of_when_it_was_heard(grid, times):
    timeline = Timeline.from_grid(grid, 200.0)
    times = sorted(times)
    read = note_times_s(written(timeline, [timeline.seconds_to_ticks(time) for time in times]))
    slowest_tick_s = max(us for _, us in timeline.tempo_events) / 480e6
    assert all(abs(a - b) <= slowest_tick_s / 2 + 1e-6 for a, b in zip(times, read, strict=True))


@given(GRIDS, st.lists(st.floats(0.0, 500_000.0), max_size=20))
def test_ticks_and_seconds_are_each_others_inverse(grid, places):
    timeline = Timeline.from_grid(grid, 100.0)
    for place in places:
        assert timeline.seconds_to_ticks(timeline.ticks_to_seconds(int(place))) == int(place)
        assert abs(timeline.position(timeline.ticks_to_seconds(place)) - place) < 1e-5


@given(GRIDS, st.floats(0.0, 300.0), st.floats(0.0, 300.0))
def test_later_is_never_earlier(grid, one_s, other_s):
    timeline = Timeline.from_grid(grid, 100.0)
    early, late = sorted((one_s, other_s))
    assert timeline.position(early) <= timeline.position(late)
    assert timeline.seconds_to_ticks(early) <= timeline.seconds_to_ticks(late)


@given(uneven_grids())
def test_every_beat_is_a_multiple_of_480_ticks_within_a_millisecond(grid):
    gaps = [after - before for before, after in pairwise(grid.beats_s)]
    assume(max(gaps) - min(gaps) > 0.001)  # even ones may be snapped, see below
    timeline = Timeline.from_grid(grid, grid.beats_s[-1] + 1)
    ticks = [timeline.seconds_to_ticks(beat) for beat in grid.beats_s]
    marks = [round(tick / TICKS_PER_BEAT) * TICKS_PER_BEAT for tick in ticks]
    assert all(before < after for before, after in pairwise(marks))
    read = note_times_s(written(timeline, marks))
    snapped = grid.beats_s[0] <= SNAP_S
    assert all(abs(a - b) < 0.001 for a, b in list(zip(grid.beats_s, read, strict=True))[snapped:])


@given(even_grids())
def test_every_beat_of_a_constant_tempo_is_480_ticks_after_the_one_before(grid):
    timeline = Timeline.from_grid(grid, grid.beats_s[-1] + 1)
    first = round(timeline.position(grid.beats_s[0]) / TICKS_PER_BEAT)
    read = note_times_s(written(timeline, [(first + index) * TICKS_PER_BEAT for index in range(len(grid.beats_s))]))
    offsets = [a - b for a, b in zip(grid.beats_s, read, strict=True)]
    assert max(offsets) - min(offsets) < 0.001, "no drift"
    assert max(map(abs, offsets)) <= SNAP_S + 0.001
    assert len(timeline.tempo_events) <= 2


@given(GRIDS)
def test_every_downbeat_is_on_a_written_bar_line(grid):
    assume(grid.downbeats_s)
    timeline = Timeline.from_grid(grid, grid.beats_s[-1] + 1)
    lines = bar_lines(written(timeline, []), timeline.seconds_to_ticks(grid.beats_s[-1] + 10))
    for downbeat in grid.downbeats_s:
        assert round(timeline.position(downbeat) / TICKS_PER_BEAT) * TICKS_PER_BEAT in lines
    assert [bar.start_tick for bar in timeline.bars()] == sorted(lines)[: len(timeline.bars())]


@settings(max_examples=20)
@given(st.floats(20.0, 300.0), st.floats(0.0, 1.0))
def test_two_hours_of_one_tempo_stay_within_a_millisecond(bpm, phase):
    period_s = 60.0 / bpm
    count = int(7200 / period_s)
    beats = tuple((phase + index) * period_s for index in range(count))
    timeline = Timeline.from_grid(BeatGrid(bpm, beats, ()), 7200.0)
    first = round(timeline.position(beats[0]) / TICKS_PER_BEAT)
    offset_s = beats[0] - timeline.ticks_to_seconds(first * TICKS_PER_BEAT)
    for index in range(0, count, 97):
        assert abs(beats[index] - offset_s - timeline.ticks_to_seconds((first + index) * TICKS_PER_BEAT)) < 0.001
