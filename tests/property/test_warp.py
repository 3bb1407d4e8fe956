"""Beat arithmetic holds for any markers, loops and crops."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.live.warp import SAME_BEAT, Layout, Span, WarpMap, from_left_edge, same_ruler, unrolled

beats = st.floats(-500.0, 500.0)
lengths = st.floats(0.05, 200.0)


@st.composite
def warp_maps(draw: st.DrawFn) -> WarpMap:
    """Maps of 2 to 12 markers at 5 to 999 BPM, as Live allows, somewhere around the file's start."""
    second, beat = draw(st.floats(-5.0, 60.0)), draw(beats)
    markers = [(second, beat)]
    for bpm, length in draw(st.lists(st.tuples(st.floats(5.0, 999.0), st.floats(0.03, 64.0)), min_size=1, max_size=11)):
        second, beat = second + length * 60.0 / bpm, beat + length
        markers.append((second, beat))
    return WarpMap.from_markers(draw(st.permutations(markers)))


@st.composite
def loops(draw: st.DrawFn) -> tuple[float, float]:
    start = draw(st.floats(-100.0, 100.0))
    return start, start + draw(st.floats(0.25, 64.0))


@given(warp_maps(), beats)
def test_a_beat_is_found_again_by_its_second(warp: WarpMap, beat: float) -> None:
    assert warp.beat(warp.second(beat)) == pytest.approx(beat, abs=1e-6)


@given(warp_maps(), st.floats(-600.0, 6000.0))
def test_a_second_is_found_again_by_its_beat(warp: WarpMap, second: float) -> None:
    assert warp.second(warp.beat(second)) == pytest.approx(second, abs=1e-6)


@given(warp_maps(), beats, st.floats(1e-4, 100.0))
def test_what_is_later_in_the_file_is_later_in_the_clip(warp: WarpMap, beat: float, later: float) -> None:
    assert warp.second(beat) < warp.second(beat + later)


@given(warp_maps(), st.data())
def test_the_map_does_not_jump_at_a_marker(warp: WarpMap, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(warp.seconds) - 1))
    second = warp.seconds[index]
    assert warp.beat(second - 1e-7) == pytest.approx(warp.beat(second + 1e-7), abs=1e-5)
    assert warp.beat(second) == pytest.approx(warp.beats[index], abs=1e-9)


@given(warp_maps(), st.lists(beats, min_size=2, max_size=20))
def test_the_time_that_beats_take_adds_up(warp: WarpMap, places: list[float]) -> None:
    places.sort()
    spans = [warp.second(after) - warp.second(before) for before, after in pairwise(places)]
    assert sum(spans) == pytest.approx(warp.second(places[-1]) - warp.second(places[0]), abs=1e-6)


@given(st.floats(-150.0, 150.0), lengths, st.none() | loops())
def test_unrolling_covers_exactly_what_is_visible(
    start: float, length: float, loop: tuple[float, float] | None
) -> None:
    spans = list(unrolled(start, length, loop))
    assert (spans[0].at, spans[0].start) == (0.0, start)
    for span, after in pairwise(spans):
        assert after.at == pytest.approx(span.at + span.end - span.start, abs=1e-9)
        assert loop is not None
        assert (span.end, after.start) == (loop[1], loop[0])
    assert spans[-1].at + spans[-1].end - spans[-1].start == pytest.approx(length, abs=1e-9)


def played(clip_beat_at_start: float, loop: tuple[float, float] | None, position: float) -> float:
    """Where a clip's playback is `position` beats after its beginning: what Live's manual says of loops."""
    place = clip_beat_at_start + position
    if loop is None or clip_beat_at_start >= loop[1] or place < loop[1]:
        return place
    return loop[0] + (place - loop[0]) % (loop[1] - loop[0])


def sounding(layout: Layout, position: float) -> float | None:
    """The source's clip beat that a laid-out clip sounds `position` beats after its beginning."""
    place = played(layout.start_marker, layout.loop, position)
    for span in layout.spans:
        if span.at <= place < span.at + span.end - span.start:
            return span.start + place - span.at
    return None


def is_near_an_edge(layout: Layout, loop: tuple[float, float] | None, beat: float) -> bool:
    edges = [edge for span in layout.spans for edge in (span.start, span.end)] + list(loop or ())
    return any(abs(beat - edge) < 2 * SAME_BEAT for edge in edges)


@given(st.floats(-150.0, 150.0), lengths, st.none() | loops(), st.floats(0.0, 0.999999))
def test_an_arrangement_clip_sounds_what_its_source_does(
    start: float, length: float, loop: tuple[float, float] | None, share: float
) -> None:
    layout = from_left_edge(start, length, loop)
    expected = played(start, loop, share * length)
    if not is_near_an_edge(layout, loop, expected):
        assert sounding(layout, share * length) == pytest.approx(expected, abs=1e-6)
    assert layout.length == layout.end_marker == length
    assert layout.start_marker == 0.0


@given(st.floats(-150.0, 150.0), lengths, st.none() | loops(), st.sampled_from([3.0, 3.5, 4.0]), st.floats(0.0, 3.0))
def test_a_session_clip_sounds_what_its_source_does(
    start: float, length: float, loop: tuple[float, float] | None, bar: float, turns: float
) -> None:
    layout = same_ruler(start, start + length, loop, bar)
    position = turns * length if loop is not None and start < loop[1] else min(turns, 0.999999) * length
    expected = played(start, loop, position)
    if not is_near_an_edge(layout, loop, expected):
        assert sounding(layout, position) == pytest.approx(expected, abs=1e-6)
    assert all(span.at >= -1e-9 for span in layout.spans)
    shift = layout.start_marker - start
    assert shift / bar == pytest.approx(round(shift / bar))


@given(loops())
def test_a_loop_without_end_can_be_unrolled_as_far_as_wanted(loop: tuple[float, float]) -> None:
    spans = list(islice(unrolled(loop[0], float("inf"), loop), 5))
    assert [span[:2] for span in spans] == [Span(*loop, 0.0)[:2]] * 5
