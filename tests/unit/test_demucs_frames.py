import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.separation.demucs_frames import (
    BLOCK,
    DONE,
    FAILED,
    PROGRESS,
    pack_fraction,
    read_frames,
    unpack_fraction,
    write_frame,
)

kinds = st.sampled_from([PROGRESS, BLOCK, FAILED, DONE])


@given(st.lists(st.tuples(kinds, st.binary(max_size=300))))
def test_what_is_written_is_read(frames: list[tuple[bytes, bytes]]) -> None:
    stream = io.BytesIO()
    for kind, payload in frames:
        write_frame(stream, kind, payload)
    stream.seek(0)
    assert [(kind, bytes(payload)) for kind, payload in read_frames(stream)] == frames


@given(st.integers(0, 29))
def test_a_frame_that_is_cut_off_is_dropped(kept: int) -> None:
    stream = io.BytesIO()
    write_frame(stream, PROGRESS, pack_fraction(0.5))  # 5 + 8 bytes
    write_frame(stream, BLOCK, bytes(12))  # 5 + 12 bytes
    cut = io.BytesIO(stream.getvalue()[:kept])
    assert [kind for kind, _ in read_frames(cut)] == ([PROGRESS] if kept >= 13 else [])


def test_something_printed_among_the_frames_is_noticed() -> None:
    with pytest.raises(ValueError, match="not a frame"):
        list(read_frames(io.BytesIO(b"UserWarning: hello")))


def test_a_damaged_length_does_not_ask_for_the_memory() -> None:
    with pytest.raises(ValueError, match="not a frame"):
        list(read_frames(io.BytesIO(BLOCK + b"\xff\xff\xff\xff")))


def test_a_fraction_is_kept() -> None:
    assert unpack_fraction(bytearray(pack_fraction(0.25))) == 0.25
