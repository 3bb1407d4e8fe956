"""insert.json: what the device makes of it sounds what the source clip does."""

import json
import random
import statistics
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bridge.errors import InvalidRequest, OutputUnwritable
from bridge.live.clip import ClipFacts, parse_clip
from bridge.live.insert import encoded_path, write_insert
from bridge.model import PARTS, EngineId, Note
from bridge.write import manifest as manifests
from bridge.write import notes as note_files

RATE = 44100


def clip_of(**changes: Any) -> ClipFacts:
    """A warped Session clip, 8 beats from the start of a file of 60 s at 120 BPM."""
    members: dict[str, Any] = {
        "file_path": "/music/loop.wav",
        "sample_rate": RATE,
        "sample_length": 60 * RATE,
        "warping": True,
        "warp_markers": [[0.0, 0.0], [0.015625, 0.03125]],
        "start_marker": 0.0,
        "end_marker": 8.0,
        "loop_start": 0.0,
        "loop_end": 8.0,
        "is_arrangement": False,
        "tempo": 120.0,
        "name": "Loop",
        "scene_index": 3,
    }
    return parse_clip(json.dumps(members | changes).encode())


def result_of(
    folder: Path,
    notes: dict[str, Sequence[Note]],
    range_s: tuple[float, float] | None = None,
    *,
    stems: bool = True,
) -> Path:
    """A result folder with these notes, in seconds of the range."""
    (folder / "notes").mkdir(parents=True)
    parts = []
    for name, found in notes.items():
        (folder / "notes" / f"{name}.json").write_bytes(note_files.encode(name, found))
        parts.append(
            manifests.Part(
                name=name,
                midi=f"midi/{name}.mid",
                audio=f"stems/{name}.wav" if stems and name in PARTS else None,
                notes=f"notes/{name}.json",
                confidence=1.0,
                color=manifests.COLORS[name],
                program=None,
                parent=manifests.parent_of(name),
            )
        )
    content = manifests.Manifest(
        stembridge="1",
        source=manifests.Source(path="/music/loop.wav", sha256="0" * 64, duration_s=60.0, sample_rate=RATE, channels=2),
        range_s=range_s,
        tempo_bpm=120.0,
        tempo=manifests.Tempo(bpm=120.0, confidence=1.0, alternatives_bpm=(), source="detected"),
        beats_s=(),
        downbeats_s=(),
        time_signature=(4, 4),
        key=None,
        separator=EngineId("none", ""),
        parts=tuple(parts),
        files=(),
        timings_s={},
        warnings=(),
    )
    (folder / "manifest.json").write_bytes(manifests.encode(content))
    return folder


def at(*onsets_s: float, pitch: int = 60, length_s: float = 0.2) -> list[Note]:
    return [Note(onset_s, onset_s + length_s, pitch, 100) for onset_s in onsets_s]


def inserted(folder: Path, clip: ClipFacts) -> dict[str, Any]:
    return json.loads(write_insert(folder, clip).read_bytes())


def notes_of(made: dict[str, Any]) -> list[dict[str, Any]]:
    return json.loads(Path(unquote(made["notes_path"])).read_bytes())["notes"]


def starts(folder: Path, clip: ClipFacts) -> list[float]:
    return [note["start_time"] for note in notes_of(inserted(folder, clip)["clips"][0])]


def test_insert_json_tells_what_to_make(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(1.0, 2.0), "drums": at(0.5, pitch=36)})
    content = inserted(folder, clip_of())
    assert content["schema"] == 1
    assert content["warnings"] == []
    assert [(made["kind"], made["part"]) for made in content["clips"]] == [
        ("midi", "bass"),
        ("midi", "drums"),
        ("audio", "bass"),
        ("audio", "drums"),
    ]
    bass, _, stem, _ = content["clips"]
    assert bass["path"] == str(folder / "midi/bass.mid")
    assert (bass["place"], bass["scene"], bass["color"], bass["name"]) == ("session", 3, 0x5480E4, "Loop bass")
    assert (bass["length_beats"], bass["start_marker"], bass["end_marker"], bass["looping"]) == (8.0, 0.0, 8.0, False)
    assert bass["signature"] == [4, 4]
    data = (folder / "live/bass.json").read_bytes()
    assert (bass["notes"], bass["notes_crc32"]) == (2, f"{zlib.crc32(data):08x}")
    assert notes_of(bass) == [
        {"start_time": 2.0, "pitch": 60, "duration": 0.4, "velocity": 100},
        {"start_time": 4.0, "pitch": 60, "duration": 0.4, "velocity": 100},
    ]
    assert stem["path"] == str(folder / "stems/bass.wav")
    assert stem["warp_markers"][0] == [0.0, 0.0]
    assert stem["warp_markers"][-1] == [60.0, 120.0]


