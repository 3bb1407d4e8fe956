"""MIDI files of any notes: valid, complete, and true to the seconds."""

from __future__ import annotations

import io
from collections import Counter

import mido
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import BeatGrid, MidiOptions, Note
from bridge.music.timeline import Timeline
from bridge.write.midi import MidiPart, part_file, song_file

SECONDS = st.floats(0.0, 30.0)


@st.composite
def notes(draw: st.DrawFn) -> Note:
    onset_s = draw(SECONDS)
    bend = draw(st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(-40.0, 40.0)), max_size=5))
    offset_s = onset_s + draw(st.floats(1e-5, 3.0))
    return Note(onset_s, offset_s, draw(st.integers(30, 34)), draw(st.integers(1, 127)), bend=tuple(sorted(bend)))


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    first_s, period_s = draw(st.floats(0.0, 2.0)), draw(st.floats(0.25, 1.5))
    loose = draw(st.booleans())
    beats = [first_s + index * period_s + (0.02 * (index % 3) if loose else 0.0) for index in range(20)]
    return Timeline.from_grid(BeatGrid(60.0 / period_s, tuple(beats), tuple(beats[1::4]), is_constant=not loose), 30.0)


def seconds(data: bytes) -> list[tuple[float, mido.Message]]:
    """The messages of a file with their times, as mido plays them."""
    now, played = 0.0, []
    for message in mido.MidiFile(file=io.BytesIO(data)):
        now += message.time
        played.append((now, message))
    return played


@settings(max_examples=60)
@given(st.lists(notes(), max_size=25), timelines(), st.booleans())
def test_every_note_on_has_its_note_off_and_none_sounds_twice(
    found: list[Note], timeline: Timeline, bend: bool
) -> None:
    sounding: Counter[int] = Counter()
    for _, message in seconds(part_file(MidiPart.of("bass", found, MidiOptions(pitch_bend=bend)), timeline)):
        if message.type == "note_on":
            sounding[message.note] += 1
        elif message.type == "note_off":
            sounding[message.note] -= 1
        assert set(sounding.values()) <= {0, 1}
    assert not any(sounding.values())


@settings(max_examples=60)
@given(st.lists(notes(), max_size=25), timelines())
def test_every_onset_is_played_within_a_tick_of_its_time(found: list[Note], timeline: Timeline) -> None:
    played = [(now, message.note) for now, message in seconds(song_file([MidiPart.of("bass", found)], timeline))
              if message.type == "note_on"]  # fmt: skip
    tick_s = max(tempo for _, tempo in timeline.tempo_events) / 480e6
    for note in found:
        assert any(abs(now - note.onset_s) <= tick_s and pitch == note.pitch for now, pitch in played)
    for now, pitch in played:
        assert any(abs(now - note.onset_s) <= tick_s and pitch == note.pitch for note in found)


@settings(max_examples=60)
@given(st.lists(notes(), max_size=10), timelines())
def test_the_wheel_is_in_the_middle_for_notes_without_a_contour_and_at_the_end(
    found: list[Note], timeline: Timeline
) -> None:
    wheel = 0
    flat = {timeline.seconds_to_ticks(note.onset_s) for note in found if not note.bend}
    bent = {timeline.seconds_to_ticks(note.onset_s) for note in found if note.bend}
    tick = 0
    for message in mido.MidiFile(
        file=io.BytesIO(part_file(MidiPart.of("bass", found, MidiOptions(pitch_bend=True)), timeline))
    ).tracks[0]:
        tick += message.time
        if message.type == "pitchwheel":
            wheel = message.pitch
        elif message.type == "note_on" and tick in flat - bent:
            assert wheel == 0
    assert wheel == 0
