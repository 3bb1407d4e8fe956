"""`bridge.music.timeline` on small examples that can be checked by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bridge.model import BeatGrid
from bridge.music.timeline import MAX_TEMPO_US, SignatureEvent, TempoEvent, Timeline


def grid(
    first_s: float, period_s: float, count: int, first_downbeat: int = 0, signature: tuple[int, int] = (4, 4)
) -> BeatGrid:
    beats = tuple(first_s + index * period_s for index in range(count))
    quarters = signature[0] * 4 // signature[1]
    return BeatGrid(60.0 / period_s, beats, beats[first_downbeat::quarters], signature)


def test_a_song_that_begins_on_its_first_downbeat_has_one_tempo_and_one_signature():
    timeline = Timeline.from_grid(grid(0.0, 0.5, 100), 50.0)
    assert timeline.tempo_events == (TempoEvent(0, 500_000),)
    assert timeline.signature_events == (SignatureEvent(0, 4, 4),)
    assert timeline.seconds_to_ticks(1.25) == 1200


@pytest.mark.parametrize("first_s", [0.0119, 0.4881])
def test_a_first_beat_within_twelve_milliseconds_of_the_grid_needs_no_lead_in(first_s):
    timeline = Timeline.from_grid(grid(first_s, 0.5, 100), 50.0)
    assert timeline.tempo_events == (TempoEvent(0, 500_000),)


def test_the_stretch_before_the_first_beat_is_one_beat_with_its_own_tempo():
    timeline = Timeline.from_grid(grid(0.3, 0.5, 100, first_downbeat=3), 50.0)
    assert timeline.tempo_events == (TempoEvent(0, 300_000), TempoEvent(480, 500_000))
    assert timeline.signature_events == (SignatureEvent(0, 4, 4),), "lead-in and three beats are a whole bar"
    assert timeline.seconds_to_ticks(0.15) == 240
    assert timeline.seconds_to_ticks(0.8) == 960


@pytest.mark.parametrize(
    "first_downbeat, signature, pick_up",
    [
        (0, (4, 4), SignatureEvent(0, 1, 4)),
        (1, (4, 4), SignatureEvent(0, 2, 4)),
        (4, (4, 4), SignatureEvent(0, 1, 4)),
        (1, (3, 4), SignatureEvent(0, 2, 4)),
        (0, (6, 8), SignatureEvent(0, 2, 8)),
        (0, (2, 2), SignatureEvent(0, 1, 4)),
    ],
)
def test_beats_before_the_first_downbeat_are_a_pick_up_bar(first_downbeat, signature, pick_up):
    timeline = Timeline.from_grid(grid(0.3, 0.5, 100, first_downbeat, signature), 50.0)
    first, second = timeline.signature_events
    assert first == pick_up
    assert second == SignatureEvent(pick_up.bar_ticks, *signature)


def test_a_bar_of_another_length_gets_its_own_signature():
    beats = tuple(0.5 * index for index in range(20))
    downbeats = (beats[0], beats[4], beats[7], beats[11], beats[17])
    timeline = Timeline.from_grid(BeatGrid(120.0, beats, downbeats), 10.0)
    assert timeline.signature_events == (
        SignatureEvent(0, 4, 4),
        SignatureEvent(4 * 480, 3, 4),
        SignatureEvent(7 * 480, 4, 4),
        SignatureEvent(11 * 480, 6, 4),
        SignatureEvent(17 * 480, 4, 4),
    )


def test_a_downbeat_that_was_missed_leaves_the_signature_alone():
    beats = tuple(0.5 * index for index in range(20))
    timeline = Timeline.from_grid(BeatGrid(120.0, beats, (beats[0], beats[8], beats[12])), 10.0)
    assert timeline.signature_events == (SignatureEvent(0, 4, 4),)


def test_a_tempo_that_changes_is_written_at_the_beats_where_it_does():
    timeline = Timeline.from_grid(BeatGrid(120.0, (0.0, 0.5, 1.0, 1.6, 2.2), (0.0,)), 3.0)
    assert timeline.tempo_events == (TempoEvent(0, 500_000), TempoEvent(960, 600_000))
    assert timeline.seconds_to_ticks(2.8) == 5 * 480, "the last tempo goes on"


def test_without_beats_the_tempo_holds_from_the_start():
    timeline = Timeline.from_grid(BeatGrid(90.0, (), ()), 10.0)
    assert timeline.tempo_events == (TempoEvent(0, 666_667),)
    assert timeline.seconds_to_ticks(60 / 90) == 480


def test_one_beat_alone_takes_its_tempo_from_the_grid():
    timeline = Timeline.from_grid(BeatGrid(100.0, (0.25,), (0.25,)), 1.0)
    assert timeline.tempo_events == (TempoEvent(0, 250_000), TempoEvent(480, 600_000))


@pytest.mark.parametrize("beats", [(40.0, 40.5, 41.0), (40.0, 40.5, 41.2), (0.0, 0.5, 40.0), (0.0, 20.0, 40.0)])
def test_a_stretch_too_long_for_one_midi_tempo_gets_several_beats(beats):
    timeline = Timeline.from_grid(BeatGrid(120.0, beats, ()), 60.0)
    assert all(event.us_per_quarter <= MAX_TEMPO_US for event in timeline.tempo_events)
    for beat in beats:
        assert timeline.seconds_to_ticks(beat) % 480 == 0


def test_a_two_hour_song_stays_within_a_millisecond_of_its_tempo_and_a_short_one_has_one_tempo():
    period_s = 60 / 119.0001
    long = Timeline.from_grid(grid(0.0, period_s, 14_280), 7200.0)
    errors = [abs(long.ticks_to_seconds(480 * index) - index * period_s) for index in range(14_280)]
    assert max(errors) < 0.001
    assert 1 < len(long.tempo_events) < 20
    assert max(event[1] for event in long.tempo_events) - min(event[1] for event in long.tempo_events) == 1
    assert len(Timeline.from_grid(grid(0.0, period_s, 1_400), 700.0).tempo_events) == 1


def test_bars_follow_each_other_from_the_start_to_the_end_of_the_audio():
    timeline = Timeline.from_grid(grid(0.3, 0.5, 18, first_downbeat=1), 9.2)
    bars = timeline.bars()
    assert [bar.start_tick for bar in bars] == [0, 960, 2880, 4800, 6720, 8640]
    assert bars[1].start_s == pytest.approx(0.8)
    assert all(before.end_tick == after.start_tick for before, after in pairwise(bars))
    assert bars[-1].start_s < 9.2 <= bars[-1].end_s


def test_no_audio_has_no_bars():
    assert Timeline.from_grid(BeatGrid(120.0, (), ()), 0.0).bars() == []


@pytest.mark.parametrize("bpm", [0.0, -1.0, float("nan"), float("inf"), 1.0])
def test_a_tempo_that_midi_cannot_hold_is_refused(bpm):
    with pytest.raises(ValueError, match="tempo"):
        Timeline.from_grid(BeatGrid(bpm, (), ()), 1.0)


@pytest.mark.parametrize("beats", [(-0.1, 0.4), (0.5, 0.5), (1.0, 0.5)])
def test_beats_that_do_not_ascend_are_refused(beats):
    with pytest.raises(ValueError, match="ascend"):
        Timeline.from_grid(BeatGrid(120.0, beats, ()), 1.0)


def test_rounding_to_whole_microseconds_never_adds_up_in_a_tempo_map():
    beats = [0.0]
    for index in range(10_000):
        beats.append(beats[-1] + (0.5000004 if index % 2 else 0.6000004))
    timeline = Timeline.from_grid(BeatGrid(109.0, tuple(beats), ()), beats[-1])
    assert abs(timeline.ticks_to_seconds(10_000 * 480) - beats[-1]) < 1e-5


def test_a_stretch_counts_from_its_first_bar_line_also_where_that_is_no_beat() -> None:
    tempos = [TempoEvent(0, 500_000), TempoEvent(1920, 400_000), TempoEvent(3840, 600_000)]
    meters = [SignatureEvent(0, 7, 8), SignatureEvent(3360, 4, 4)]
    whole = Timeline.from_events(tempos, meters, 60.0)
    stretch = whole.between(1680, 5280)
    assert stretch.tempo_events == (TempoEvent(0, 500_000), TempoEvent(240, 400_000), TempoEvent(2160, 600_000))
    assert stretch.signature_events == (SignatureEvent(0, 7, 8), SignatureEvent(1680, 4, 4))
    origin_s = whole.ticks_to_seconds(1680)
    for tick in range(0, 3600, 37):
        assert stretch.ticks_to_seconds(tick) == pytest.approx(whole.ticks_to_seconds(1680 + tick) - origin_s, abs=1e-9)
        assert stretch.seconds_to_ticks(stretch.ticks_to_seconds(tick)) == tick
    assert stretch.duration_s == pytest.approx(whole.ticks_to_seconds(5280) - origin_s)
