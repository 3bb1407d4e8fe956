"""How a job ends, from what its worker says, or doesn't."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bridge.jobs.news import Advanced, Failed, Finished, Found
from bridge.jobs.worker import GONE, INTERRUPTED, Worker


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended; see the fields of `Job`."""

    state: Literal["done", "failed", "cancelled"]
    result: str | None = None
    insert: str | None = None
    error_code: str = ""
    error_text: str = ""


class Interruption:
    """The worker was stopped before its job had ended."""


def follow(
    worker: Worker,
    on_progress: Callable[[str, float], None],
    on_found: Callable[[Found], None],
    *,
    hang_timeout_s: float,
    grace_s: Callable[[], float],
) -> Ending | Interruption:
    """Hear a worker out.

    Parameters
    ----------
    worker
        At work. It may still be alive when this returns, and has nothing more to say that counts.
    on_progress
        Called with the stage and how much of it is done.
    on_found
        Called with notes that it found.
    hang_timeout_s
        Without news for so long, it counts as hung.
    grace_s
        How long it may tidy up when it was interrupted; asked then.
    """
    while True:
        try:
            heard = worker.receive(hang_timeout_s)
        except TimeoutError:
            text = f"it gave no sign of life for {hang_timeout_s:g} s and was ended; try again, or another separator"
            return Ending("failed", error_code="hung", error_text=text)
        if heard == INTERRUPTED:
            return _tidied(worker, grace_s())
        if isinstance(heard, Advanced):
            on_progress(heard.stage, heard.fraction)
        elif isinstance(heard, Found):
            on_found(heard)
        elif heard == GONE:
            death = worker.death()
            return Ending("failed", error_code="engine-crashed", error_text=death) if death else Interruption()
        else:
            ending = _last_word(heard)
            if ending is not None:
                return ending


def _tidied(worker: Worker, grace_s: float) -> Ending | Interruption:
    """Ask it to end and wait for that a while; it may happen to finish first."""
    worker.ask_to_end()
    deadline_s = time.monotonic() + grace_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        try:
            heard = worker.receive(left_s)
        except TimeoutError:
            break
        if heard == GONE or isinstance(heard, Failed):
            break
        if isinstance(heard, Finished):
            return Ending("done", heard.folder, heard.insert)
    return Interruption()


def _last_word(heard: object) -> Ending | Interruption | None:
    """What the last word means; None for a word that isn't the last."""
    if isinstance(heard, Finished):
        return Ending("done", heard.folder, heard.insert)
    if not isinstance(heard, Failed):
        return None
    if heard.code == "cancelled":  # nobody here asked for that: the system did, which ends all its processes at once
        return Interruption()
    return Ending("failed", error_code=heard.code, error_text=heard.text)
