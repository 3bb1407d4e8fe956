"""The sections of a song: stretches of whole bars, those that sound alike under one letter. Pure; times are seconds.

Bars are taken in blocks of eight, as songs are mostly built (of four where there are fewer than sixteen bars; from the
fifth bar on where that repeats better). A bar is described by its harmony, its bass, its drum pattern and by how much
each part plays; blocks are compared bar by bar. A block that sounds like earlier ones gets their letter, else a new
one, and neighbouring blocks of one letter are one section.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from string import ascii_uppercase
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.model import COMPONENT_OF_KEY, COMPONENTS, Note
from bridge.music.chroma import chroma
from bridge.music.timeline import Bar, Timeline
from bridge.progress import Progress

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


class _Described(NamedTuple):
    """Stretches of music of one length, so that any two can be compared without comparing all with all.

    Attributes
    ----------
    directions
        Whose product of two is how alike their harmony, bass and drums are; (stretches, features).
    levels
        How much each part plays, whose differences add up to how unlike they are in that; (stretches, parts).
    """

    directions: NDArray[np.float32]
    levels: NDArray[np.float32]

    def blocks(self, starts: Sequence[int], length: int) -> _Described:
        """Stretches of `length` of these each; none may reach beyond the end."""
        places = np.add.outer(np.asarray(starts, dtype=np.intp), np.arange(length))
        directions, levels = (
            (rows[places] / scale).reshape(len(starts), length * rows.shape[1])
            for rows, scale in ((self.directions, np.float32(math.sqrt(length))), (self.levels, np.float32(length)))
        )
        return _Described(directions, levels)

    def likeness(self, index: int) -> NDArray[np.float32]:
        """How alike each stretch is to one of them, from 0 to 1."""
        apart = np.abs(self.levels - self.levels[index]).sum(axis=1)
        return np.asarray(self.directions @ self.directions[index] + np.float32(WEIGHTS[3]) - apart)


def find_sections(
    parts: Mapping[str, Sequence[Note]], timeline: Timeline, progress: Progress | None = None
) -> tuple[Section, ...]:
    """The sections of a song.

    Parameters
    ----------
    parts
        Notes by part (``bass``, ``melody``, ``vocals``, ``drums``); components of the drums are not to be among them.
    timeline
        Where the bars are. A pick-up bar belongs to no section.
    progress
        Told how far it is; cancels.

    Raises
    ------
    Cancelled
        When asked to stop.
    """
    bars = _whole_bars(timeline)
    if not bars:
        return ()
    progress = progress or Progress()
    described = _described(parts, bars, timeline)
    starts = _block_starts(described, progress.part(0.0, 0.7))
    labels = _labels(described, starts, progress.part(0.7, 1.0))
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


def _described(parts: Mapping[str, Sequence[Note]], bars: Sequence[Bar], timeline: Timeline) -> _Described:
    """What is compared of each bar."""
    edges = [bars[0].start_tick, *(bar.end_tick for bar in bars)]
    pitched = {name: chroma(notes, edges, timeline) for name, notes in parts.items() if name != "drums"}
    nothing = np.zeros((len(bars), 12))
    drums = _drum_patterns(parts.get("drums", ()), edges, timeline)
    amounts = np.stack([*(weights.sum(axis=1) for weights in pitched.values()), drums.sum(axis=1)], axis=1)
    harmony = sum(pitched.values(), nothing)
    directions = [
        math.sqrt(weight) * _direction(feature)
        for weight, feature in zip(WEIGHTS[:3], (harmony, pitched.get("bass", nothing), drums), strict=True)
    ]
    levels = np.minimum(1.0, amounts / np.maximum(1e-9, np.quantile(amounts, 0.9, axis=0)))
    levels *= WEIGHTS[3] / levels.shape[1]
    return _Described(np.concatenate(directions, axis=1).astype(np.float32), levels.astype(np.float32))


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


def _direction(feature: Floats) -> Floats:
    """Each row at length 1, so that a product of two is their cosine; rows of nothing are alike and like no other."""
    norms = np.linalg.norm(feature, axis=1, keepdims=True)
    return np.concatenate([feature / np.maximum(norms, 1e-9), norms < 1e-9], axis=1)


def _block_starts(bars: _Described, progress: Progress) -> list[int]:
    """Bars at which blocks begin; what is left of a block at the end belongs to the one before it."""
    count = len(bars.levels)
    length = BLOCK_BARS if count >= 2 * BLOCK_BARS else SHORT_BLOCK_BARS
    regular = list(range(0, max(1, count - SHORT_BLOCK_BARS + 1), length))
    shifted = [0, *range(SHORT_BLOCK_BARS, count - SHORT_BLOCK_BARS + 1, length)]
    if length == SHORT_BLOCK_BARS:
        return regular
    late = _repetition(bars, shifted, progress.part(0.0, 0.5))
    return shifted if late >= _repetition(bars, regular, progress.part(0.5, 1.0)) + CLEARLY_BETTER else regular


def _repetition(bars: _Described, starts: Sequence[int], progress: Progress) -> float:
    """How well whole blocks repeat: for each the likeness of the one most like it, on average; 0 for fewer than two."""
    ends = [*starts[1:], len(bars.levels)]
    whole = [start for start, end in zip(starts, ends, strict=True) if end - start >= BLOCK_BARS]
    if len(whole) < 2:
        return 0.0
    blocks = bars.blocks(whole, BLOCK_BARS)
    total = 0.0
    for index in range(len(whole)):
        alike = blocks.likeness(index)
        alike[index] = 0.0
        total += float(alike.max())
        progress.at((index + 1) / len(whole))
    return total / len(whole)


def _labels(bars: _Described, starts: Sequence[int], progress: Progress) -> list[str]:
    """A letter for each block."""
    ends = [*starts[1:], len(bars.levels)]
    lengths = [end - start for start, end in zip(starts, ends, strict=True)]
    blocks = bars.blocks(starts[:-1], lengths[0])
    groups: list[int] = []
    for index, length in enumerate(lengths):
        if index == len(starts) - 1:  # it may be longer or shorter
            blocks = bars.blocks(starts, length)
        groups.append(_group(blocks.likeness(index)[:index], groups))
        progress.at((index + 1) / len(starts))
    return [_letter(group) for group in groups]


def _group(alike: NDArray[np.float32], groups: Sequence[int]) -> int:
    """The group of a block, by how alike it is to each earlier one and what groups these are in; a new one if none."""
    if not groups:
        return 0
    fits = np.bincount(groups, weights=alike) / np.bincount(groups)
    best = int(np.argmax(fits))
    return best if fits[best] >= ALIKE else len(fits)


def _letter(index: int) -> str:
    """``A`` to ``Z``, then ``A2`` and so on."""
    turn, letter = divmod(index, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(turn + 1) if turn else "")
