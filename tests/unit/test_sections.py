from __future__ import annotations

import threading
import tracemalloc
from itertools import pairwise

import pytest

from bridge.errors import Cancelled
from bridge.model import BeatGrid, Note
from bridge.music.sections import find_sections
from bridge.music.timeline import Timeline
from bridge.progress import Progress

BAR_S = 2.0


def timeline(bars: int, pick_up_beats: int = 0) -> Timeline:
    beats = tuple(index * 0.5 for index in range(bars * 4 + pick_up_beats))
    return Timeline.from_grid(BeatGrid(120.0, beats, beats[pick_up_beats::4]), len(beats) * 0.5)


def song(form: str, start_s: float = 0.0) -> dict[str, list[Note]]:
    """Eight bars a letter: each letter has chords and drums of its own."""
    roots = {"A": (0, 9, 5, 7), "B": (5, 10, 3, 8), "C": (1, 6, 11, 4)}
    melody, low, drums = [], [], []
    for bar, letter in enumerate(letter for letter in form for _ in range(8)):
        at_s = start_s + bar * BAR_S
        root = roots[letter][bar % 4]
        melody += [Note(at_s, at_s + 1.9, 60 + (root + tone) % 12, 90) for tone in (0, 4, 7)]
        low.append(Note(at_s, at_s + 1.9, 36 + root, 90))
        places = {"A": (0, 4), "B": (0, 2, 3, 6), "C": (1, 5, 7)}[letter]
        drums += [Note(at_s + place * 0.25, at_s + place * 0.25 + 0.1, 36, 100) for place in places]
    return {"melody": melody, "bass": low, "drums": drums}


def outline(sections) -> list[tuple[int, str]]:
    return [(round(section.start_s / BAR_S), section.label) for section in sections]


def test_what_comes_back_has_its_letter_again():
    assert outline(find_sections(song("ABAB"), timeline(32))) == [(0, "A"), (8, "B"), (16, "A"), (24, "B")]


def test_neighbours_that_sound_alike_are_one_section():
    assert outline(find_sections(song("AABCC"), timeline(40))) == [(0, "A"), (16, "B"), (24, "C")]


def test_sections_begin_after_the_pick_up_and_reach_to_the_end():
    sections = find_sections(song("AB", 0.5), timeline(16, 1))
    assert [section.start_s for section in sections] == [0.5, 16.5]
    assert sections[-1].end_s == timeline(16, 1).duration_s
    assert all(before.end_s == after.start_s for before, after in pairwise(sections))


def test_an_introduction_of_four_bars_shifts_the_blocks():
    late = song("ABAB", 4 * BAR_S)
    late["melody"] += [Note(bar * BAR_S, bar * BAR_S + 1.9, 66, 90) for bar in range(4)]
    assert [bar for bar, _ in outline(find_sections(late, timeline(36)))] == [0, 4, 12, 20, 28]


def test_a_song_without_notes_is_one_section_and_no_audio_has_none():
    assert outline(find_sections({"melody": [], "drums": []}, timeline(20))) == [(0, "A")]
    assert find_sections({}, Timeline.from_grid(BeatGrid(120.0, (), ()), 0.0)) == ()


def test_hours_of_bars_are_compared_without_keeping_all_pairs():
    form = "ABAC" * 64
    notes, time = song(form), timeline(8 * len(form))  # 2048 bars: all pairs of them would be 17 MB for each matrix
    tracemalloc.start()
    try:
        sections = find_sections(notes, time)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [section.label for section in sections] == list(form)
    assert peak < 8e6


def test_looking_for_sections_can_be_cancelled():
    asked = threading.Event()
    reports: list[float] = []
    progress = Progress(lambda report: reports.append(report.fraction) or asked.set(), asked)
    with pytest.raises(Cancelled):
        find_sections(song("ABAB"), timeline(32), progress)
    assert len(reports) == 1
