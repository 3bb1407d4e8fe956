"""Write four Live Sets of a result, each with more in it than the one before, to be opened in Live one after the other.

Usage: make_live_ladder.py RESULT FOLDER

What Live says of the first that it refuses tells what to mend; docs/reference/live-set.md says what to look at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bridge.deliver import als
from bridge.deliver.song import Song, SongPart, read_song
from bridge.model import BeatGrid, DeliverOptions
from bridge.music.timeline import Timeline
from bridge.progress import Progress
from bridge.write.files import ResultFolder

#: Of the third set: quarter notes, in bars of 6/8; the second tempo comes with the ninth bar.
TEMPOS_BPM, QUARTERS_EACH = (120.0, 90.0), 24


def rungs(song: Song) -> Iterator[tuple[str, Song, DeliverOptions]]:
    """Name, song and options of each set."""
    bare = replace(song, chords=(), sections=(), key=None)
    first = next((part for part in song.parts if part.notes), song.parts[0])
    silent = DeliverOptions(audio_tracks=False)
    yield "1 empty track", replace(bare, parts=(without_notes(first),)), silent
    yield "2 clip", replace(bare, parts=(first,)), silent
    grid = in_six_eight()
    timeline = Timeline.from_grid(grid, song.duration_s)
    yield "3 group and tempo map", replace(song, grid=grid, timeline=timeline, chords=(), sections=()), silent
    yield "4 stems and bends", replace(song, midi=replace(song.midi, pitch_bend=True)), DeliverOptions()


def without_notes(part: SongPart) -> SongPart:
    return replace(part, notes=(), raw_notes=())


def in_six_eight() -> BeatGrid:
    beats_s, now_s = [], 0.0
    for bpm in TEMPOS_BPM:
        for _ in range(QUARTERS_EACH):
            beats_s.append(now_s)
            now_s += 60.0 / bpm
    return BeatGrid(TEMPOS_BPM[0], tuple(beats_s), tuple(beats_s[::3]), (6, 8), is_constant=False)


def main(result: Path, folder: Path) -> None:
    song = read_song(result)
    with ResultFolder(folder) as out:
        for name, rung, options in rungs(song):
            als.write(replace(rung, name=name, home=folder.absolute()), out, options, Progress())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
