"""A score as MusicXML 4.0.

Written element by element with the standard library: a note is a dozen elements in a fixed order, and everything that
needs thought (note values, ties, beams, accidentals) is decided before. docs/decisions/0008-musicxml-by-hand.md says
why not with music21 or partitura.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from bridge.deliver.score_sheet import Player, Sheet, Staff
from bridge.deliver.xmltext import node
from bridge.music.chords import NO_CHORD, chord_tones, split_symbol
from bridge.music.meter import Meter
from bridge.music.notation import Symbol
from bridge.music.rhythm import BarFrame
from bridge.music.spelling import Spelled, key_fifths, signature_alters, spelled
from bridge.music.timeline import TICKS_PER_BEAT
from bridge.progress import Progress

_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    b'"http://www.musicxml.org/dtds/partwise.dtd">\n'
)


class Stroke(NamedTuple):
    """How a percussion key is written: its name, its place on the staff as if in the treble clef, its notehead."""

    name: str
    step: str
    octave: int
    head: str


#: As drummers read them (N. Weinberg, Guidelines for Drumset Notation, 1998): by General MIDI key.
STROKES: dict[int, Stroke] = {
    36: Stroke("Kick", "F", 4, "normal"),
    38: Stroke("Snare", "C", 5, "normal"),
    42: Stroke("Closed Hi-Hat", "G", 5, "x"),
    46: Stroke("Open Hi-Hat", "G", 5, "circle-x"),
    49: Stroke("Crash", "A", 5, "x"),
    51: Stroke("Ride", "F", 5, "x"),
    48: Stroke("High Tom", "E", 5, "normal"),
    45: Stroke("Mid Tom", "D", 5, "normal"),
    43: Stroke("Floor Tom", "A", 4, "normal"),
}
#: What keys that Stembridge doesn't write look like.
_OTHER_STROKE = Stroke("Percussion", "B", 4, "triangle")
#: MusicXML's names of the qualities of chords.
KINDS: dict[str, str] = {
    "": "major",
    "m": "minor",
    "7": "dominant",
    "m7": "minor-seventh",
    "maj7": "major-seventh",
    "sus4": "suspended-fourth",
    "sus2": "suspended-second",
    "dim": "diminished",
    "aug": "augmented",
}
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_DRUM_CHANNEL = 10


def musicxml(sheet: Sheet, progress: Progress) -> bytes:
    """A score as an uncompressed MusicXML file."""
    root = Element("score-partwise", version="4.0")
    if sheet.title:
        SubElement(SubElement(root, "work"), "work-title").text = sheet.title
    SubElement(SubElement(SubElement(root, "identification"), "encoding"), "software").text = "Stembridge"
    names = SubElement(root, "part-list")
    for number, player in enumerate(sheet.players, 1):
        names.append(_score_part(f"P{number}", player, number))
    tones = _Tones(tuple(tick for tick, _ in sheet.chords), tuple(chord_tones(symbol) for _, symbol in sheet.chords))
    for number, player in enumerate(sheet.players, 1):
        part = SubElement(root, "part", id=f"P{number}")
        for measure in _measures(sheet, player, f"P{number}", tones):
            progress.check()
            part.append(measure)
    indent(root, " ")
    body: bytes = tostring(root, encoding="utf-8")
    return _HEAD + body + b"\n"


def text_node(tag: str, text: str | int, /, **attributes: str) -> Element:
    """An element that holds text."""
    element = node(tag, **attributes)
    element.text = str(text)
    return element


def _score_part(identity: str, player: Player, number: int) -> Element:
    """A player's entry in the list of parts: name and sounds."""
    entry = node("score-part", text_node("part-name", player.name), id=identity)
    entry.append(text_node("part-abbreviation", player.name[:1] + "."))
    if player.program is not None:
        channel = number if number < _DRUM_CHANNEL else number + 1
        entry.append(node("score-instrument", text_node("instrument-name", player.name), id=f"{identity}-I1"))
        sound = node("midi-instrument", text_node("midi-channel", channel), id=f"{identity}-I1")
        sound.append(text_node("midi-program", player.program + 1))
        entry.append(sound)
        return entry
    keys = sorted(
        {key for staff in player.staves for voice in staff.voices for bar in voice for it in bar for key in it.pitches}
    )
    for key in keys:
        instrument = node("score-instrument", id=f"{identity}-I{key}")
        instrument.append(text_node("instrument-name", STROKES.get(key, _OTHER_STROKE).name))
        entry.append(instrument)
    for key in keys:
        sound = node("midi-instrument", text_node("midi-channel", _DRUM_CHANNEL), id=f"{identity}-I{key}")
        sound.append(text_node("midi-unpitched", key + 1))
        entry.append(sound)
    return entry