def test_only_what_was_asked_for_is_made(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(1.0), "drums": at(1.0, pitch=36), "kick": at(1.0, pitch=36)})

    def made(**options: Any) -> list[tuple[str, str]]:
        return [(made["kind"], made["part"]) for made in inserted(folder, clip_of(options=options))["clips"]]

    assert made(parts=["bass"], stems=False) == [("midi", "bass")]
    assert made(stems=False, components=True) == [("midi", "bass"), ("midi", "drums"), ("midi", "kick")]


def test_files_are_ascii_whatever_the_names(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "Größe 100% 日本", {"bass": at(1.0)})
    path = write_insert(folder, clip_of(name="Überfall 日本"))
    data = path.read_bytes()
    assert data.isascii()
    made = json.loads(data)["clips"][0]
    assert made["name"] == "Überfall 日本 bass"
    assert made["path"].isascii()
    assert unquote(made["path"]) == str(folder / "midi/bass.mid")
    assert "100%25 %E6" in made["path"]


def test_a_plain_path_stands_as_it_is() -> None:
    assert encoded_path(Path("/music/My loop (2)/a+b.mid")) == "/music/My loop (2)/a+b.mid"


def test_writing_again_gives_the_same_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(1.0)})
    first = write_insert(folder, clip_of()).read_bytes()
    assert write_insert(folder, clip_of()).read_bytes() == first
    assert sorted(path.name for path in (folder / "live").iterdir()) == ["bass.json", "insert.json"]


def test_a_folder_that_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="not a result"):
        write_insert(tmp_path, clip_of())


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(1.0)})
    (folder / "live").write_text("in the way")
    with pytest.raises(OutputUnwritable, match="bass"):
        write_insert(folder, clip_of())


def test_notes_of_a_converted_stretch_are_where_they_are_in_the_file(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(0.5)}, range_s=(1.0, 20.0))
    assert starts(folder, clip_of()) == [3.0]


def test_a_stem_of_a_stretch_is_warped_as_its_source_is(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(0.5)}, range_s=(1.0, 20.0))
    markers = [[0.0, 0.0], [4.0, 8.0], [8.0, 24.0], [8.0078125, 24.03125]]
    stem = inserted(folder, clip_of(warp_markers=markers))["clips"][1]
    assert stem["warp_markers"] == [[0.0, 2.0], [3.0, 8.0], [7.0, 24.0], [7.007812, 24.03125], [19.0, 72.0]]
    assert (stem["start_marker"], stem["end_marker"]) == (0.0, 8.0)


def test_a_stem_is_as_loud_and_as_finely_tuned_as_its_source(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(0.5)})
    midi, audio = inserted(folder, clip_of(gain=0.375, pitch_coarse=-3, pitch_fine=-23.5))["clips"]
    assert (audio["gain"], audio["pitch_coarse"], audio["pitch_fine"]) == (0.375, -3, -23.5)
    assert "gain" not in midi


def test_a_marker_almost_at_an_end_of_a_stem_is_left_out(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(0.5)}, range_s=(1.0, 20.0))
    markers = [[0.0, 0.0], [1.0005, 2.0], [5.0, 9.0], [19.9995, 40.0], [21.0, 42.0], [21.01, 42.02]]
    _, audio = inserted(folder, clip_of(warp_markers=markers))["clips"]
    assert [second for second, _ in audio["warp_markers"]] == [0.0, 4.0, 19.0]


@pytest.mark.parametrize("scene_index,expected", [(0, 0), (3, 3), (-1, None)])
def test_a_clip_without_a_scene_names_none(tmp_path: Path, scene_index: int, expected: int | None) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(0.5)}, stems=False)
    [midi] = inserted(folder, clip_of(scene_index=scene_index))["clips"]
    assert midi.get("scene") == expected


def test_a_stem_of_an_unwarped_clip_has_its_edges_in_its_own_seconds(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(2.0)}, range_s=(1.0, 20.0))
    midi, stem = inserted(folder, clip_of(warping=False, warp_markers=[], loop_start=2.0, loop_end=5.0))["clips"]
    assert [note["start_time"] for note in notes_of(midi)] == [2.0]  # at 3 s of the file, 1 s after the edge
    assert (stem["warping"], stem["loop_start"], stem["loop_end"]) == (False, 1.0, 4.0)
    assert "warp_markers" not in stem or stem["warp_markers"] == []
    assert midi["length_beats"] == 6.0


