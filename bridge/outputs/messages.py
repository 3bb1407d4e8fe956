"""MIDI messages as bytes, and who is sounding: what a player needs of MIDI 1.0, and nothing else.

Channels count from 0 here, as they do on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM, BEND = 0x80, 0x90, 0xB0, 0xC0, 0xE0
SUSTAIN, ALL_NOTES_OFF = 64, 123

CLOCK, START, CONTINUE, STOP = bytes([0xF8]), bytes([0xFA]), bytes([0xFB]), bytes([0xFC])
#: MIDI's clock ticks so often in a quarter note, and its song positions count sixteenths, six ticks each.
CLOCKS_PER_QUARTER = 24
CLOCKS_PER_SIXTEENTH = 6
#: A song position has 14 bits.
MAX_SONG_POSITION = (1 << 14) - 1


def note_on(channel: int, pitch: int, velocity: int) -> bytes:
    """A note begins; `velocity` is 1 to 127."""
    return bytes([NOTE_ON | channel, pitch, velocity])


def note_off(channel: int, pitch: int) -> bytes:
    """A note ends, with MIDI's neutral release velocity of 64."""
    return bytes([NOTE_OFF | channel, pitch, 64])


def song_position(sixteenths: int) -> bytes:
    """Where the next `CONTINUE` goes on, in sixteenths from the start of the song."""
    return bytes([0xF2, sixteenths & 0x7F, sixteenths >> 7])


def bend_centre(channel: int) -> bytes:
    """The pitch wheel is let go."""
    return bytes([BEND | channel, 0, 64])


def begins_note(message: bytes) -> bool:
    """Whether a message begins a note; a note-on of velocity 0 ends one."""
    return message[0] & 0xF0 == NOTE_ON and message[2] > 0


def ends_note(message: bytes) -> bool:
    """Whether a message ends a note."""
    return message[0] & 0xF0 == NOTE_OFF or (message[0] & 0xF0 == NOTE_ON and message[2] == 0)


def closing(channels: Iterable[int]) -> Iterator[bytes]:
    """What leaves a channel quiet and neutral for whoever plays next: pedal up, wheel let go, all notes off.

    It comes after the single note-offs, never instead of them: many receivers ignore "all notes off".
    """
    for channel in sorted(channels):
        yield bytes([CONTROL | channel, SUSTAIN, 0])
        yield bend_centre(channel)
        yield bytes([CONTROL | channel, ALL_NOTES_OFF, 0])


class Sounding:
    """The notes that sound on one channel, so that each is begun once and ended once.

    Two notes of a pitch at once, which MIDI can't tell apart, become one after the other.
    """

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._notes: dict[int, int] = {}

    def begin(self, pitch: int, velocity: int) -> Iterator[bytes]:
        """The messages that begin a note."""
        before = self._notes.get(pitch, 0)
        self._notes[pitch] = before + 1
        if before:
            yield note_off(self._channel, pitch)
        yield note_on(self._channel, pitch, velocity)

    def end(self, pitch: int) -> Iterator[bytes]:
        """The messages that end a note: none while another of that pitch goes on, or where none was begun."""
        left = self._notes.get(pitch, 0) - 1
        if left > 0:
            self._notes[pitch] = left
        elif left == 0:
            del self._notes[pitch]
            yield note_off(self._channel, pitch)

    def end_all(self) -> list[bytes]:
        """The messages that end what sounds."""
        offs = [note_off(self._channel, pitch) for pitch in sorted(self._notes)]
        self._notes.clear()
        return offs
