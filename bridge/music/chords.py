"""The chords that notes make up, at most one for each half bar. Pure; times are seconds.

Each half bar (each bar where it has no halves) is described by how much of each pitch class sounds in it, in all parts
and in the bass. A chord is a probability for each pitch class: most of it lies on its tones, a little on all others.
Chords like to stay, and to change at bar lines. The chords returned are the likeliest path (Viterbi's algorithm); how
sure each is, is its share in all paths (the forward-backward algorithm).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.model import Note
from bridge.music.chroma import chroma
from bridge.music.meter import meter_at
from bridge.music.spelling import fifths_of_name, key_fifths, name_of_fifths, root_fifths
from bridge.music.timeline import TICKS_PER_BEAT, Timeline

#: The symbol of a stretch in which no chord sounds.
NO_CHORD = "N"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord, and for how long it holds.

    Attributes
    ----------
    start_s, end_s
        Seconds; start < end. Chords follow each other without gap or overlap.
    symbol
        Such as ``Am7``, ``F#``, ``Bbmaj7``, ``Csus4``, ``Bdim``; `NO_CHORD` where none sounds.
    confidence
        0 to 1: the share of all readings, weighted by how likely each is, that have this chord here.
    """

    start_s: float
    end_s: float
    symbol: str
    confidence: float


class Quality(NamedTuple):
    """A kind of chord.

    Attributes
    ----------
    suffix
        What follows the root in a symbol.
    tones
        On the line of fifths from the root, the root first: 1 is a fifth, 4 a major third, -3 a minor third.
    share
        How often it comes, among all chords on one root. Set by hand for popular music: seven in ten are plain triads;
        only the order of size matters to what is found.
    """

    suffix: str
    tones: tuple[int, ...]
    share: float


QUALITIES: tuple[Quality, ...] = (
    Quality("", (0, 4, 1), 0.46),
    Quality("m", (0, -3, 1), 0.24),
    Quality("7", (0, 4, 1, -2), 0.09),
    Quality("m7", (0, -3, 1, -2), 0.09),
    Quality("maj7", (0, 4, 1, 5), 0.05),
    Quality("sus4", (0, -1, 1), 0.025),
    Quality("sus2", (0, 2, 1), 0.015),
    Quality("dim", (0, -3, -6), 0.02),
    Quality("aug", (0, 4, 8), 0.01),
)
#: What is played while a chord holds lies on its tones with this probability; the rest is passing notes and mistakes.
ON_CHORD = 0.86
#: And what the bass plays: the root, another tone of the chord.
BASS_ON_ROOT, BASS_ON_CHORD = 0.6, 0.3
#: How many independent notes a beat of music counts as: what sounds together or one after the other is no coincidence,
#: so that a beat full of notes says hardly more than one with a few.
NOTES_PER_BEAT, BASS_NOTES_PER_BEAT = 2.0, 0.75
#: A bar or half bar that sounds less than this, in beats of one note, says that nothing is played.
SILENCE_BEATS = 0.25
#: Probability that the chord changes at a bar line, and in the middle of a bar.
CHANGE_AT_BAR, CHANGE_IN_BAR = 0.6, 0.15
#: How much likelier a chord is whose tones are all in the key.
IN_KEY = 4.0
#: How likely no chord is a priori, and in silence against all chords.
NONE_SHARE, NONE_IN_SILENCE = 0.01, 0.9


class _Segment(NamedTuple):
    start_tick: int
    end_tick: int
    begins_bar: bool


def chord_tones(symbol: str) -> tuple[int, ...]:
    """The tones of a chord's symbol on the line of fifths (C = 0), the root first; none for `NO_CHORD`."""
    if symbol == NO_CHORD:
        return ()
    root, suffix = split_symbol(symbol)
    tones = next(quality.tones for quality in QUALITIES if quality.suffix == suffix)
    return tuple(fifths_of_name(root) + tone for tone in tones)


