"""The container of Max for Live devices gives back what was put in, and damage to it never does more than refuse."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from tools.device.container import AUDIO_EFFECT, KINDS, ContainerError, Device, File, frozen, plain, read, write

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
numbers = st.integers(0, 2**32 - 1)
files = st.builds(File, names, st.binary(min_size=4, max_size=4), st.binary(max_size=50), numbers, numbers, numbers)
devices = st.builds(
    Device,
    st.sampled_from(sorted(KINDS)),
    st.none() | numbers,
    patch=st.just(b""),
    files=st.lists(files, min_size=1, max_size=4).map(tuple),
) | st.builds(
    Device, st.sampled_from(sorted(KINDS)), st.none() | numbers, patch=st.binary(max_size=60).map(lambda x: b"{" + x)
)


@settings(max_examples=60)
@given(devices)
def test_what_was_written_is_read_again_as_it_was(made: Device) -> None:
    assert read(write(made)) == made


PATCHER = {"boxes": [{"box": {"id": "obj-1"}}], "lines": []}
SCRIPT = File("main.js", b"TEXT", b"outlets = 3;")
WHOLE = [write(plain(AUDIO_EFFECT, PATCHER)), write(frozen(AUDIO_EFFECT, "Test.amxd", PATCHER, (SCRIPT,), 1))]


@settings(max_examples=80)
@given(data=st.data())
def test_a_damaged_device_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(WHOLE))
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ContainerError):
        read(bytes(damaged)).patcher()
