"""Whatever an engine makes, what is stored gives the source back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bridge.audio.file import AudioFile
from bridge.audio.stems import stem_format, write_stems
from bridge.model import Samples

NAMES = ("bass", "melody", "drums", "guitar")
SUBTRACT = NAMES[:3]
CODES = st.one_of(st.integers(-(2**23), 2**23 - 1), st.sampled_from([-(2**23), 2**23 - 1, 0, 1, -1]))
LEVELS = st.one_of(st.floats(-4, 4, width=32), st.sampled_from([-1.0, 1.0, -2.0, 2.0, 0.0]))


def shapes(draw: st.DrawFn) -> tuple[int, int]:
    return draw(st.tuples(st.integers(1, 24), st.integers(1, 2)))


@st.composite
def pcm_cases(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Samples], int]:
    shape = shapes(draw)
    codes = draw(arrays.arrays(np.int32, shape, elements=CODES))
    parts = {name: draw(arrays.arrays(np.float32, shape, elements=LEVELS)) for name in NAMES}
    return codes, parts, draw(st.integers(0, shape[0]))


@st.composite
def float_cases(draw: st.DrawFn) -> tuple[Samples, dict[str, Samples], int]:
    shape = shapes(draw)
    gain = draw(st.sampled_from([1e-3, 0.25, 1.0, 3.0, 1e3]))
    source = draw(arrays.arrays(np.float32, shape, elements=LEVELS)) * np.float32(gain)
    parts = {
        name: draw(arrays.arrays(np.float32, shape, elements=LEVELS)) * np.float32(gain * draw(st.floats(0, 2)))
        for name in NAMES
    }
    return source, parts, draw(st.integers(0, shape[0]))


def in_two(parts: dict[str, Samples], cut: int) -> Iterator[dict[str, Samples]]:
    yield {name: samples[:cut] for name, samples in parts.items()}
    yield {name: samples[cut:] for name, samples in parts.items()}


@settings(deadline=None, max_examples=40)
@given(pcm_cases())
def test_stored_parts_and_residual_sum_to_a_24_bit_source_exactly(
    case: tuple[np.ndarray, dict[str, Samples], int],
) -> None:
    codes, parts, cut = case
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        soundfile.write(folder / "mix.wav", codes << 8, 8000, subtype="PCM_24")
        source = AudioFile.open(folder / "mix.wav")
        files = write_stems(source, in_two(parts, cut), folder, "left", subtract=SUBTRACT, sample_format="pcm24")
        read = {
            n: soundfile.read(f.path, dtype="int32", always_2d=True)[0].astype(np.int64) >> 8 for n, f in files.items()
        }
    np.testing.assert_array_equal(sum(read[name] for name in (*SUBTRACT, "left")), codes)
    np.testing.assert_array_equal(read["guitar"], np.clip(np.rint(parts["guitar"] * 2.0**23), -(2**23), 2**23 - 1))


@settings(deadline=None, max_examples=40)
@given(float_cases())
def test_the_sum_of_what_is_stored_nulls_against_any_source(case: tuple[Samples, dict[str, Samples], int]) -> None:
    samples, parts, cut = case
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        soundfile.write(folder / "mix.wav", samples, 8000, subtype="FLOAT")
        source = AudioFile.open(folder / "mix.wav")
        chosen = stem_format(source)
        files = write_stems(source, in_two(parts, cut), folder, "left", subtract=SUBTRACT, sample_format=chosen)
        total = sum(files[name].read().astype(np.float64) for name in (*SUBTRACT, "left"))
    full_scale = max(1.0, float(np.abs(samples).max()))
    assert np.abs(total - samples).max() <= full_scale * 2.0**-22  # -132 dB
