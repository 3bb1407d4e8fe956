"""What is played: human performances (Groove MIDI), drums of songs and procedural patterns, as hits in seconds."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import mido
import numpy as np

from tools.train.libraries import DISTRACTOR
from tools.train.styles import STYLES

Rng = np.random.Generator

#: Held out: their performances are never trained on. A third of the others' length, three styles of playing.
JUDGING_DRUMMERS = ("drummer5", "drummer9", "drummer10")

#: General MIDI and the keys of the drum kit that Groove MIDI was played on (its documentation's table).
KIND_OF_KEY = {
    35: "kick", 36: "kick", 37: "snare", 38: "snare", 39: "snare", 40: "snare",
    22: "closed_hat", 42: "closed_hat", 44: "closed_hat", 26: "open_hat", 46: "open_hat",
    49: "crash", 52: "crash", 55: "crash", 57: "crash", 51: "ride", 53: "ride", 59: "ride",
    48: "tom_high", 50: "tom_high", 45: "tom_mid", 47: "tom_mid", 41: "tom_low", 43: "tom_low", 58: "tom_low",
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """One stroke: seconds, kind, velocity 1 to 127."""

    at_s: float
    kind: str
    velocity: int


_DRUM_CHANNEL = 9
#: Performances of a file that are tried before its like is taken for one without drums.
_MOST_TRIES = 20


@dataclass(frozen=True, slots=True)
class Groove:
    """The performances of some drummers, or the drums of some songs.

    Attributes
    ----------
    files
        MIDI files.
    lengths_s
        How long each of them is: every second is as likely to be drawn. Empty where all files are alike.
    """

    files: tuple[Path, ...]
    lengths_s: tuple[float, ...] = ()

    @classmethod
    def of(cls, root: Path, wanted: Callable[[str], bool]) -> Groove:
        """The performances under `root` of the drummers that are `wanted`, as far as they are there."""
        if not (root / "info.csv").exists():
            return cls(())
        with (root / "info.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if wanted(row["drummer"])]
        there = [row for row in rows if (root / row["midi_filename"]).exists()]
        return cls(tuple(root / row["midi_filename"] for row in there), tuple(float(row["duration"]) for row in there))

    def excerpt(self, length_s: float, rng: Rng) -> list[Hit]:
        """`length_s` seconds, played up to 25 % slower or faster; short performances follow one another."""
        speed, hits, end = rng.uniform(0.8, 1.25), [], 0.0
        for _ in range(_MOST_TRIES):
            played = performance(self._drawn(rng))
            if not played or end >= length_s:
                continue
            begin = rng.uniform(0, max(0.0, played[-1].at_s - length_s * speed))
            hits += [replace(hit, at_s=end + (hit.at_s - begin) / speed) for hit in played if hit.at_s >= begin]
            end = hits[-1].at_s + rng.uniform(0.1, 0.5)
        return [hit for hit in hits if hit.at_s < length_s]

    def _drawn(self, rng: Rng) -> Path:
        if not self.lengths_s:
            return self.files[int(rng.integers(len(self.files)))]
        ends_s = np.cumsum(self.lengths_s)
        place = int(np.searchsorted(ends_s, rng.uniform(0, ends_s[-1]), side="right"))
        return self.files[min(place, len(self.files) - 1)]


#: Where there are no performances.
NO_GROOVE = Groove(())


@lru_cache(maxsize=2000)
def performance(path: Path) -> tuple[Hit, ...]:
    """What is on the drums' channel of a MIDI file; what is no part of a kit is there as a distractor."""
    now, hits = 0.0, []
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "note_on" and message.velocity > 0 and message.channel == _DRUM_CHANNEL:
            hits.append(Hit(now, KIND_OF_KEY.get(message.note, DISTRACTOR), message.velocity))
    return tuple(hits)


#: Two strokes of a kind closer than this (s) are one: nobody plays that, and no decoder tells them apart.
TWICE_S = 0.012

#: What a hand may play instead, with its probability: hats and rides keep the same time, and free grooves have few of
#: some of these.
SWAPS = (
    ({"closed_hat": "ride"}, 0.14),
    ({"closed_hat": "ride", "open_hat": "crash"}, 0.04),
    ({"closed_hat": "open_hat"}, 0.05),
    ({"closed_hat": "crash", "open_hat": "crash"}, 0.04),
    ({"ride": "closed_hat"}, 0.08),
    ({"closed_hat": "tom_low"}, 0.02),
    ({"snare": "tom_mid"}, 0.03),
    ({"snare": "tom_high", "kick": "tom_low"}, 0.02),
    ({"tom_high": "tom_low", "tom_low": "tom_high"}, 0.05),
    ({"tom_mid": "snare"}, 0.02),
)


_MID_WAY = 0.35


def with_foot(hits: list[Hit], rng: Rng) -> list[Hit]:
    """`hits` with the hi-hat's pedal under some of the rides, as a foot keeps time: rides are seldom heard alone."""
    share, velocity = rng.uniform(0.15, 0.6), rng.uniform(30, 90)
    under = [hit.at_s for hit in hits if hit.kind == "ride" and rng.random() < share]
    foot = [
        Hit(at_s + rng.normal(0, 0.006), "closed_hat", int(np.clip(velocity + rng.normal(0, 8), 5, 127)))
        for at_s in under
    ]
    return [*hits, *foot]


def once(hits: list[Hit]) -> list[Hit]:
    """`hits` without what a drum pad strikes twice: of two of a kind within `TWICE_S` the louder stays."""
    kept: list[Hit] = []
    last: dict[str, int] = {}
    for hit in hits:
        before = last.get(hit.kind)
        if before is not None and hit.at_s - kept[before].at_s < TWICE_S and hit.kind != DISTRACTOR:
            if hit.velocity > kept[before].velocity:
                kept[before] = replace(kept[before], velocity=hit.velocity)
            continue
        last[hit.kind] = len(kept)
        kept.append(hit)
    return kept


