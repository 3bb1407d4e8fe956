"""Where a song lies in a workstation's arrangement."""

from __future__ import annotations

import pytest

from bridge.deliver.ruler import FASTEST_BPM, SLOWEST_BPM, Meter, Ruler, Tempo
from bridge.model import BeatGrid
from bridge.music.timeline import Timeline
from tests.daw_support import steady


def ruler_of(grid: BeatGrid, duration_s: float = 16.0) -> Ruler:
    return Ruler.of(grid, Timeline.from_grid(grid, duration_s))


def test_a_song_that_begins_on_its_first_downbeat_begins_at_beat_0_with_one_tempo_and_one_meter():
    ruler = ruler_of(steady())
    assert ruler.at(0.0) == 0.0
    assert ruler.tempos() == [Tempo(0.0, 120.0)]
    assert ruler.meters() == [Meter(0.0, 4, 4)]
    assert ruler.at(2.0) == 4.0


def test_audio_begins_within_a_whole_first_bar_so_that_tempo_and_meter_hold_from_the_start():
    # Beats at 0.3, 0.8, 1.3, ...; the third is a downbeat: in a MIDI file, a lead-in of 200 BPM and a bar of 3/4.
    ruler = ruler_of(steady(first_s=0.3, downbeat=2))
    assert [event.tick for event in ruler.timeline.tempo_events] == [0, 480]
    assert ruler.tempos() == [Tempo(0.0, 120.0)]
    assert ruler.meters() == [Meter(0.0, 4, 4)]
    assert ruler.at(0.3) == pytest.approx(2.0)
    assert ruler.at(1.3) == pytest.approx(4.0)
    assert ruler.at(0.0) == pytest.approx(2.0 - 0.3 / 0.5)
    assert ruler.beat(0) == ruler.at(0.0)


def test_a_lead_in_too_fast_for_any_workstation_is_laid_out_at_the_songs_tempo():
    ruler = ruler_of(steady(first_s=0.02))  # 3,000 BPM in a MIDI file
    assert ruler.tempos() == [Tempo(0.0, 120.0)]
    assert ruler.at(0.0) == pytest.approx(3.96)  # its one lead-in beat is the last of the first bar
    assert ruler.at(0.02) == pytest.approx(4.0)


def test_a_lead_in_slower_than_the_song_keeps_its_tempo_so_that_nothing_lies_before_the_start():
    beats = (0.6, *(0.6 + 0.5 * index for index in range(1, 30)))
    ruler = ruler_of(BeatGrid(120.0, beats, beats[3::4]))
    assert ruler.at(0.0) == 0.0
    assert [tempo.bpm for tempo in ruler.tempos()] == pytest.approx([100.0, 120.0])
    assert ruler.at(0.6) == pytest.approx(1.0)


def test_a_pick_up_may_end_between_two_beats():
    beats = tuple(0.5 * index for index in range(30))
    ruler = ruler_of(BeatGrid(120.0, beats, (beats[1],), (7, 8)))
    assert ruler.meters() == [Meter(0.0, 7, 8)]
    assert ruler.at(0.5) == pytest.approx(3.5)


def test_a_bar_of_another_length_has_its_own_meter():
    beats = tuple(0.5 * index for index in range(30))
    ruler = ruler_of(BeatGrid(120.0, beats, (beats[1], beats[6], beats[10])))
    assert ruler.meters() == [Meter(0.0, 4, 4), Meter(4.0, 5, 4), Meter(9.0, 4, 4)]


def test_a_short_bar_that_begins_on_a_downbeat_is_no_pick_up():
    beats = tuple(0.5 * index for index in range(30))
    ruler = ruler_of(BeatGrid(120.0, beats, (beats[0], beats[2], beats[6])))
    assert ruler.meters() == [Meter(0.0, 2, 4), Meter(2.0, 4, 4)]


def test_a_tempo_that_changes_has_a_step_at_each_beat_where_it_does():
    beats = (0.0, 0.5, 1.0, 1.6, 2.2, 2.8)
    tempos = ruler_of(BeatGrid(120.0, beats, beats[::4], is_constant=False)).tempos()
    assert [beat for beat, _ in tempos] == [0.0, 2.0]
    assert [bpm for _, bpm in tempos] == pytest.approx([120.0, 100.0])


@pytest.mark.parametrize(
    "grid",
    [
        BeatGrid(12.0, tuple(5.0 * index for index in range(8)), (0.0, 20.0)),
        BeatGrid(120.0, (0.0, 0.5, 1.0, 31.0, 31.5), (0.0, 31.0), is_constant=False),
        BeatGrid(2000.0, tuple(0.03 * index for index in range(99)), (0.0,)),
        BeatGrid(120.0, (9.0, 9.5, 10.0), (9.0,)),
        BeatGrid(5.0, (), ()),
        BeatGrid(2500.0, (), ()),
        BeatGrid(5.0, (3.0,), (3.0,)),
    ],
    ids=["slow", "gap", "fast", "late", "slow without beats", "fast without beats", "one beat"],
)
def test_tempos_stay_within_what_workstations_take(grid: BeatGrid):
    ruler = ruler_of(grid, 40.0)
    assert all(SLOWEST_BPM <= tempo.bpm <= FASTEST_BPM for tempo in ruler.tempos())
    played_s = 0.0
    tempos = ruler.tempos()
    for tempo, after in zip(tempos, [*tempos[1:], Tempo(ruler.at(40.0), 0.0)], strict=True):
        played_s += (after.beat - tempo.beat) * 60 / tempo.bpm
    assert played_s == pytest.approx(40.0 + ruler.at(0.0) * 60 / tempos[0].bpm), "seconds stay seconds"


def test_a_meter_that_no_file_can_hold_becomes_common_time():
    beats = tuple(0.5 * index for index in range(20))
    assert ruler_of(BeatGrid(120.0, beats, (), (16, 32))).meters()[0][1:] == (8, 16)
    assert ruler_of(BeatGrid(120.0, beats, (), (15, 32))).meters()[0][1:] == (4, 4)


def test_a_bar_line_is_found_at_or_after_a_place():
    ruler = ruler_of(steady())
    assert ruler.bar_line_from(0) == 1920
    assert ruler.bar_line_from(1920.004) == 1920
    assert ruler.bar_line_from(1921) == 3840
