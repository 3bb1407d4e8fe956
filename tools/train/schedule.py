"""How long and how fast is learnt, and from how many excerpts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long, how much and how often.

    Attributes
    ----------
    steps
        At most this many; training can be stopped at any step.
    batch
        Excerpts a step.
    first, fresh
        Excerpts rendered before the first step, and with every step, until the store is full.
    rate, warm
        Learning rate at its highest, and the steps in which it gets there; from there it falls along a half cosine to
        nothing at the last step.
    smooth
        Share of the averaged weights that a step leaves: they, not the last ones, are judged and exported.
    save_s
        Seconds between checkpoints.
    """

    steps: int
    batch: int
    first: int
    fresh: float
    warm: int
    smooth: float
    rate: float = 2e-3
    save_s: float = 120.0

    def known(self, step: int, most: int) -> int:
        """How many of `most` excerpts a step may draw from."""
        return min(most, self.first + int(step * self.fresh))

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        return self.rate * min(1.0, (step + 1) / self.warm) * 0.5 * (1.0 + math.cos(math.pi * step / self.steps))


@contextmanager
def saved_at_the_end(save: Callable[[], None]) -> Iterator[None]:
    """Training goes on within; what it learns is saved, also when it is told to stop, but not when it went wrong."""
    try:
        yield
    except FloatingPointError:
        raise
    except BaseException:
        save()
        raise
    save()
