"""How often what a tracker found is right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import mir_eval
import numpy as np

from bridge.model import BeatGrid
from bridge.progress import Progress
from bridge.tempo.grid import find_beats
from tools.tempo.material import Case
from tools.tempo.score import Truth

#: MIREX's tolerance of tempo, and the tightest that a file of a constant tempo needs.
NEAR, EXACT = 0.04, 0.001
#: Kinds of tempo errors, by how many times too fast the found one is.
KINDS = {
    "double": 2.0,
    "half": 0.5,
    "triple": 3.0,
    "third": 1 / 3,
    "3/2": 1.5,
    "2/3": 2 / 3,
    "4/3": 4 / 3,
    "3/4": 3 / 4,
}
WINDOW_S = 0.07
CONFIDENCES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.001)


def tempo_kind(found: float, true: float) -> str:
    """`right` within 4 %, else how the found tempo is wrong."""
    if abs(found / true - 1.0) <= NEAR:
        return "right"
    return next((kind for kind, ratio in KINDS.items() if abs(found / true / ratio - 1.0) <= NEAR), "other")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is right about one grid; None where the truth doesn't tell."""

    case: str
    kind: str
    grid: BeatGrid
    truth: Truth
    tempo: str
    offered: bool
    exact: bool | None
    constant: bool
    beats_f: float | None
    meter: bool | None
    bars_f: float | None


def felt(grid: BeatGrid, truth: Truth) -> float:
    """The found tempo in the truth's beats: in compound meters a dotted quarter."""
    numerator, denominator = grid.time_signature
    is_compound = denominator == 8 and numerator % 3 == 0
    return grid.bpm / 1.5 if is_compound and truth.is_compound else grid.bpm


def verdict(case: Case, *, with_drums: bool) -> Verdict:
    """Track a case and judge it."""
    grid = find_beats(case.envelopes if with_drums else case.envelopes[:1], None, Progress())
    return judged(case.name, case.kind, grid, case.truth)


def judged(name: str, kind: str, grid: BeatGrid, truth: Truth) -> Verdict:
    """Judge a grid."""
    bpm = felt(grid, truth)
    tempo = tempo_kind(bpm, truth.bpm)
    exact = abs(bpm / truth.bpm - 1.0) <= EXACT if truth.is_constant else None
    offered = tempo == "right" or any(abs(other / truth.bpm - 1.0) <= NEAR for other in grid.alternatives_bpm[:2])
    beats_f = meter = bars_f = None
    if len(truth.downbeats_s):
        beats_f = mir_eval.beat.f_measure(truth.beats_s, np.array(grid.beats_s), f_measure_threshold=WINDOW_S)
        meter = _same_meter(grid.time_signature, truth.time_signature)
        downbeats_s = np.array(grid.downbeats_s)
        bars_f = float(mir_eval.beat.f_measure(truth.downbeats_s, downbeats_s, f_measure_threshold=WINDOW_S))
    return Verdict(
        name, kind, grid, truth, tempo, offered, exact, grid.is_constant == truth.is_constant, beats_f, meter, bars_f
    )


def _same_meter(found: tuple[int, int], true: tuple[int, int]) -> bool:
    """Whether bars are duple or triple alike, and beats too."""

    def sort(signature: tuple[int, int]) -> str:
        numerator, denominator = signature
        if denominator == 8 and numerator in (6, 12):
            return "compound"
        return "odd" if numerator % 2 and numerator % 3 else "triple" if numerator % 3 == 0 else "duple"

    return sort(found) == sort(true)


def report(cases: Iterable[Case], *, with_drums: bool, each: bool) -> str:
    """A table by kind, and how far confidence can be trusted."""
    lines, verdicts = [], []
    for case in cases:
        made = verdict(case, with_drums=with_drums)
        verdicts.append(made)
        if each:
            lines.append(_line(made))
    lines.append(f"{'':12} {'n':>3} tempo offered exact const beatsF meter barsF>.7 barsF  errors")
    for kind in sorted({made.kind for made in verdicts}):
        lines.append(_row(kind, [made for made in verdicts if made.kind == kind]))
    lines.append(_row("all", verdicts))
    for low, high in pairwise(CONFIDENCES):
        some = [made for made in verdicts if low <= made.grid.confidence < high]
        if some:
            told, right = (
                _mean([made.grid.confidence for made in some]),
                _mean([made.tempo == "right" for made in some]),
            )
            lines.append(f"confidence {told:.2f}: tempo right in {right:.2f} of {len(some)}")
    return "\n".join(lines)


def _row(kind: str, some: Sequence[Verdict]) -> str:
    wrong = [made.tempo for made in some if made.tempo != "right"]
    counts = " ".join(f"{name} {wrong.count(name)}" for name in sorted(set(wrong), key=wrong.count, reverse=True))
    right_bars = [made.bars_f > 0.7 for made in some if made.bars_f is not None]
    figures = [
        _mean([made.tempo == "right" for made in some]),
        _mean([made.offered for made in some]),
        _mean([made.exact for made in some if made.exact is not None]),
        _mean([made.constant for made in some]),
        _mean([made.beats_f for made in some if made.beats_f is not None]),
        _mean([made.meter for made in some if made.meter is not None]),
        _mean(right_bars),
        _mean([made.bars_f for made in some if made.bars_f is not None]),
    ]
    return f"{kind:12} {len(some):3} " + " ".join(f"{figure:6.3f}" for figure in figures) + f"  {counts}"


def _line(made: Verdict) -> str:
    grid, truth = made.grid, made.truth
    bars = f"beats F {made.beats_f:.2f} bars F {made.bars_f:.2f}" if made.bars_f is not None else ""
    found, true = ("/".join(map(str, signature)) for signature in (grid.time_signature, truth.time_signature))
    return (
        f"{made.case:34} {made.kind:12} {grid.bpm:8.3f} true {truth.bpm:8.3f} {made.tempo:7} confidence "
        f"{grid.confidence:.2f} {'constant' if grid.is_constant else 'map':8} {found} true {true} "
        f"{bars} or {' '.join(f'{bpm:.0f}' for bpm in grid.alternatives_bpm[:3])}"
    )


def _mean(values: Sequence[bool | float]) -> float:
    return float(np.mean(values)) if values else float("nan")
