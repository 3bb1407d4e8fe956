from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.deliver.score_sheet import full_score, piano_reduction
from bridge.deliver.score_xml import musicxml
from bridge.model import BeatGrid, Note
from bridge.music.chords import NO_CHORD, find_chords, split_symbol
from bridge.music.rhythm import bar_frames, chords_of, grid_of, joined, placed, two_voices, writable
from bridge.music.sections import find_sections
from bridge.music.timeline import Timeline
from bridge.progress import Progress
from tests.daw_support import part, song
from tests.score_support import complaints, heard

DURATION_S = 12.0
KEYS = st.sampled_from([None, "C major", "A minor", "F# major", "Eb minor", "Db major", "G# minor"])
NAMES = st.text(max_size=12)


@st.composite
def notes(draw, low: int = 0, high: int = 127) -> list[Note]:
    """Anything, as long as it can begin within the song."""
    rows = draw(
        st.lists(st.tuples(st.floats(0, DURATION_S), st.floats(0.001, 6.0), st.integers(low, high)), max_size=14)
    )
    return [Note(onset, onset + length, pitch, 80, 0.7) for onset, length, pitch in rows]


@st.composite
def grids(draw) -> BeatGrid:
    """Beats of any tempo, even or not, from anywhere on; or none at all."""
    signature = draw(st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 4), (5, 4), (7, 8)]))
    beat_s = draw(st.floats(0.25, 1.5))
    first_s = draw(st.floats(0.0, 2.0))
    looseness = draw(st.sampled_from([0.0, 0.1]))
    count = draw(st.integers(0, int((DURATION_S - first_s) / beat_s)))
    beats = tuple(first_s + (index + looseness * (index % 3)) * beat_s for index in range(count))
    per_bar = max(1, signature[0] * 4 // signature[1])
    return BeatGrid(60 / beat_s, beats, beats[draw(st.integers(0, per_bar)) :: per_bar], signature)


@given(grids(), notes(), notes(20, 70), notes(), notes(35, 57), KEYS, NAMES)
@settings(deadline=None, max_examples=40)
def test_any_notes_give_a_valid_score_whose_bars_are_full(grid, vocals, bass, melody, drums, key, name):
    timeline = Timeline.from_grid(grid, DURATION_S)
    found = {"vocals": vocals, "bass": bass, "melody": melody, "drums": drums}
    made = song(
        [part(each, played) for each, played in found.items()],
        grid,
        DURATION_S,
        name=name,
        key=key,
        chords=find_chords([*vocals, *bass, *melody], bass, timeline, key),
        sections=find_sections(found, timeline),
    )
    for sheet in (full_score(made, Progress()), piano_reduction(made, Progress())):
        data = musicxml(sheet, Progress())
        assert complaints(data) == []
        for written in ET.fromstring(data).iter("part"):
            heard(written)


@given(grids(), notes())
@settings(deadline=None, max_examples=40)
def test_no_pitch_is_lost(grid, played):
    made = song([part("melody", played)], grid, DURATION_S)
    root = ET.fromstring(musicxml(full_score(made, Progress()), Progress()))
    written = {note.pitch for note in heard(next(root.iter("part")))}
    assert written == {writable(note.pitch) for note in played}


@given(grids(), notes())
@settings(deadline=None, max_examples=60)
def test_two_voices_never_cross(grid, played):
    timeline = Timeline.from_grid(grid, DURATION_S)
    upper, lower = two_voices(played, grid_of(played, bar_frames(timeline), timeline), timeline)
    for above in upper:
        for below in lower:
            if above.start < below.end and below.start < above.end:
                assert above.pitches[0] > below.pitches[-1]


@given(grids(), notes())
@settings(deadline=None, max_examples=60)
def test_spans_lie_on_the_grid_in_order_without_overlap(grid, played):
    timeline = Timeline.from_grid(grid, DURATION_S)
    lines = grid_of(played, bar_frames(timeline), timeline)
    spans = joined(chords_of(placed(played, lines, timeline)))
    assert all({span.start, span.end} <= set(lines.lines) and span.start < span.end for span in spans)
    assert all(before.end <= after.start for before, after in pairwise(spans))


@given(grids(), notes(), KEYS)
@settings(deadline=None, max_examples=40)
def test_chords_cover_the_song_and_can_be_read(grid, played, key):
    timeline = Timeline.from_grid(grid, DURATION_S)
    chords = find_chords(played, (), timeline, key)
    assert chords[0].start_s == 0.0
    assert abs(chords[-1].end_s - DURATION_S) < 1e-6
    assert all(before.end_s == after.start_s for before, after in pairwise(chords))
    assert all(0.0 <= it.confidence <= 1.0 for it in chords)
    assert all(it.symbol == NO_CHORD or split_symbol(it.symbol)[0][0] in "ABCDEFG" for it in chords)
