"""Which staves a score has and what stands on them: a staff for each part, or the whole song reduced for piano."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

from bridge.deliver.song import Song, SongPart
from bridge.deliver.xmltext import clean
from bridge.model import GM_DRUM, Note
from bridge.music import rhythm
from bridge.music.notation import Symbol, written
from bridge.music.reduction import reduced
from bridge.music.rhythm import BarFrame
from bridge.music.strays import without_strays
from bridge.music.timeline import TICKS_PER_BEAT, Timeline
from bridge.progress import Progress
from bridge.write.midi import VOICES

#: Parts from the top of the page down.
ORDER = ("vocals", "melody", "bass", "drums")
#: A part with more than this share of its notes below the one, where a treble staff needs three ledger lines, and above
#: the other gets two staves, parted here.
RARE, WIDE, PARTED_AT = 1 / 30, (53, 60), 60
#: Medians of the notes below which another clef is easier to read.
BASS_CLEF_BELOW, LOW_VOICE_BELOW, LOW_BASS_BELOW = 55, 57, 45
#: Keys that a drummer's feet play: the lower voice.
FEET = frozenset({GM_DRUM["kick"]})
PIANO_PROGRAM = 0


class Clef(NamedTuple):
    """A clef as MusicXML names it; notes sound `octave` octaves above where they are written."""

    sign: str
    line: int
    octave: int = 0


TREBLE, TREBLE_8, BASS, BASS_8 = Clef("G", 2), Clef("G", 2, -1), Clef("F", 4), Clef("F", 4, -1)
PERCUSSION = Clef("percussion", 2)

Voice = list[list[Symbol]]


@dataclass(frozen=True, slots=True)
class Staff:
    """A staff: its clef and one or two voices, the upper first; each voice has the symbols of every bar."""

    clef: Clef
    voices: tuple[Voice, ...]


@dataclass(frozen=True, slots=True)
class Player:
    """One line of the score: a name, one staff or two, and what it sounds like (None: percussion)."""

    name: str
    staves: tuple[Staff, ...]
    program: int | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A score.

    Attributes
    ----------
    title
        Text that XML can hold; empty in the later ones of several pieces.
    bars
        Ascending, without gaps.
    first_number
        Of the first bar: 1, or 0 for an incomplete one, or more in the later ones of several pieces.
    players
        From the top of the page down, one at least.
    key, bpm
        As in `Song`; bpm counts quarters.
    chords, marks
        (tick, text), ascending: chord symbols, and the letters of sections.
    is_last
        Whether the music ends here.
    """

    title: str
    bars: tuple[BarFrame, ...]
    first_number: int
    players: tuple[Player, ...]
    key: str | None
    bpm: float
    chords: tuple[tuple[int, str], ...]
    marks: tuple[tuple[int, str], ...]
    is_last: bool = True


def full_score(song: Song, progress: Progress) -> Sheet:
    """A staff for each part in which something was found, or for the first part where nothing was."""
    parts = sorted((part for part in song.parts if part.parent is None), key=_place_on_page)
    heard = [part for part in parts if part.notes] or parts[:1]
    bars, has_pick_up = _bars(song, [note for part in heard for note in part.notes])
    players = []
    for part in heard:
        progress.check()
        players.append(_player(part, bars, song.timeline))
    return _sheet(song, bars, has_pick_up, players)


def piano_reduction(song: Song, progress: Progress) -> Sheet:
    """The whole song on a grand staff: melody and harmony for the right hand, bass for the left."""
    parts = {
        part.name: without_strays(part.notes, fold=VOICES[part.name].is_one_voice)
        for part in song.parts
        if part.program is not None
    }
    condensed = reduced(parts, song.chords, song.timeline)
    everything = [*condensed.melody, *condensed.harmony, *condensed.bass]
    bars, has_pick_up = _bars(song, everything)
    progress.check()
    grid = rhythm.grid_of(condensed.melody, bars, song.timeline)
    melody = rhythm.one_voice(condensed.melody, grid, song.timeline)
    chords = rhythm.joined(rhythm.chords_of(rhythm.placed(condensed.harmony, grid, song.timeline)))
    harmony = rhythm.below(chords, melody)
    low_grid = rhythm.grid_of(condensed.bass, bars, song.timeline)
    bass = rhythm.one_voice(condensed.bass, low_grid, song.timeline)
    progress.check()
    right = Staff(TREBLE, (written(melody, bars, grid.triplets), written(harmony, bars, grid.triplets)))
    left = Staff(BASS, (written(bass, bars, low_grid.triplets),))
    return _sheet(song, bars, has_pick_up, [Player("Piano", (right, left), PIANO_PROGRAM)])


def excerpts(sheet: Sheet, bars: int) -> Iterator[Sheet]:
    """A score in pieces of so many bars."""
    for start in range(0, len(sheet.bars), bars):
        yield replace(
            sheet,
            title=sheet.title if start == 0 else "",
            bars=sheet.bars[start : start + bars],
            first_number=sheet.first_number + start,
            players=tuple(_from_bar(player, start, start + bars) for player in sheet.players),
            is_last=start + bars >= len(sheet.bars),
        )


