"""Fitting a judge: two hidden layers, by the log-loss of candidates, songs held out in turn to see what it is worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bridge.transcription.judge import Judge
from tools.tune.examples import Lesson

_FURTHEST = 6.0  # standard deviations, as in `bridge.transcription.judge`


@dataclass(frozen=True)
class Plan:
    """How a judge is fitted. Chosen on held-out songs; none of them matters by more than 0.01 of F within a factor 2."""

    hidden: tuple[int, int] = (48, 24)
    epochs: int = 14
    batch: int = 1024
    rate: float = 3e-3
    decay: float = 1e-2
    drop: float = 0.15


def fitted(lessons: Sequence[Lesson], plan: Plan = Plan(), seed: int = 0) -> Judge:
    """A judge of the lessons' candidates. A recording counts by the root of its notes, so that none drowns others."""
    torch.manual_seed(seed)
    facts = np.concatenate([lesson.facts for lesson in lessons])
    mean, scale = facts.mean(axis=0), facts.std(axis=0) + 1e-3
    inputs = torch.tensor((facts - mean) / scale).clamp(-_FURTHEST, _FURTHEST)
    wanted = torch.tensor(np.concatenate([lesson.is_note for lesson in lessons]))
    weight = np.concatenate(
        [np.full(len(lesson.is_note), 1.0 / np.sqrt(max(20.0, lesson.is_note.sum()))) for lesson in lessons]
    )
    weights = torch.tensor((weight / weight.mean()).astype(np.float32))
    network = _network(inputs.shape[1], plan)
    optimiser = torch.optim.AdamW(network.parameters(), plan.rate, weight_decay=plan.decay)
    steps = plan.epochs * -(-len(inputs) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=steps)
    for _ in range(plan.epochs):
        for rows in torch.randperm(len(inputs)).split(plan.batch):
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                network(inputs[rows])[:, 0], wanted[rows], reduction="none"
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


def held_out(lessons: Sequence[Lesson], folds: int = 3) -> dict[str, NDArray[np.float32]]:
    """By case, the probabilities of its candidates from a judge that knows none of its song's recordings."""
    songs = sorted({lesson.song for lesson in lessons})
    fold = {song: place % folds for place, song in enumerate(songs)}
    found: dict[str, NDArray[np.float32]] = {}
    for number in range(folds):
        judge = fitted([lesson for lesson in lessons if fold[lesson.song] != number])
        found |= {lesson.case: judge(lesson.facts) for lesson in lessons if fold[lesson.song] == number}
    return found


def as_arrays(judges: dict[str, Judge]) -> dict[str, NDArray[np.float16 | np.float32]]:
    """What ``judges.npz`` holds."""
    arrays: dict[str, NDArray[np.float16 | np.float32]] = {}
    for name, judge in judges.items():
        arrays |= {f"{name}.mean": judge.mean, f"{name}.scale": judge.scale}
        for place, (weights, bias) in enumerate(judge.layers):
            arrays |= {f"{name}.weights{place}": weights.astype(np.float16), f"{name}.bias{place}": bias}
    return arrays


def by_judge(lessons: Sequence[Lesson]) -> dict[str, list[Lesson]]:
    """The lessons of each judge."""
    groups: defaultdict[str, list[Lesson]] = defaultdict(list)
    for lesson in lessons:
        groups[lesson.judge].append(lesson)
    return dict(groups)


def _network(inputs: int, plan: Plan) -> torch.nn.Sequential:
    first, second = plan.hidden
    return torch.nn.Sequential(
        torch.nn.Linear(inputs, first),
        torch.nn.ReLU(),
        torch.nn.Dropout(plan.drop),
        torch.nn.Linear(first, second),
        torch.nn.ReLU(),
        torch.nn.Linear(second, 1),
    )
