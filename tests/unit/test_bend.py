"""Pitch contours: of each note by itself, however many there are."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.transcription.bend import contours_of
from bridge.transcription.frames import ARRAYS, Evidence, Found, evidence_of

FRAMES = 240


def evidence(contour: np.ndarray) -> Evidence:
    nothing = np.zeros((len(contour), 0), np.float32)
    return evidence_of({**dict.fromkeys(ARRAYS, nothing), "contour": contour.astype(np.float32)})


def note(start: int, end: int, pitch: int) -> Found:
    return Found(start, end, pitch, 0.9, 0.9, -20.0)


def sounding_at(semitones: np.ndarray) -> Evidence:
    """A pitch so many semitones above A0 in each frame, at its bin and the next."""
    bins = 3.0 * semitones + 1.0
    low = np.floor(bins).astype(int)
    contour = np.zeros((len(bins), 264))
    contour[np.arange(len(bins)), low] = 1.0 - (bins - low)
    contour[np.arange(len(bins)), np.minimum(low + 1, 263)] += bins - low
    return evidence(contour)


def test_a_contour_follows_the_pitch_finer_than_the_bins() -> None:
    glide = 40.0 + np.linspace(-0.5, 0.5, FRAMES)
    ((*points,),) = contours_of(sounding_at(glide), [note(20, 220, 61)])
    frames, bends = np.array(points).T
    assert frames.tolist() == list(range(20, 220, 2))
    assert np.abs(bends - (glide[20:220:2] - 40.0)).max() < 0.02


def test_many_notes_have_the_contours_that_each_has_alone() -> None:
    random = np.random.default_rng(3)
    contour = random.random((FRAMES, 264)) * (random.random((FRAMES, 1)) < 0.7)
    contour[100:140] = 0.0
    silent = note(105, 130, 70)
    notes = [note(0, 30, 21), note(30, 38, 60), silent, note(131, 200, 108), note(90, 110, 64)]
    known = evidence(contour)
    together = contours_of(known, notes)
    assert together == [contours_of(known, [one])[0] for one in notes]
    assert [bool(points) for points in together] == [one is not silent for one in notes]


def test_where_the_posterior_says_nothing_the_bend_before_it_stays() -> None:
    contour = np.zeros((FRAMES, 264))
    contour[50:100, 3 * 40 + 2] = 0.9  # a third of a semitone above the key
    ((*points,),) = contours_of(evidence(contour), [note(20, 200, 61)])
    assert len(points) == 90
    assert [bend for _, bend in points] == pytest.approx([1 / 3] * 90, abs=1e-3)


def test_nothing_beyond_the_ends_of_the_keyboard_is_taken_for_a_notes_contour() -> None:
    contour = np.zeros((FRAMES, 264))
    contour[:, 1] = contour[:, 262] = 0.5  # A0 and C8, each in tune
    contour[:, 5] = contour[:, 258] = 0.3
    for pitch in (21, 108):
        ((*points,),) = contours_of(evidence(contour), [note(20, 60, pitch)])
        assert {bend for _, bend in points} == {0.0}
    contour[:, 262] = 0.9
    ((*points,),) = contours_of(evidence(contour), [note(20, 60, 21)])
    assert {bend for _, bend in points} == {0.0}


def test_no_notes_have_no_contours() -> None:
    assert contours_of(evidence(np.zeros((0, 264))), []) == []
