"""Scales, programs, humanising and expression, as they arrive in a result's MIDI files."""

from __future__ import annotations

import json
from pathlib import Path

import mido
import pytest

from bridge.deliver.update import deliver
from bridge.errors import InvalidRequest
from bridge.model import DeliverOptions, Groove, GrooveStep, MidiOptions, Note
from bridge.music.humanize import humanized
from bridge.music.quantize import FINEST_GRID
from bridge.music.scale import parse_scale, snapped
from bridge.progress import Progress
from bridge.write import manifest as manifests
from tests.deliver_support import NOTES, content, make_result

NOTHING = DeliverOptions(())
LOOPS = DeliverOptions(("loops",))


def messages(file: Path, kind: str) -> list[mido.Message]:
    return [message for track in mido.MidiFile(file).tracks for message in track if message.type == kind]


def redone(folder: Path, options: MidiOptions, kinds: DeliverOptions = NOTHING) -> manifests.Manifest:
    return deliver(folder, kinds, options, Progress()).manifest


@pytest.mark.parametrize(
    "text,tonic,kind",
    [
        ("A minor", 9, "minor"),
        (" f#  Dorian ", 6, "dorian"),
        ("Bb major pentatonic", 10, "major pentatonic"),
        ("Cb major", 11, "major"),
        ("b blues", 11, "blues"),
    ],
)
def test_a_scale_is_known_by_its_name(text, tonic, kind) -> None:
    scale = parse_scale(text)
    assert (scale.tonic, scale.kind) == (tonic, kind)
    assert parse_scale(scale.name) == scale


@pytest.mark.parametrize("text", ["", "A", "minor", "H minor", "A## minor", "A\nminorish", "A minor " * 99])
def test_another_name_is_refused_with_what_there_is(text) -> None:
    with pytest.raises(ValueError, match=r"is no scale; write a tonic and one of major, .* such as 'A minor'$"):
        parse_scale(text)


def test_notes_beside_a_scale_go_to_its_nearest_tone_or_the_lower_one() -> None:
    notes = [Note(0.0, 1.0, pitch, 80) for pitch in (60, 61, 63, 66, 127)]
    assert [note.pitch for note in snapped(notes, parse_scale("C major"))] == [60, 60, 62, 65, 127]
    assert [note.pitch for note in snapped(notes, parse_scale("C major pentatonic"))] == [60, 60, 62, 67, 127]


def test_players_and_seeds_stray_independently() -> None:
    notes = list(NOTES["bass"])
    kinds = [humanized(notes, 1.0, seed, player=player) for seed in (0, 1) for player in ("bass", "drums")]
    assert all(one != other for index, one in enumerate(kinds) for other in kinds[:index])
    assert humanized(notes[3:], 1.0) == humanized(notes, 1.0)[3:]  # whatever else there is


def test_a_scale_moves_pitched_parts_and_leaves_the_drums(tmp_path) -> None:
    folder = make_result(tmp_path / "song")
    manifest = redone(folder, MidiOptions(scale="D major"))
    assert {message.note for message in messages(folder / "midi/bass.mid", "note_on")} == {33, 35, 37}
    assert [message.note for message in messages(folder / "midi/drums.mid", "note_on")] == [36, 38] * 17
    assert manifest.key == "D major"


def test_the_scale_of_an_unknown_key_is_none_and_the_manifest_says_so_until_it_is_another(tmp_path) -> None:
    folder = make_result(tmp_path / "song", {"bass": NOTES["bass"][:2]})
    before = content(folder)
    assert (
        "the MIDI files are without a scale: the key is not known" in redone(folder, MidiOptions(scale="key")).warnings
    )
    assert content(folder)["midi/bass.mid"] == before["midi/bass.mid"]
    assert redone(folder, MidiOptions()).warnings == ("be careful",)


