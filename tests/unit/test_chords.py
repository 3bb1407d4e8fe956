from __future__ import annotations

import random
from itertools import pairwise

import pytest

from bridge.model import BeatGrid, Note
from bridge.music.chords import NO_CHORD, QUALITIES, chord_tones, find_chords, split_symbol
from bridge.music.timeline import Timeline

BEAT_S = 0.5
TONES = {quality.suffix: [tone * 7 % 12 for tone in quality.tones] for quality in QUALITIES}
ROOTS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "F#": 6, "Bb": 10}


def timeline(bars: int, per_bar: int = 4) -> Timeline:
    beats = tuple(index * BEAT_S for index in range(bars * per_bar))
    return Timeline.from_grid(BeatGrid(120.0, beats, beats[::per_bar], (per_bar, 4)), bars * per_bar * BEAT_S)


def struck(symbol: str, beat: float, beats: float, low: int = 48) -> list[Note]:
    """A chord in close position."""
    root, suffix = split_symbol(symbol)
    pitches = {low + (ROOTS[root] + tone) % 12 for tone in TONES[suffix]}
    return [Note(beat * BEAT_S, (beat + beats) * BEAT_S - 0.01, pitch, 90) for pitch in sorted(pitches)]


def bass(symbol: str, beat: float, beats: float) -> list[Note]:
    return [Note(beat * BEAT_S, (beat + beats) * BEAT_S - 0.01, 24 + ROOTS[split_symbol(symbol)[0]], 90)]


def found(chords) -> list[tuple[float, str]]:
    return [(chord.start_s / BEAT_S, chord.symbol) for chord in chords]


@pytest.mark.parametrize("suffix", TONES)
def test_every_quality_is_recognised_where_it_is_plain(suffix):
    symbol = f"D{suffix}"
    low = bass(symbol, 0, 4)
    chords = find_chords(struck(symbol, 0, 4) + low, low, timeline(1))
    assert found(chords) == [(0, symbol)]
    assert chords[0].confidence > 0.5


def test_a_progression_is_found_with_a_change_in_the_middle_of_a_bar():
    song = [("Am", 0, 4), ("F", 4, 4), ("C", 8, 2), ("G", 10, 2), ("Em7", 12, 4)]
    notes = [note for chord in song for note in struck(*chord)]
    low = [note for chord in song for note in bass(*chord)]
    assert found(find_chords(notes + low, low, timeline(4), "A minor")) == [(beat, name) for name, beat, _ in song]


def test_without_a_bass_part_the_lowest_notes_stand_in_for_it():
    tones = [Note(0.0, 1.99, pitch, 90) for pitch in (45, 60, 64, 67)]  # A below C E G
    assert found(find_chords(tones, (), timeline(1))) == [(0, "Am7")]


def test_silence_has_no_chord():
    low = bass("C", 0, 4)
    chords = find_chords(struck("C", 0, 4) + low, low, timeline(3))
    assert found(chords) == [(0, "C"), (4, NO_CHORD)]
    assert found(find_chords([], [], timeline(2))) == [(0, NO_CHORD)]


def test_chords_follow_each_other_to_the_end_of_the_audio():
    generator = random.Random(1)
    notes = [Note(at := generator.uniform(0, 15), at + 0.4, generator.randint(30, 80), 80) for _ in range(60)]
    chords = find_chords(notes, (), timeline(8))
    assert chords[0].start_s == 0.0
    assert chords[-1].end_s == timeline(8).duration_s
    assert all(before.end_s == after.start_s for before, after in pairwise(chords))
    assert all(before.symbol != after.symbol for before, after in pairwise(chords))
    assert all(0.0 <= chord.confidence <= 1.0 for chord in chords)


def test_an_uncertain_chord_says_so():
    plain = find_chords(struck("C", 0, 4) + bass("C", 0, 4), bass("C", 0, 4), timeline(1))
    cluster = find_chords([Note(0.0, 1.9, pitch, 90) for pitch in range(60, 72)], (), timeline(1))
    assert cluster[0].confidence < 0.5 < plain[0].confidence


def test_roots_are_spelled_by_the_key():
    low = bass("Bb", 0, 4)
    notes = struck("Bb", 0, 4) + low
    assert find_chords(notes, low, timeline(1), "F major")[0].symbol == "Bb"
    assert find_chords(notes, low, timeline(1), "B major")[0].symbol == "A#"


def test_progressions_are_found_among_passing_notes_gaps_and_ghosts():
    right = total = 0.0
    for seed in range(6):
        generator = random.Random(seed)
        names = [generator.choice(("C", "F", "G", "Am", "Dm", "Em")) for _ in range(16)]
        notes, low = [], []
        for bar, name in enumerate(names):
            for beat in range(4):
                notes += [note for note in struck(name, bar * 4 + beat, 1) if generator.random() < 0.6]
                passing = generator.choice((60, 62, 64, 65, 67, 69, 71))
                notes.append(
                    Note((bar * 4 + beat + 0.5) * BEAT_S, (bar * 4 + beat + 1) * BEAT_S, passing + 12, 90, 0.8)
                )
                notes.append(
                    Note((bar * 4 + beat) * BEAT_S, (bar * 4 + beat + 0.4) * BEAT_S, generator.randint(40, 90), 50, 0.3)
                )
            low += bass(name, bar * 4, 2)
        for chord in find_chords(notes + low, low, timeline(16), "C major"):
            for bar, name in enumerate(names):
                shared = min(chord.end_s, bar * 2.0 + 2.0) - max(chord.start_s, bar * 2.0)
                right += max(0.0, shared) if chord_tones(chord.symbol)[:2] == chord_tones(name)[:2] else 0.0
        total += 32.0
    assert right / total > 0.9
