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

    Engines call `at` (or `check`) at least once a second; each call raises `Cancelled` once cancellation was asked for,
    and is a sign that work goes on. Who only waits for somebody else's work calls `heed`, which is none.

    Parameters
    ----------
    listener
        Called with a `Report` in the calling thread. It must be quick; what it raises ends the work.
    cancelled
        Set from any thread, or from a signal handler, to ask for the end.
    alive
        Called with each sign that work goes on, in the calling thread. It must be quick.
    """

    def __init__(
        self,
        listener: Callable[[Report], None] | None = None,
        cancelled: threading.Event | None = None,
        *,
        stage: str = "",
        span: tuple[float, float] = (0.0, 1.0),
        abandoned: threading.Event | None = None,
        alive: Callable[[], None] | None = None,
    ) -> None:
        self._listener = listener
        self._alive = alive
        self.cancelled = cancelled or threading.Event()
        self._abandoned = abandoned
        self._stage = stage
        self._span = span

    def stage(self, name: str) -> Progress:
        """The progress of a new stage, from 0 to 1; reports its beginning."""
        begun = self._like(name, (0.0, 1.0), self._abandoned)
        begun.at(0.0)
        return begun

    def until(self, abandoned: threading.Event) -> Progress:
        """The same progress for work that also ends, with `Cancelled`, when `abandoned` is set."""
        return self._like(self._stage, self._span, abandoned)

    def part(self, start: float, end: float) -> Progress:
        """A progress whose 0 to 1 is `start` to `end` of this one."""
        low, high = self._span
        width = high - low
        return self._like(self._stage, (low + width * start, low + width * end), self._abandoned)

    def at(self, fraction: float) -> None:
        """Report that `fraction` (0 to 1) is done; raises `Cancelled` when asked to stop."""
        self.check()
        if self._listener is not None:
            low, high = self._span
            self._listener(Report(self._stage, min(1.0, max(0.0, low + (high - low) * fraction))))

    def check(self) -> None:
        """Raise `Cancelled` when asked to stop; a sign that work goes on."""
        self.heed()
        if self._alive is not None:
            self._alive()

    def heed(self) -> None:
        """Raise `Cancelled` when asked to stop; says nothing of whether work goes on."""
        if self.cancelled.is_set() or (self._abandoned is not None and self._abandoned.is_set()):
            raise Cancelled("cancelled")

    def _like(self, stage: str, span: tuple[float, float], abandoned: threading.Event | None) -> Progress:
        return Progress(self._listener, self.cancelled, stage=stage, span=span, abandoned=abandoned, alive=self._alive)
