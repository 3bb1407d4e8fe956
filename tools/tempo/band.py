"""Made-up songs: drums by a style's rows, bass, chords and a lead that follow chords changing with the bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tools.tempo.score import DRUM_CHANNEL, Course, Piece, Played, Truth
from tools.tempo.styles import KEYS, STYLES, Style

Rng = np.random.Generator
BASS, CHORDS, LEAD = 0, 1, 2
BASSES, KEYBOARDS, LEADS = (32, 33, 34, 38), (0, 4, 16, 24, 25, 27, 29, 48, 89), (56, 65, 73, 80, 25)
MAJOR = (0, 2, 4, 5, 7, 9, 11)
#: Degrees of common progressions, a bar each.
PROGRESSIONS = (
    (0, 4, 5, 3),
    (5, 3, 0, 4),
    (0, 3, 4, 4),
    (0, 5, 1, 4),
    (1, 4, 0, 0),
    (0, 0, 3, 0, 4, 3, 0, 4),
    (5, 4, 3, 4),
)


def song(style_name: str, seed: int, length_s: float) -> Piece:
    """A song in a style; everything follows from the seed."""
    style, rng = STYLES[style_name], np.random.default_rng([seed, *style_name.encode()])
    bpm = rng.uniform(*style.bpm)
    bpm = float(round(bpm)) if rng.random() < 0.5 else float(round(bpm, 2))
    beats = length_s * bpm / 60.0 * 1.2 + 16
    free = style.backing in ("piano", "live")
    course = (
        Course.wandering(bpm, beats, rng, 0.07 if style.backing == "piano" else 0.015)
        if free
        else Course.steady(bpm, beats)
    )
    lead_in_s, per_bar = rng.uniform(0.0, 2.0), _bar_beats(style)
    cut = rng.uniform(0.0, per_bar)  # the recording begins anywhere in the bar
    start_s = course.at(cut) - lead_in_s if rng.random() < 0.3 else course.at(cut)
    bars = int(beats / per_bar)
    notes = _drums(style, bars, rng) + backing(per_bar, _steps(style), bars, rng, style.backing)
    loose_s = rng.uniform(0.0, 0.004) if not free else rng.uniform(0.004, 0.012)
    played = [
        Played(
            at := max(0.0, course.at(beat) - start_s + rng.normal() * loose_s),
            at + max(0.05, course.at(end) - course.at(beat)),
            channel,
            key,
            velocity,
        )
        for beat, end, channel, key, velocity in notes
        if beat >= cut - 0.02 and course.at(beat) - start_s < length_s
    ]
    programs = {
        BASS: int(rng.choice(BASSES)),
        CHORDS: 0 if style.backing == "piano" else int(rng.choice(KEYBOARDS)),
        LEAD: int(rng.choice(LEADS)),
    }
    programs[DRUM_CHANNEL] = int(
        rng.choice([0, 8, 16, 24, 25, 32] if style_name in ("floor", "trap", "jungle", "boom") else [0, 8, 16, 32, 40])
    )
    truth = truth_of(course, start_s, length_s, per_bar, style.signature, not free)
    if style.backing == "none":
        truth = replace(truth, downbeats_s=np.zeros(0))
    return Piece(f"{style_name}_{seed}", style_name, played, truth, length_s, programs)


def truth_of(
    course: Course, start_s: float, length_s: float, per_bar: float, signature: tuple[int, int], is_constant: bool
) -> Truth:
    """The truth of a stretch of a course whose beat 0 is a bar line."""

    def inside(times_s: np.ndarray) -> np.ndarray:
        times_s = times_s - start_s
        return times_s[(times_s >= 0.0) & (times_s < length_s)]

    last = len(course.times_s) - 1
    lines = np.array([course.at(beat) for beat in np.arange(0.0, last, per_bar)])
    return Truth(inside(course.times_s), inside(lines), signature, is_constant)


def _bar_beats(style: Style) -> float:
    """Felt beats a bar, where 7/8 counts quarters."""
    return 3.5 if style.signature == (7, 8) else float(style.felt_beats)


def _steps(style: Style) -> int:
    """Steps of a beat that the backing plays: 3 in triplet feels, else 2."""
    if style.signature[1] == 8 and style.signature[0] % 3 == 0:
        return 3
    longest = max((len(row) // style.bars for row in style.drums.values()), default=0)
    return 3 if longest and longest == 3 * style.felt_beats else 2


_Note = tuple[float, float, int, int, int]


def _drums(style: Style, bars: int, rng: Rng) -> list[_Note]:
    notes: list[_Note] = []
    per_bar = _bar_beats(style)
    for bar in range(0, bars, style.bars):
        fill = style.drums and bar % 8 >= 8 - style.bars and rng.random() < 0.5
        for drum, row in style.drums.items():
            step = per_bar * style.bars / len(row)
            for place, mark in enumerate(row):
                if mark == "." or (fill and place >= 0.75 * len(row) and drum != "kick"):
                    continue
                if rng.random() < (0.12 if mark == "x" else 0.02):
                    continue
                late = (2.0 * style.swing - 1.0) * step if place % 2 else 0.0
                beat = bar * per_bar + place * step + late
                velocity = int(np.clip((104 if mark == "X" else 66) + rng.normal() * 9, 20, 127))
                notes.append((beat, beat + 0.2, DRUM_CHANNEL, KEYS[drum], velocity))
            if fill:
                notes.extend(_fill(bar * per_bar + style.bars * per_bar, rng) if drum == "snare" else [])
        if style.drums and bar % 8 == 0 and rng.random() < 0.5:
            notes.append((bar * per_bar, bar * per_bar + 1.0, DRUM_CHANNEL, KEYS["crash"], 100))
    return notes


def _fill(end: float, rng: Rng) -> list[_Note]:
    """A beat of toms before a bar line."""
    return [
        (end - 1.0 + 0.25 * place, end - 0.8 + 0.25 * place, DRUM_CHANNEL, 48 - 2 * place, int(rng.integers(80, 115)))
        for place in range(4)
    ]


def backing(per_bar: float, steps: int, bars: int, rng: Rng, kind: str) -> list[_Note]:
    """Bass, chords and lead in beats."""
    if kind == "none":
        return []
    key, progression = int(rng.integers(12)), PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    push = 0.5 if rng.random() < 0.25 and steps == 2 else 0.0  # chords that come an eighth early
    halves = rng.random() < 0.25 and per_bar % 2 == 0
    comping = _rhythm(per_bar, steps, rng, 0.35)
    bassing = _rhythm(per_bar, steps, rng, 0.5)
    notes: list[_Note] = []
    for bar in range(bars):
        begin, degree = bar * per_bar, progression[bar % len(progression)]
        other = progression[(bar + 1) % len(progression)] if halves and bar % 2 else degree
        for place, length in comping if kind in ("band", "live") else [(0.0, per_bar)]:
            chord = degree if place < per_bar / 2 else other
            early = push if place == 0.0 and bar and rng.random() < 0.7 else 0.0
            velocity = int(np.clip(78 + 8 * (place == 0.0) + rng.normal() * 8, 30, 120))
            notes += [
                (begin + place - early, begin + place + length, CHORDS, tone, velocity) for tone in _triad(key, chord)
            ]
        if kind == "piano":
            notes += _arpeggio(key, degree, begin, per_bar, rng)
            continue
        for place, length in bassing if kind != "sparse" else [(0.0, per_bar)]:
            root = _scale(key, degree if place < per_bar / 2 else other) % 12 + 28
            tone = root if place == 0.0 or rng.random() < 0.6 else root + int(rng.choice([7, 12, 5]))
            velocity = int(np.clip(92 + rng.normal() * 8, 30, 120))
            notes.append((begin + place, begin + place + 0.9 * length, BASS, tone, velocity))
        if kind in ("band", "live") and bar % 8 >= 4:
            for place, length in _rhythm(per_bar, steps, rng, 0.4):
                tone = _scale(key, degree + int(rng.choice([0, 2, 4, 1, 6]))) % 12 + 72
                notes.append((begin + place, begin + place + length, LEAD, tone, int(rng.integers(60, 105))))
    return notes


def _rhythm(per_bar: float, steps: int, rng: Rng, density: float) -> list[tuple[float, float]]:
    """Onsets and lengths in a bar, in beats: one on the bar line, others by chance, likelier on beats."""
    places = np.arange(0.0, per_bar - 1e-9, 1.0 / steps)
    odds = np.where(places % 1.0 < 1e-9, 1.3 * density, 0.7 * density)
    chosen = places[(rng.random(len(places)) < odds) | (places == 0.0)]
    return list(zip(chosen.tolist(), np.diff([*chosen, per_bar]).tolist(), strict=True))


def _arpeggio(key: int, degree: int, begin: float, per_bar: float, rng: Rng) -> list[_Note]:
    """Broken chords in eighths with a bass note on the bar line and a tune."""
    tones = _triad(key, degree)
    notes: list[_Note] = [(begin, begin + per_bar, CHORDS, tones[0] - 24, 84)]
    for place in np.arange(0.0, per_bar, 0.5):
        velocity = int(np.clip(58 + 8 * (place % 1 == 0) + rng.normal() * 7, 20, 110))
        notes.append((begin + place, begin + place + 0.5, CHORDS, int(rng.choice(tones)), velocity))
    for place, length in _rhythm(per_bar, 2, rng, 0.35):
        tone = _scale(key, degree + int(rng.choice([0, 2, 4, 1]))) % 12 + 72
        notes.append((begin + place, begin + place + length, CHORDS, tone, int(rng.integers(70, 100))))
    return notes


def _scale(key: int, degree: int) -> int:
    return key + MAJOR[degree % 7]


def _triad(key: int, degree: int) -> list[int]:
    return sorted(_scale(key, degree + step) % 12 + 54 for step in (0, 2, 4))
