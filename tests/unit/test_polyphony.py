"""What the decoder of chords makes of its judges' words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bridge.transcription.chords import ChordProfile
from bridge.transcription.frames import ARRAYS, Evidence, Found, Matrix, evidence_of
from bridge.transcription.judge import ENDS, RELEASES, Judge, judge_named
from bridge.transcription.polyphony import Polyphony, Reason
from bridge.transcription.touch import touch_db

PROFILE = ChordProfile("any", 27.5, 4200.0, 0.5, 0.0, 0.5, 60.0)
C4 = 60 - 21


class Onsets(Judge):
    """A judge that takes the first fact, the log-odds of the onset, at its word."""

    def __init__(self) -> None:
        pass

    def __call__(self, facts: Matrix) -> Matrix:
        return 1.0 / (1.0 + np.exp(-facts[:, 0]))


class Posterior(Onsets):
    """A judge of endings that does the same with the posterior."""


def evidence(frames: int = 200, begun: dict[tuple[int, int], float] | None = None) -> Evidence:
    """Onsets by (frame, key); each sounds for 40 frames."""
    note, onset = np.zeros((frames, 88), np.float32), np.zeros((frames, 88), np.float32)
    level = np.full((frames, 88), -90.0, np.float32)
    for (frame, key), posterior in (begun or {}).items():
        onset[frame, key] = posterior
        note[frame : frame + 40, key] = 0.9
        level[frame : frame + 40, key] = -20.0
    power = {"power_db": np.zeros((frames, 2), np.float32)}
    nothing = dict.fromkeys(ARRAYS, np.zeros((frames, 0), np.float32))
    return evidence_of({**nothing, **power, "note": note, "onset": onset, "level_db": level})


def decode(known: Evidence, sounding: tuple[int, ...] = (), **changes: object) -> list[Found]:
    profile = replace(PROFILE, **changes)
    return Polyphony(profile, {"any": Onsets(), ENDS: Posterior()})(known, sounding)


def notes(found: list[Found]) -> list[tuple[int, int, int]]:
    return [(note.start, note.end, note.pitch) for note in found if not note.reason]


def reasons(found: list[Found]) -> dict[tuple[int, int], str]:
    return {(note.start, note.pitch): note.reason for note in found if note.reason}


def test_a_probable_candidate_is_a_note_with_its_probability_and_end() -> None:
    (note,) = decode(evidence(begun={(50, C4): 0.9}))
    assert (note.start, note.pitch) == (50, 60)
    assert note.end == pytest.approx(90, abs=1)
    assert note.judged == pytest.approx(0.9, abs=0.02)


def test_an_improbable_one_is_none() -> None:
    assert notes(decode(evidence(begun={(50, C4): 0.4}))) == []


def test_a_note_ends_at_the_latest_where_its_pitch_begins_again() -> None:
    found = notes(decode(evidence(begun={(50, C4): 0.9, (70, C4): 0.8})))
    assert found == [(50, 70, 60), (70, found[1][1], 60)]


def test_of_onsets_too_close_the_surest_stays() -> None:
    found = decode(evidence(begun={(50, C4): 0.8, (53, C4): 0.9}))
    assert [note[0] for note in notes(found)] == [53]


def test_a_solo_recordings_notes_end_where_keys_are_let_go_though_they_sound_on() -> None:
    class UntilTheNext(Onsets):
        def __call__(self, facts: Matrix) -> Matrix:
            return np.where(facts[:, -1] == 0.0, 0.98, 0.02).astype(np.float32)

    profile = replace(PROFILE, ended_by=RELEASES, judged_ends=1.0)
    judges = {"any": Onsets(), ENDS: Posterior(), RELEASES: UntilTheNext()}
    first, _ = Polyphony(profile, judges)(evidence(begun={(50, C4): 0.9, (70, C4 + 2): 0.9}), [])
    assert first.end == pytest.approx(70, abs=4)  # its posterior stays for 40 frames


def test_what_sounds_from_before_gets_its_end() -> None:
    known = evidence()
    known.note[:100, C4] = 0.9
    ((start, end, pitch),) = notes(decode(known, sounding=(60,)))
    assert (start, pitch) == (0, 60)
    assert end == pytest.approx(100, abs=2)


def test_what_sounds_from_before_ends_by_its_posterior_since_nobody_knows_its_age() -> None:
    class Never(Onsets):
        def __call__(self, facts: Matrix) -> Matrix:
            return np.full(len(facts), 0.98, dtype=np.float32)

    known = evidence()
    known.note[:100, C4] = 0.9
    judges = {"any": Onsets(), ENDS: Never(), RELEASES: Never()}
    solo = Polyphony(replace(PROFILE, ended_by=RELEASES, judged_ends=1.0), judges)
    assert [note.end for note in solo(known, [60])] == [pytest.approx(100, abs=2)]


def test_no_note_is_shorter_than_the_profile_says() -> None:
    known = evidence(begun={(50, C4): 0.9})
    known.note[:] = 0.0
    ((start, end, _),) = notes(decode(known))
    assert end - start == 5  # 60 ms


@pytest.mark.parametrize("interval", [12, 19, 24, 28, 31])
def test_an_improbable_harmonic_of_a_note_is_an_overtone(interval: int) -> None:
    found = decode(evidence(begun={(50, C4): 0.95, (51, C4 + interval): 0.6}), least_confidence=0.7)
    assert reasons(found) == {(51, 60 + interval): Reason.OVERTONE}


def test_a_probable_harmonic_stays() -> None:
    assert len(notes(decode(evidence(begun={(50, C4): 0.95, (50, C4 + 12): 0.9})))) == 2


def test_an_improbable_onset_within_a_note_of_its_pitch_is_a_split() -> None:
    found = decode(evidence(begun={(50, C4): 0.95, (65, C4): 0.6}), least_confidence=0.7)
    assert reasons(found) == {(65, 60): Reason.SOUNDING}
    assert len(notes(found)) == 1


def test_a_pitch_that_is_louder_in_another_stem_is_elsewhere() -> None:
    own = evidence(begun={(50, C4): 0.6})
    mix, louder = evidence(begun={(50, C4): 0.6}), evidence(begun={(50, C4): 0.6})
    louder.level_db[50:90, C4] = -10.0
    found = decode(replace(own, beside=(mix, louder)), least_confidence=0.7)
    assert reasons(found) == {(50, 60): Reason.ELSEWHERE}
    own.level_db[50:90, C4] = -8.0
    found = decode(replace(own, beside=(mix, louder)), least_confidence=0.7)
    assert reasons(found) == {(50, 60): Reason.UNLIKELY}


def test_an_onset_that_only_the_mix_has_is_a_candidate_too() -> None:
    own, mix = evidence(), evidence(begun={(50, C4): 0.9})
    found = decode(replace(own, beside=(mix, evidence())), least_confidence=0.01)
    assert [note[0] for note in notes(found)] == [50]


def test_what_a_user_leaves_out_makes_no_other_note_longer() -> None:
    known = evidence(begun={(50, C4): 0.9, (70, C4): 0.6})
    usual = notes(decode(known))
    tight = decode(known, least_confidence=0.8, found_from=0.5)
    assert notes(tight) == usual


def test_nothing_of_nothing() -> None:
    assert decode(evidence(0)) == []
    assert decode(evidence(1)) == []


@pytest.mark.parametrize("name, pieces", [("alone", 1), ("mixed", 1), ("separated", 3)])
def test_the_packages_judges_fit_what_is_said_of_candidates(name: str, pieces: int) -> None:
    from bridge.transcription.candidates import FACTS

    judge = judge_named(name)
    probable = judge(np.zeros((4, pieces * FACTS + pieces - 1), np.float32))
    assert probable.shape == (4,)
    assert np.all((probable >= 0.0) & (probable <= 1.0))


def test_a_judge_is_its_layers() -> None:
    judge = Judge(
        np.array([1.0, 0.0], np.float32),
        np.array([2.0, 1.0], np.float32),
        (
            (np.array([[1.0, -1.0], [0.5, 0.5]], np.float32), np.array([0.0, 0.1], np.float32)),
            (np.array([[2.0], [3.0]], np.float32), np.array([-1.0], np.float32)),
        ),
    )
    # (3 - 1) / 2 = 1 and 9, cut to 6: hidden 1 + 3 = 4 and -1 + 3 + 0.1 = 2.1, out 8 + 6.3 - 1 = 13.3
    assert judge(np.array([[3.0, 9.0]], np.float32))[0] == pytest.approx(1 / (1 + np.exp(-13.3)))


def test_how_hard_a_note_was_struck_is_asked_of_one_instrument_alone() -> None:
    known = evidence(begun={(50, C4): 0.9})
    (asked,), (not_asked,) = decode(known, is_struck=True), decode(known)
    assert asked.touch_db == pytest.approx(touch_db(known, 50, C4))
    assert not_asked.touch_db is None
