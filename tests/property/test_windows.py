"""The highest, lowest and mean value about each frame are those of every window taken by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bridge.transcription.windows import highest, lowest, mean, mean_at

VALUES = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.floats(-100, 100, width=32))
REACHES = st.tuples(st.integers(-48, 48), st.integers(0, 48)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def one_by_one(values: np.ndarray, first: int, last: int, of: Callable[..., np.ndarray]) -> np.ndarray:
    frames = len(values)
    rows = [values[np.clip(np.arange(at + first, at + last + 1), 0, frames - 1)] for at in range(frames)]
    return np.array([of(row, axis=0) for row in rows])


@given(VALUES, REACHES)
def test_highest_and_lowest(values: np.ndarray, reach: tuple[int, int]) -> None:
    assert np.array_equal(highest(values, *reach), one_by_one(values, *reach, np.max))
    assert np.array_equal(lowest(values, *reach), one_by_one(values, *reach, np.min))


@given(VALUES, REACHES)
def test_mean_everywhere_and_at_some_places(values: np.ndarray, reach: tuple[int, int]) -> None:
    expected = one_by_one(values.astype(np.float64), *reach, np.mean)
    assert np.allclose(mean(values, *reach), expected, atol=1e-9)
    frame, column = np.nonzero(values > 0)
    assert np.allclose(mean_at(values, *reach, frame, column), expected[frame, column], atol=1e-9)


def test_one_column_is_enough() -> None:
    values = np.arange(5.0)
    assert highest(values, 1, 2).tolist() == [2.0, 3.0, 4.0, 4.0, 4.0]
    assert mean(values, -1, 1).tolist() == pytest.approx([1 / 3, 1.0, 2.0, 3.0, 11 / 3])
