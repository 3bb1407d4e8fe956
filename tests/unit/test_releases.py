"""A released key is placed where it is likeliest to be right, whatever sounds on."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.transcription.frames import ARRAYS, Evidence, Matrix, evidence_of
from bridge.transcription.judge import RELEASES, Judge, judge_named
from bridge.transcription.lengths import LONGEST_FRAMES, Ear, Levels
from bridge.transcription.releases import Facts, likeliest_length, releases
from bridge.transcription.surroundings import Surroundings

C4 = 60 - 21
AGE = 9  # place of the logarithm of the age in seconds among the facts


def evidence(frames: int, onsets: dict[tuple[int, int], float] | None = None) -> Evidence:
    nothing = np.zeros((frames, 0), np.float32)
    onset, note = np.zeros((frames, 88), np.float32), np.full((frames, 88), 0.05, np.float32)
    for (frame, key), posterior in (onsets or {}).items():
        onset[frame, key] = posterior
        note[frame:, key] = 0.9
    level = np.full_like(note, -30.0)
    return evidence_of({**dict.fromkeys(ARRAYS, nothing), "onset": onset, "note": note, "level_db": level})


class UntilAge(Judge):
    """Says that keys are held for some seconds."""

    def __init__(self, seconds: float) -> None:
        object.__setattr__(self, "mean", np.array([seconds]))

    def __call__(self, facts: Matrix) -> Matrix:
        return np.where(np.exp(facts[:, AGE]) <= self.mean[0], 0.98, 0.02).astype(np.float32)


def released(known: Evidence, spans: list[tuple[int, int, int]], judge: Judge) -> list[int]:
    return releases(Facts(known, Levels(known)), spans, Ear(judge, 1.0, 0.4))


def test_a_note_ends_where_the_judge_says_though_it_sounds_on() -> None:
    (end,) = released(evidence(400, {(50, C4): 0.9}), [(50, 400, C4)], UntilAge(1.0))
    assert end == pytest.approx(50 + 86, abs=4)


def test_a_held_note_ends_where_it_must_at_the_latest_and_never_goes_on_for_ever() -> None:
    known = evidence(2000)
    assert released(known, [(50, 90, C4), (0, 2000, C4)], UntilAge(60.0)) == [90, LONGEST_FRAMES]


def test_a_note_has_at_least_a_frame() -> None:
    known = evidence(100)
    assert released(known, [(50, 51, C4), (99, 99, C4), (20, 90, C4)], UntilAge(0.0)) == [51, 100, 21]
    assert released(known, [], UntilAge(1.0)) == []


def test_of_two_moments_the_likelier_is_the_end_though_the_median_lies_between() -> None:
    # With a chance of 0.4 each it ended at 20 or at 60 frames; anywhere between with 0.2.
    held = np.concatenate([np.full(20, 1.0), np.linspace(0.55, 0.4, 40), np.full(60, 0.05)])
    assert likeliest_length(held) in range(17, 26)
    held = np.concatenate([np.full(20, 1.0), np.linspace(0.9, 0.7, 40), np.full(60, 0.05)])
    assert likeliest_length(held) in range(48, 70)


def test_of_ends_as_likely_the_middle_one_is_taken() -> None:
    sure = np.concatenate([np.full(50, 1.0), np.zeros(50)])
    assert likeliest_length(sure) == pytest.approx(50, abs=1)


def test_a_note_that_may_go_on_where_nothing_more_was_heard_does() -> None:
    known = evidence(200)

    class Doubtful(UntilAge):
        def __call__(self, facts: Matrix) -> Matrix:
            return np.linspace(0.98, 0.6, len(facts), dtype=np.float32)

    assert released(known, [(50, 200, C4)], Doubtful(0.0)) == [200]
    (struck_again,) = released(known, [(50, 199, C4)], Doubtful(0.0))
    assert 150 < struck_again < 190


def test_a_key_that_was_let_go_is_not_held_again() -> None:
    known = evidence(300)

    class Returns(UntilAge):
        def __call__(self, facts: Matrix) -> Matrix:
            held = np.full(len(facts), 0.02, dtype=np.float32)
            held[:40] = held[60:] = 0.98
            return held

    assert released(known, [(50, 300, C4)], Returns(0.0)) == [pytest.approx(90, abs=5)]


def test_of_short_notes_an_end_within_50_ms_is_as_good() -> None:
    # It ended at 3, 6 or 9 frames: 6 is within 4.3 frames of all of them.
    held = np.repeat([1.0, 0.66, 0.33, 0.0], (2, 3, 3, 10))
    assert likeliest_length(held) in range(5, 8)
    held = np.repeat([1.0, 0.55, 0.5, 0.0], (2, 2, 4, 10))  # at 3 with 0.45, at 9 with 0.5, hardly between
    assert likeliest_length(held) in range(5, 8)


def test_harmonics_that_fall_are_told_as_such() -> None:
    known = evidence(100)
    known.level_db[60:, C4 + 12] = -60.0
    facts = Facts(known, Levels(known))(20, 90, C4)
    octave, twelfth = facts[:, 11], facts[:, 12]
    assert octave[40] == pytest.approx(-30.0)
    assert octave[20] == octave[60] == 0.0
    assert not twelfth.any()
    assert Facts(known, Levels(known))(20, 90, 87).shape == facts.shape  # no key above it


def test_the_judge_in_the_package_takes_these_facts() -> None:
    known = evidence(100)
    facts = Facts(known, Levels(known))(20, 90, C4)
    assert judge_named(RELEASES)(facts).shape == (70,)


LINE = {(50, C4): 0.9, (80, C4 + 2): 0.9, (110, C4 + 4): 0.9, (110, C4 - 24): 0.9}


def around(start: int = 50, until: int = 150, key: int = C4) -> Matrix:
    return Surroundings(evidence(200, LINE).onset).facts(start, until, key)


def test_what_begins_is_told_where_it_begins_and_by_who_reaches_it() -> None:
    anywhere, nearby = around()[:, 0], around()[:, 1]
    assert anywhere[30] == pytest.approx(0.9)
    assert anywhere[60] == pytest.approx(1.8)
    assert nearby[30] == nearby[60] == pytest.approx(0.9)  # two octaves below is another hand's
    assert anywhere[15] == nearby[15] == 0.0
    assert around(key=C4 + 40)[30, 1] == 0.0


def test_a_note_that_is_struck_again_is_not_told_of_its_own_key_as_of_another() -> None:
    again = Surroundings(evidence(200, LINE | {(140, C4): 0.9}).onset).facts(50, 190, C4)
    assert again[90, 0] == pytest.approx(0.9)
    assert again[90, 1] == 0.0


def test_what_begins_is_told_for_some_frames_about_it() -> None:
    anywhere = around()[:, 0]
    assert (anywhere > 0.0).sum() > 2 * len({frame for frame, _ in LINE} - {50})


def test_a_note_in_a_chord_that_begins_a_moment_later_has_the_next_chord_for_its_next() -> None:
    late = Surroundings(evidence(200, {(50, C4): 0.9, (53, C4 + 4): 0.9, (90, C4): 0.9}).onset).facts(50, 150, C4)
    assert np.exp(late[:, 3])[39] == pytest.approx(1.0, abs=0.1)


def test_a_note_that_begins_70_ms_later_is_the_next_of_a_fast_run() -> None:
    run = Surroundings(evidence(200, {(50, C4): 0.9, (56, C4 + 2): 0.9, (90, C4 + 4): 0.9}).onset).facts(50, 150, C4)
    assert run[4, 3] == pytest.approx(0.0, abs=0.5)  # onsets are placed to within two frames
    assert run[39, 3] > 2.0  # many times as old as the next note was away


def test_what_began_before_the_note_is_no_moment_since() -> None:
    since = np.expm1(around(start=70, until=77)[:, 4])
    assert since == pytest.approx(np.arange(7), abs=1e-3)


def test_how_much_has_begun_since_is_counted() -> None:
    nearby_passed, passed = around()[:, 2], np.expm1(around()[:, 6])
    assert nearby_passed[[20, 40, 70]] == pytest.approx([0.0, 0.9, 1.8])
    assert passed[[20, 40, 70]] == pytest.approx([0.0, 1.0, 2.0])


def test_how_far_the_moments_are_is_told() -> None:
    facts = around()
    assert np.exp(facts[:, 3])[29] == pytest.approx(1.0, abs=0.1)  # as old as the next note was away
    since, until_next = np.expm1(facts[:, 4]), np.expm1(facts[:, 5])
    assert since[[0, 20, 40]] == pytest.approx([0, 20, 10], abs=2.1)
    assert until_next[[10, 40]] == pytest.approx([20, 20], abs=2.1)
    assert until_next[70] == pytest.approx(400, rel=1e-3)


def test_a_note_at_the_very_end_has_surroundings_too() -> None:
    assert around(199, 200).shape == (1, 7)
    assert np.isfinite(around(199, 200)).all()
