"""notes/<part>.json: written and read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.errors import InvalidRequest
from bridge.model import Note, Removed
from bridge.write.notes import decode, encode, read, removed_in

NOTES = [
    Note(0.5, 1.25, 60, 100, 0.875, ((0.0, -0.25), (0.1, 0.5))),
    Note(1.0, 1.5, 64, 1, 0.0),
    Note(1.0, 2.0, 67, 127, 1.0),
]


def test_notes_come_back_as_they_were():
    assert decode(encode("melody", NOTES)) == NOTES


def test_the_file_is_plain_json_that_says_what_it_is():
    assert json.loads(encode("melody", NOTES[:2])) == {
        "schema": 1,
        "part": "melody",
        "unit": "s",
        "notes": [
            {
                "onset_s": 0.5,
                "offset_s": 1.25,
                "pitch": 60,
                "velocity": 100,
                "confidence": 0.875,
                "bend": [[0.0, -0.25], [0.1, 0.5]],
            },
            {"onset_s": 1.0, "offset_s": 1.5, "pitch": 64, "velocity": 1, "confidence": 0.0},
        ],
    }


def test_what_was_taken_out_comes_back_with_its_reason():
    removed = (Removed(0.5, 72, 0.125, "overtone"), Removed(0.75, 60, 0.25, "sounding"))
    data = encode("melody", NOTES, removed)
    assert removed_in(data) == removed
    assert decode(data) == NOTES
    assert json.loads(data)["removed"][0] == {
        "onset_s": 0.5,
        "pitch": 72,
        "confidence": 0.125,
        "reason": "overtone",
    }
    assert removed_in(encode("melody", NOTES)) == ()
    assert "removed" not in json.loads(encode("melody", []))


def test_a_part_without_notes_has_a_file_too():
    assert decode(encode("bass", [])) == []


def test_equal_notes_in_another_order_give_equal_bytes():
    assert encode("melody", NOTES) == encode("melody", NOTES[::-1])


def test_times_are_rounded_to_microseconds_and_writing_again_changes_nothing():
    data = encode("bass", [Note(1 / 3, 2 / 3, 40, 80, 1 / 7)])
    (note,) = decode(data)
    assert (note.onset_s, note.offset_s, note.confidence) == (0.333333, 0.666667, 0.142857)
    assert encode("bass", [note]) == data


def test_rounding_never_makes_a_note_empty():
    (note,) = decode(encode("bass", [Note(0.1, 0.1 + 1e-9, 40, 80)]))
    assert note.onset_s < note.offset_s


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no json",
        b"[]",
        b"\xff\xfe",
        b'{"schema":2,"part":"bass","unit":"s","notes":[]}',
        b'{"schema":1,"part":"bass","unit":"s","notes":[{"onset_s":2,"offset_s":1,"pitch":1,"velocity":1,"confidence":1}]}',
        b'{"schema":1,"part":"bass","unit":"s","notes":[{"onset_s":0,"offset_s":1,"pitch":128,"velocity":1,"confidence":1}]}',
    ],
)
def test_what_is_no_notes_file_is_refused_in_one_line(tmp_path: Path, data: bytes):
    (tmp_path / "bass.json").write_bytes(data)
    with pytest.raises(InvalidRequest) as caught:
        read(tmp_path / "bass.json")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused_in_one_line(tmp_path: Path):
    with pytest.raises(InvalidRequest, match="convert the recording again"):
        read(tmp_path / "bass.json")
