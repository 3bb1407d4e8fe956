"""The port as the player's process uses it: it knows what sounds on the wire, and can always end it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bridge.outputs.messages import begins_note, closing, ends_note, note_off

#: After a port was opened again, what may hang is ended so often: at once, and while receivers connect again.
SWEEPS_S = (0.0, 0.25, 0.5, 1.0, 2.0)


class Outlet:
    """Sends messages and keeps the books of them.

    Parameters
    ----------
    send
        Sends one message, or raises `OSError`.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._sounding: set[tuple[int, int]] = set()
        self._used: set[int] = set()
        self._sweeps: list[tuple[float, Mapping[int, Iterable[int]]]] = []

    def send(self, message: bytes) -> None:
        """Send a message."""
        if message[0] < 0xF0:
            self._used.add(message[0] & 0x0F)
        if begins_note(message):
            # Before it is sent: should sending fail half-way, the note is ended once too often, not once too seldom.
            self._sounding.add((message[0] & 0x0F, message[1]))
        self._send(message)
        if ends_note(message):
            self._sounding.discard((message[0] & 0x0F, message[1]))

    def hush(self) -> None:
        """End all notes that sound, if any do, and leave the channels neutral."""
        if self._sounding:
            for channel, pitch in sorted(self._sounding):
                self._send(note_off(channel, pitch))
            self._sounding.clear()
            for message in closing(self._used):
                self._send(message)

    def plan_sweeps(self, pitches: Mapping[int, Iterable[int]], now_s: float) -> None:
        """Sweep away, now and some more times, what another process may have left sounding."""
        self._sweeps = [(now_s + after_s, pitches) for after_s in SWEEPS_S]

    @property
    def next_sweep_s(self) -> float:
        """When the next sweep is due; infinite if none is."""
        return self._sweeps[0][0] if self._sweeps else float("inf")

    def sweep(self, now_s: float) -> bool:
        """Do the sweeps that are due, except for what this process has begun itself; whether that was the last one."""
        before = len(self._sweeps)
        while self.next_sweep_s <= now_s:
            _, pitches = self._sweeps.pop(0)
            busy = {channel for channel, _ in self._sounding}
            for channel in sorted(pitches):
                for pitch in sorted(pitches[channel]):
                    if (channel, pitch) not in self._sounding:
                        self._send(note_off(channel, pitch))
            for message in closing(pitches.keys() - busy):
                self._send(message)
        return before > 0 and not self._sweeps
