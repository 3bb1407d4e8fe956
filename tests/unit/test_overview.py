"""The overview page's data and text; what a browser makes of them is in tests/peers/test_overview_page.py."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import bridge
from bridge.audio.file import AudioFile
from bridge.deliver import overview
from bridge.deliver.overview_data import (
    COLUMNS,
    packed_chords,
    packed_notes,
    packed_times,
    packed_waveform,
    script_json,
    thinned,
)
from bridge.deliver.song import Song, SongPart, read_song
from bridge.model import BeatGrid, DeliverOptions, Note
from bridge.music.chords import Chord
from bridge.music.timeline import Timeline
from bridge.progress import Progress
from bridge.write.files import ResultFolder
from tests.deliver_support import make_result

DECODE = Path(bridge.__file__).parent / "data/overview/decode.js"


def decoded(function: str, packed: object) -> object:
    """What the page's own script makes of packed data."""
    if (node := shutil.which("node")) is None:
        pytest.skip("needs Node (Debian: nodejs)")
    script = f"{DECODE.read_text('utf-8')}; console.log(JSON.stringify({function}({json.dumps(packed)})))"
    return json.loads(subprocess.run([node, "-e", script], check=True, capture_output=True, text=True).stdout)


def written(folder: Path, song: Song) -> str:
    with ResultFolder(folder) as out:
        overview.write(song, out, DeliverOptions(), Progress())
    return (folder / "overview.html").read_text("utf-8")


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="song">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_the_page_reads_notes_as_they_were_packed() -> None:
    notes = [
        Note(0.0, 0.25, 0, 1),
        Note(0.5, 200.0, 60, 100),
        Note(0.5, 0.501, 127, 127),
        Note(3600.123, 3601.0, 36, 64),
    ]
    assert decoded("notesOf", packed_notes(notes)) == [
        {"start": note.onset_s, "end": note.offset_s, "pitch": note.pitch, "velocity": note.velocity} for note in notes
    ]


def test_the_page_reads_times_and_chords_as_they_were_packed() -> None:
    times = [0.0, 0.0121, 0.5, 1.0001, 3599.9999]
    assert decoded("timesOf", packed_times(times)) == pytest.approx(times, abs=1e-9)
    chords = [Chord(0.0, 1.0, "Am7", 0.5), Chord(1.0, 2.0, "N", 1.0), Chord(2.0, 4.0, "F#", 0.25)]
    assert decoded("chordsOf", packed_chords(chords)) == [
        {"start": 0, "end": 1, "symbol": "Am7", "confidence": 0.5},
        {"start": 2, "end": 4, "symbol": "F#", "confidence": 0.25},
    ]


def test_the_page_finds_the_last_time_before_another() -> None:
    for time, index in ((0.5, -1), (1.0, 0), (2.5, 1), (9.0, 2)):
        assert decoded(f"((times) => lastAt(times, {time}))", [1, 2, 3]) == index


def test_a_waveform_shows_each_peak_where_it_is(tmp_path: Path) -> None:
    import base64

    samples = np.zeros((COLUMNS * 100, 2), np.float32)
    samples[250, 0], samples[COLUMNS * 50, 1], samples[-1, 0] = 1.0, -0.25, 1.0
    soundfile.write(tmp_path / "x.wav", samples, 44100, subtype="FLOAT")
    heights = np.frombuffer(base64.b64decode(packed_waveform(AudioFile.open(tmp_path / "x.wav"), Progress())), np.uint8)
    assert len(heights) == COLUMNS
    assert dict(zip(*[list(map(int, it)) for it in (np.flatnonzero(heights), heights[heights > 0])], strict=True)) == {
        2: 255,
        COLUMNS // 2: 128,
        COLUMNS - 1: 255,
    }


@pytest.mark.parametrize("length", [0, 1, 100, COLUMNS + 1])
def test_a_waveform_of_any_length_can_be_drawn(tmp_path: Path, length: int) -> None:
    soundfile.write(tmp_path / "x.wav", np.full((length, 1), 0.5), 8000, subtype="PCM_24")
    assert len(packed_waveform(AudioFile.open(tmp_path / "x.wav"), Progress())) == COLUMNS * 4 // 3


