"""Whatever notes come in, clean ones come out."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from bridge.model import Note
from bridge.music.notes import one_at_a_time, without_overlaps

# Milliseconds, so that equal and touching times occur.
notes = st.lists(
    st.builds(
        lambda onset, length, pitch, confidence: Note(onset / 1000, (onset + length) / 1000, pitch, 80, confidence),
        st.integers(0, 500),
        st.integers(1, 300),
        st.integers(58, 84),
        st.floats(0, 1),
    ),
    max_size=25,
)


@given(notes)
def test_no_pitch_sounds_twice_at_once(given_notes: list[Note]) -> None:
    clean = without_overlaps(given_notes)
    assert clean == sorted(clean)
    for first, second in itertools.combinations(clean, 2):
        assert first.pitch != second.pitch or first.offset_s <= second.onset_s


@given(notes, st.integers(0, 100))
def test_one_voice_sounds_one_note_at_a_time(given_notes: list[Note], min_ms: int) -> None:
    voice = one_at_a_time(given_notes, min_ms / 1000)
    assert voice == sorted(voice)
    assert all(first.offset_s <= second.onset_s for first, second in itertools.pairwise(voice))
    assert bool(voice) == bool(given_notes)


@given(notes)
def test_cleaning_twice_changes_nothing_more(given_notes: list[Note]) -> None:
    clean = without_overlaps(given_notes)
    assert without_overlaps(clean) == clean
    voice = one_at_a_time(clean)
    assert one_at_a_time(voice) == voice


@given(notes)
def test_nothing_is_invented(given_notes: list[Note]) -> None:
    ends = {(note.pitch, note.offset_s) for note in given_notes} | {
        (pitch, note.onset_s) for note in given_notes for pitch in range(128)
    }
    assert all((note.pitch, note.offset_s) in ends for note in without_overlaps(given_notes))
