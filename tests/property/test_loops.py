"""What holds for the loops of every song."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.deliver.loops import CRUMB_TICKS, write
from bridge.model import BeatGrid, DeliverOptions, Note
from bridge.music.timeline import Timeline
from bridge.progress import Progress
from tests.daw_support import Folder, part, song

RATE = 8000


@st.composite
def grids(draw: st.DrawFn) -> BeatGrid:
    first_s = draw(st.floats(0.0, 1.5))
    gaps = draw(st.one_of(st.lists(st.floats(0.2, 1.5), max_size=40), st.floats(0.2, 1.5).map(lambda gap: [gap] * 24)))
    beats = tuple(float(beat) for beat in np.cumsum([first_s, *gaps]))
    signature = draw(st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 4)]))
    per_bar = signature[0] * 4 // signature[1]
    return BeatGrid(100.0, beats, beats[draw(st.integers(0, per_bar - 1)) :: per_bar], signature)


@st.composite
def notes(draw: st.DrawFn) -> Note:
    onset_s = draw(st.floats(0.0, 30.0))
    length_s = draw(st.one_of(st.floats(0.001, 0.2), st.floats(0.2, 20.0)))
    return Note(onset_s, onset_s + length_s, draw(st.integers(30, 60)), draw(st.integers(1, 127)))


def read(file: Path) -> list[tuple[int, int, int]]:
    """(start, end, pitch) in ticks of the notes of a file; fails where one is not ended, or two sound at once."""
    now, begun, found = 0, {}, []
    for message in mido.MidiFile(file).tracks[0]:
        now += message.time
        if message.type == "note_on":
            assert message.note not in begun
            begun[message.note] = now
        elif message.type == "note_off":
            found.append((begun.pop(message.note), now, message.note))
    assert not begun
    return sorted(found)


@settings(max_examples=30, deadline=None)
@given(grids(), st.floats(0.5, 40.0), st.integers(1, 9), st.lists(notes(), max_size=25), st.booleans())
def test_loops_give_back_stem_and_notes(grid, seconds, bars, found, split) -> None:
    length = round(seconds * RATE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = np.random.default_rng(length).integers(-(2**23), 2**23, (length, 1), dtype=np.int32) << 8
        soundfile.write(folder / "bass.wav", samples, RATE, subtype="PCM_24")
        # One note of a pitch at a time: of those that overlap, MIDI keeps what it can.
        alone = [note for note in found if not any(other.pitch == note.pitch for other in found if other is not note)]
        of = song([part("bass", alone, audio=folder / "bass.wav")], grid, length / RATE)
        write(of, Folder(folder), DeliverOptions(loop_bars=bars, split_notes=split), Progress())
        files = sorted(folder.glob("loops/*/bass.wav"))
        joined = np.concatenate([soundfile.read(file, dtype="int32", always_2d=True)[0] for file in files])
        assert np.array_equal(joined, samples)
        check_notes(of.timeline, [read(file.with_suffix(".mid")) for file in files], files, alone, split=split)


def check_notes(timeline: Timeline, clips: list, files: list[Path], notes: list[Note], *, split: bool) -> None:
    """Each note is found again, within a crumb, in the loops one after the other."""
    heard: dict[int, list[tuple[int, int]]] = {}
    start = 0
    for file, of_loop in zip(files, clips, strict=True):
        for begin, end, pitch in of_loop:
            heard.setdefault(pitch, []).append((start + begin, start + end))
        start += bar_ticks(timeline, file.parent.name)
    assert heard.keys() == {note.pitch for note in notes}
    for note in notes:
        pieces = heard[note.pitch]
        assert split or len(pieces) == 1
        assert all(one[1] == after[0] for one, after in pairwise(pieces))
        assert abs(pieces[0][0] - timeline.position(note.onset_s)) <= CRUMB_TICKS + 1
        assert abs(pieces[-1][1] - timeline.position(note.offset_s)) <= CRUMB_TICKS + 1


def bar_ticks(timeline: Timeline, name: str) -> int:
    """Length of a loop by its name: counted in bars, not as the code under test does it."""
    bars = timeline.bars()
    first, last = (int(number) for number in name.removeprefix("bars-").split("-"))
    pick_up = int(bars[0].end_tick < bars[1].end_tick - bars[1].start_tick) if len(bars) > 1 else 0
    return bars[last - 1 + pick_up].end_tick - bars[first - 1 + pick_up].start_tick