@given(st.lists(st.text(st.characters(codec=None), max_size=20), max_size=5))
def test_data_never_ends_its_script_element(texts: list[str]) -> None:
    text = script_json(texts)
    assert not set("<>&") & set(text)
    assert text.isascii()
    assert json.loads(text) == texts


def test_names_of_any_characters_stay_text(tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script> \"'&\udcff"
    song = replace(read_song(make_result(tmp_path / "song")), name=name, key="<b>")
    page = written(tmp_path / "out", song)
    assert page.count("<script") == 2
    assert "<script>alert" not in page
    assert "alert(1)" in str(data_of(page)["name"])


def test_the_policy_allows_the_pages_own_script_and_style_only(tmp_path: Path) -> None:
    import base64
    import hashlib

    page = written(tmp_path / "out", read_song(make_result(tmp_path / "song")))
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        source = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)[-1]
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)


def test_the_page_links_what_is_there_with_addresses_that_lead_there(tmp_path: Path) -> None:
    song = read_song(make_result(tmp_path / "song"))
    with ResultFolder(tmp_path / "out") as out:
        out.write_bytes("preview/bass.wav", b"x")
        out.write_bytes("A & B #1? Project/A & B #1?.als", b"x")
        for number in range(30):
            out.write_bytes(f"loops/bars-{number:03}/bass.wav", b"x")
        overview.write(song, out, DeliverOptions(), Progress())
    data = data_of((tmp_path / "out/overview.html").read_text("utf-8"))
    bass, drums = data["parts"]
    assert (bass["stem"], bass["preview"], drums["preview"]) == ("./stems/bass.wav", "./preview/bass.wav", None)
    files = {folder: dict(links) for folder, links in data["files"]}
    assert files["A & B #1? Project"] == {
        "A & B #1?.als": "./A%20%26%20B%20%231%3F%20Project/A%20%26%20B%20%231%3F.als"
    }
    assert files["loops"] == {"30 folders and files": "./loops/"}
    assert files[""]["manifest.json"] == "./manifest.json"


def test_an_hour_with_many_notes_stays_below_the_limit_and_says_what_is_left_out(tmp_path: Path) -> None:
    song = read_song(make_result(tmp_path / "song", {"bass": [], "drums": []}))
    random = np.random.default_rng(0)
    beats = tuple(np.arange(0.3, 3600.0, 0.35).tolist())
    grid = BeatGrid(171.4, beats, beats[::4], confidence=0.5, alternatives_bpm=(85.7, 342.9, 60.0))
    names = ["".join(letters) for letters in zip("CDEFGAB" * 5, ["", "m", "maj7", "sus4", "dim"] * 7, strict=True)]
    chords = tuple(Chord(s, s + 0.7, names[int(random.integers(35))], 0.5) for s in np.arange(0, 3600, 0.7).tolist())
    onsets = np.sort(random.uniform(0, 3599, 15_000)).tolist()
    notes = tuple(
        Note(onset_s, onset_s + 0.5, int(random.integers(30, 90)), int(random.integers(1, 128))) for onset_s in onsets
    )
    stem = song.parts[0].stem
    parts = tuple(
        SongPart(n, notes, notes, stem, 0x123456, 0, None, 0.5) for n in ("bass", "melody", "vocals", "drums")
    )
    song = replace(
        song, grid=grid, timeline=Timeline.from_grid(grid, 3600.0), duration_s=3600.0, chords=chords, parts=parts
    )
    page = written(tmp_path / "out", song)
    assert len(page.encode()) <= overview.MOST_BYTES == 300_000
    drawn, total = data_of(page)["notes"]
    assert 15_000 < drawn < total == 60_000


def test_thinning_keeps_the_long_and_loud_notes_of_each_part() -> None:
    few, many = [Note(1.0, 2.0, 60, 90)] * 10, [Note(t, t + 0.01 * (t + 1), 50, 90) for t in range(90)]
    kept = thinned([few, many], 50)
    assert [len(notes) for notes in kept] == [5, 45]
    assert kept[1] == many[45:]
    assert thinned([few, many], 100) == [few, many]
