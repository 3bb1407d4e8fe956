"""How late notes were sent, counted in a table of fixed size, however long the music is."""

from __future__ import annotations

#: Width of a row of the table, and how many there are; what is later than a tenth of a second is in the last one.
_STEP_MS = 0.1
_STEPS = 1000


class Lateness:
    """Counts delays."""

    def __init__(self) -> None:
        self._counts = [0] * (_STEPS + 1)
        self.total = 0
        self._latest_ms = 0.0

    def note(self, late_s: float) -> None:
        """Count one delay, in seconds."""
        late_ms = late_s * 1e3
        self._counts[min(max(0, int(late_ms / _STEP_MS)), _STEPS)] += 1
        self.total += 1
        self._latest_ms = max(self._latest_ms, late_ms)

    def summary_ms(self) -> tuple[float, float, float]:
        """Median, 99th percentile (both rounded up to a row's end) and the latest, in milliseconds."""
        return self._quantile(0.5), self._quantile(0.99), round(self._latest_ms, 3)

    def _quantile(self, fraction: float) -> float:
        wanted, counted = fraction * self.total, 0
        for row, count in enumerate(self._counts):
            counted += count
            if count and counted >= wanted:
                return min(round((row + 1) * _STEP_MS, 3), round(self._latest_ms, 3))
        return 0.0