def split_symbol(symbol: str) -> tuple[str, str]:
    """Root and suffix of a chord's symbol: ``Bbmaj7`` is ``Bb`` and ``maj7``."""
    length = 2 if symbol[1:2] in ("#", "b") else 1
    return symbol[:length], symbol[length:]


def find_chords(
    notes: Iterable[Note], bass: Iterable[Note], timeline: Timeline, key: str | None = None
) -> tuple[Chord, ...]:
    """The chords of a song from the start of the audio to its end.

    Parameters
    ----------
    notes
        Of all pitched parts, in any order.
    bass
        Those of them that the bass plays; where there are none, the lowest of each moment stand in for them.
    timeline
        Where the bars are.
    key
        Such as ``A minor``: chords in it are likelier, and it spells their names.

    Returns
    -------
    Without gaps; neighbours differ. Empty for no audio.
    """
    notes = list(notes)
    bass = list(bass) or _lowest(notes)
    segments = _segments(timeline)
    if not segments:
        return ()
    edges = [*(segment.start_tick for segment in segments), segments[-1].end_tick]
    beats = np.diff(edges) / TICKS_PER_BEAT
    heard = _log_likelihoods(chroma(notes, edges, timeline), chroma(bass, edges, timeline), beats)
    priors = _log_priors(key)
    path, shares = _decoded(heard, priors, [segment.begins_bar for segment in segments])
    return _merged(path, shares, segments, timeline, key)


def _segments(timeline: Timeline) -> list[_Segment]:
    """Halves of bars that have halves, else whole bars."""
    segments = []
    for bar in timeline.bars():
        middle = meter_at(timeline, bar.start_tick).middle
        edges = [bar.start_tick, *([] if middle is None else [bar.start_tick + middle]), bar.end_tick]
        segments += [_Segment(start, end, start == bar.start_tick) for start, end in pairwise(edges)]
    return segments


def _lowest(notes: Sequence[Note]) -> list[Note]:
    """The notes below which nothing sounds when they begin."""
    lowest: list[Note] = []
    sounding: list[Note] = []
    for note in sorted(notes):
        sounding = [other for other in sounding if other.offset_s > note.onset_s]
        if all(other.pitch >= note.pitch for other in sounding):
            lowest.append(note)
        sounding.append(note)
    return lowest


def _log_likelihoods(weights: Floats, bass: Floats, beats: Floats) -> Floats:
    """How likely each segment is under each reading, as natural logarithms up to a constant; (segments, readings)."""
    tones, roots = _profiles()
    heard = _evidence(weights, beats * NOTES_PER_BEAT) @ np.log(tones).T
    heard += _evidence(bass, beats * BASS_NOTES_PER_BEAT) @ np.log(roots).T
    is_silent = weights.sum(axis=1) < SILENCE_BEATS * np.minimum(1.0, beats)
    heard[is_silent] = np.log((1.0 - NONE_IN_SILENCE) / (len(tones) - 1))
    heard[is_silent, -1] = np.log(NONE_IN_SILENCE)
    return np.asarray(heard)


def _evidence(weights: Floats, notes: Floats) -> Floats:
    """Weights as counts of independent notes: as many as `notes` where something sounds half of the time or more."""
    total = weights.sum(axis=1, keepdims=True)
    counts = np.minimum(notes[:, None], 2.0 * total)
    shares: Floats = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0.0)
    return np.asarray(shares * counts)


def _profiles() -> tuple[Floats, Floats]:
    """The probability of each pitch class under each reading, in all parts and in the bass; both (readings, 12).

    Readings are the qualities, each on the roots C to B; the last is no chord.
    """
    tones = np.full((12 * len(QUALITIES) + 1, 12), 1.0 / 12.0)
    bass = tones.copy()
    for row, (quality, root) in enumerate((quality, root) for quality in QUALITIES for root in range(12)):
        classes = [(root + 7 * tone) % 12 for tone in quality.tones]
        others = 12 - len(classes)
        tones[row] = (1.0 - ON_CHORD) / others
        tones[row, classes] = ON_CHORD / len(classes)
        bass[row] = (1.0 - BASS_ON_ROOT - BASS_ON_CHORD) / others
        bass[row, classes[1:]] = BASS_ON_CHORD / (len(classes) - 1)
        bass[row, root] = BASS_ON_ROOT
    return tones, bass


