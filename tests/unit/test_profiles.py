"""The table of profiles holds what its columns promise."""

import pytest

from bridge.model import PITCHED_PARTS
from bridge.transcription.profiles import HEARINGS, MIX_HEARING, PROFILES, SOLO_HEARINGS, SURE, Profile


def test_every_pitched_part_and_the_whole_mix_has_a_profile() -> None:
    assert set(PROFILES) == {*PITCHED_PARTS, "bassline", "sung", "mix"}


def test_the_ranges_are_those_of_the_parts() -> None:
    ranges = {part: (profile.min_hz, profile.max_hz) for part, profile in PROFILES.items()}
    voice = (80, 4000)
    assert ranges == {
        "bass": (27.5, 500),
        "bassline": (30, 500),
        "melody": (80, 8000),
        "vocals": voice,
        "sung": voice,
        "mix": (27.5, 8000),
    }


def test_bass_and_vocals_sound_one_note_at_a_time() -> None:
    assert {part for part, profile in PROFILES.items() if profile.one_voice} == {"bass", "bassline", "vocals", "sung"}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_numbers_lie_in_their_ranges(profile: Profile) -> None:
    assert 0 < profile.min_hz < profile.max_hz
    assert 0 < profile.frame_threshold < profile.onset_threshold < 1
    assert 0 <= profile.periodicity <= 1
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
    assert {hearing.source for hearing in SOLO_HEARINGS.values()} == {"stem"}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_middle_of_the_tightness_is_the_table_and_each_way_leads_on(profile: Profile) -> None:
    assert profile.at(0.5) == profile
    ladder = [profile.at(tightness) for tightness in (0.0, 0.25, 0.5, 0.75, 1.0)]
    least = [step.least_confidence for step in ladder]
    assert least[0] == 0.0
    assert least == sorted(set(least))
    assert least[-1] == SURE
    for column in ("onset_threshold", "frame_threshold"):
        numbers = [getattr(step, column) for step in ladder]
        assert 0.0 < numbers[0] < numbers[1] < numbers[2] == numbers[3] == numbers[4]


def test_the_table_cannot_be_changed_by_its_users() -> None:
    with pytest.raises(TypeError):
        PROFILES["bass"] = PROFILES["mix"]  # type: ignore[index]
