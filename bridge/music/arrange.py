"""Notes as detected become notes as they go into MIDI, by the user's `MidiOptions`. Pure.

First the pitches: transposed, then moved onto a scale. Then the onsets: quantised, then grooved, then humanised, since
each of these is a departure from what the one before it made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.model import COMPONENTS, PITCHED_PARTS, Groove, MidiOptions, Note
from bridge.music.groove import GRID, extract, with_groove
from bridge.music.humanize import humanized
from bridge.music.quantize import quantize, transpose
from bridge.music.scale import KEY, Scale, parse_scale, snapped
from bridge.music.timeline import Timeline


def arrange(
    found: Mapping[str, Sequence[Note]], timeline: Timeline, options: MidiOptions, key: str | None = None
) -> dict[str, list[Note]]:
    """The notes of each part as they go into MIDI, in order of onset; with all options at rest, as they were.

    Parameters
    ----------
    found
        The notes of each part and component as they were detected.
    timeline
        Where the beats and bars are.
    options
        What to do with them. Drums keep their keys. A groove's part that the song lacks, or that has no notes, has no
        feel to give.
    key
        Of the transposed notes, such as ``A minor``; None where it isn't known.
    """
    scale = scale_of(options, key)
    placed = {name: _placed(name, notes, timeline, options, scale) for name, notes in found.items()}
    groove = _groove(found, timeline, options)
    if groove is not None:
        placed = _grooved(placed, timeline, groove, options.groove_strength)
    return {
        name: sorted(humanized(notes, options.humanize, options.seed, player=_player(name)))
        for name, notes in placed.items()
    }


def pitches(name: str, notes: Sequence[Note], options: MidiOptions, scale: Scale | None) -> list[Note]:
    """The notes of a part with their pitches as they go into MIDI, and onsets as detected."""
    if name not in PITCHED_PARTS:
        return list(notes)
    moved = transpose(notes, options.transpose)
    return moved if scale is None else snapped(moved, scale)


def scale_of(options: MidiOptions, key: str | None) -> Scale | None:
    """The scale that notes are to be on, in a song of a key; None where none is wanted, or the key isn't known."""
    name = key if options.scale == KEY else options.scale
    return None if name is None else parse_scale(name)


def _placed(
    name: str, notes: Sequence[Note], timeline: Timeline, options: MidiOptions, scale: Scale | None
) -> list[Note]:
    moved = pitches(name, notes, options, scale)
    if options.quantize is None:
        return sorted(moved)
    return quantize(moved, timeline, options.quantize, options.strength, options.swing)


def _groove(found: Mapping[str, Sequence[Note]], timeline: Timeline, options: MidiOptions) -> Groove | None:
    if not isinstance(options.groove, str):
        return options.groove
    grid = min(GRID, options.quantize or GRID)  # notes that are on a finer grid may differ from step to step
    return extract(found.get(options.groove, ()), timeline, grid)


def _grooved(
    placed: Mapping[str, Sequence[Note]], timeline: Timeline, groove: Groove, strength: float
) -> dict[str, list[Note]]:
    """All parts with the feel of a groove. The drums' components move with the drums, of which they are part."""
    players = {_player(name) for name in placed}
    feels = {
        player: extract(placed[player], timeline, groove.grid, groove.bars) for player in players if player in placed
    }
    grooved = {}
    for name, notes in placed.items():
        own = feels.get(_player(name)) or extract(notes, timeline, groove.grid, groove.bars)
        grooved[name] = with_groove(notes, timeline, groove, own, strength)
    return grooved


def _player(name: str) -> str:
    """Who plays a part: the drums' components are played by one."""
    return "drums" if name in COMPONENTS else name
