"""MIDI files, message by message."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import mido
import pytest

from bridge.model import GM_DRUM, BeatGrid, MidiOptions, Note
from bridge.music.timeline import SignatureEvent, TempoEvent, Timeline
from bridge.write.midi import DRUM_CHANNEL, VOICES, MidiPart, Voice, part_file, song_file

#: 120 BPM, 4/4: a second is 960 ticks.
STEADY = Timeline.from_events([TempoEvent(0, 500_000)], [SignatureEvent(0, 4, 4)], duration_s=4.0)
#: A lead-in beat of its own tempo and a pick-up bar of one beat; then 120 BPM, 3/4.
LEAD_IN = Timeline.from_events(
    [TempoEvent(0, 300_000), TempoEvent(480, 500_000)], [SignatureEvent(0, 1, 4), SignatureEvent(480, 3, 4)], 4.0
)


def read(data: bytes) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(data))


def timed(track: mido.MidiTrack) -> list[tuple[int, mido.Message]]:
    tick, events = 0, []
    for message in track:
        tick += message.time
        events.append((tick, message.copy(time=0)))
    return events


def rows(data: bytes, *kinds: str) -> list[tuple[int, str, int]]:
    """(tick, kind, what) of the messages of some kinds in a file of one track."""
    (track,) = read(data).tracks
    what = {
        "note_on": "note",
        "note_off": "note",
        "pitchwheel": "pitch",
        "set_tempo": "tempo",
        "control_change": "value",
    }
    return [(tick, m.type, getattr(m, what[m.type])) for tick, m in timed(track) if m.type in kinds]


def part(*notes: Note, name: str = "bass", pitch_bend: bool = False) -> MidiPart:
    return MidiPart.of(name, notes, MidiOptions(pitch_bend=pitch_bend))


def test_a_part_is_one_track_with_name_tempo_signature_key_and_program():
    file = read(part_file(part(Note(0.5, 1.0, 40, 99)), STEADY, key="C# minor"))
    assert (file.type, file.ticks_per_beat, len(file.tracks)) == (0, 480, 1)
    assert timed(file.tracks[0]) == [
        (0, mido.MetaMessage("track_name", name="bass")),
        (0, mido.MetaMessage("set_tempo", tempo=500_000)),
        (0, mido.MetaMessage("time_signature", numerator=4, denominator=4)),
        (0, mido.MetaMessage("key_signature", key="C#m")),
        (0, mido.Message("program_change", channel=0, program=33)),
        (480, mido.Message("note_on", channel=0, note=40, velocity=99)),
        (960, mido.Message("note_off", channel=0, note=40)),
        (3840, mido.MetaMessage("end_of_track")),
    ]


def test_markers_stand_in_the_first_track_of_a_song():
    markers = [(0.0, "Section A"), (0.0, "Am7"), (2.0, "F\N{MUSIC SHARP SIGN}")]
    file = read(song_file([part(Note(0.5, 1.0, 40, 99))], STEADY, markers=markers))
    found = [[(tick, it.text) for tick, it in timed(track) if it.type == "marker"] for track in file.tracks]
    assert found == [[(0, "Section A"), (0, "Am7"), (1920, "F?")], []]


def test_a_part_without_notes_is_a_valid_file_as_long_as_the_audio():
    file = read(part_file(part(), STEADY))
    kinds = [message.type for message in file.tracks[0]]
    assert kinds == ["track_name", "set_tempo", "time_signature", "program_change", "end_of_track"]
    assert file.length == 4.0


def test_a_song_has_a_conductor_track_and_a_track_for_each_part():
    parts = [MidiPart.of(name, [Note(0.0, 1.0, 60, 80)]) for name in ("bass", "melody", "vocals", "drums")]
    file = read(song_file(parts, LEAD_IN, title="Café del Mar", key="Eb major"))
    assert file.type == 1
    assert [track.name for track in file.tracks] == ["Cafe del Mar", "bass", "melody", "vocals", "drums"]
    assert timed(file.tracks[0])[1:-1] == [
        (0, mido.MetaMessage("set_tempo", tempo=300_000)),
        (0, mido.MetaMessage("time_signature", numerator=1, denominator=4)),
        (0, mido.MetaMessage("key_signature", key="Eb")),
        (480, mido.MetaMessage("set_tempo", tempo=500_000)),
        (480, mido.MetaMessage("time_signature", numerator=3, denominator=4)),
    ]
    for track, channel in zip(file.tracks[1:], (0, 1, 2, 9), strict=True):
        assert {message.channel for message in track if not message.is_meta} == {channel}
        assert not any(message.type == "set_tempo" for message in track)
    assert len({timed(track)[-1][0] for track in file.tracks}) == 1


def test_drums_are_on_channel_ten_with_their_keys_and_no_program():
    hits = [Note(index * 0.25, index * 0.25 + 0.1, key, 100) for index, key in enumerate(GM_DRUM.values())]
    (track,) = read(part_file(part(*hits, name="drums"), STEADY)).tracks
    assert [message.note for message in track if message.type == "note_on"] == list(GM_DRUM.values())
    assert {message.channel for message in track if not message.is_meta} == {DRUM_CHANNEL}
    assert not any(message.type == "program_change" for message in track)


def test_no_two_parts_share_a_channel_unless_they_are_drums():
    channels = [voice.channel for voice in VOICES.values() if voice.channel != DRUM_CHANNEL]
    assert len(channels) == len(set(channels)) == 3


def test_a_note_is_cut_where_the_next_of_its_pitch_begins():
    data = part_file(part(Note(0.0, 2.0, 40, 80), Note(1.0, 1.5, 40, 80), Note(1.0, 3.0, 41, 80)), STEADY)
    assert rows(data, "note_on", "note_off") == [
        (0, "note_on", 40),
        (960, "note_off", 40),
        (960, "note_on", 40),
        (960, "note_on", 41),
        (1440, "note_off", 40),
        (2880, "note_off", 41),
    ]


def test_two_notes_of_a_pitch_that_begin_together_become_the_longer_and_louder():
    (track,) = read(part_file(part(Note(0.0, 0.5, 40, 90), Note(0.0002, 1.0, 40, 70)), STEADY)).tracks
    notes = [(tick, m.type, m.velocity) for tick, m in timed(track) if m.type in ("note_on", "note_off")]
    assert notes == [(0, "note_on", 90), (960, "note_off", 64)]


def test_a_note_shorter_than_a_tick_lasts_one():
    data = part_file(part(Note(1.0, 1.0001, 40, 80)), STEADY)
    assert rows(data, "note_on", "note_off") == [(960, "note_on", 40), (961, "note_off", 40)]


def test_notes_sound_at_their_seconds_through_a_change_of_tempo():
    data = part_file(part(Note(0.15, 0.3, 40, 80), Note(0.8, 1.3, 41, 80)), LEAD_IN)
    assert rows(data, "note_on", "note_off") == [
        (240, "note_on", 40),
        (480, "note_off", 40),
        (960, "note_on", 41),
        (1440, "note_off", 41),
    ]


def test_a_note_that_outlasts_the_audio_keeps_its_end():
    (track,) = read(part_file(part(Note(3.0, 5.0, 40, 80)), STEADY)).tracks
    assert timed(track)[-2:] == [
        (4800, mido.Message("note_off", note=40)),
        (4800, mido.MetaMessage("end_of_track")),
    ]


SLIDE = Note(0.5, 1.5, 52, 90, bend=((0.0, -0.5), (0.25, 0.0), (0.5, 1.0)))
PLAIN = Note(2.0, 2.5, 54, 90)


def test_bends_start_with_their_note_and_are_back_for_the_next():
    data = part_file(part(SLIDE, PLAIN, name="vocals", pitch_bend=True), STEADY)
    assert rows(data, "pitchwheel", "note_on", "note_off") == [
        (480, "pitchwheel", -2048),
        (480, "note_on", 52),
        (720, "pitchwheel", 0),
        (960, "pitchwheel", 4096),
        (1440, "note_off", 52),
        (1920, "pitchwheel", 0),
        (1920, "note_on", 54),
        (2400, "note_off", 54),
    ]


def test_bends_are_back_at_the_end():
    data = part_file(part(SLIDE, name="vocals", pitch_bend=True), STEADY)
    assert rows(data, "pitchwheel")[-1] == (1440, "pitchwheel", 0)


def test_a_bend_ends_where_the_next_note_begins():
    long = Note(0.5, 1.5, 52, 90, bend=((0.0, -0.5), (0.25, 0.0), (0.75, 1.0)))
    early = Note(1.0, 2.0, 55, 90, bend=((0.0, 0.5),))
    assert rows(part_file(part(long, early, name="bass", pitch_bend=True), STEADY), "pitchwheel") == [
        (480, "pitchwheel", -2048),
        (720, "pitchwheel", 0),
        (960, "pitchwheel", 2048),
        (1920, "pitchwheel", 0),
    ]


@pytest.mark.parametrize("semitones, bend_range", [(0.1, 2), (2.0, 2), (-2.1, 3), (11.5, 12), (30.0, 24)])
def test_the_bend_range_fits_and_is_set_before_the_first_note(semitones: float, bend_range: int):
    note = Note(0.0, 1.0, 52, 90, bend=((0.0, semitones),))
    data = part_file(part(note, name="vocals", pitch_bend=True), STEADY)
    (track,) = read(data).tracks
    kinds = [message.type for message in track]
    controls = [(message.control, message.value) for message in track if message.type == "control_change"]
    assert controls == [(101, 0), (100, 0), (6, bend_range), (38, 0), (101, 127), (100, 127)]
    assert kinds.index("pitchwheel") > len(kinds) - 1 - kinds[::-1].index("control_change")
    assert rows(data, "pitchwheel")[0][2] == max(-8192, min(8191, round(semitones / bend_range * 8192)))


def test_moves_of_the_wheel_that_nobody_hears_are_left_out():
    tremble = tuple((index / 100, 0.02 * (index % 2)) for index in range(50))
    slope = tuple((0.5 + index / 100, index * 0.01) for index in range(50))
    note = Note(0.0, 1.0, 52, 90, bend=tremble + slope)
    wheel = rows(part_file(part(note, name="vocals", pitch_bend=True), STEADY), "pitchwheel")
    assert 12 <= len(wheel) <= 18
    assert wheel[0][0] > 480


@pytest.mark.parametrize("name, pitch_bend", [("vocals", False), ("melody", True), ("drums", True)])
def test_only_one_voice_parts_bend_and_only_when_asked(name: str, pitch_bend: bool):
    assert rows(part_file(part(SLIDE, name=name, pitch_bend=pitch_bend), STEADY), "pitchwheel", "control_change") == []


def test_names_are_ascii_in_the_file():
    data = part_file(MidiPart("Žluťoučký kůň 🎵", [], Voice(3, 5)), STEADY)
    assert b"Zlutoucky kun ?" in data
    assert read(data).tracks[0].name == "Zlutoucky kun ?"


def test_the_same_notes_in_another_order_give_the_same_bytes():
    notes = [Note(index / 7, index / 7 + 0.3, 40 + index % 5, 60 + index) for index in range(20)]
    assert part_file(part(*notes), STEADY) == part_file(part(*reversed(notes)), STEADY)


def test_a_grid_of_beats_puts_its_downbeats_on_bar_lines():
    beats = tuple(0.3 + index * 0.5 for index in range(8))
    timeline = Timeline.from_grid(BeatGrid(120.0, beats, beats[1::4]), 4.5)
    on_beats = [Note(beat, beat + 0.1, 40, 80) for beat in beats]
    ticks = [tick for tick, _, _ in rows(part_file(part(*on_beats), timeline), "note_on")]
    assert [after - before for before, after in pairwise(ticks)] == [480] * 7


def test_the_reference_page_has_every_voice_and_drum_key():
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "midi.md").read_text(encoding="utf-8")
    for name in ("bass", "melody", "vocals"):
        assert f"| {name} | {VOICES[name].channel + 1} | {VOICES[name].program}, " in page
    toms = [GM_DRUM[f"tom_{height}"] for height in ("high", "mid", "low")]
    names = {"kick": "kick", "snare": "snare", "closed_hat": "hi-hat, closed", "open_hat": "hi-hat, open"}
    for name, key in GM_DRUM.items():
        assert name.startswith("tom") or f"| {names.get(name, name)} | {key} |" in page
    assert f"| tom, high / mid / low | {' / '.join(map(str, toms))} |" in page
