"""Notes end where it is likeliest that they do."""

from __future__ import annotations

import numpy as np

from bridge.transcription.frames import ARRAYS, Matrix, evidence_of
from bridge.transcription.judge import Judge
from bridge.transcription.lengths import LONGEST_FRAMES, SMOOTHED_POSTERIOR, Ear, Levels, ends


class Posterior(Judge):
    """Takes the posterior, the first fact, at its word."""

    def __init__(self) -> None:
        pass

    def __call__(self, facts: Matrix) -> Matrix:
        return 1.0 / (1.0 + np.exp(-facts[:, 0]))


ONLY_THE_JUDGE = Ear(Posterior(), 1.0, 0.5)


def levels(note: Matrix) -> Levels:
    nothing = np.zeros((len(note), 0), np.float32)
    return Levels(evidence_of({**dict.fromkeys(ARRAYS, nothing), "note": note, "level_db": np.full_like(note, -30.0)}))


def sounding(frames: int, *spans: tuple[int, int]) -> Matrix:
    note = np.full((frames, 88), 0.05, np.float32)
    for start, end in spans:
        note[start:end, 40] = 0.9
    return note


def test_a_note_ends_with_its_posterior() -> None:
    assert ends(levels(sounding(300, (50, 130))), [(50, 300, 40)], ONLY_THE_JUDGE) == [130]


def test_a_dip_is_bridged_where_what_follows_outweighs_it() -> None:
    assert ends(levels(sounding(300, (50, 100), (105, 150))), [(50, 300, 40)], ONLY_THE_JUDGE) == [150]


def test_a_flicker_long_after_is_not_the_note() -> None:
    assert ends(levels(sounding(300, (50, 100), (150, 160))), [(50, 300, 40)], ONLY_THE_JUDGE) == [100]


def test_what_sounds_long_after_does_not_prolong_a_note_however_long_it_sounds() -> None:
    assert ends(levels(sounding(900, (50, 100), (150, 800))), [(50, 900, 40)], ONLY_THE_JUDGE) == [100]


def test_no_note_goes_on_past_where_it_must_have_ended_or_for_ever() -> None:
    held = levels(sounding(2000, (0, 2000)))
    assert ends(held, [(50, 90, 40), (0, 2000, 40)], ONLY_THE_JUDGE) == [90, LONGEST_FRAMES]


def test_a_note_has_at_least_a_frame_even_in_silence() -> None:
    assert ends(levels(sounding(300)), [(50, 300, 40)], ONLY_THE_JUDGE) == [51]
    assert ends(levels(sounding(300)), [], ONLY_THE_JUDGE) == []


def test_the_posterior_and_the_judge_count_by_weight() -> None:
    facts = np.zeros((1, 11), np.float32)
    facts[0, 0], facts[0, SMOOTHED_POSTERIOR] = 2.0, -1.0
    np.testing.assert_allclose(Ear(Posterior(), 0.0, 0.5).odds(facts), -1.0, atol=1e-6)
    np.testing.assert_allclose(Ear(Posterior(), 1.0, 0.5).odds(facts), 2.0, atol=0.2)
    np.testing.assert_allclose(Ear(Posterior(), 0.5, 0.5).odds(facts), 0.5, atol=0.1)
    assert Ear(Posterior(), 0.0, 0.3).odds(facts) > Ear(Posterior(), 0.0, 0.5).odds(facts)