@pytest.mark.parametrize(
    "changes, pitch",
    [
        ({"pitch_coarse": 3}, 63),
        ({"pitch_coarse": 3, "options": {"transpose": -12}}, 51),
        ({"pitch_coarse": 3, "options": {"pitch": "file"}}, 60),
        ({"warp_mode": 3, "tempo": 60.0}, 48),
        ({"pitch_coarse": 48, "options": {"transpose": 48}}, 120),  # 156, folded back by octaves
    ],
)
def test_pitched_notes_sound_as_the_clip_does_and_drums_keep_their_keys(
    tmp_path: Path, changes: dict[str, Any], pitch: int
) -> None:
    folder = result_of(tmp_path / "r", {"melody": at(1.0), "drums": at(1.0, pitch=36)}, stems=False)
    melody, drums = inserted(folder, clip_of(**changes))["clips"]
    assert [note["pitch"] for note in notes_of(melody)] == [pitch]
    assert [note["pitch"] for note in notes_of(drums)] == [36]


def test_quantising_uses_the_grid_of_the_clips_own_beats(tmp_path: Path) -> None:
    # Beat 0 lies at 0.3 s of the file: a grid counted in the file would be elsewhere.
    markers = [[0.3, 0.0], [0.315625, 0.03125]]
    folder = result_of(tmp_path / "r", {"bass": at(0.32, 0.78, 1.2)}, stems=False)
    assert starts(folder, clip_of(warp_markers=markers, options={"quantize": "1/4"})) == [0.0, 1.0, 2.0]
    half = clip_of(warp_markers=markers, options={"quantize": "1/4", "strength": 0.5})
    assert starts(folder, half) == pytest.approx([0.02, 0.98, 1.9], abs=1 / 480)


def test_quantising_an_unwarped_clip_in_the_arrangement_uses_the_songs_grid(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(0.9, 1.15)}, stems=False)
    clip = clip_of(
        warping=False,
        warp_markers=[],
        loop_start=0.0,
        loop_end=4.0,
        is_arrangement=True,
        start_time=17.3,
        end_time=25.3,
        options={"quantize": "1/4"},
    )
    assert starts(folder, clip) == pytest.approx([1.7, 2.7])


def test_a_note_below_beat_0_is_quantised_to_the_same_grid(tmp_path: Path) -> None:
    markers = [[4.0, 0.0], [4.015625, 0.03125]]
    folder = result_of(tmp_path / "r", {"bass": at(2.27)}, stems=False)
    clip = clip_of(warp_markers=markers, start_marker=-4.0, end_marker=4.0, options={"quantize": "1/8"})
    assert starts(folder, clip) == [0.5]  # beat -3.5 of the source, moved up by a bar


@pytest.mark.parametrize(
    "part, onset_s, offset_s, expected",
    [
        ("bass", 3.9, 4.5, (0.0, 1.0)),  # sounds on beyond the left edge
        ("bass", 3.0, 4.02, None),  # as good as over there
        ("bass", 5.5, 9.0, (3.0, 1.0)),  # cut at the right edge
        ("bass", 5.99, 9.0, None),  # the early beginning of what comes after the edge
        ("bass", 5.97, 5.99, (3.94, 0.04)),  # a short note before the edge
        ("bass", 6.0, 9.0, None),
        ("drums", 3.98, 4.1, (0.0, 0.2)),  # a hit on the edge, found a little early
        ("drums", 3.9, 4.5, None),  # a hit before the edge, however long it rings
    ],
)
def test_notes_at_the_edges_of_a_clip(
    tmp_path: Path, part: str, onset_s: float, offset_s: float, expected: tuple[float, float] | None
) -> None:
    folder = result_of(tmp_path / "r", {part: [Note(onset_s, offset_s, 38, 90)]}, stems=False)
    clip = clip_of(start_marker=8.0, end_marker=12.0, is_arrangement=True, start_time=0.0, end_time=4.0)
    made = notes_of(inserted(folder, clip)["clips"][0])
    assert [(note["start_time"], note["duration"]) for note in made] == ([pytest.approx(expected)] if expected else [])


