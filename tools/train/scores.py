"""How well strokes are found: F by class, thresholds that serve all libraries alike, velocity's correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bridge.drums.kit_decode import (
    CLASSES,
    GROUP_OF_CLASS,
    GROUPS,
    REFRACTORY_S,
    SURROUNDINGS,
    apart,
    nearby,
    peaks,
    together,
)
from bridge.drums.kit_features import Array

#: A stroke is found when it is given within this (s), as is usual for drums.
TOLERANCE_S = 0.05
#: Judging libraries with other instruments, and drums taken out of a mix, are called so at the end.
MIXED_ENDINGS = ("mixed", "separated")
#: What the bench calls five and seven classes.
_TOMS = {"tom_high": "tom", "tom_mid": "tom", "tom_low": "tom"}
MERGED: dict[str, dict[str, str]] = {
    "5": {**_TOMS, "closed_hat": "hat", "open_hat": "hat", "crash": "cymbal", "ride": "cymbal"},
    "7": _TOMS,
    "9": {},
}
GRID = tuple(np.round(np.arange(0.04, 0.9, 0.02), 2).tolist())
QUIET_VELOCITY = 40

#: The threshold of each of `SURROUNDINGS`.
Thresholds = dict[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """One excerpt.

    Attributes
    ----------
    library
        What it was rendered from.
    truth
        Rows of seconds, class and velocity.
    candidates
        At the lowest threshold: rows of seconds, group and its probability, then probability and velocity by class.
    """

    library: str
    truth: Array
    candidates: Array

    @property
    def surrounding(self) -> str:
        """Whether the drums were heard alone or with others: one of `SURROUNDINGS`."""
        return "mixed" if self.library.endswith(MIXED_ENDINGS) else "alone"


#: A case and the threshold that decides in it.
Decided = tuple[Judged, float]


@dataclass(slots=True)
class Count:
    """Strokes found, made up and missed."""

    hits: int = 0
    extra: int = 0
    missed: int = 0

    def add(self, hits: int, found: int, truth: int) -> None:
        """Count one more recording."""
        self.hits, self.extra, self.missed = self.hits + hits, self.extra + found - hits, self.missed + truth - hits

    @property
    def f(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / max(1, 2 * self.hits + self.extra + self.missed)


def judged(library: str, truth: Array, onsets: Array, velocities: Array) -> Judged:
    """Judge network outputs (frames, classes) against `truth`, rows of seconds, class, velocity."""
    rows = []
    for group, (name, members) in enumerate(GROUPS.items()):
        kinds = [CLASSES.index(member) for member in members]
        column = together(onsets, kinds)
        for frame, at_s in apart(peaks(column, GRID[0]), column, REFRACTORY_S[name]):
            likely = [nearby(onsets, frame, kind) for kind in range(len(CLASSES))]
            rows.append([at_s, group, column[frame], *likely, *velocities[frame]])
    return Judged(library, truth, np.array(rows, dtype=np.float32).reshape(-1, 3 + 2 * len(CLASSES)))


def chosen(case: Judged, least: float) -> Array:
    """What is found in a case by a threshold: rows of seconds, class and velocity."""
    rows = case.candidates
    rows = rows[rows[:, 2] >= np.float32(least)]
    likely = np.where(np.array(GROUP_OF_CLASS) == rows[:, 1:2], rows[:, 3 : 3 + len(CLASSES)], -1)
    kinds = likely.argmax(axis=1)
    velocities = rows[np.arange(len(rows)), 3 + len(CLASSES) + kinds]
    return np.stack([rows[:, 0], kinds.astype(np.float32), velocities], axis=1)


def pairs(truth: Array, found: Array) -> list[tuple[int, int]]:
    """Which of the ascending times belong together within `TOLERANCE_S`; as many as can."""
    matched, j = [], 0
    for i, at in enumerate(truth):
        while j < len(found) and found[j] < at - TOLERANCE_S:
            j += 1
        if j < len(found) and found[j] <= at + TOLERANCE_S:
            matched.append((i, j))
            j += 1
    return matched


def _times(rows: Array, kinds: Sequence[int]) -> Array:
    return np.sort(rows[np.isin(rows[:, 1], kinds), 0])


def best_thresholds(cases: Sequence[Judged]) -> Thresholds:
    """For each surrounding that is there the threshold with the best micro F of 7 classes, libraries counting alike."""
    present = [name for name in SURROUNDINGS if any(case.surrounding == name for case in cases)]
    return {name: _best([case for case in cases if case.surrounding == name]) for name in present}


def decided(cases: Sequence[Judged], thresholds: Thresholds) -> list[Decided]:
    """Each case with the threshold of its surrounding."""
    return [(case, thresholds[case.surrounding]) for case in cases]


def cross_fitted(cases: Sequence[Judged]) -> list[Decided]:
    """Each case with a threshold that was chosen without it, and without its library.

    What is mixed comes from two sets of the same kits: there every second case is judged by the threshold of the
    others.
    """
    folds = [case.library if case.surrounding == "alone" else str(place % 2) for place, case in enumerate(cases)]
    thresholds: dict[tuple[str, str], float] = {}
    for case, fold in zip(cases, folds, strict=True):
        key = (case.surrounding, fold)
        if key not in thresholds:
            others = [
                other
                for other, its_fold in zip(cases, folds, strict=True)
                if other.surrounding == case.surrounding and its_fold != fold
            ]
            thresholds[key] = _best(others or [case])
    return [(case, thresholds[case.surrounding, fold]) for case, fold in zip(cases, folds, strict=True)]


def _best(cases: Sequence[Judged]) -> float:
    libraries = sorted({case.library for case in cases})

    def mean_f(least: float) -> float:
        own = [[(case, least) for case in cases if case.library == library] for library in libraries]
        return float(np.mean([micro(by_class(one, MERGED["7"])) for one in own]))

    return max(GRID, key=mean_f)


def by_class(cases: Sequence[Decided], merged: Mapping[str, str]) -> dict[str, Count]:
    """Counts by class, classes merged as `merged` says."""
    names: dict[str, list[int]] = {}
    for kind, name in enumerate(CLASSES):
        names.setdefault(merged.get(name, name), []).append(kind)
    counts = {name: Count() for name in names}
    for case, least in cases:
        found = chosen(case, least)
        for name, kinds in names.items():
            want, have = _times(case.truth, kinds), _times(found, kinds)
            counts[name].add(len(pairs(want, have)), len(have), len(want))
    return counts


def micro(counts: Mapping[str, Count]) -> float:
    """F over all classes together."""
    total = Count()
    for count in counts.values():
        total.add(count.hits, count.hits + count.extra, count.hits + count.missed)
    return total.f


@dataclass(slots=True)
class Detail:
    """What F doesn't say."""

    velocity_r: dict[str, float] = field(default_factory=dict)
    quiet_recall: float = 0.0
    late_ms: tuple[float, float, float] = (0.0, 0.0, 0.0)


