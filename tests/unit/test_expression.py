"""The loudness of a stem as control change 11."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from bridge.audio.file import AudioFile
from bridge.audio.levels import levels_db
from bridge.errors import Cancelled
from bridge.model import Note
from bridge.music.expression import GRAIN, LEAST, RATE_HZ, ControlPoint, between, expression_curve
from bridge.progress import Progress


def at(curve: tuple[ControlPoint, ...], seconds: float) -> int:
    return [point.value for point in curve if point.seconds <= seconds][-1]


def swell(seconds: float, low_db: float = -40.0) -> np.ndarray:
    return np.linspace(low_db, -10.0, round(seconds * RATE_HZ), dtype=np.float32)


def test_levels_are_those_of_the_samples(tmp_path) -> None:
    rate = 22050
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    samples = np.concatenate([tone, tone * 0.1, np.zeros(rate)])
    soundfile.write(tmp_path / "a.wav", np.stack([samples, samples], axis=1), rate, subtype="FLOAT")
    levels = levels_db(AudioFile.open(tmp_path / "a.wav"), RATE_HZ, Progress())
    assert levels.shape == (120,)
    assert levels[:40] == pytest.approx(np.full(40, -3.01), abs=0.1)
    assert levels[40:80] == pytest.approx(np.full(40, -23.01), abs=0.1)
    assert levels[80:] == pytest.approx(np.full(40, -math.inf))


def test_listening_to_levels_can_be_stopped(tmp_path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 8000)
    progress = Progress()
    progress.cancelled.set()
    with pytest.raises(Cancelled):
        levels_db(AudioFile.open(tmp_path / "a.wav"), RATE_HZ, progress)


def test_a_swell_rises_to_full_by_general_midis_curve() -> None:
    curve = expression_curve(swell(4.0), [Note(0.0, 4.0, 60, 80)])
    assert at(curve, 3.95) > 127 - GRAIN
    assert at(curve, 2.0) == pytest.approx(127 * 10 ** (-13.5 / 40), abs=GRAIN + 2)  # 13.5 dB below the loudest
    assert curve[0] == (0.0, LEAST)
    values = [point.value for point in curve]
    assert values == sorted(values)
    assert all(after - before >= GRAIN for before, after in pairwise(values))


def test_nothing_is_said_where_nothing_changes() -> None:
    assert expression_curve(np.full(400, -20.0, np.float32), [Note(1.0, 9.0, 60, 80)]) == ((0.0, 127),)
    assert expression_curve(np.full(400, -np.inf, np.float32), [Note(1.0, 9.0, 60, 80)]) == ((0.0, LEAST),)
    assert expression_curve(swell(4.0), []) == ()
    assert expression_curve(np.zeros(0, np.float32), [Note(0.0, 1.0, 60, 80)]) == ()


def test_a_note_beyond_the_stem_has_its_last_level() -> None:
    assert expression_curve(swell(1.0), [Note(5.0, 6.0, 60, 80)]) == ((0.0, 127),)


def test_in_a_pause_the_control_goes_where_the_next_note_begins() -> None:
    levels = np.full(400, -60.0, np.float32)
    levels[0:40], levels[120:160] = -10.0, -22.0  # loud for one second, softer from 3 s to 4 s
    curve = expression_curve(levels, [Note(0.0, 0.9, 60, 80), Note(3.0, 3.9, 60, 80)])
    assert curve == ((0.0, 127), (pytest.approx(1.95), 64))


def test_an_attack_does_not_fade_in() -> None:
    levels = np.full(80, -10.0, np.float32)
    levels[40:42] = -50.0  # what the stem has of the second note's first 50 ms
    curve = expression_curve(levels, [Note(0.0, 0.9, 60, 80), Note(1.0, 1.9, 60, 80)])
    assert curve == ((0.0, 127),)


def test_a_stretch_of_a_curve_begins_with_what_is_in_force() -> None:
    curve = [ControlPoint(0.0, 100), ControlPoint(2.0, 50), ControlPoint(4.0, 70)]
    assert between(curve, 1.0, 3.0) == ((0.0, 100), (1.0, 50))
    assert between(curve, 2.0, 4.0) == ((0.0, 50),)
    assert between([], 1.0, 2.0) == ()