def test_notes_of_one_pitch_never_overlap(tmp_path: Path) -> None:
    found = [Note(1.0, 3.0, 60, 50), Note(1.0005, 1.5, 60, 90), Note(2.0, 2.5, 60, 70), Note(2.0, 3.0, 61, 70)]
    folder = result_of(tmp_path / "r", {"melody": found}, stems=False)
    made = notes_of(inserted(folder, clip_of())["clips"][0])
    assert [tuple(note.values()) for note in made] == [
        (2.0, 60, 2.0, 90),
        (4.0, 60, 1.0, 70),
        (4.0, 61, 2.0, 70),
    ]


def test_the_arrangement_place_is_told(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(1.0)}, stems=False)
    clip = clip_of(is_arrangement=True, looping=True, start_marker=2.0, loop_end=4.0, start_time=32.0, end_time=48.0)
    made = inserted(folder, clip)["clips"][0]
    assert (made["start_time"], made["end_time"], made["length_beats"]) == (32.0, 48.0, 16.0)
    assert (made["looping"], made["loop_start"], made["loop_end"]) == (True, 0.0, 4.0)
    assert [note["start_time"] for note in notes_of(made)] == [0.0]  # beat 2 of the source, its left edge
    assert "scene" not in made


def test_a_session_clip_can_go_to_the_arrangement_and_back(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(1.0)}, stems=False)
    options = {"place": "arrangement"}
    there = clip_of(looping=True, start_marker=3.0, loop_start=1.0, loop_end=5.0, start_time=16.0, options=options)
    made = inserted(folder, there)["clips"][0]
    assert (made["place"], made["start_time"], made["end_time"]) == ("arrangement", 16.0, 20.0)
    assert [note["start_time"] for note in notes_of(made)] == [3.0]  # beats 3 to 5, then 1 to 3
    back = clip_of(is_arrangement=True, start_time=16.0, end_time=24.0, options={"place": "session"})
    made = inserted(folder, back)["clips"][0]
    assert (made["place"], made["scene"], made["length_beats"]) == ("session", 3, 8.0)


def test_the_user_is_told_what_may_drift(tmp_path: Path) -> None:
    folder = result_of(tmp_path / "r", {"bass": at(1.0)})
    unwarped: dict[str, Any] = {"warping": False, "warp_markers": [], "loop_start": 0.0, "loop_end": 4.0}
    assert "tempo of now" in inserted(folder, clip_of(**unwarped))["warnings"][0]
    steady = clip_of(**unwarped, is_arrangement=True, start_time=0.0, end_time=8.0)
    assert inserted(folder, steady)["warnings"] == []
    changing = clip_of(**unwarped, is_arrangement=True, start_time=0.0, end_time=9.0)
    assert "drift" in inserted(folder, changing)["warnings"][0]


# The round trip: Live's playback of the source and of the new clip, side by side.


def source_second(clip: ClipFacts, position: float) -> float:
    """The second of the file that sounds `position` beats after the clip began, by Live's rules."""
    if not clip.warping:
        return clip.loop_start + position * 60.0 / clip.tempo * clip.speed
    beat = clip.start_marker + position
    if clip.looping and clip.start_marker < clip.loop_end <= beat:
        beat = clip.loop_start + (beat - clip.loop_start) % (clip.loop_end - clip.loop_start)
    points = clip.warp_markers
    index = 0
    while index < len(points) - 2 and points[index + 1][1] <= beat:
        index += 1
    (second, at_beat), (after, after_beat) = points[index], points[index + 1]
    return second + (beat - at_beat) / (after_beat - at_beat) * (after - second)


def heard_onsets(made: dict[str, Any], until: float) -> list[tuple[float, int]]:
    """(beats after the clip began, pitch) of each note that a MIDI clip plays."""
    heard = []
    for note in notes_of(made):
        place = note["start_time"]
        if made["looping"]:
            turn = made["loop_end"] - made["loop_start"]
            if made["start_marker"] <= place < made["loop_end"]:
                heard.append((place - made["start_marker"], note["pitch"]))
            position = made["loop_end"] - made["start_marker"] + place - made["loop_start"]
            while made["loop_start"] <= place and position < until:
                heard.append((position, note["pitch"]))
                position += turn
        elif made["start_marker"] <= place < made["end_marker"]:
            heard.append((place - made["start_marker"], note["pitch"]))
    return [onset for onset in heard if onset[0] < until]


