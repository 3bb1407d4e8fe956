"""Whatever is done to whatever notes: what is at rest changes nothing, what is done stays within its bounds."""

from __future__ import annotations

import io
from collections import Counter
from fractions import Fraction

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import COMPONENT_OF_KEY, BeatGrid, Groove, GrooveStep, MidiOptions, Note
from bridge.music.arrange import arrange
from bridge.music.expression import ControlPoint
from bridge.music.groove import extract, with_groove
from bridge.music.humanize import MOST_S, MOST_VELOCITY, humanized
from bridge.music.scale import SCALES, Scale, snapped
from bridge.music.timeline import Timeline
from bridge.write import grooves
from bridge.write.midi import MidiPart, part_file

UNIT = st.floats(0.0, 1.0)
STEPS = st.one_of(st.none(), st.builds(GrooveStep, st.floats(-1.0, 1.0), st.floats(0.01, 127.0)))
GRIDS = st.sampled_from([Fraction(1, n) for n in (4, 8, 12, 16, 24, 32)])


PITCHES = st.integers(0, 127)


@st.composite
def notes(draw: st.DrawFn, pitches: st.SearchStrategy[int] = PITCHES) -> list[Note]:
    rows = draw(st.lists(st.tuples(st.floats(0, 30), st.floats(1e-5, 3), pitches, st.integers(1, 127)), max_size=15))
    return [Note(onset_s, onset_s + length_s, pitch, velocity) for onset_s, length_s, pitch, velocity in rows]


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    first_s, period_s = draw(st.floats(0.0, 2.0)), draw(st.floats(0.25, 1.5))
    loose = draw(st.booleans())
    beats = [first_s + index * period_s + (0.02 * (index % 3) if loose else 0.0) for index in range(20)]
    return Timeline.from_grid(BeatGrid(60.0 / period_s, tuple(beats), tuple(beats[1::4]), is_constant=not loose), 30.0)


@st.composite
def templates(draw: st.DrawFn) -> Groove:
    bars = draw(st.integers(1, 3))
    in_bar = draw(st.integers(1, 16))
    return Groove(draw(GRIDS), bars, tuple(draw(st.lists(STEPS, min_size=bars * in_bar, max_size=bars * in_bar))))


OPTIONS = st.builds(
    MidiOptions,
    quantize=st.none() | GRIDS,
    strength=UNIT,
    swing=UNIT,
    transpose=st.integers(-48, 48),
    pitch_bend=st.booleans(),
    scale=st.sampled_from([None, "key", "F# blues", "A minor"]),
    groove=st.none() | st.sampled_from(["bass", "drums", "vocals"]) | templates(),
    groove_strength=UNIT,
    humanize=UNIT,
    seed=st.integers(0, 3),
    programs=st.dictionaries(st.sampled_from(["bass", "melody"]), st.integers(0, 127)),
)
DRUMS = notes(st.sampled_from(sorted(COMPONENT_OF_KEY)))


@settings(max_examples=60)
@given(notes(), DRUMS, timelines(), OPTIONS, st.sampled_from([None, "A minor", "Eb major"]))
def test_any_options_make_valid_files_of_any_notes(bass, drums, timeline, options, key):
    curve = [ControlPoint(0.0, 100), ControlPoint(3.0, 40)]
    for name, played in arrange({"bass": bass, "drums": drums}, timeline, options, key).items():
        assert played == sorted(played)
        sounding: Counter[int] = Counter()
        data = part_file(MidiPart.of(name, played, options, curve), timeline, key=key)
        for message in mido.MidiFile(file=io.BytesIO(data)):
            if message.type in ("note_on", "note_off"):
                sounding[message.note] += 1 if message.type == "note_on" else -1
                assert set(sounding.values()) <= {0, 1}
        assert not any(sounding.values())


@given(notes(), notes(), timelines())
def test_options_at_rest_change_nothing(bass, drums, timeline):
    at_rest = MidiOptions(Fraction(1, 16), strength=0.0, swing=0.5, groove="drums", groove_strength=0.0, humanize=0.0)
    for options in (MidiOptions(), at_rest):
        assert arrange({"bass": bass, "drums": drums}, timeline, options, "A minor") == {
            "bass": sorted(bass),
            "drums": sorted(drums),
        }


@given(notes(), timelines(), UNIT)
def test_a_groove_applied_to_the_part_that_it_came_from_changes_nothing(found, timeline, strength):
    options = MidiOptions(groove="bass", groove_strength=strength)
    assert arrange({"bass": found}, timeline, options) == {"bass": sorted(found)}


@given(notes(), timelines(), GRIDS, st.integers(1, 4), UNIT)
def test_a_groove_that_went_through_a_file_is_the_same(found, timeline, grid, bars, strength):
    own = extract(found, timeline, grid, bars)
    read = grooves.decode(grooves.encode(own))
    assert read == own
    assert with_groove(found, timeline, read, own, strength) == found


@given(notes(), timelines(), templates(), UNIT)
def test_a_groove_moves_no_note_by_more_than_two_steps_and_keeps_its_length_and_pitch(
    found, timeline, groove, strength
):
    own = extract(found, timeline, groove.grid, groove.bars)
    moved = with_groove(found, timeline, groove, own, strength)
    for before, after in zip(found, moved, strict=True):
        shift_ticks = timeline.position(after.onset_s) - timeline.position(before.onset_s)
        assert abs(shift_ticks) <= 2 * groove.grid * 1920
        assert after.pitch == before.pitch
        assert after.offset_s - after.onset_s == pytest.approx(before.offset_s - before.onset_s, abs=1e-9)


@given(DRUMS, timelines(), OPTIONS)
def test_the_drums_components_are_the_drums_whatever_is_done_to_them(drums, timeline, options):
    components = {}
    for note in drums:
        components.setdefault(COMPONENT_OF_KEY[note.pitch], []).append(note)
    played = arrange({"drums": drums, **components}, timeline, options)
    assert sorted(note for name, part in played.items() if name != "drums" for note in part) == played["drums"]


@given(notes(), UNIT, st.integers(0, 9))
def test_humanised_notes_stray_within_bounds_and_alike_each_time(found, amount, seed):
    once, again = (humanized(found, amount, seed, player="bass") for _ in range(2))
    assert once == again
    for before, after in zip(found, once, strict=True):
        assert abs(after.onset_s - before.onset_s) <= amount * MOST_S + 1e-9
        assert abs(after.velocity - before.velocity) <= round(amount * MOST_VELOCITY)
        assert after.offset_s - after.onset_s == pytest.approx(before.offset_s - before.onset_s, abs=1e-9)
    assert humanized(found, 0.0, seed) == found


@given(notes(), st.integers(0, 11), st.sampled_from(sorted(SCALES)))
def test_a_scale_has_all_notes_after_once_and_the_shortest_way_there(found, tonic, kind):
    scale = Scale(tonic, kind)
    once = snapped(found, scale)
    assert snapped(once, scale) == once
    for before, after in zip(found, once, strict=True):
        assert after.pitch % 12 in scale.pitch_classes
        nearer = range(max(0, before.pitch - 12), min(128, before.pitch + 13))
        assert abs(after.pitch - before.pitch) == min(
            abs(pitch - before.pitch) for pitch in nearer if pitch % 12 in scale.pitch_classes
        )
