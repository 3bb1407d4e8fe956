"""Attacks are told from what only moves."""

import numpy as np

from bridge.transcription.attacks import REGIONS_HZ, attack_strengths
from bridge.transcription.frames import (
    EDGE_SAMPLES,
    FRAME_SAMPLES,
    KEPT_FRAMES,
    PITCHES,
    SAMPLE_RATE,
    WINDOW_SAMPLES,
    Evidence,
)
from bridge.transcription.levels import power_levels
from bridge.transcription.voice import _attacks_db

TIME_S = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE


def tone(hertz: np.ndarray | float, since_s: float = 0.0) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, TIME_S.shape)) / SAMPLE_RATE
    partials = sum(np.sin(partial * phase) / partial for partial in range(1, 8))
    return (0.2 * partials * np.clip((TIME_S - since_s) * SAMPLE_RATE + 1.0, 0.0, 1.0)).astype(np.float32)


def test_there_is_a_column_for_each_region_and_a_row_for_each_frame() -> None:
    strengths = attack_strengths(tone(110.0))
    assert strengths.shape == (KEPT_FRAMES, len(REGIONS_HZ) - 1)
    assert strengths.min() >= 0.0


def test_a_note_that_begins_is_a_rise_in_its_regions_at_its_time() -> None:
    strengths = attack_strengths(tone(110.0, since_s=1.0))
    frame = round((1.0 * SAMPLE_RATE - EDGE_SAMPLES) / FRAME_SAMPLES)
    assert abs(int(strengths[:, 1].argmax()) - frame) <= 2
    assert strengths[frame - 3 : frame + 3, :2].max(axis=0).min() > 10.0
    assert np.delete(strengths, range(frame - 4, frame + 5), axis=0).max() < 1.0


def test_neither_vibrato_nor_an_end_is_an_attack() -> None:
    vibrato = tone(220.0 * 2.0 ** (0.5 / 12 * np.sin(2 * np.pi * 5.5 * TIME_S)))
    assert attack_strengths(vibrato).mean(axis=1).max() < 2.5
    ending = tone(110.0) * np.clip((1.0 - TIME_S) / 0.02, 0.0, 1.0)  # at once would be a click
    assert attack_strengths(ending.astype(np.float32))[:, 0].max() < 2.5


def test_a_struck_string_is_placed_where_its_level_rises() -> None:
    window = tone(55.0, since_s=1.0)
    nothing = np.zeros((KEPT_FRAMES, PITCHES), np.float32)
    power_db = np.stack([power_levels(window)] * 2, axis=1)
    known = Evidence(nothing, nothing, nothing, nothing, nothing, attack_strengths(window), power_db)
    attacks = _attacks_db(known)
    frame = round((1.0 * SAMPLE_RATE - EDGE_SAMPLES) / FRAME_SAMPLES)
    assert abs(int(attacks.argmax()) - frame) <= 1
    assert np.count_nonzero(attacks > 1.0) == 1
