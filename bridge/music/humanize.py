"""Notes that stray a little from where they are, as players do. Pure, and the same each time."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import blake2b

from bridge.model import Note
from bridge.music.notes import moved, share_of

#: How far an onset strays at most: players who play together are within 20 ms or so of each other (Rasch, 1979, finds
#: standard deviations of 10 to 20 ms within ensembles), and this spread has one of 8 ms.
MOST_S = 0.020
#: How far a velocity strays at most: an eighth of its range.
MOST_VELOCITY = 16
#: The range of one of the numbers that are drawn.
_SPAN = 1 << 32


def humanized(notes: Iterable[Note], amount: float, seed: int = 0, *, player: str = "") -> list[Note]:
    """Notes with onset and velocity moved at random; lengths stay.

    What a note gets depends on nothing but its onset, its pitch and the arguments: taking notes away or adding some
    leaves the others as they are.

    Parameters
    ----------
    notes
        In any order, in which they stay.
    amount
        0 (nothing changes) to 1 (`MOST_S` and `MOST_VELOCITY` at most, half of that or less for three of four notes).
    seed
        Another number gives other moves.
    player
        Whose notes these are: players stray independently of each other.

    Raises
    ------
    ValueError
        If `amount` is outside 0 to 1.
    """
    if share_of(amount, "humanize") == 0.0:
        return list(notes)
    return [_strayed(note, amount, f"{seed} {player}".encode()) for note in notes]


def _strayed(note: Note, amount: float, salt: bytes) -> Note:
    what = struct.pack("<qB", round(note.onset_s * 1e6), note.pitch)
    drawn = struct.unpack("<4I", blake2b(salt + what, digest_size=16).digest())
    # The sum of two even spreads has a peak in the middle, like people's errors, and an end, unlike a bell curve.
    late, loud = ((first + second) / _SPAN - 1.0 for first, second in (drawn[:2], drawn[2:]))
    return moved(note, amount * MOST_S * late, note.velocity + round(amount * MOST_VELOCITY * loud))