def detail(cases: Sequence[Decided]) -> Detail:
    """Correlation of velocities by class, share of the quiet strokes found, and 10, 50, 90 % of the lateness."""
    late, quiet = [], [0, 0]
    played: dict[str, list[tuple[float, float]]] = {name: [] for name in CLASSES}
    for case, least in cases:
        found = chosen(case, least)
        for kind, name in enumerate(CLASSES):
            want, have = case.truth[case.truth[:, 1] == kind], found[found[:, 1] == kind]
            matched = pairs(want[:, 0], have[:, 0])
            late += [float(have[j, 0] - want[i, 0]) for i, j in matched]
            played[name] += [(float(want[i, 2]), float(have[j, 2])) for i, j in matched]
            soft = want[:, 2] * 127 < QUIET_VELOCITY
            quiet[0] += sum(bool(soft[i]) for i, _ in matched)
            quiet[1] += int(soft.sum())
    r = {name: float(np.corrcoef(np.array(rows).T)[0, 1]) for name, rows in played.items() if len(rows) > 5}
    spread = np.percentile(late, [10, 50, 90]) * 1000 if late else np.zeros(3)
    return Detail(r, quiet[0] / max(1, quiet[1]), (float(spread[0]), float(spread[1]), float(spread[2])))


def report(cases: Sequence[Decided]) -> str:
    """A table: micro F of 5, 7 and 9 classes and F by class for each library, then the details."""
    lines = []
    for library in [*sorted({case.library for case, _ in cases}), ""]:
        own = [one for one in cases if library in ("", one[0].library)]
        nine = by_class(own, MERGED["9"])
        figures = [micro(by_class(own, MERGED[count])) for count in ("5", "7", "9")]
        single = " ".join(f"{name} {count.f:.2f}" for name, count in nine.items() if count.hits + count.missed)
        lines.append(f"{library or 'all':<34} F5 {figures[0]:.3f} F7 {figures[1]:.3f} F9 {figures[2]:.3f} | {single}")
    for surrounding in SURROUNDINGS:
        own = [one for one in cases if one[0].surrounding == surrounding]
        lines += [f"{surrounding}: {line}" for line in _details(detail(own))] if own else []
    return "\n".join(lines)


def _details(more: Detail) -> list[str]:
    return [
        "velocity r " + " ".join(f"{name} {value:.2f}" for name, value in more.velocity_r.items()),
        f"below velocity {QUIET_VELOCITY} found {more.quiet_recall:.2f}; late ms 10/50/90 % "
        + " ".join(f"{value:.1f}" for value in more.late_ms),
    ]
