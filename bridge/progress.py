"""Progress and cancellation: one small object passed down to everything that takes time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from bridge.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Report:
    """How far a conversion is.

    Attributes
    ----------
    stage
        Name of the stage at work, e.g. ``separate``.
    fraction
        How much of that stage is done, 0 to 1.
    """

    stage: str
    fraction: float


class Progress:
    """Reports how far one stage is, and stops it when the user asks to.

    Engines call `at` (or `check`) at least once a second; each call raises `Cancelled` once cancellation was asked for.

    Parameters
    ----------
    listener
        Called with a `Report` in the calling thread. It must be quick; what it raises ends the work.
    cancelled
        Set from any thread, or from a signal handler, to ask for the end.
    """

    def __init__(
        self,
        listener: Callable[[Report], None] | None = None,
        cancelled: threading.Event | None = None,
        *,
        stage: str = "",
        span: tuple[float, float] = (0.0, 1.0),
        abandoned: threading.Event | None = None,
    ) -> None:
        self._listener = listener
        self.cancelled = cancelled or threading.Event()
        self._abandoned = abandoned
        self._stage = stage
        self._span = span

    def stage(self, name: str) -> Progress:
        """The progress of a new stage, from 0 to 1; reports its beginning."""
        begun = Progress(self._listener, self.cancelled, stage=name, abandoned=self._abandoned)
        begun.at(0.0)
        return begun

    def until(self, abandoned: threading.Event) -> Progress:
        """The same progress for work that also ends, with `Cancelled`, when `abandoned` is set."""
        return Progress(self._listener, self.cancelled, stage=self._stage, span=self._span, abandoned=abandoned)

    def part(self, start: float, end: float) -> Progress:
        """A progress whose 0 to 1 is `start` to `end` of this one."""
        low, high = self._span
        width = high - low
        span = (low + width * start, low + width * end)
        return Progress(self._listener, self.cancelled, stage=self._stage, span=span, abandoned=self._abandoned)

    def at(self, fraction: float) -> None:
        """Report that `fraction` (0 to 1) is done; raises `Cancelled` when asked to stop."""
        self.check()
        if self._listener is not None:
            low, high = self._span
            self._listener(Report(self._stage, min(1.0, max(0.0, low + (high - low) * fraction))))

    def check(self) -> None:
        """Raise `Cancelled` when asked to stop."""
        if self.cancelled.is_set() or (self._abandoned is not None and self._abandoned.is_set()):
            raise Cancelled("cancelled")
