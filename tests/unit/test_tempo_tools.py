"""What the tempo's measuring tools read and call an error."""

from __future__ import annotations

import json
from pathlib import Path

import mido
import pytest

from tools.measure_tempo import converted, place_in_bar
from tools.tempo.judge import tempo_kind


@pytest.mark.parametrize(
    "found, kind",
    [
        (120.0, "right"),
        (124.7, "right"),
        (60.5, "half"),
        (238.0, "double"),
        (40.0, "third"),
        (80.0, "2/3"),
        (100.0, "other"),
    ],
)
def test_errors_of_tempo_have_names(found, kind):
    assert tempo_kind(found, 120.0) == kind


def result(folder: Path, tempos: list[tuple[int, int]]) -> Path:
    """A conversion of 20 s whose song has tempo events (tick, microseconds), and 3/4 after a pick-up of one beat."""
    song = mido.MidiFile(ticks_per_beat=480)
    song.tracks.append(track := mido.MidiTrack())
    events = [(tick, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in tempos]
    events += [(tick, mido.MetaMessage("time_signature", numerator=beats)) for tick, beats in ((0, 1), (480, 3))]
    last = 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        track.append(message.copy(time=tick - last))
        last = tick
    (folder / "midi").mkdir()
    song.save(folder / "midi/song.mid")
    told = {"tempo": {"confidence": 0.5, "alternatives_bpm": [60.0]}, "source": {"duration_s": 20.0}}
    (folder / "manifest.json").write_text(json.dumps(told))
    return folder


def test_one_tempo_after_a_lead_in_is_constant_and_bars_are_where_the_file_has_them(tmp_path):
    grid = converted(result(tmp_path, [(0, 300_000), (480, 500_000)]))
    assert grid.is_constant
    assert grid.bpm == pytest.approx(120.0)
    assert grid.time_signature == (3, 4)
    assert grid.downbeats_s[:3] == pytest.approx((0.0, 0.3, 1.8))
    assert place_in_bar(grid, 1.3) == 3


def test_a_tempo_that_changes_is_a_map(tmp_path):
    grid = converted(result(tmp_path, [(0, 500_000), (4800, 510_000)]))
    assert not grid.is_constant
