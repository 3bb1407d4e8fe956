"""The sections of a song: stretches of whole bars, those that sound alike under one letter. Pure; times are seconds.

Bars are taken in blocks of eight, as songs are mostly built (of four where there are fewer than sixteen bars; from the
fifth bar on where that repeats better). A bar is described by its harmony, its bass, its drum pattern and by how much
each part plays; blocks are compared bar by bar. A block that sounds like earlier ones gets their letter, else a new
one, and neighbouring blocks of one letter are one section.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from bridge.model import COMPONENT_OF_KEY, COMPONENTS, Note
from bridge.music.chroma import chroma
from bridge.music.timeline import Bar, Timeline

Floats = NDArray[np.float64]

#: Bars in a block, and in songs too short for two such.
BLOCK_BARS, SHORT_BLOCK_BARS = 8, 4
#: Blocks are alike from this on: 1 is the same, 0 is nothing in common.
ALIKE = 0.65
#: How much better blocks must repeat from the fifth bar on than from the first.
CLEARLY_BETTER = 0.05
#: Places in a bar that drum strokes are told apart by: eighths of a 4/4 bar.
DRUM_PLACES = 8
#: How much the harmony, the bass, the drums and who plays count.
WEIGHTS = (0.35, 0.2, 0.2, 0.25)


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a song.

    Attributes
    ----------
    start_s, end_s
        Seconds; bar lines, the last end that of the audio. Sections follow each other from the first bar line on.
    label
        ``A``, ``B``, …: sections with one letter repeat each other.
    """

    start_s: float
    end_s: float
    label: str


def find_sections(parts: Mapping[str, Sequence[Note]], timeline: Timeline) -> tuple[Section, ...]:
    """The sections of a song.

    Parameters
    ----------
    parts
        Notes by part (``bass``, ``melody``, ``vocals``, ``drums``); components of the drums are not to be among them.
    timeline
        Where the bars are. A pick-up bar belongs to no section.
    """
    bars = _whole_bars(timeline)
    if not bars:
        return ()
    alike = np.average(_likeness(parts, bars, timeline), axis=0, weights=WEIGHTS)
    starts = _block_starts(alike)
    labels = _labels(alike, starts)
    sections = []
    for label, run in groupby(range(len(starts)), key=labels.__getitem__):
        blocks = list(run)
        end = starts[blocks[-1] + 1] if blocks[-1] + 1 < len(starts) else len(bars)
        sections.append(Section(bars[starts[blocks[0]]].start_s, min(bars[end - 1].end_s, timeline.duration_s), label))
    return tuple(sections)


def _whole_bars(timeline: Timeline) -> list[Bar]:
    """The bars without the pick-up, which is shorter than the bar after it."""
    bars = timeline.bars()
    if len(bars) > 1 and bars[0].end_tick - bars[0].start_tick < bars[1].end_tick - bars[1].start_tick:
        return bars[1:]
    return bars


def _likeness(parts: Mapping[str, Sequence[Note]], bars: Sequence[Bar], timeline: Timeline) -> tuple[Floats, ...]:
    """How alike all pairs of bars are, in each respect of `WEIGHTS`; each (bars, bars), 0 to 1."""
    edges = [bars[0].start_tick, *(bar.end_tick for bar in bars)]
    pitched = {name: chroma(notes, edges, timeline) for name, notes in parts.items() if name != "drums"}
    nothing = np.zeros((len(bars), 12))
    drums = _drum_patterns(parts.get("drums", ()), edges, timeline)
    amounts = np.stack([*(weights.sum(axis=1) for weights in pitched.values()), drums.sum(axis=1)], axis=1)
    harmony, bass, pattern = (
        _cosines(it) for it in (sum(pitched.values(), nothing), pitched.get("bass", nothing), drums)
    )
    return harmony, bass, pattern, _closeness(amounts)


def _drum_patterns(drums: Sequence[Note], edges: Sequence[int], timeline: Timeline) -> Floats:
    """Strokes of each component at each of `DRUM_PLACES` in each bar; (bars, components * places)."""
    strokes = np.zeros((len(edges) - 1, len(COMPONENTS), DRUM_PLACES))
    for note in drums:
        tick = timeline.position(note.onset_s)
        bar = int(np.searchsorted(edges, tick, side="right")) - 1
        component = COMPONENT_OF_KEY.get(note.pitch)
        if 0 <= bar < len(strokes) and component is not None:
            place = int((tick - edges[bar]) / (edges[bar + 1] - edges[bar]) * DRUM_PLACES)
            strokes[bar, COMPONENTS.index(component), place] += note.velocity / 127
    return strokes.reshape(len(strokes), -1)


def _cosines(feature: Floats) -> Floats:
    """How alike the directions of all pairs of rows are, from 0 to 1; rows of nothing are alike."""
    norms = np.linalg.norm(feature, axis=1)
    unit = feature / np.maximum(norms, 1e-9)[:, None]
    empty = norms < 1e-9
    return np.asarray(unit @ unit.T + np.outer(empty, empty))


def _closeness(amounts: Floats) -> Floats:
    """How close all pairs of rows are, from 0 to 1, each column measured against what it mostly is at its fullest."""
    levels = np.minimum(1.0, amounts / np.maximum(1e-9, np.quantile(amounts, 0.9, axis=0)))
    apart = sum(np.abs(level[:, None] - level) for level in levels.T)  # a column at a time: hours of bars fit in memory
    return np.asarray(1.0 - apart / levels.shape[1])


def _block_starts(alike: Floats) -> list[int]:
    """Bars at which blocks begin; what is left of a block at the end belongs to the one before it."""
    bars = len(alike)
    length = BLOCK_BARS if bars >= 2 * BLOCK_BARS else SHORT_BLOCK_BARS
    regular = list(range(0, max(1, bars - SHORT_BLOCK_BARS + 1), length))
    shifted = [0, *range(SHORT_BLOCK_BARS, bars - SHORT_BLOCK_BARS + 1, length)]
    if length == SHORT_BLOCK_BARS or _repetition(alike, shifted) < _repetition(alike, regular) + CLEARLY_BETTER:
        return regular
    return shifted


def _repetition(alike: Floats, starts: Sequence[int]) -> float:
    """How well whole blocks repeat: for each the likeness of the one most like it, on average; 0 for fewer than two."""
    whole = [start for start, end in pairwise([*starts, len(alike)]) if end - start >= BLOCK_BARS]
    if len(whole) < 2:
        return 0.0
    best = [max(_block_likeness(alike, one, other) for other in whole if other != one) for one in whole]
    return float(np.mean(best))


def _block_likeness(alike: Floats, first: int, second: int, length: int = BLOCK_BARS) -> float:
    """How alike two blocks are, bar by bar; where the song ends within one, as far as it goes."""
    length = min(length, len(alike) - first, len(alike) - second)
    return float(np.mean(np.diagonal(alike[first : first + length, second : second + length])))


def _labels(alike: Floats, starts: Sequence[int]) -> list[str]:
    """A letter for each block."""
    ends = [*starts[1:], len(alike)]
    groups: list[list[int]] = []
    labels = []
    for start, end in zip(starts, ends, strict=True):
        fits = [np.mean([_block_likeness(alike, other, start, end - start) for other in group]) for group in groups]
        best = int(np.argmax(fits)) if fits else 0
        if not fits or fits[best] < ALIKE:
            best = len(groups)
            groups.append([])
        groups[best].append(start)
        labels.append(_letter(best))
    return labels


def _letter(index: int) -> str:
    """``A`` to ``Z``, then ``A2`` and so on."""
    turn, letter = divmod(index, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(turn + 1) if turn else "")