def test_a_program_is_the_parts_in_all_files_and_the_manifest(tmp_path) -> None:
    folder = make_result(tmp_path / "song")
    options = MidiOptions(programs={"bass": 38})
    manifest = redone(folder, options, LOOPS)
    assert manifests.read(make_result(tmp_path / "new", options=options)).parts == manifest.parts
    for file in ("midi/bass.mid", "midi/song.mid", "loops/bars-001-008/bass.mid"):
        assert [(it.channel, it.program) for it in messages(folder / file, "program_change")] == [(0, 38)]
    assert {part.name: part.program for part in manifest.parts} == {
        "bass": 38,
        **dict.fromkeys(("drums", "kick", "snare", "hihat", "cymbal", "ride", "tom")),
    }


def test_expression_is_in_the_pitched_parts_files_and_its_loops(tmp_path) -> None:
    folder = make_result(tmp_path / "song")
    redone(folder, MidiOptions(expression=True), LOOPS)
    for file in ("midi/bass.mid", "loops/bars-001-008/bass.mid", "loops/bars-009-009/bass.mid"):
        controls = messages(folder / file, "control_change")
        assert {(it.channel, it.control) for it in controls} == {(0, 11)}
        assert controls[0].time == 0
    assert messages(folder / "midi/drums.mid", "control_change") == []
    redone(folder, MidiOptions())
    assert messages(folder / "midi/bass.mid", "control_change") == []


def test_without_stems_there_is_no_expression_and_nothing_changes(tmp_path) -> None:
    folder = make_result(tmp_path / "song", stems=False)
    before = content(folder)
    with pytest.raises(InvalidRequest, match="no stems whose loudness"):
        redone(folder, MidiOptions(expression=True))
    assert content(folder) == before


def test_a_conversion_without_stems_is_done_and_says_what_is_missing(tmp_path) -> None:
    folder = make_result(tmp_path / "song", options=MidiOptions(expression=True, groove="vocals"), stems=False)
    assert manifests.read(folder).warnings[1:] == (
        "the MIDI files are without a groove: vocals has no notes to take it from",
        "the MIDI files are without expression, for want of a stem: bass",
    )


def test_a_groove_of_a_part_that_the_result_lacks_is_refused(tmp_path) -> None:
    with pytest.raises(InvalidRequest, match="no part vocals to take a groove from"):
        redone(make_result(tmp_path / "song"), MidiOptions(groove="vocals"))


def test_taste_is_kept_in_the_manifest_and_the_notes_as_they_were_detected(tmp_path) -> None:
    folder = make_result(tmp_path / "song")
    as_detected = {path: data for path, data in content(folder).items() if path.startswith("notes/")}
    groove = Groove(4 * FINEST_GRID * 30, 1, (GrooveStep(0.25, 1.5), None))
    options = MidiOptions(scale="A minor", groove=groove, humanize=0.25, seed=3, programs={"bass": 1})
    redone(folder, options)
    assert manifests.read(folder).midi == options
    assert {path: data for path, data in content(folder).items() if path.startswith("notes/")} == as_detected
    once = content(folder)["midi/bass.mid"]
    redone(folder, MidiOptions())
    assert content(folder)["midi/bass.mid"] == content(make_result(tmp_path / "new"))["midi/bass.mid"] != once
    redone(folder, options)
    assert content(folder)["midi/bass.mid"] == once
    assert json.loads((folder / "manifest.json").read_bytes())["midi"]["groove"]["grid"] == "1/16"


def test_chords_and_sections_are_markers_in_the_songs_file_and_follow_a_transposition(tmp_path: Path) -> None:
    folder = make_result(tmp_path / "song")
    for manifest in (manifests.read(folder), redone(folder, MidiOptions(transpose=2))):
        track = mido.MidiFile(folder / "midi/song.mid").tracks[0]
        texts = [message.text for message in track if message.type == "marker"]
        assert texts[0] == "Section A"
        assert [text for text in texts if not text.startswith("Section")] == [it.symbol for it in manifest.chords]
        assert len(texts) == len(manifest.chords) + len(manifest.sections)
        assert messages(folder / "midi/bass.mid", "marker") == []