def random_clip(chance: random.Random) -> tuple[ClipFacts, float]:
    """Any clip of a file of 60 s, and for how many beats it plays."""
    second, beat = chance.uniform(-1.0, 3.0), chance.uniform(-20.0, 20.0)
    markers = [(second, beat)]
    while second < 50.0 and chance.random() < 0.9:
        length = chance.uniform(0.5, 16.0)
        second, beat = second + length * 60.0 / chance.uniform(60.0, 200.0), beat + length
        markers.append((second, beat))
    markers.append((second + 0.03125 * 60.0 / chance.uniform(60.0, 200.0), beat + 0.03125))
    start = markers[0][1] + chance.uniform(0.0, 8.0)
    end = start + chance.uniform(8.0, 32.0)
    loop_start = start + chance.uniform(-6.0, 6.0)
    length = chance.uniform(6.0, 40.0)
    warping, is_arrangement = chance.random() < 0.8, chance.random() < 0.5
    tempo, coarse, fine = chance.uniform(60.0, 200.0), chance.randint(-12, 12), chance.randint(-50, 49)
    if not warping:
        loop_start, loop_end = chance.uniform(0.0, 20.0), chance.uniform(30.0, 60.0)
        length = (loop_end - loop_start) * tempo / 60.0 / 2.0 ** ((coarse + fine / 100.0) / 12.0)
    else:
        loop_end = loop_start + chance.uniform(2.0, 16.0)
    start_time = chance.uniform(0.0, 300.0)
    clip = clip_of(
        warping=warping,
        warp_markers=markers,
        start_marker=start,
        end_marker=end,
        loop_start=loop_start,
        loop_end=loop_end,
        looping=warping and chance.random() < 0.6,
        is_arrangement=is_arrangement,
        start_time=start_time,
        end_time=start_time + length,
        tempo=tempo,
        pitch_coarse=coarse,
        pitch_fine=fine,
        signature=chance.choice([(4, 4), (3, 4), (7, 8)]),
    )
    if is_arrangement or not warping:
        return clip, length
    return clip, 40.0 if clip.looping and start < loop_end else end - start


@pytest.mark.parametrize("seed", range(4))
def test_notes_sound_when_the_source_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    offsets_s: list[float] = []
    for number in range(20):
        clip, plays = random_clip(chance)
        range_s = clip.range_s()
        offset_s = range_s[0] if range_s else 0.0
        # Each note of its own pitch, so that a note that is heard tells which one it is.
        onsets_s = sorted(chance.uniform(offset_s, 60.0) for _ in range(100))
        # Those within a sixteenth of a beat before an edge are moved there on purpose; see the test of the edges.
        edges_s = left_edges_s(clip)
        onsets_s = [onset_s for onset_s in onsets_s if not any(0.0 < edge_s - onset_s < 0.14 for edge_s in edges_s)]
        found = [
            Note(onset_s - offset_s, onset_s - offset_s + 0.01, pitch, 100) for pitch, onset_s in enumerate(onsets_s)
        ]
        folder = result_of(tmp_path / str(number), {"drums": found}, range_s, stems=False)
        heard = heard_onsets(inserted(folder, clip)["clips"][0], plays)
        for position, pitch in heard:
            second = source_second(clip, position)
            # Where the source loops, a note right at the seam may be told from either side.
            after, before = source_second(clip, position + 1e-4), source_second(clip, position - 1e-4)
            offsets_s.append(min(abs(onsets_s[pitch] - at_s) for at_s in (second, after, before)))
        assert len(heard) >= expected_count(clip, plays, onsets_s)
    assert len(offsets_s) > 200
    assert statistics.median(offsets_s) <= 0.001
    assert max(offsets_s) <= 0.005


def left_edges_s(clip: ClipFacts) -> list[float]:
    """The seconds of the file at which something begins that doesn't go on from what was before."""
    edges_s = [source_second(clip, 0.0)]
    if clip.looping and clip.start_marker < clip.loop_end:
        edges_s.append(source_second(clip, clip.loop_end - clip.start_marker))
    return edges_s


def expected_count(clip: ClipFacts, plays: float, onsets_s: Sequence[float]) -> int:
    """How many onsets the source plays, well away from any edge, found by stepping through its playback."""
    step = 0.01
    count, before = 0, source_second(clip, 0.2)
    for index in range(21, int((plays - 0.2) / step)):
        second = source_second(clip, index * step)
        jumps = second < before
        is_near_jump = (
            source_second(clip, index * step + 0.2) < second or source_second(clip, index * step - 0.2) > second
        )
        if not jumps and not is_near_jump:
            count += bisect_left(onsets_s, second) - bisect_left(onsets_s, before)
        before = second
    return count
