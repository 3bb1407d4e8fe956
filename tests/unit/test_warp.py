"""Beats and seconds of Live's clips, by examples that can be worked out by hand."""

import pytest

from bridge.errors import InvalidRequest
from bridge.live.warp import Span, WarpMap, from_left_edge, same_ruler, unrolled

#: 120 BPM from second 1 to 3, then 60 BPM; the last is the hidden one.
MARKERS = [(1.0, 0.0), (3.0, 4.0), (3.03125, 4.03125)]


@pytest.mark.parametrize(
    "second, beat",
    [
        (1.0, 0.0),
        (2.0, 2.0),
        (3.0, 4.0),
        (13.0, 14.0),  # after the last visible marker the hidden one's tempo goes on
        (0.0, -2.0),  # before the first marker the first tempo goes on
    ],
)
def test_seconds_become_beats_through_the_markers(second: float, beat: float) -> None:
    warp = WarpMap.from_markers(MARKERS)
    assert warp.beat(second) == pytest.approx(beat)
    assert warp.second(beat) == pytest.approx(second)


def test_markers_may_come_in_any_order() -> None:
    assert WarpMap.from_markers(MARKERS[::-1]) == WarpMap.from_markers(MARKERS)


def test_an_unwarped_clip_follows_the_tempo() -> None:
    warp = WarpMap.at_tempo(90.0, start_s=2.0)
    assert warp.beat(4.0) == pytest.approx(3.0)


def test_an_unwarped_clip_that_plays_faster_takes_fewer_beats() -> None:
    warp = WarpMap.at_tempo(120.0, speed=2.0)
    assert warp.beat(4.0) == pytest.approx(4.0)
    assert warp.seconds_per_beat(0.0) == pytest.approx(1.0)


def test_a_marker_told_twice_counts_once() -> None:
    assert WarpMap.from_markers([*MARKERS, MARKERS[1]]) == WarpMap.from_markers(MARKERS)


@pytest.mark.parametrize("markers", [[], [(0.0, 0.0)], [(0.0, 0.0), (0.0, 0.0), (1e-9, 3.0)]])
def test_too_few_markers_are_refused(markers: list[tuple[float, float]]) -> None:
    with pytest.raises(InvalidRequest, match="fewer than two warp markers"):
        WarpMap.from_markers(markers)


@pytest.mark.parametrize("last", [(3.0, 3.9), (3.0, 4.0), (3.0 + 1e-4, 4000.0), (1e5, 4.1)])
def test_markers_that_run_backwards_stand_still_or_race_are_refused(last: tuple[float, float]) -> None:
    with pytest.raises(InvalidRequest, match="make no tempo that Live can play"):
        WarpMap.from_markers([(1.0, 0.0), (2.0, 4.0), last])


def test_a_loop_is_unrolled_from_where_the_clip_begins() -> None:
    assert list(unrolled(2.0, 9.0, (0.0, 4.0))) == [Span(2.0, 4.0, 0.0), Span(0.0, 4.0, 2.0), Span(0.0, 3.0, 6.0)]


def test_a_clip_that_begins_behind_its_loop_never_loops() -> None:
    assert list(unrolled(5.0, 9.0, (0.0, 4.0))) == [Span(5.0, 14.0, 0.0)]


def test_a_loop_in_the_arrangement_begins_at_the_left_edge() -> None:
    layout = from_left_edge(1.0, 16.0, (0.0, 4.0))
    assert layout.spans == (Span(1.0, 4.0, 0.0), Span(0.0, 1.0, 3.0))
    assert layout.loop == (0.0, 4.0)


def test_what_comes_before_a_loop_in_the_arrangement_is_played_once() -> None:
    layout = from_left_edge(-2.0, 16.0, (0.0, 4.0))
    assert layout.spans == (Span(-2.0, 4.0, 0.0),)
    assert layout.loop == (2.0, 6.0)


def test_a_clip_that_ends_before_anything_repeats_has_no_loop() -> None:
    layout = from_left_edge(1.0, 3.5, (0.0, 4.0))
    assert layout.spans == (Span(1.0, 4.0, 0.0), Span(0.0, 0.5, 3.0))
    assert layout.loop is None


def test_a_session_clip_keeps_its_ruler() -> None:
    layout = same_ruler(2.0, 16.0, (4.0, 8.0), bar=4.0)
    assert layout.spans == (Span(2.0, 8.0, 2.0),)
    assert (layout.start_marker, layout.end_marker, layout.loop, layout.length) == (2.0, 16.0, (4.0, 8.0), 16.0)


def test_a_session_clip_that_begins_below_beat_0_moves_up_by_whole_bars() -> None:
    layout = same_ruler(-1.0, 8.0, None, bar=3.0)
    assert layout.spans == (Span(-1.0, 8.0, 2.0),)
    assert (layout.start_marker, layout.end_marker) == (2.0, 11.0)


@pytest.mark.parametrize("end", [2.0, 1.0])
def test_a_clip_without_length_is_refused(end: float) -> None:
    with pytest.raises(InvalidRequest, match="plays nothing"):
        same_ruler(2.0, end, None, bar=4.0)
    with pytest.raises(InvalidRequest, match="plays nothing"):
        from_left_edge(2.0, end - 2.0, None)