def varied(hits: list[Hit], rng: Rng) -> list[Hit]:
    """`hits` with another hand now and then, accents of crashes, opened hats and left-out instruments."""
    for swap, chance in SWAPS:
        if rng.random() < chance:
            # All along, or from a moment on as a chorus has it: then both are heard in one excerpt.
            since_s = rng.uniform(0, hits[-1].at_s) if hits and rng.random() < _MID_WAY else 0.0
            hits = [replace(hit, kind=swap.get(hit.kind, hit.kind)) if hit.at_s >= since_s else hit for hit in hits]
    if any(hit.kind == "ride" for hit in hits) and rng.random() < 0.3:
        hits = with_foot(hits, rng)
    if rng.random() < 0.2:
        share = rng.uniform(0.05, 0.5)
        opens = {hit for hit in hits if hit.kind == "closed_hat" and rng.random() < share}
        hits = [replace(hit, kind="open_hat") if hit in opens else hit for hit in hits]
    if rng.random() < 0.25:
        kind, share = str(rng.choice(["crash", "ride", "open_hat"])), rng.uniform(0.03, 0.3)
        struck = [hit.at_s for hit in hits if hit.kind in ("kick", "snare") and rng.random() < share]
        extra = [Hit(at + rng.normal(0, 0.004), kind, int(rng.integers(60, 127))) for at in struck]
        hits = [*hits, *extra]
    if rng.random() < 0.1:
        gone = str(rng.choice(["kick", "snare", "closed_hat"]))
        hits = [hit for hit in hits if hit.kind != gone]
    return sorted(replace(hit, at_s=max(0.0, hit.at_s)) for hit in hits)


#: How likely each mark of `tools.train.styles` is struck.
_CHANCES = {".": 0.0, "?": 0.35, "x": 0.97, "o": 1.0, "r": 1.0}


def procedural(length_s: float, rng: Rng) -> list[Hit]:
    """A pattern in one of `STYLES`, humanised or machine-tight, or strokes at random."""
    if rng.random() < 0.12:
        return scattered(length_s, rng)
    style = STYLES[str(rng.choice(list(STYLES)))]
    step_s = 60 / rng.uniform(*style.tempo_bpm) / 4
    swing = rng.uniform(0, 0.33) * step_s if rng.random() < 0.3 else 0.0
    loose_s = rng.choice([0.0, 0.002, 0.006, 0.01])
    soft, spread = rng.uniform(40, 90), rng.uniform(3, 15)
    hits: list[Hit] = []
    for bar in range(int(length_s / (16 * step_s)) + 2):
        for kind, row in style.rows.items():
            for step, mark in enumerate(row):
                if rng.random() >= _CHANCES[mark]:
                    continue
                at = (16 * bar + step) * step_s + (swing if step % 2 else 0.0) + rng.normal(0, loose_s)
                loud = 118 if mark == "o" else soft if mark in "?r" else rng.uniform(soft, 112)
                hits += _strokes(kind, at, mark, loud + rng.normal(0, spread), step_s, rng)
    shift = rng.uniform(0, 16 * step_s)
    moved = [replace(hit, at_s=hit.at_s - shift) for hit in hits]
    return sorted(hit for hit in moved if 0 <= hit.at_s < length_s)


def _strokes(kind: str, at_s: float, mark: str, velocity: float, step_s: float, rng: Rng) -> list[Hit]:
    """The stroke of one step: a roll of 2 to 6, a flam now and then on snares and toms, or a single one."""

    def hit(when: float, loud: float) -> Hit:
        return Hit(when, kind, int(np.clip(loud, 5, 127)))

    if mark == "r":
        count = int(rng.choice([2, 3, 4, 6]))
        slope = rng.uniform(-0.4, 0.4)
        gap = max(step_s / count, 0.022)
        return [hit(at_s + i * gap, velocity * (1 + slope * i / count)) for i in range(max(1, int(step_s / gap)))]
    if kind in ("snare", "tom_high", "tom_mid") and rng.random() < 0.05:
        return [hit(at_s - rng.uniform(0.02, 0.045), velocity * rng.uniform(0.3, 0.7)), hit(at_s, velocity)]
    return [hit(at_s, velocity)]


def scattered(length_s: float, rng: Rng) -> list[Hit]:
    """Strokes of all kinds without a pattern, alone and together: nothing but the sound tells them apart."""
    kinds = ("kick", "snare", "closed_hat", "open_hat", "crash", "ride", "tom_high", "tom_mid", "tom_low")
    hits, at = [], rng.uniform(0, 0.5)
    while at < length_s:
        together = rng.choice(kinds, size=int(rng.choice([1, 1, 1, 2, 2, 3])), replace=False)
        hits += [Hit(max(0.0, at + rng.normal(0, 0.004)), str(kind), int(rng.integers(15, 127))) for kind in together]
        at += float(np.exp(rng.uniform(np.log(0.06), np.log(0.9))))
    return sorted(hit for hit in hits if hit.at_s < length_s)


def percussion(length_s: float, rng: Rng) -> list[Hit]:
    """A shaker, tambourine, conga or the like in steady time: it sounds, and is no hit of the kit."""
    step_s = 60 / rng.uniform(70, 170) / rng.choice([1, 2, 4])
    count = int(length_s / step_s)
    chance = rng.uniform(0.3, 1.0)
    return [Hit(i * step_s, DISTRACTOR, int(rng.integers(40, 120))) for i in range(count) if rng.random() < chance]
