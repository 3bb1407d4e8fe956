"""The table of profiles holds what its columns promise."""

from dataclasses import replace

import numpy as np
import pytest

from bridge.model import PITCHED_PARTS
from bridge.transcription.chords import ANY, CHORD_PROFILES, ChordProfile
from bridge.transcription.profiles import HEARINGS, MIX_HEARING, PROFILES, SOLO_HEARINGS, SURE, Profile

VOICES = {name: profile for name, profile in PROFILES.items() if isinstance(profile, Profile)}


def test_every_pitched_part_and_the_whole_mix_has_a_profile() -> None:
    assert set(PROFILES) == {*PITCHED_PARTS, "bassline", "sung", "solo", "rough", "mix"}


def test_the_ranges_are_those_of_the_parts() -> None:
    ranges = {part: (profile.min_hz, profile.max_hz) for part, profile in PROFILES.items()}
    voice = (80, 4000)
    melody, all_keys = (65, 4200), (27.5, 4200)
    assert {part: ranges[part] for part in VOICES} == {
        "bass": (27.5, 500),
        "bassline": (30, 500),
        "vocals": voice,
        "sung": voice,
    }
    assert {part: ranges[part] for part in CHORD_PROFILES} == {
        "melody": melody,
        "rough": melody,
        "solo": all_keys,
        "mix": all_keys,
    }
    assert PROFILES["mix"].keys == (0, 87)


def test_bass_and_vocals_sound_one_note_at_a_time() -> None:
    assert set(VOICES) == {"bass", "bassline", "vocals", "sung"}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_numbers_lie_in_their_ranges(profile: Profile | ChordProfile) -> None:
    assert 0 < profile.min_hz < profile.max_hz
    assert 0 <= profile.periodicity <= 1
    assert 0 < profile.least_confidence < SURE
    assert profile.min_note_ms > 12  # a frame
    low, high = profile.velocity_range
    assert 1 <= low < high <= 127


def test_every_part_is_heard_by_a_profile_that_exists_whatever_separated_it() -> None:
    assert set(HEARINGS) == {"neural", "builtin", "none"}
    for hearings in (*HEARINGS.values(), SOLO_HEARINGS):
        assert set(hearings) == set(PITCHED_PARTS)
        assert {hearing.profile for hearing in hearings.values()} <= set(PROFILES)
    assert MIX_HEARING.profile in PROFILES
    assert {hearing.source for hearing in HEARINGS["none"].values()} == {"mix"}
    for hearing in HEARINGS["builtin"].values():  # what is chosen is the best that was measured, but for chance
        measured = dict(hearing.measured_f)
        assert measured["together" if hearing.beside else hearing.source] >= max(measured.values()) - 0.02
    assert {hearing.source for hearing in SOLO_HEARINGS.values()} == {"stem"}


def test_notes_are_found_anew_for_another_way_to_hear_them_but_not_for_another_reason() -> None:
    hearing = HEARINGS["builtin"]["melody"]
    assert replace(hearing, measured_f=()).facts() == hearing.facts()
    for other in ({"source": "mix"}, {"profile": "mix"}, {"least_level_db": -10.0}, {"beside": ()}):
        assert replace(hearing, **other).facts() != hearing.facts()


@pytest.mark.parametrize("profile", VOICES.values(), ids=VOICES)
def test_the_thresholds_of_a_voice_lie_in_order(profile: Profile) -> None:
    assert 0 < profile.frame_threshold < profile.onset_threshold < 1


@pytest.mark.parametrize("profile", CHORD_PROFILES.values(), ids=CHORD_PROFILES)
def test_of_chords_only_the_least_confidence_moves_and_no_note_grows_by_it(profile: ChordProfile) -> None:
    ladder = [profile.at(tightness) for tightness in (0.0, 0.25, 0.5, 0.75, 1.0)]
    least = [step.least_confidence for step in ladder]
    assert least[2] == profile.least_confidence
    np.testing.assert_allclose([least[0], least[-1]], [ANY, SURE])
    assert least == sorted(set(least))
    assert all(step.found_from == profile.least_confidence for step in ladder)


@pytest.mark.parametrize("profile", VOICES.values(), ids=VOICES)
def test_the_middle_of_the_tightness_is_the_table_and_each_way_leads_on(profile: Profile) -> None:
    assert replace(profile.at(0.5), found_from=profile.found_from) == profile
    ladder = [profile.at(tightness) for tightness in (0.0, 0.25, 0.5, 0.75, 1.0)]
    least = [step.least_confidence for step in ladder]
    assert least[0] == 0.0
    assert least == sorted(set(least))
    assert least[-1] == SURE
    assert [min(step.least_confidence, step.found_from) for step in ladder] == [*least[:2], *[least[2]] * 3]
    for column in ("onset_threshold", "frame_threshold"):
        numbers = [getattr(step, column) for step in ladder]
        assert 0.0 < numbers[0] < numbers[1] < numbers[2] == numbers[3] == numbers[4]


def test_the_table_cannot_be_changed_by_its_users() -> None:
    with pytest.raises(TypeError):
        PROFILES["bass"] = PROFILES["mix"]  # type: ignore[index]
