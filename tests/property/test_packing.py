"""Evidence survives packing to within half a step of a byte."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transcription.frames import ARRAYS, Evidence
from bridge.transcription.packing import packed, unpacked


def evidence(frames: int, seed: int, has_periods: bool) -> Evidence:
    rng = np.random.default_rng(seed)

    def posterior(width: int) -> np.ndarray:
        return rng.random((frames, width), dtype=np.float32) ** 8

    def level(width: int) -> np.ndarray:
        return rng.uniform(-120.0, 7.5, (frames, width)).astype(np.float32)

    period = posterior(264 if has_periods else 0)
    attack = rng.uniform(0.0, 25.5, (frames, 3)).astype(np.float32)
    return Evidence(posterior(88), posterior(88), posterior(264), level(88), period, attack, level(2))


@given(st.integers(0, 20), st.integers(0, 2**32 - 1), st.booleans())
def test_each_number_comes_back_to_within_half_a_step(frames: int, seed: int, has_periods: bool) -> None:
    known = evidence(frames, seed, has_periods)
    back = unpacked(packed(known))
    for field in (field for field in fields(Evidence) if field.name != "beside"):
        step = {"attack_db": 0.1, "level_db": 0.5, "power_db": 0.5}.get(field.name, 1 / 255)
        was, now = getattr(known, field.name), getattr(back, field.name)
        assert now.shape == was.shape
        assert now.dtype == np.float32
        np.testing.assert_allclose(now, was, atol=0.51 * step)


def test_columns_that_nobody_wants_are_empty_and_the_others_as_ever() -> None:
    data = packed(evidence(5, 1, has_periods=True))
    whole, some = unpacked(data), unpacked(data, {"note", "level_db"})
    for name in ARRAYS:
        if name in ("note", "level_db"):
            assert np.array_equal(getattr(some, name), getattr(whole, name))
        else:
            assert getattr(some, name).shape == (5, 0)


@pytest.mark.parametrize("change", [{"note": 87}, {"attack_db": 4}, {"period": 88}])
def test_columns_of_another_width_are_refused(change: dict[str, int]) -> None:
    known = evidence(5, 1, has_periods=True)
    other = replace(known, **{name: np.zeros((5, width), np.float32) for name, width in change.items()})
    with pytest.raises(ValueError, match="columns that don't fit"):
        unpacked(packed(other))


@given(st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_what_came_back_is_packed_to_the_same_bytes(frames: int, seed: int) -> None:
    data = packed(evidence(frames, seed, has_periods=True))
    assert packed(unpacked(data)) == data


def without_a_column(data: bytes) -> bytes:
    """What a layout with a column fewer would have made: neither its width, nor its size, nor what is in it."""
    widths, sizes = 2 * (1 + len(ARRAYS)), 4 * len(ARRAYS)
    last = int.from_bytes(data[widths + sizes - 4 : widths + sizes], "little")
    return data[: widths - 2] + data[widths : widths + sizes - 4] + data[widths + sizes : -last]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:3],
        lambda data: data[:-5],
        lambda data: data + b"\0",
        lambda data: b"\xff" * len(data),
        lambda data: data[:-5] + b"\xff" * 5,  # as long as it says, but not what was compressed
        lambda data: b"\x06" + data[1:],  # six frames, of which there are five
        without_a_column,
    ],
    ids=["head cut", "end cut", "more", "no head", "other bytes", "another length", "column fewer"],
)
def test_damaged_bytes_are_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="packed evidence"):
        unpacked(damage(packed(evidence(5, 1, has_periods=False))))


def test_values_beyond_a_columns_span_become_its_ends() -> None:
    known = evidence(1, 1, has_periods=False)
    known.level_db[0, :2] = (-400.0, 30.0)
    assert unpacked(packed(known)).level_db[0, :2].tolist() == [-120.0, 7.5]
