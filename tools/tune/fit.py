"""Fitting judges by their log-loss; songs are held out in turn to see what they are worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from bridge.transcription.chords import CHORD_PROFILES
from bridge.transcription.judge import ENDS, RELEASES, Judge
from tools.tune.ends import frames_of, told_of_ends, told_of_releases
from tools.tune.examples import Lesson

_FURTHEST = 6.0  # standard deviations, as in `bridge.transcription.judge`


@dataclass(frozen=True)
class Plan:
    """How a judge is fitted. Chosen on held-out songs; within a factor of 2 none of it moves F by more than 0.01."""

    hidden: tuple[int, ...]
    epochs: int
    batch: int
    rate: float
    decay: float = 1e-2
    drop: float = 0.0


ONSETS = Plan(hidden=(48, 24), epochs=14, batch=1024, rate=3e-3, drop=0.15)
ENDINGS = Plan(hidden=(24,), epochs=6, batch=4096, rate=1e-2)


def fitted(lessons: Sequence[Lesson], plan: Plan = ONSETS) -> Judge:
    """A judge of the lessons' candidates. A recording counts by the root of its notes, so that none drowns others."""
    return _fit(
        np.concatenate([lesson.facts for lesson in lessons]),
        np.concatenate([lesson.is_note for lesson in lessons]),
        np.concatenate(
            [np.full(len(lesson.is_note), 1.0 / np.sqrt(max(20.0, lesson.is_note.sum()))) for lesson in lessons]
        ),
        plan,
    )


def fitted_ends(lessons: Sequence[Lesson], plan: Plan = ENDINGS) -> Judge:
    """A judge of whether notes still sound."""
    return _fit(*frames_of(lessons, told_of_ends), plan)


def fitted_releases(lessons: Sequence[Lesson], plan: Plan = ENDINGS) -> Judge:
    """A judge of whether the keys of an instrument that is alone are still held, from recordings of such."""
    return _fit(*frames_of(lessons, told_of_releases), plan)


def _fit(facts: NDArray[np.float32], wanted: NDArray[np.float32], weight: NDArray[np.floating], plan: Plan) -> Judge:
    torch.manual_seed(0)
    mean, scale = facts.mean(axis=0), facts.std(axis=0) + 1e-3
    inputs = torch.tensor((facts - mean) / scale).clamp(-_FURTHEST, _FURTHEST)
    truth, weights = torch.tensor(wanted), torch.tensor((weight / weight.mean()).astype(np.float32))
    network = _network(inputs.shape[1], plan)
    optimiser = torch.optim.AdamW(network.parameters(), plan.rate, weight_decay=plan.decay)
    steps = plan.epochs * -(-len(inputs) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=steps)
    for _ in range(plan.epochs):
        for rows in torch.randperm(len(inputs)).split(plan.batch):
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                network(inputs[rows])[:, 0], truth[rows], reduction="none"
            )
            optimiser.zero_grad()
            (weights[rows] * losses).mean().backward()
            optimiser.step()
            schedule.step()
    layers = [module for module in network if isinstance(module, torch.nn.Linear)]
    return Judge(
        mean.astype(np.float32),
        scale.astype(np.float32),
        tuple((layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()) for layer in layers),
    )


def held_out(lessons: Sequence[Lesson], folds: int = 3) -> Iterator[tuple[dict[str, Judge], list[Lesson]]]:
    """Judges by name, and the lessons of songs that none of them knows; together all lessons."""
    songs = sorted({lesson.song for lesson in lessons})
    fold = {song: place % folds for place, song in enumerate(songs)}
    for number in range(folds):
        known = [lesson for lesson in lessons if fold[lesson.song] != number]
        yield judges_of(known), [lesson for lesson in lessons if fold[lesson.song] == number]


def judges_of(lessons: Sequence[Lesson], only: Collection[str] = ()) -> dict[str, Judge]:
    """Judges by name: those of `only`, or all."""
    groups: defaultdict[str, list[Lesson]] = defaultdict(list)
    for lesson in lessons:
        groups[lesson.judge].append(lesson)
    solo = [lesson for lesson in lessons if CHORD_PROFILES[lesson.profile].ended_by == RELEASES]
    makers: dict[str, Callable[[], Judge]] = {
        **{name: partial(fitted, group) for name, group in groups.items()},
        ENDS: partial(fitted_ends, lessons),
        **({RELEASES: partial(fitted_releases, solo)} if solo else {}),
    }
    return {name: make() for name, make in makers.items() if not only or name in only}


def as_arrays(judges: dict[str, Judge]) -> dict[str, NDArray[np.float16 | np.float32]]:
    """What ``judges.npz`` holds."""
    arrays: dict[str, NDArray[np.float16 | np.float32]] = {}
    for name, judge in judges.items():
        arrays |= {f"{name}.mean": judge.mean, f"{name}.scale": judge.scale}
        for place, (weights, bias) in enumerate(judge.layers):
            arrays |= {f"{name}.weights{place}": weights.astype(np.float16), f"{name}.bias{place}": bias}
    return arrays


def _network(inputs: int, plan: Plan) -> torch.nn.Sequential:
    widths = (inputs, *plan.hidden)
    hidden = [
        module
        for before, after in pairwise(widths)
        for module in (torch.nn.Linear(before, after), torch.nn.ReLU(), torch.nn.Dropout(plan.drop))
    ]
    return torch.nn.Sequential(*hidden, torch.nn.Linear(widths[-1], 1))
