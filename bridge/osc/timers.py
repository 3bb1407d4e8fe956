"""Deadlines by name: set, moved, taken off, asked which have come; each in the logarithm of how many there are."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count

TimerKey = tuple[str, ...]


class Timers:
    """Deadlines in seconds of whatever clock the owner uses; a key has at most one."""

    def __init__(self) -> None:
        self._due: dict[TimerKey, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, TimerKey]] = []
        self._serial = count()

    def __contains__(self, key: TimerKey) -> bool:
        return key in self._due

    def set(self, key: TimerKey, at_s: float) -> None:
        """Give a key a deadline, instead of the one it had."""
        entry = (at_s, next(self._serial))
        self._due[key] = entry
        heapq.heappush(self._heap, (*entry, key))
        if len(self._heap) > 2 * len(self._due) + 64:  # most are outdated: moved or taken off since
            self._heap = [(*entry, key) for key, entry in self._due.items()]
            heapq.heapify(self._heap)

    def drop(self, key: TimerKey) -> None:
        """Take a key's deadline off; nothing happens if it has none."""
        self._due.pop(key, None)

    def next_s(self) -> float | None:
        """The earliest deadline; None if there is none."""
        while self._heap and not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_s: float) -> Iterator[TimerKey]:
        """Take off and give, in order, the keys whose deadlines have come."""
        while (next_s := self.next_s()) is not None and next_s <= now_s:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            yield key

    def _is_current(self, entry: tuple[float, int, TimerKey]) -> bool:
        return self._due.get(entry[2]) == entry[:2]