def _from_bar(player: Player, start: int, end: int) -> Player:
    staves = (replace(it, voices=tuple(voice[start:end] for voice in it.voices)) for it in player.staves)
    return replace(player, staves=tuple(staves))


def _place_on_page(part: SongPart) -> int:
    return ORDER.index(part.name) if part.name in ORDER else len(ORDER)


def _sheet(song: Song, bars: Sequence[BarFrame], has_pick_up: bool, players: Sequence[Player]) -> Sheet:
    end = bars[-1].end
    ticks = song.timeline.seconds_to_ticks
    return Sheet(
        title=clean(song.name, "Untitled"),
        bars=tuple(bars),
        first_number=0 if has_pick_up else 1,
        players=tuple(players),
        key=song.key,
        bpm=song.grid.bpm,
        chords=tuple((tick, it.symbol) for it in song.chords if bars[0].start <= (tick := ticks(it.start_s)) < end),
        marks=tuple((tick, it.label) for it in song.sections if bars[0].start <= (tick := ticks(it.start_s)) < end),
    )


def _bars(song: Song, notes: Sequence[Note]) -> tuple[list[BarFrame], bool]:
    """The bars of the score, and whether the first is a pick-up.

    A pick-up in which nothing begins is left out: it is the time before the first beat. So is what follows the last
    note.
    """
    bars = rhythm.bar_frames(song.timeline)
    has_pick_up = len(bars) > 1 and bars[0].meter.bar_ticks < bars[1].meter.bar_ticks
    onsets = [song.timeline.position(note.onset_s) for note in notes]
    if has_pick_up and not any(onset < bars[0].end - TICKS_PER_BEAT / 4 for onset in onsets):
        bars, has_pick_up = bars[1:], False
    last = max(onsets, default=0.0)
    end = max((song.timeline.position(note.offset_s) for note in notes), default=0.0) - TICKS_PER_BEAT
    needed = sum(bar.start <= max(last, end) for bar in bars)
    return bars[: max(1 + has_pick_up, needed)], has_pick_up


def _player(part: SongPart, bars: Sequence[BarFrame], timeline: Timeline) -> Player:
    """A part as a line of the score."""
    name = part.name.capitalize()
    is_one_voice = VOICES[part.name].is_one_voice
    notes = list(part.notes) if part.program is None else without_strays(part.notes, fold=is_one_voice)
    grid = rhythm.grid_of(notes, bars, timeline)
    if part.program is None:
        limbs = [[note for note in notes if (note.pitch in FEET) == is_foot] for is_foot in (False, True)]
        strokes = [written(rhythm.struck(limb, grid, timeline, bars), bars, grid.triplets) for limb in limbs]
        return Player(name, (Staff(PERCUSSION, tuple(strokes)),), None)
    if is_one_voice:
        line = written(rhythm.one_voice(notes, grid, timeline), bars, grid.triplets)
        return Player(name, (Staff(_clef(part.name, notes), (line,)),), part.program)
    hands = _hands(notes)
    clefs = (TREBLE, BASS) if len(hands) == 2 else (_clef(part.name, notes),)
    staves = [_chord_staff(clef, hand, grid, bars, timeline) for clef, hand in zip(clefs, hands, strict=True)]
    return Player(name, tuple(staves), part.program)


def _hands(notes: Sequence[Note]) -> tuple[Sequence[Note], ...]:
    """The notes of each staff that a part needs, the upper first."""
    pitches = sorted(note.pitch for note in notes)
    rare = int(RARE * len(pitches))
    if not pitches or pitches[rare] >= WIDE[0] or pitches[-1 - rare] <= WIDE[1]:
        return (notes,)
    high = [note for note in notes if note.pitch >= PARTED_AT]
    return high, [note for note in notes if note.pitch < PARTED_AT]


def _chord_staff(
    clef: Clef, notes: Sequence[Note], grid: rhythm.Grid, bars: Sequence[BarFrame], timeline: Timeline
) -> Staff:
    upper, lower = rhythm.two_voices(notes, grid, timeline)
    voices = [written(upper, bars, grid.triplets)] + ([written(lower, bars, grid.triplets)] if lower else [])
    return Staff(clef, tuple(voices))


def _clef(part: str, notes: Sequence[Note]) -> Clef:
    """The clef on which a part's notes need few ledger lines; basses and low voices are read an octave higher."""
    middle = median([note.pitch for note in notes] or [PARTED_AT])
    if part == "bass":
        return BASS_8 if middle < LOW_BASS_BELOW else BASS if middle < PARTED_AT else TREBLE
    if part == "vocals" and middle < LOW_VOICE_BELOW:
        return TREBLE_8
    return BASS if middle < BASS_CLEF_BELOW else TREBLE
