"""Requests that come in parts: put together in any order, each part as often as it likes, within limits.

Pure: no clock, no socket. Whoever owns an `Inbox` drops assemblies that nothing was heard of for `ASSEMBLY_LIFE_S`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from bridge.osc.protocol import BY_NAME, MAX_REQUEST_CHARS

#: (owner, job's name): what a job is known by here. The owner is a device's instance, see `sessions.owner_of`.
JobKey = tuple[str, str]

#: Requests of one device that may be incomplete at a time. A device sends one after the other.
MAX_OPEN = 4

#: Characters held for all devices together, so that incomplete requests can't fill the memory.
MAX_HELD_CHARS = 8 * MAX_REQUEST_CHARS

#: How long an incomplete request is kept after its last part; a device gives up after the 4.5 s of `RESEND_GAPS_S`.
ASSEMBLY_LIFE_S = 30.0


class TooLarge(Exception):
    """A request is larger than allowed."""


class TooMany(Exception):
    """More requests are incomplete than are kept."""


class Conflict(Exception):
    """A part disagrees with one that came before."""


@dataclass(slots=True)
class _Assembly:
    total: int
    chunks: dict[int, str] = field(default_factory=dict)
    chars: int = 0
    #: Every index below it has come.
    whole_below: int = 0


class Inbox:
    """The requests that are incomplete."""

    def __init__(self) -> None:
        self._open: dict[JobKey, _Assembly] = {}
        self._per_owner: Counter[str] = Counter()
        self._held_chars = 0

    def __contains__(self, key: JobKey) -> bool:
        return key in self._open

    def __len__(self) -> int:
        return len(self._open)

    def add(self, key: JobKey, index: int, total: int, chunk: str) -> str | None:
        """Take a part; gives the whole request, and forgets it, when this was the last one missing.

        Raises
        ------
        Conflict
            If the part is not one of `total`, or differs from what came before. Nothing has changed then.
        TooLarge
            If the request would be larger than `MAX_REQUEST_CHARS`. It is forgotten.
        TooMany
            If as many are incomplete as may be. Nothing has changed.
        """
        assembly = self._open.get(key) or self._new(key, total)
        if assembly.total != total or not 0 <= index < total or assembly.chunks.get(index, chunk) != chunk:
            raise Conflict
        if index in assembly.chunks:
            return None
        if assembly.chars + len(chunk) > MAX_REQUEST_CHARS:
            self.drop(key)
            raise TooLarge
        if self._held_chars + len(chunk) > MAX_HELD_CHARS:
            raise TooMany
        self._keep(key, assembly, index, chunk)
        if len(assembly.chunks) < total:
            return None
        self.drop(key)
        return "".join(assembly.chunks[position] for position in range(total))

    def missing(self, key: JobKey) -> str:
        """Indices that have not come, as ``job/ack`` has them: as many from the lowest as fit."""
        assembly = self._open[key]
        lacking = (index for index in range(assembly.whole_below, assembly.total) if index not in assembly.chunks)
        return ",".join(map(str, islice(lacking, _MAX_MISSING)))

    def drop(self, key: JobKey) -> None:
        """Forget an incomplete request; nothing happens if there is none."""
        assembly = self._open.pop(key, None)
        if assembly is not None:
            self._held_chars -= assembly.chars
            self._per_owner[key[0]] -= 1
            if not self._per_owner[key[0]]:
                del self._per_owner[key[0]]

    def _new(self, key: JobKey, total: int) -> _Assembly:
        if self._per_owner[key[0]] >= MAX_OPEN:
            raise TooMany
        return _Assembly(total)

    def _keep(self, key: JobKey, assembly: _Assembly, index: int, chunk: str) -> None:
        if key not in self._open:
            self._open[key] = assembly
            self._per_owner[key[0]] += 1
        assembly.chunks[index] = chunk
        assembly.chars += len(chunk)
        self._held_chars += len(chunk)
        while assembly.whole_below in assembly.chunks:
            assembly.whole_below += 1


#: Numbers that fit ``missing`` whatever they are: five characters each with the comma (2,048 parts at most).
_MAX_MISSING = BY_NAME["job/ack"].args[2].high // 5