class _Tones(NamedTuple):
    """Which chord's tones sound when, as places on the line of fifths."""

    ticks: tuple[int, ...]
    tones: tuple[tuple[int, ...], ...]

    def at(self, tick: int) -> tuple[int, ...]:
        """The tones of the chord that sounds at a tick; none before the first."""
        place = bisect_right(self.ticks, tick) - 1
        return self.tones[place] if place >= 0 else ()


def _measures(sheet: Sheet, player: Player, identity: str, tones: _Tones) -> Iterator[Element]:
    """The bars of one player; the first player's carry what stands above the staves."""
    for index, bar in enumerate(sheet.bars):
        number = sheet.first_number + index
        measure = node("measure", number=str(number))
        if number == 0:
            measure.set("implicit", "yes")
        measure.extend(list(_attributes(sheet, player, index)))
        if identity == "P1":
            measure.extend(list(_directions(sheet, index, bar)))
            measure.extend(list(_harmonies(sheet, bar)))
        reached = 0
        for staff_number, staff in enumerate(player.staves, 1):
            accidentals = _accidentals(staff, index, sheet, tones)
            for voice_number, voice in enumerate(staff.voices):
                symbols = voice[index]
                if voice_number and not any(symbol.pitches for symbol in symbols):
                    continue
                if reached:
                    measure.append(node("backup", text_node("duration", reached)))
                place = _Place(identity, player, staff_number, 4 * (staff_number - 1) + voice_number + 1)
                for symbol in symbols:
                    measure.extend(list(_notes(symbol, place, accidentals)))
                reached = bar.meter.bar_ticks
        if sheet.is_last and index == len(sheet.bars) - 1:
            measure.append(node("barline", text_node("bar-style", "light-heavy"), location="right"))
        yield measure


def _attributes(sheet: Sheet, player: Player, index: int) -> Iterator[Element]:
    """Key, time and clefs at the beginning; the time where it changes."""
    meter = sheet.bars[index].meter
    if index and meter == _shown_meter(sheet, index - 1):
        return
    attributes = Element("attributes")
    if index == 0:
        attributes.append(text_node("divisions", TICKS_PER_BEAT))
        if player.program is not None:
            key = node("key", text_node("fifths", key_fifths(sheet.key)))
            if sheet.key is not None:
                key.append(text_node("mode", sheet.key.split()[1]))
            attributes.append(key)
    meter = _shown_meter(sheet, index)
    time = node("time", text_node("beats", meter.numerator), text_node("beat-type", meter.denominator))
    attributes.append(time)
    if index == 0:
        attributes.append(text_node("staves", len(player.staves)))
        attributes.extend([_clef(number, staff) for number, staff in enumerate(player.staves, 1)])
    yield attributes


def _shown_meter(sheet: Sheet, index: int) -> Meter:
    """The time signature that a bar is written in: a pick-up's is that of the bar after it."""
    return sheet.bars[1 if index == 0 and sheet.first_number == 0 else index].meter


def _clef(number: int, staff: Staff) -> Element:
    clef = node("clef", text_node("sign", staff.clef.sign), number=str(number))
    if staff.clef.sign != "percussion":
        clef.append(text_node("line", staff.clef.line))
    if staff.clef.octave:
        clef.append(text_node("clef-octave-change", staff.clef.octave))
    return clef


def _directions(sheet: Sheet, index: int, bar: BarFrame) -> Iterator[Element]:
    """The tempo above the first bar, and the letters of sections."""
    for tick, label in sheet.marks:
        if bar.start <= tick < bar.end:
            yield _direction(text_node("rehearsal", label))
    if index == 0 and sheet.first_number < 2:
        tempo = node("metronome", text_node("beat-unit", "quarter"))
        is_dotted = _shown_meter(sheet, index).is_compound
        if is_dotted:
            tempo.append(Element("beat-unit-dot"))
        tempo.append(text_node("per-minute", f"{sheet.bpm / (1.5 if is_dotted else 1.0):.0f}"))
        direction = _direction(tempo)
        direction.append(node("sound", tempo=f"{sheet.bpm:.3f}".rstrip("0").rstrip(".")))
        yield direction


def _direction(content: Element) -> Element:
    return node("direction", node("direction-type", content), placement="above")


def _harmonies(sheet: Sheet, bar: BarFrame) -> Iterator[Element]:
    """The chord symbols of a bar, each with its place in it."""
    for tick, symbol in sheet.chords:
        if not bar.start <= tick < bar.end:
            continue
        harmony = Element("harmony")
        if symbol == NO_CHORD:
            harmony.append(node("root", text_node("root-step", "C", text="")))
            harmony.append(text_node("kind", "none", text="N.C."))
        else:
            name, suffix = split_symbol(symbol)
            root = node("root", text_node("root-step", name[0]))
            if name[1:]:
                root.append(text_node("root-alter", 1 if name[1] == "#" else -1))
            harmony.append(root)
            harmony.append(text_node("kind", KINDS[suffix], text=suffix))
        if tick > bar.start:
            harmony.append(text_node("offset", tick - bar.start))
        yield harmony


