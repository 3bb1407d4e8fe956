import numpy as np
import pytest

from bridge.drums.kit_decode import CLASSES, REFRACTORY_S, strokes
from bridge.drums.kit_features import FRAME_S

LEAST = 0.5


def heard(frames: int, **hits: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities as the network is taught to give them: a triangle of 20 ms to each side of a stroke."""
    onsets, velocities = np.zeros((2, frames, len(CLASSES)), dtype=np.float32)
    for name, times in hits.items():
        for at in times:
            near = 1 - np.abs(np.arange(frames) * FRAME_S - at) / 0.02
            column = CLASSES.index(name)
            onsets[:, column] = np.maximum(onsets[:, column], near)
            velocities[:, column] = np.where(near > 0, 0.5, velocities[:, column])
    return onsets, velocities


def times(found, name: str) -> list[float]:
    return [one.at_s for one in found if CLASSES[one.kind] == name]


def test_strokes_of_all_classes_come_in_order_of_time():
    found = strokes(*heard(200, snare=[0.5, 1.5], kick=[0.1, 1.0], ride=[0.5]), LEAST)

    assert found == sorted(found)
    assert times(found, "kick") == pytest.approx([0.1, 1.0], abs=0.001)
    assert times(found, "snare") == pytest.approx([0.5, 1.5], abs=0.001)
    assert times(found, "ride") == pytest.approx([0.5], abs=0.001)


@pytest.mark.parametrize("at", [0.5, 0.502, 0.504, 0.506, 0.508])
def test_a_stroke_is_timed_between_the_frames(at):
    [one] = strokes(*heard(100, snare=[at]), LEAST)

    assert abs(one.at_s - at) < 0.002


def test_rolls_and_flams_keep_their_strokes():
    flam, roll = [0.5, 0.535], [1.0 + 0.03 * i for i in range(8)]

    found = strokes(*heard(200, snare=flam, closed_hat=roll), LEAST)

    assert len(times(found, "snare")) == 2
    assert len(times(found, "closed_hat")) == 8


def test_hats_as_fast_as_they_may_follow_are_all_kept():
    roll = [0.5 + 0.026 * i for i in range(20)]
    onsets, velocities = heard(120, closed_hat=roll)
    assert REFRACTORY_S["hat"] == 0.025

    found = times(strokes(onsets, velocities, LEAST), "closed_hat")

    assert len(found) == len(roll)


def test_training_judges_just_the_strokes_that_the_engine_gives():
    from tools.train.scores import chosen, judged

    rng = np.random.default_rng(8)
    onsets = np.maximum(0, rng.normal(0.2, 0.25, (600, len(CLASSES)))).clip(0, 1).astype(np.float32)
    velocities = rng.random((600, len(CLASSES)), dtype=np.float32)

    rows = chosen(judged("any", np.zeros((0, 3), np.float32), onsets, velocities), LEAST)

    given = [(one.at_s, one.kind, one.velocity) for one in strokes(onsets, velocities, LEAST)]
    assert len(given) > 50
    assert np.allclose(sorted(map(tuple, rows.tolist())), sorted(given), atol=1e-5)


def test_of_two_strokes_faster_than_anyone_plays_the_likelier_is_kept():
    onsets, velocities = heard(100, kick=[0.5])
    onsets[53, 0] = 0.7

    assert times(strokes(onsets, velocities, LEAST), "kick") == pytest.approx([0.5], abs=0.001)
    assert REFRACTORY_S["kick"] > 0.03


def test_what_is_less_likely_than_asked_for_is_no_stroke():
    onsets, velocities = heard(100, kick=[0.5], ride=[0.5])
    onsets[:, CLASSES.index("kick")] *= 0.8

    found = strokes(onsets, velocities, 0.9)

    assert [CLASSES[one.kind] for one in found] == ["ride"]


def test_a_hat_that_may_be_open_or_closed_is_one_hat():
    onsets, velocities = heard(100, closed_hat=[0.5], open_hat=[0.5])
    onsets[:, CLASSES.index("closed_hat")] *= 0.3
    onsets[:, CLASSES.index("open_hat")] *= 0.25

    assert [CLASSES[one.kind] for one in strokes(onsets, velocities, LEAST)] == ["closed_hat"]


def test_a_stroke_at_the_very_first_and_last_frame_is_found():
    onsets, velocities = heard(100, kick=[0.0, 0.99])

    assert len(strokes(onsets, velocities, LEAST)) == 2


def test_silence_holds_no_strokes():
    nothing = np.zeros((50, len(CLASSES)), dtype=np.float32)

    assert strokes(nothing, nothing, LEAST) == []
    assert strokes(nothing[:0], nothing[:0], LEAST) == []