def _log_priors(key: str | None) -> Floats:
    """How likely each reading is before anything is heard, as natural logarithms; (readings,)."""
    signature = key_fifths(key)
    scale = {(signature + step) * 7 % 12 for step in range(-1, 6)}
    if key is not None and key.endswith("minor"):
        scale.add((signature + 8) * 7 % 12)  # the leading note
    shares = []
    for quality in QUALITIES:
        for root in range(12):
            is_in_key = key is not None and all((root + 7 * tone) % 12 in scale for tone in quality.tones)
            shares.append(quality.share * (IN_KEY if is_in_key else 1.0))
    total = sum(shares)
    priors = [*(share / total * (1.0 - NONE_SHARE) for share in shares), NONE_SHARE]
    return np.asarray(np.log(priors))


def _decoded(heard: Floats, priors: Floats, at_bars: Sequence[bool]) -> tuple[list[int], Floats]:
    """The likeliest reading of each segment, and the share of every reading in each; (segments, readings)."""
    changes = np.log([CHANGE_AT_BAR if at_bar else CHANGE_IN_BAR for at_bar in at_bars])
    stays = np.log1p(-np.exp(changes))
    forward, best, came_from = heard.copy(), heard.copy(), []
    forward[0] += priors
    best[0] += priors
    for step in range(1, len(heard)):
        arrive = changes[step] + priors
        forward[step] += np.logaddexp(forward[step - 1] + stays[step], arrive + np.logaddexp.reduce(forward[step - 1]))
        change, stay = arrive + best[step - 1].max(), best[step - 1] + stays[step]
        came_from.append(np.where(change > stay, best[step - 1].argmax(), np.arange(len(priors))))
        best[step] += np.maximum(change, stay)
    path = [int(best[-1].argmax())]
    for sources in reversed(came_from):
        path.append(int(sources[path[-1]]))
    return path[::-1], _shares(forward, heard, priors, changes, stays)


def _shares(forward: Floats, heard: Floats, priors: Floats, changes: Floats, stays: Floats) -> Floats:
    """The posterior of every reading in each segment, from the forward pass; (segments, readings)."""
    backward = np.zeros_like(heard)
    for step in range(len(heard) - 1, 0, -1):
        after = heard[step] + backward[step]
        backward[step - 1] = np.logaddexp(after + stays[step], changes[step] + np.logaddexp.reduce(after + priors))
    joint = forward + backward
    return np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))


def _merged(
    path: Sequence[int], shares: Floats, segments: Sequence[_Segment], timeline: Timeline, key: str | None
) -> tuple[Chord, ...]:
    """One chord for each run of segments with one reading; it is as sure as they are on average."""
    chords = []
    for reading, run in groupby(range(len(path)), key=path.__getitem__):
        places = list(run)
        start_s = timeline.ticks_to_seconds(segments[places[0]].start_tick)
        end_s = timeline.ticks_to_seconds(segments[places[-1]].end_tick)
        confidence = min(1.0, float(shares[places, reading].mean()))
        chords.append(Chord(start_s, min(end_s, max(timeline.duration_s, start_s)), _symbol(reading, key), confidence))
    return tuple(chord for chord in chords if chord.end_s > chord.start_s)


def _symbol(reading: int, key: str | None) -> str:
    """The symbol of a reading, its root spelled as the key has it."""
    quality, root = divmod(reading, 12)
    if quality == len(QUALITIES):
        return NO_CHORD
    return name_of_fifths(root_fifths(root, key)) + QUALITIES[quality].suffix
