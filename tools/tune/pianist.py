"""Piano music made by rule, in the textures that pianos are written for, as hands and a foot play it.

Times of what is written are beats from the start; those of what is played are seconds. Nothing here makes a sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tools.tune.songs import Played, Rng, cut_at_repeats

_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (5, 3, 0, 4), (0, 1, 4, 0), (0, 3, 1, 4), (0, 2, 3, 4))
_RHYTHMS = ((1.0,), (2.0,), (0.5, 0.5), (1.5, 0.5), (0.25, 0.25, 0.5), (0.75, 0.25), (1.0, 0.5, 0.5), (0.25,) * 4)
_LOWEST, _HIGHEST = 24, 103
_BEATS = 4  # of a bar


class Written(NamedTuple):
    """A note of the score: beats, MIDI pitch, and how much louder than others it is, in steps of velocity."""

    begin: float
    end: float
    pitch: int
    accent: float


@dataclass(frozen=True, slots=True)
class Harmony:
    """A chord that holds for some beats: pitches of three octaves' chord notes, from a bass note up, and the scale."""

    begin: float
    end: float
    tones: tuple[int, ...]
    scale: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Performance:
    """Notes, each until its key is let go, and from when to when the sustain pedal is down, in seconds."""

    notes: tuple[Played, ...]
    pedal: tuple[tuple[float, float], ...]


def performance(length_s: float, rng: Rng) -> Performance:
    """A piece of about that length, in a random key, tempo and texture."""
    bpm = float(rng.uniform(50.0, 150.0))
    beats = length_s * bpm / 60.0 - 2.0
    harmonies = list(_harmonies(beats, rng))
    accompany = _ACCOMPANIMENTS[int(rng.integers(len(_ACCOMPANIMENTS)))]
    layers = [_touched(list(accompany(harmonies, rng)), rng)]
    if rng.random() < 0.8:
        layers.append(_touched(list(_melody(harmonies, int(rng.integers(67, 80)), 8.0, rng)), rng))
    written = [note for layer in layers for note in layer if _LOWEST <= note.pitch <= _HIGHEST]
    at_s = _tempo(beats + 8.0, bpm, rng)
    return Performance(_played(written, at_s, rng), _pedal(harmonies, at_s, rng))


def _harmonies(beats: float, rng: Rng) -> Iterator[Harmony]:
    scale, key = (_MAJOR, _MINOR)[int(rng.integers(2))], int(rng.integers(12))
    every = float(rng.choice((1.0, 2.0, 4.0, 4.0)))
    at = 0.0
    while at < beats:
        for degree in _PROGRESSIONS[int(rng.integers(len(_PROGRESSIONS)))]:
            degrees = (
                (degree, degree + 2, degree + 4) if rng.random() < 0.7 else (degree, degree + 2, degree + 4, degree + 6)
            )
            bass = 36 + (key + scale[degree]) % 12
            above = sorted(
                {bass + (scale[other % 7] - scale[degree]) % 12 + 12 * up for other in degrees for up in range(4)}
            )
            yield Harmony(at, at + every, tuple(above), tuple(sorted((key + step) % 12 for step in scale)))
            at += every


def _melody(harmonies: Sequence[Harmony], middle: int, accent: float, rng: Rng) -> Iterator[Written]:
    """A line by steps and small leaps; now and then doubled in octaves or thirds, repeating a note, or resting."""
    doubling = int(rng.choice((0, 0, 0, -12, -4)))
    pitch, at = middle, 0.0
    rhythms = [_RHYTHMS[int(place)] for place in rng.integers(len(_RHYTHMS), size=3)]
    while at < harmonies[-1].end:
        for length in rhythms[int(rng.integers(len(rhythms)))]:
            now = next((harmony for harmony in harmonies if harmony.begin <= at < harmony.end), harmonies[-1])
            step = int(rng.choice((-4, -2, -2, -1, 0, 1, 2, 2, 4))) - round((pitch - middle) / 8)
            pitch = _nearest(now.scale, pitch + step)
            if rng.random() > 0.07:
                yield Written(at, at + length, pitch, accent)
                if doubling:
                    yield Written(at, at + length, _nearest(now.scale, pitch + doubling), accent - 6.0)
            at += length


def _nearest(scale: Sequence[int], pitch: int) -> int:
    return min(range(pitch - 2, pitch + 3), key=lambda near: (near % 12 not in scale, abs(near - pitch)))


def _chords(harmonies: Sequence[Harmony], rng: Rng) -> Iterator[Written]:
    """Chords, held or struck again and again, from close to wide."""
    size, low = int(rng.integers(3, 6)), int(rng.integers(0, 4))
    for harmony in harmonies:
        every = min(harmony.end - harmony.begin, float(rng.choice((0.5, 1.0, 1.0, 2.0, 4.0))))
        for at in np.arange(harmony.begin, harmony.end, every):
            for pitch in (harmony.tones[0], *harmony.tones[low + 1 : low + size]):
                yield Written(float(at), float(at) + every, pitch, 0.0)


