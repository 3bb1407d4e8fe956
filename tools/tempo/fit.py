"""Chooses the weights of `bridge.tempo.readings` and `bridge.tempo.bars`: the conditional logits that make true tempos
and true bar lines likeliest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bridge.tempo import readings
from bridge.tempo.bars import WEIGHTS as BAR_WEIGHTS
from bridge.tempo.bars import bar_evidence, by_place
from bridge.tempo.pulse import onsets_of, readings_of
from tools.tempo.judge import NEAR
from tools.tempo.material import Case

Array = NDArray[np.float64]
#: Ridge: what a weight of 1 costs, in nats. Chosen where the two halves, each judged by the other's weights, agree best
#: (1 and 3 hardly differ).
RIDGE = 1.0
#: Composed songs and drummers count double: made-up songs have few patterns each.
PLAYED = ("freedoom", "groove", "groove+band")
#: Clicks and the like count four times: few, but nobody forgives a metronome read at half its tempo.
BARE = ("click", "kick", "stomp", "ticks")


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What may be chosen for a recording (tempos, places of the bar line), what speaks for each, and what is right."""

    kind: str
    is_held_out: bool
    proof: Array
    right: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """How much the choice counts."""
        return 2.0 if self.kind in PLAYED else 4.0 if self.kind in BARE else 1.0


def tempo_choices(cases: Sequence[Case]) -> list[Choice]:
    """Each case's readings with its drums, and from the mix alone."""
    made = []
    for case in cases:
        for envelopes in (case.envelopes, case.envelopes[:1]):
            _, steps, proof = readings_of(onsets_of(envelopes))
            right = np.abs(readings.BPMS[steps] / case.truth.bpm - 1.0) <= NEAR
            made.append(Choice(case.kind, case.is_held_out, proof, right))
    return made


def bar_choices(cases: Sequence[Case]) -> list[Choice]:
    """Each case's places where bars may begin, on its true beats; only of bars of three or four beats throughout."""
    made = []
    for case in cases:
        beats_s, per_bar = case.truth.beats_s, case.truth.time_signature[0]
        if case.truth.time_signature not in ((3, 4), (4, 4)) or len(case.truth.downbeats_s) < 4:
            continue
        begins = np.unique([np.argmin(np.abs(beats_s - line_s)) % per_bar for line_s in case.truth.downbeats_s])
        if len(begins) != 1:
            continue
        mix, drums = case.envelopes
        for helped in (drums, None):
            proof = np.array([by_place(column, per_bar) for column in bar_evidence(beats_s, mix, helped).T]).T
            made.append(Choice(case.kind, case.is_held_out, proof, np.arange(per_bar) == begins[0]))
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
    return float(
        np.mean([bool(choice.right[np.argmax(choice.proof @ weights)]) for choice in some if len(choice.right)])
    )


def fit(cases: Sequence[Case]) -> str:
    """How well weights from one half do on the other, and the tables from both halves as they stand in the product."""
    tempos, bars = tempo_choices(cases), bar_choices(cases)
    first, table = np.split(fitted(tempos), [4])
    lines = ["readings of the tempo", *_crossed(tempos), _row(first)]
    for name, row in zip(readings.WEIGHTS, table.reshape(len(readings.WEIGHTS), -1), strict=True):
        lines.append(f'    "{name}": ({_row(row)}),')
    lines += ["first beats of bars", *_crossed(bars)]
    named = zip(BAR_WEIGHTS, fitted(bars), strict=True)
    lines.append(", ".join(f'"{name}": {weight:.2f}' for name, weight in named))
    return "\n".join(lines)


def _crossed(made: Sequence[Choice]) -> list[str]:
    halves = [[choice for choice in made if choice.is_held_out == held] for held in (False, True)]
    lines = []
    for name, own, other in (("tuning", *halves), ("held-out", *halves[::-1])):
        weights = fitted(own)
        played = [choice for choice in other if choice.kind in PLAYED]
        shares = [share_right(weights, some) for some in (own, other, played)]
        lines.append(
            "weights from the {} half: right in {:.3f} of it, {:.3f} of the other, {:.3f} of the composed or "
            "played there".format(name, *shares)
        )
    return lines


def _row(values: Array) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
