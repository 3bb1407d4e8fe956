from __future__ import annotations

import pytest

from bridge.music.spelling import fifths_of_name, key_fifths, name_of_fifths, root_fifths, signature_alters, spelled


@pytest.mark.parametrize(
    "key, pitch, written",
    [
        ("C major", 60, ("C", 0, 4)),
        ("C major", 66, ("F", 1, 4)),
        ("C major", 70, ("B", -1, 4)),
        ("A minor", 68, ("G", 1, 4)),
        ("Eb major", 68, ("A", -1, 4)),
        ("F# major", 65, ("E", 1, 4)),
        ("Eb minor", 59, ("C", -1, 4)),  # sounds below middle C, written on middle C's line
        ("C# minor", 60, ("B", 1, 3)),
        (None, 61, ("C", 1, 4)),
    ],
)
def test_a_pitch_is_written_as_its_key_has_it(key, pitch, written):
    assert spelled(pitch, key) == written


def test_a_tone_of_the_chord_is_written_as_such():
    d_flat_major = (-5, -1, -4)
    assert spelled(61, "C major") == ("C", 1, 4)
    assert spelled(61, "C major", d_flat_major) == ("D", -1, 4)


def test_every_pitch_is_written_so_that_it_sounds_right_in_every_key():
    letters = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    keys = [f"{name_of_fifths(tonic)} {mode}" for tonic in range(-7, 8) for mode in ("major", "minor")]
    for key in keys:
        for pitch in range(128):
            letter, alter, octave = spelled(pitch, key)
            assert (octave + 1) * 12 + letters[letter] + alter == pitch
            assert abs(alter) <= 2


def test_names_and_places_on_the_line_of_fifths_are_one_another():
    assert [fifths_of_name(name) for name in ("C", "G", "F", "F#", "Bb", "Ebb")] == [0, 1, -1, 6, -2, -10]
    assert all(fifths_of_name(name_of_fifths(place)) == place for place in range(-14, 15))


def test_signatures_have_the_accidentals_of_their_key():
    assert key_fifths("A minor") == key_fifths("C major") == key_fifths(None) == 0
    assert signature_alters("D major") == {"F": 1, "C": 1, "G": 0, "D": 0, "A": 0, "E": 0, "B": 0}
    assert signature_alters("C minor") == {"F": 0, "C": 0, "G": 0, "D": 0, "A": -1, "E": -1, "B": -1}


def test_chords_have_roots_with_one_accidental_at_most():
    for tonic in range(-6, 7):
        names = {name_of_fifths(root_fifths(pitch, f"{name_of_fifths(tonic)} major")) for pitch in range(12)}
        assert len(names) == 12
        assert all(len(name) <= 2 for name in names)


def test_no_chord_gives_a_name_with_three_accidentals():
    b_sharp_augmented = (12, 16, 20)  # its fifth would be F###
    assert spelled(68, "C# major", b_sharp_augmented).alter == 1
