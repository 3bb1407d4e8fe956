"""The bundled song, and how much of it a conversion found."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import mido

from bridge.model import COMPONENT_OF_KEY, PARTS, Note
from bridge.write import manifest as manifests
from bridge.write import notes as note_files

#: A note was found if one of its pitch begins this close to it: the tolerance of the MIREX note-tracking task.
ONSET_TOLERANCE_S = 0.05
#: MIDI's tempo until a file sets one.
_DEFAULT_TEMPO_US = 500_000


@dataclass(frozen=True, slots=True)
class BundledSong:
    """The song that comes with Stembridge (tools/make_demo_song.py made it).

    Attributes
    ----------
    audio
        The recording.
    truth
        The MIDI file that it was rendered from, with a track for each part.
    """

    audio: Path
    truth: Path


@dataclass(frozen=True, slots=True)
class Score:
    """How well one part was found.

    Attributes
    ----------
    found
        Notes that the conversion wrote.
    true
        Notes that the part really has.
    hits
        True notes that are among the found ones, each found note counting once.
    """

    found: int
    true: int
    hits: int


@contextmanager
def bundled_song() -> Iterator[BundledSong]:
    """The bundled song as files on disk, wherever Stembridge is installed."""
    folder = resources.files("bridge") / "data" / "demo"
    with resources.as_file(folder / "song.flac") as audio, resources.as_file(folder / "song.mid") as truth:
        yield BundledSong(audio, truth)


def score_against_truth(result: Path, truth: Path) -> dict[str, Score]:
    """Compare the notes of a result folder with the MIDI file that its recording was made from.

    A hit has its onset within 50 ms and the same pitch; of drums, the same component: both hi-hat sounds are one, and
    all toms.

    Parameters
    ----------
    result
        A result folder.
    truth
        A MIDI file with tracks named after parts; other tracks are passed over.

    Returns
    -------
    dict[str, Score]
        By part, for the parts that both have.

    Raises
    ------
    InvalidRequest
        If the folder is no result.
    """
    true_notes = read_tracks(truth)
    scores = {}
    for part in manifests.read(result).parts:
        if part.name in PARTS and part.name in true_notes and part.notes is not None:
            found = _onsets_by_kind(part.name, note_files.read(result / part.notes))
            true = _onsets_by_kind(part.name, true_notes[part.name])
            hits = sum(_matches(found[kind], onsets_s) for kind, onsets_s in true.items())
            scores[part.name] = Score(_count(found), _count(true), hits)
    return scores


def render_scores(scores: Mapping[str, Score]) -> str:
    """The scores as lines of text under each other."""
    rows = [f"{'part':<8} {'found':>6} {'true':>6} {'of these found':>16}"]
    for part, score in scores.items():
        share = f"{score.hits} ({score.hits / score.true:.0%})" if score.true else "-"
        rows.append(f"{part:<8} {score.found:>6} {score.true:>6} {share:>16}")
    return "\n".join(rows)


def read_tracks(path: Path) -> dict[str, list[Note]]:
    """The notes of each named track of a MIDI file."""
    file = mido.MidiFile(path)
    tempos = _tempos(file)
    return {track.name: _notes(track, tempos, file.ticks_per_beat) for track in file.tracks if track.name}


def _onsets_by_kind(part: str, notes: Iterable[Note]) -> defaultdict[int | str, list[float]]:
    """Onsets in order, by what must agree for a hit: the pitch, or the drum component."""
    onsets_s: defaultdict[int | str, list[float]] = defaultdict(list)
    for note in sorted(notes):
        onsets_s[COMPONENT_OF_KEY.get(note.pitch, "") if part == "drums" else note.pitch].append(note.onset_s)
    return onsets_s


def _count(onsets_s: Mapping[int | str, Sequence[float]]) -> int:
    return sum(map(len, onsets_s.values()))


def _matches(found_s: Sequence[float], true_s: Sequence[float]) -> int:
    """The most pairs that can be made of times within the tolerance, each used once; both are in order.

    On a line, giving each time in turn the earliest partner that is left is as good as any pairing.
    """
    matches = index = 0
    for time_s in true_s:
        index = bisect_left(found_s, time_s - ONSET_TOLERANCE_S, lo=index)
        if index < len(found_s) and found_s[index] <= time_s + ONSET_TOLERANCE_S:
            matches += 1
            index += 1
    return matches


def _tempos(file: mido.MidiFile) -> list[tuple[int, float, int]]:
    """Tempo changes as (tick, second, microseconds a quarter note)."""
    changes = [(0, 0.0, _DEFAULT_TEMPO_US)]
    tick = 0
    for message in mido.merge_tracks(file.tracks):
        tick += message.time
        if message.type == "set_tempo":
            changes.append((tick, _seconds(tick, changes, file.ticks_per_beat), message.tempo))
    return changes


def _seconds(tick: int, tempos: Sequence[tuple[int, float, int]], ticks_per_beat: int) -> float:
    since_tick, since_s, tempo = next(change for change in reversed(tempos) if change[0] <= tick)
    return since_s + float(mido.tick2second(tick - since_tick, ticks_per_beat, tempo))


def _notes(track: mido.MidiTrack, tempos: Sequence[tuple[int, float, int]], ticks_per_beat: int) -> list[Note]:
    """The notes of one track; a note-off ends the note of its key that began first."""
    notes = []
    begun: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    tick = 0
    for message in track:
        tick += message.time
        if message.type == "note_on" and message.velocity:
            begun[message.note].append((_seconds(tick, tempos, ticks_per_beat), message.velocity))
        elif message.type in ("note_on", "note_off") and begun[message.note]:
            onset_s, velocity = begun[message.note].pop(0)
            offset_s = _seconds(tick, tempos, ticks_per_beat)
            if offset_s > onset_s:
                notes.append(Note(onset_s, offset_s, message.note, velocity))
    return sorted(notes)
