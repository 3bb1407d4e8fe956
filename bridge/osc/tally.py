"""What was dropped, counted by reason, and the lines that the log gets of it: one in a while, however much comes."""

from __future__ import annotations

from collections import Counter

#: Least time between two lines in the log.
LOG_GAP_S = 10.0


class Tally:
    """Counts by reason. Reasons are the program's own words, never the sender's."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self._unsaid: Counter[str] = Counter()

    def add(self, reason: str) -> None:
        """Count one."""
        self.total[reason] += 1
        self._unsaid[reason] += 1

    def line(self) -> str:
        """What came since the last line, such as ``3 malformed, 1 bundle``; empty if nothing did."""
        line = ", ".join(f"{number} {reason}" for reason, number in self._unsaid.most_common())
        self._unsaid.clear()
        return line


class Allowance:
    """So many of something in any one second: the rest is to be left out."""

    def __init__(self, per_second: int) -> None:
        self._most = per_second
        self._second_s = float("-inf")
        self._used = 0

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed; counts it."""
        if now_s - self._second_s >= 1.0:
            self._second_s, self._used = now_s, 0
        self._used += 1
        return self._used <= self._most
