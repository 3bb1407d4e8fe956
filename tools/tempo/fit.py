"""Chooses the weights of `bridge.tempo.readings`: the conditional logit that makes true tempos likeliest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bridge.tempo import readings
from bridge.tempo.pulse import onsets_of, readings_of
from tools.tempo.judge import NEAR
from tools.tempo.material import Case

Array = NDArray[np.float64]
#: Ridge: what a weight of 1 costs, in nats. Chosen where the two halves, each judged by the other's weights, agree best
#: (0.3 and 1 hardly differ).
RIDGE = 1.0
#: Composed songs and drummers count double: made-up songs have few patterns each.
PLAYED = ("freedoom", "groove", "groove+band")


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A recording's readings: what speaks for each, and which are right."""

    kind: str
    is_held_out: bool
    proof: Array
    right: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """How much the choice counts."""
        return 2.0 if self.kind in PLAYED else 1.0


def choices(cases: Sequence[Case]) -> list[Choice]:
    """Each case's choice with its drums, and from the mix alone."""
    made = []
    for case in cases:
        for envelopes in (case.envelopes, case.envelopes[:1]):
            _, steps, proof = readings_of(onsets_of(envelopes))
            right = np.abs(readings.BPMS[steps] / case.truth.bpm - 1.0) <= NEAR
            made.append(Choice(case.kind, case.is_held_out, proof, right))
    return made


def fitted(some: Sequence[Choice]) -> Array:
    """The weights under which the right readings of some choices are likeliest."""
    told = [choice for choice in some if choice.right.any()]

    def cost(weights: Array) -> tuple[float, Array]:
        total, slope = RIDGE * float(weights @ weights), 2.0 * RIDGE * weights
        for choice in told:
            scores = choice.proof @ weights
            likely = np.exp(scores - scores.max())
            likely /= likely.sum()
            right = float(likely[choice.right].sum()) + 1e-12
            total -= choice.share * np.log(right)
            slope = slope - choice.share * choice.proof.T @ (np.where(choice.right, likely / right, 0.0) - likely)
        return total, slope

    return np.asarray(minimize(cost, np.zeros(told[0].proof.shape[1]), jac=True, method="L-BFGS-B").x)


def share_right(weights: Array, some: Sequence[Choice]) -> float:
    """How often the likeliest reading is right."""
    return float(np.mean([bool(choice.right[np.argmax(choice.proof @ weights)]) for choice in some if len(choice.right)]))


def fit(cases: Sequence[Case]) -> str:
    """How well weights from one half do on the other, and the table from both halves as it stands in `readings`."""
    made = choices(cases)
    halves = [[choice for choice in made if choice.is_held_out == held] for held in (False, True)]
    lines = []
    for name, own, other in (("tuning", *halves), ("held-out", *halves[::-1])):
        weights = fitted(own)
        lines.append(f"weights from the {name} half: right in {share_right(weights, own):.3f} of it,")
        lines.append(f"    in {share_right(weights, other):.3f} of the other half")
        played = [choice for choice in other if choice.kind in PLAYED]
        if played:
            lines.append(f"    in {share_right(weights, played):.3f} of the composed and played ones there")
    first, table = np.split(fitted(made), [4])
    lines.append(", ".join(f"{weight:.2f}" for weight in first))
    for name, row in zip(readings.WEIGHTS, table.reshape(len(readings.WEIGHTS), -1), strict=True):
        lines.append(f'    "{name}": ({", ".join(f"{weight:.2f}" for weight in row)}),')
    return "\n".join(lines)