class _Place(NamedTuple):
    """Where notes go: whose they are, on which staff, in which voice (numbered through all staves)."""

    identity: str
    player: Player
    staff: int
    voice: int


#: Pitch in a symbol that begins somewhere -> how it is written, and its accidental if it needs one.
Accidentals = dict[tuple[Symbol, int], tuple[Spelled, str | None]]


def _accidentals(staff: Staff, index: int, sheet: Sheet, tones: _Tones) -> Accidentals:
    """How the notes of one staff in one bar are written, with what accidentals.

    An accidental holds for its line until the bar line, in both voices; a note tied to one before needs none.
    """
    if staff.clef.sign == "percussion":
        return {}
    signature = signature_alters(sheet.key)
    in_force: dict[tuple[str, int], int] = {}
    result: Accidentals = {}
    for symbol in sorted((it for voice in staff.voices for it in voice[index]), key=lambda it: it.start):
        for pitch in symbol.pitches:
            name = spelled(pitch, sheet.key, tones.at(symbol.onset))
            line = (name.letter, name.octave)
            is_shown = not symbol.is_tied[0] and in_force.get(line, signature[name.letter]) != name.alter
            if not symbol.is_tied[0]:
                in_force[line] = name.alter
            result[symbol, pitch] = name, _ACCIDENTALS[name.alter] if is_shown else None
    return result


def _notes(symbol: Symbol, place: _Place, accidentals: Accidentals) -> Iterator[Element]:
    """A rest, or each note of a chord; rests of a second voice aren't shown."""
    pitches: tuple[int | None, ...] = symbol.pitches or (None,)
    if place.player.program is None and symbol.pitches:  # a hi-hat is open or closed, not both
        pitches = tuple({STROKES.get(key, _OTHER_STROKE)[1:3]: key for key in symbol.pitches}.values())
    for number, pitch in enumerate(pitches):
        note = Element("note")
        if pitch is None and place.voice % 4 != 1:
            note.set("print-object", "no")
        if number:
            note.append(Element("chord"))
        note.extend(list(_sound(symbol, pitch, place, accidentals)))
        note.extend(list(_look(symbol, pitch, place, accidentals, is_first=number == 0)))
        yield note


def _sound(symbol: Symbol, pitch: int | None, place: _Place, accidentals: Accidentals) -> Iterator[Element]:
    """What a note is: pitch, length, ties, instrument, voice."""
    if pitch is None:
        yield node("rest") if symbol.value else node("rest", measure="yes")
    elif place.player.program is None:
        stroke = STROKES.get(pitch, _OTHER_STROKE)
        yield node("unpitched", text_node("display-step", stroke.step), text_node("display-octave", stroke.octave))
    else:
        name, _ = accidentals[symbol, pitch]
        element = node("pitch", text_node("step", name.letter))
        if name.alter:
            element.append(text_node("alter", name.alter))
        element.append(text_node("octave", name.octave))
        yield element
    yield text_node("duration", symbol.ticks)
    yield from (node("tie", type=kind) for kind in _ties(symbol, place))
    if pitch is not None and place.player.program is None:
        yield node("instrument", id=f"{place.identity}-I{pitch}")
    yield text_node("voice", place.voice)


def _look(
    symbol: Symbol, pitch: int | None, place: _Place, accidentals: Accidentals, *, is_first: bool
) -> Iterator[Element]:
    """How a note is drawn: value, dots, accidental, triplet, head, staff, beams, ties."""
    if symbol.value:
        yield text_node("type", symbol.value.kind)
        yield from (Element("dot") for _ in range(symbol.value.dots))
    accidental = accidentals.get((symbol, pitch), (None, None))[1] if pitch is not None else None
    if accidental:
        yield text_node("accidental", accidental)
    if symbol.tuplet:
        yield node("time-modification", text_node("actual-notes", 3), text_node("normal-notes", 2))
    if pitch is not None and place.player.program is None:
        yield text_node("stem", "up" if place.voice == 1 else "down")
        yield text_node("notehead", STROKES.get(pitch, _OTHER_STROKE).head)
    if len(place.player.staves) > 1:
        yield text_node("staff", place.staff)
    if is_first:
        yield from (text_node("beam", beam, number=str(level)) for level, beam in enumerate(symbol.beams, 1))
    notations = [node("tied", type=kind) for kind in _ties(symbol, place)]
    if is_first and symbol.tuplet in ("start", "stop"):
        notations.append(node("tuplet", type=symbol.tuplet, bracket="no" if symbol.beams else "yes"))
    if notations:
        yield node("notations", *notations)


def _ties(symbol: Symbol, place: _Place) -> list[str]:
    """Ties that end and begin at a note; strokes of drums have none."""
    if place.player.program is None or not symbol.pitches:
        return []
    return [kind for kind, is_there in zip(("stop", "start"), symbol.is_tied, strict=True) if is_there]