def _broken(harmonies: Sequence[Harmony], rng: Rng) -> Iterator[Written]:
    """Broken chords: up, up and down, or as Alberti did; keys are let go at once or held as long as the chord."""
    step = float(rng.choice((0.25, 0.25, 1.0 / 3.0, 0.5)))
    order = [(0, 2, 1, 2), (0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 3, 2, 1), (0, 2, 4, 3, 5, 4), (1, 2, 3, 1, 2, 3)][
        int(rng.integers(5))
    ]
    start, held = int(rng.integers(0, 4)), rng.random() < 0.25
    for harmony in harmonies:
        for place, at in enumerate(np.arange(harmony.begin, harmony.end - 1e-6, step)):
            pitch = harmony.tones[(start + order[place % len(order)]) % len(harmony.tones)]
            yield Written(float(at), harmony.end if held else float(at) + step, pitch, 0.0)


def _sweeping(harmonies: Sequence[Harmony], rng: Rng) -> Iterator[Written]:
    """Octaves that are held in the bass, and arpeggios over most of the keyboard above them."""
    step = float(rng.choice((0.125, 0.25, 0.25)))
    for harmony in harmonies:
        up = [tone for tone in harmony.tones if tone > 44] + [tone + 48 for tone in harmony.tones if tone < 50]
        there = [*up, *up[-2:0:-1]]
        for low in (harmony.tones[0] - 12, harmony.tones[0]):
            yield Written(harmony.begin, harmony.end, low, 6.0)
        for place, at in enumerate(np.arange(harmony.begin, harmony.end - 1e-6, step)):
            yield Written(float(at), float(at) + step, there[place % len(there)], 0.0)


def _striding(harmonies: Sequence[Harmony], rng: Rng) -> Iterator[Written]:
    """A low note, then chords after it: waltzes, rags, nocturnes."""
    beat, size = float(rng.choice((0.5, 1.0))), int(rng.integers(2, 5))
    for harmony in harmonies:
        for place, at in enumerate(np.arange(harmony.begin, harmony.end - 1e-6, beat)):
            pitches = harmony.tones[4 : 4 + size] if place else (harmony.tones[0],)
            for pitch in pitches:
                yield Written(float(at), float(at) + beat, pitch, 0.0 if place else 5.0)


def _voices(harmonies: Sequence[Harmony], rng: Rng) -> Iterator[Written]:
    """One or two lines of their own below the melody."""
    for middle in (45, 57)[: int(rng.integers(1, 3))]:
        yield from _melody(harmonies, middle, 0.0, rng)


_ACCOMPANIMENTS: tuple[Callable[[Sequence[Harmony], Rng], Iterator[Written]], ...] = (
    _chords,
    _broken,
    _sweeping,
    _striding,
    _voices,
    _chords,
    _voices,
    _broken,
)


def _touched(notes: Sequence[Written], rng: Rng) -> list[Written]:
    """The notes from staccato to legato, as long as a touch lets them be."""
    touch = float(rng.choice((0.4, 0.65, 0.85, 0.95, 1.0, 1.0)))
    return [note._replace(end=note.begin + max(0.08, touch * (note.end - note.begin))) for note in notes]


def _tempo(beats: float, bpm: float, rng: Rng) -> Callable[[float], float]:
    """When each beat is played: a tempo that sways over phrases."""
    grid = np.arange(0.0, beats + 1.0, 0.25)
    sway, phrase = float(rng.uniform(0.0, 0.12)), float(rng.choice((4.0, 8.0, 16.0)))
    speed = 1.0 + sway * np.sin(2.0 * np.pi * grid / phrase + float(rng.uniform(0.0, 6.28)))
    times = 0.3 + np.concatenate([[0.0], np.cumsum(0.25 * 60.0 / bpm / speed[:-1])])
    return lambda beat: float(np.interp(beat, grid, times))


def _played(written: Sequence[Written], at_s: Callable[[float], float], rng: Rng) -> tuple[Played, ...]:
    loud, spread, late = float(rng.uniform(38.0, 88.0)), float(rng.uniform(2.0, 9.0)), float(rng.uniform(0.002, 0.014))
    depth, phrase, rolled = float(rng.uniform(0.0, 18.0)), float(rng.uniform(6.0, 24.0)), rng.random() < 0.15
    played = []
    for note in written:
        onset_s = max(0.0, at_s(note.begin) + float(rng.normal(0.0, late)) + (0.0007 * note.pitch if rolled else 0.0))
        offset_s = at_s(note.end) + float(rng.normal(0.0, 1.5 * late))
        swell = depth * np.sin(2.0 * np.pi * note.begin / phrase)
        velocity = int(np.clip(round(loud + swell + note.accent + rng.normal(0.0, spread)), 15, 120))
        played.append(Played(onset_s, max(offset_s, onset_s + 0.05), note.pitch, velocity))
    return tuple(cut_at_repeats(played))


def _pedal(harmonies: Sequence[Harmony], at_s: Callable[[float], float], rng: Rng) -> tuple[tuple[float, float], ...]:
    """None for some, else changed with the harmony or at the bar, a little after it; some changes are left out."""
    if rng.random() < 0.4:
        return ()
    late_s, dry = float(rng.uniform(0.0, 0.06)), float(rng.choice((0.0, 0.0, 0.3)))
    bars = rng.random() < 0.3
    borders = sorted({at_s(harmony.begin) for harmony in harmonies if not bars or harmony.begin % _BEATS == 0})
    borders.append(at_s(harmonies[-1].end))
    return tuple(
        (begin + late_s + float(rng.uniform(0.05, 0.15)), end + late_s)
        for begin, end in pairwise(borders)
        if rng.random() >= dry and end - begin > 0.25
    )
