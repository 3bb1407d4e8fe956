"""Pieces from MIDI files: Freedoom's songs (exact tempo and bars) and drummers of the Groove MIDI Dataset (played to a
click).
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import mido
import numpy as np

from tools.tempo.band import BASS, BASSES, CHORDS, KEYBOARDS, LEAD, LEADS, backing, truth_of
from tools.tempo.score import DRUM_CHANNEL, Course, Piece, Played, Truth

#: Shorter performances tell no bars.
_LEAST_S = 15.0
#: Keys, and how many times as many notes must be on the beat as elsewhere in it, for a song's bars to be believed.
_KICK_AND_SNARE, _BASS_BELOW, _CLEARLY = (35, 36, 38, 40), 43, 1.2


def freedoom(folder: Path, length_s: float, there: Container[str] = ()) -> Iterator[Piece]:
    """A stretch of each song from any place in a bar, half of them at another tempo than was written.

    Songs that are `there` are left out.
    """
    for path in sorted(folder.glob("*.mid")):
        if path.stem in there:
            continue
        rng = np.random.default_rng(crc32(path.stem.encode()))
        song = mido.MidiFile(path)
        notes, programs = _notes(song)
        if len(notes) < 100:
            continue
        speed = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.93, 1.07))
        quarters = Course(_quarters(song) / speed)
        last_s = quarters.at(max(note[1] for note in notes))
        start_s = float(rng.uniform(0.0, max(0.0, last_s - length_s)))
        played = [
            Played(at, max(at + 0.02, quarters.at(end) - start_s), channel, key, velocity)
            for beat, end, channel, key, velocity in notes
            if 0.0 <= (at := quarters.at(beat) - start_s) < length_s
        ]
        if len(played) > 50:
            truth = _song_truth(song, quarters, start_s, min(length_s, last_s - start_s))
            if not _is_on_its_beats(notes):
                truth = replace(truth, downbeats_s=np.zeros(0))
            yield Piece(path.stem, "freedoom", played, truth, min(length_s, last_s - start_s), programs)


def grooves(folder: Path, length_s: float, most: int, there: Container[str] = ()) -> Iterator[Piece]:
    """Drummers' performances, every other one with a band, all that are not in 4/4; not those that are there."""
    with (folder / "info.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["beat_type"] == "beat" and float(row["duration"]) > _LEAST_S]
    rows = [row for row in rows if (folder / row["midi_filename"]).exists()]
    order = np.random.default_rng(0).permutation(len(rows))
    odd = [row for row in rows if row["time_signature"] != "4-4"]
    even = [row for row in (rows[index] for index in order) if row["time_signature"] == "4-4"]
    for number, row in enumerate(odd + even[: most - len(odd)]):
        if row["id"].replace("/", "_") not in there:
            yield _groove(folder / row["midi_filename"], row, length_s, with_band=number % 2 == 0)


def _groove(path: Path, row: dict[str, str], length_s: float, *, with_band: bool) -> Piece:
    name = row["id"].replace("/", "_")
    rng = np.random.default_rng(crc32(name.encode()))
    signature = (int(row["time_signature"].split("-")[0]), int(row["time_signature"].split("-")[1]))
    notes, _ = _notes(mido.MidiFile(path))
    bpm, last = float(row["bpm"]), max(note[1] for note in notes)
    course = Course.steady(bpm, last + 8)
    per_bar = signature[0] * 4 / signature[1]
    start_s = float(rng.uniform(0.0, max(0.0, course.at(last) - length_s)))
    length_s = min(length_s, course.at(last) - start_s)
    programs = {DRUM_CHANNEL: int(rng.choice([0, 8, 16, 32, 40]))}
    if with_band:
        notes = [*notes, *backing(per_bar, 2, int(last / per_bar), rng, "band")]
        programs |= {BASS: int(rng.choice(BASSES)), CHORDS: int(rng.choice(KEYBOARDS)), LEAD: int(rng.choice(LEADS))}
    played = [
        Played(at, at + course.at(end) - course.at(beat) + 0.02, channel, key, velocity)
        for beat, end, channel, key, velocity in notes
        if 0.0 <= (at := course.at(beat) - start_s) < length_s
    ]
    truth = truth_of(course, start_s, length_s, per_bar, signature, is_constant=True)
    return Piece(name, "groove+band" if with_band else "groove", played, truth, length_s, programs)


def _notes(song: mido.MidiFile) -> tuple[list[tuple[float, float, int, int, int]], dict[int, int]]:
    """Notes (begin and end in quarters, channel, key, velocity) and each channel's first program."""
    notes, programs = [], {}
    open_notes: dict[tuple[int, int], tuple[int, int]] = {}
    tick = 0
    for message in mido.merge_tracks(song.tracks):
        tick += message.time
        if message.type == "program_change":
            programs.setdefault(message.channel, message.program)
        if message.type in ("note_on", "note_off"):
            place = (message.channel, message.note)
            if place in open_notes:
                begin, velocity = open_notes.pop(place)
                quarter = song.ticks_per_beat
                notes.append((begin / quarter, max(begin + 1, tick) / quarter, *place, velocity))
            if message.type == "note_on" and message.velocity:
                open_notes[place] = (tick, message.velocity)
    return notes, programs


def _is_on_its_beats(notes: list[tuple[float, float, int, int, int]]) -> bool:
    """Whether drums and bass are on the file's beats rather than between: some songs begin an eighth early."""
    low = [note for note in notes if (note[2] == DRUM_CHANNEL and note[3] in _KICK_AND_SNARE) or note[3] < _BASS_BELOW]
    eighths = np.bincount([round(note[0] * 8) % 8 for note in low], minlength=8)
    return bool(eighths[0] >= _CLEARLY * np.delete(eighths, 0).max())


def _quarters(song: mido.MidiFile) -> np.ndarray:
    """When each quarter of the song comes, in seconds, with some beyond its end."""
    changes, tick = [(0, 500_000)], 0
    for message in mido.merge_tracks(song.tracks):
        tick += message.time
        if message.type == "set_tempo":
            changes.append((tick, message.tempo))
    starts_s = np.concatenate(
        [[0.0], np.cumsum([(b - a) * tempo / song.ticks_per_beat / 1e6 for (a, tempo), (b, _) in pairwise(changes)])]
    )
    ticks = np.arange(0, tick + 16 * song.ticks_per_beat, song.ticks_per_beat)
    which = [bisect_right(changes, at, key=lambda change: change[0]) - 1 for at in ticks]
    return np.array(
        [
            starts_s[index] + (at - changes[index][0]) * changes[index][1] / song.ticks_per_beat / 1e6
            for at, index in zip(ticks, which, strict=True)
        ]
    )


def _song_truth(song: mido.MidiFile, quarters: Course, start_s: float, length_s: float) -> Truth:
    """Beats and bars of a stretch; no bars where the file tells no signature."""
    signatures, tick = [], 0
    for message in mido.merge_tracks(song.tracks):
        tick += message.time
        if message.type == "time_signature":
            signatures.append((tick / song.ticks_per_beat, (message.numerator, message.denominator)))
    end = len(quarters.times_s) - 1
    lines: list[tuple[float, tuple[int, int]]] = []
    for (begin, signature), until in zip(signatures, [*(at for at, _ in signatures[1:]), end], strict=False):
        lines += [(beat, signature) for beat in np.arange(begin, until - 1e-6, 4 * signature[0] / signature[1])]
    timed = [(quarters.at(beat) - start_s, signature) for beat, signature in lines]
    inside = [(at, signature) for at, signature in timed if 0.0 <= at < length_s]
    common = Counter(signature for _, signature in inside).most_common(1)
    signature = common[0][0] if common else (4, 4)
    felt = 1.5 if signature in ((6, 8), (9, 8), (12, 8)) else 1.0
    beats_s = np.array([quarters.at(beat) for beat in np.arange(0.0, end, felt)]) - start_s
    beats_s = beats_s[(beats_s >= 0.0) & (beats_s < length_s)]
    constant = bool(np.ptp(np.diff(beats_s)) < 1e-6) if len(beats_s) > 1 else True
    return Truth(beats_s, np.array([at for at, _ in inside]), signature, constant)
