"""The highest, lowest and mean value about each frame, for all columns at once.

scipy's filters give the same numbers, but go down each column by itself, which takes ten to twenty times as long; and
its import takes as long as deciding on the notes of a minute of music.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", np.float32, np.float64)


def highest(values: NDArray[_Number], first: int, last: int) -> NDArray[_Number]:
    """The highest value from `first` to `last` frames after each frame; the ends are repeated.

    Parameters
    ----------
    values
        (frames, ...).
    first, last
        Below 0 before the frame; `last` is included.
    """
    return _folded(np.maximum, _reaching(values, first, last), last - first + 1)


def lowest(values: NDArray[_Number], first: int, last: int) -> NDArray[_Number]:
    """The lowest value, as `highest` gives the highest."""
    return _folded(np.minimum, _reaching(values, first, last), last - first + 1)


def mean(values: NDArray[_Number], first: int, last: int) -> NDArray[np.float64]:
    """The mean, as `highest` gives the highest."""
    size = last - first + 1
    return _folded(np.add, _reaching(values, first, last).astype(np.float64), size) / size


def mean_at(
    values: NDArray[_Number], first: int, last: int, frame: NDArray[np.intp], column: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The mean at some places only, as `mean` gives it; a wide window takes no longer than a narrow one."""
    end = len(values) - 1
    before = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=before[1:])
    low, high = frame + first, frame + last
    inside = before[np.clip(high, -1, end) + 1, column] - before[np.clip(low, 0, end + 1), column]
    # The ends are repeated; a window may lie beyond one of them altogether.
    size = last - first + 1
    repeated = np.clip(-low, 0, size) * values[0, column] + np.clip(high - end, 0, size) * values[end, column]
    return np.asarray((inside + repeated) / size)


def _reaching(values: NDArray[_Number], first: int, last: int) -> NDArray[_Number]:
    """The values with what lies before the first and after the last frame, as far as windows reach."""
    return values[np.clip(np.arange(first, len(values) + last), 0, len(values) - 1)]


def _folded(combine: Callable[..., Any], values: NDArray[_Number], size: int) -> NDArray[_Number]:
    """`size` rows from each on, combined. Windows of 1, 2, 4, ... rows are made of each other, and `size` of those."""
    count = len(values) - size + 1
    block, reach, taken = values, 1, 0
    whole: NDArray[_Number] | None = None
    while True:
        if size & reach:
            piece = block[taken : taken + count]
            whole = piece if whole is None else combine(whole, piece)
            taken += reach
        if whole is not None and taken == size:
            return whole
        block = combine(block[:-reach], block[reach:])
        reach *= 2
