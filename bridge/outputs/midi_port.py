"""The MIDI port: a virtual one where the system has such a thing, an existing one by name where it hasn't.

=========  ==================  =============================================
system     back-end            what is opened
=========  ==================  =============================================
macOS      ``coremidi``        a virtual port
Linux      ``alsa``, ``jack``  a virtual port, with the first that works
Windows    ``winmm``           a loopback port that the user made beforehand
=========  ==================  =============================================

A name other than `PORT` that an existing port has means that port, on every system.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bridge.errors import EngineUnavailable

if TYPE_CHECKING:
    import rtmidi

#: Name of the virtual port, and of our client.
PORT = "Stembridge"
#: RtMidi's names of the back-ends -> ours. A virtual port is what the others can make.
_NAMES = {"core": "coremidi", "alsa": "alsa", "jack": "jack", "winmm": "winmm"}
_WITHOUT_VIRTUAL_PORTS = {"winmm"}
#: How often `MidiPort.is_lost` really looks.
LOOK_S = 1.0
#: JACK takes messages from a buffer of 16 KiB (RtMidi's JACK_RINGBUFFER_SIZE), 7 bytes a message and more. When its
#: server is gone, RtMidi waits for room in it for ever; long before that the missing echo says so.
_MOST_UNHEARD = 500
#: A JACK server that has no time for a moment loses what came in one period: some chords, but not so many messages.
_TOO_MANY_IN_VAIN = 24
#: Between the last message and the end of the port, for systems that deliver in a thread of their own.
_LEAVING_S = 0.03
#: How long to wait for room before looking again: less than the shortest period that JACK servers run with.
_ROOM_S = 0.001

_WINDOWS_HELP = (
    "Windows has no virtual ports of its own. Install loopMIDI, or use Windows MIDI Services where your Windows has "
    f"it, make a loopback port named {PORT}, and choose that port in your DAW. Or name another: --port NAME"
)
_MENDS = {
    "alsa": "the kernel's MIDI sequencer is missing (sudo modprobe snd-seq) or not yours to use (group audio)",
    "jack": "no JACK server runs; start one, or PipeWire with its JACK part",
    "coremidi": "macOS gives no access to its MIDI server; log in again",
    "winmm": "Windows gives no access to MIDI",
}


class NoMidiPort(EngineUnavailable):
    """There is no MIDI system here, or not the port that was asked for."""

    code = "no-midi"


@dataclass(frozen=True, slots=True)
class Backend:
    """A MIDI system that may be here.

    Attributes
    ----------
    name
        ``alsa``, ``jack``, ``coremidi`` or ``winmm``.
    reason
        Why it doesn't work and how to mend that, in one line; empty where it works.
    ports
        Names of the existing ports that could be played to.
    has_virtual_ports
        Whether it can make a port; else one of `ports` is needed.
    """

    name: str
    reason: str
    ports: tuple[str, ...]
    has_virtual_ports: bool

    @property
    def works(self) -> bool:
        """Whether it can be used."""
        return not self.reason


def backends(api: str | None = None) -> list[Backend]:
    """The MIDI systems that this system could have, in the order in which they are tried.

    Parameters
    ----------
    api
        Only the one of this name; None or empty for all.

    Raises
    ------
    NoMidiPort
        If python-rtmidi can't be loaded, or knows no such system.
    """
    found = []
    for name, number in _compiled(api):
        try:
            with _quiet():
                client = _library().MidiOut(number, name=f"{PORT} look")
                ports = tuple(client.get_ports())
                client.delete()
            reason = ""
        except OSError:  # rtmidi's errors are OSErrors; their text says no more than that it didn't work
            ports, reason = (), _MENDS[name]
        found.append(Backend(name, reason, ports, name not in _WITHOUT_VIRTUAL_PORTS))
    return found


def open_port(name: str = PORT, api: str | None = None) -> MidiPort:
    """Open a port to send to.

    Parameters
    ----------
    name
        Of the virtual port, or of an existing one.
    api
        The back-end to use; None or empty for the first that works.

    Raises
    ------
    NoMidiPort
        If no back-end works, with the reason of each, or (on Windows) there is no such port.
    """
    tried = backends(api)
    usable = [backend for backend in tried if backend.works]
    if not usable:
        reasons = "; ".join(f"{backend.name}: {backend.reason}" for backend in tried)
        raise NoMidiPort(f"there is no MIDI system here: {reasons or 'python-rtmidi was built without any'}")
    backend = next((it for it in usable if _matching(name, it.ports) is not None), usable[0])
    existing = None if name == PORT and backend.has_virtual_ports else _matching(name, backend.ports)
    if existing is None and not backend.has_virtual_ports:
        there = ", ".join(backend.ports) or "none"
        raise NoMidiPort(f"there is no MIDI port named {name} (there are: {there}). {_WINDOWS_HELP}")
    try:
        return MidiPort(backend.name, name, existing)
    except (OSError, ValueError) as error:
        raise NoMidiPort(f"the MIDI port {name} can't be opened with {backend.name}: {_one_line(error)}") from error


class MidiPort:
    """An open port. `open_port` makes it; leaving its context closes it.

    Attributes
    ----------
    backend
        Name of the back-end.
    name
        The port's name, as other programs show it.
    is_virtual
        Whether it is ours; else it is an existing one that we play to.
    """

    def __init__(self, backend: str, name: str, existing: str | None) -> None:
        self.backend, self.name, self.is_virtual = backend, existing or name, existing is None
        number = dict(_compiled(backend))[backend]
        with _quiet():
            self._out: rtmidi.MidiOut = _library().MidiOut(number, name=name if existing is None else PORT)
            if existing is None:
                self._out.open_virtual_port(name)
            else:
                self._out.open_port(self._out.get_ports().index(existing), PORT)
            self._echo = _Echo(number, name) if backend == "jack" and existing is None else None
        self._looked_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, message: bytes) -> None:
        """Send one message.

        Raises
        ------
        OSError
            If the port is gone.
        """
        if self._echo is not None and not self._echo.may_send():
            raise ConnectionResetError("the JACK server takes no more messages")
        self._out.send_message(message)

    def is_lost(self) -> bool:
        """Whether the port has gone (its system was stopped, a loopback port removed); cheap enough to ask often."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return False
        self._looked_s = now_s
        if self._echo is not None:
            return not self._echo.is_heard()
        return not self.is_virtual and self.name not in self._out.get_ports()

    def close(self) -> None:
        """Close it, once what was sent has left. Not to be called on a port that is lost: JACK then never returns."""
        if self._echo is not None:
            self._echo.wait_for(0)
        time.sleep(_LEAVING_S)
        with _quiet():
            self._out.close_port()
            self._out.delete()
            if self._echo is not None:
                self._echo.close()


class _Echo:
    """Listens to our own JACK port: what it doesn't hear, nobody hears.

    Nothing else tells. RtMidi doesn't say when the server ends (ports are still listed then), nor waits until messages
    have left when a port is closed.
    """

    def __init__(self, number: int, name: str) -> None:
        self._in: rtmidi.MidiIn = _library().MidiIn(number, name=f"{name} echo", queue_size_limit=4 * _MOST_UNHEARD)
        self._in.ignore_types(sysex=True, timing=False, active_sense=True)
        ports: Sequence[str] = self._in.get_ports()
        self._in.open_port(max(index for index, port in enumerate(ports) if port.endswith(f":{name}")), "in")
        self._on_their_way = 0
        self._sent_in_vain = 0  # since anything was heard
        self._heard_s = time.monotonic()

    def may_send(self) -> bool:
        """Count a message that is about to be sent, waiting for room if need be; False if there won't be any."""
        if self._on_their_way == 0:
            self._heard_s = time.monotonic()
        self._on_their_way += 1
        self._sent_in_vain += 1
        return self._on_their_way <= _MOST_UNHEARD or self.wait_for(_MOST_UNHEARD)

    def is_heard(self) -> bool:
        """Whether what was sent a while ago came out, or so little of it did not that it may have been an overrun."""
        self._listen()
        if time.monotonic() - self._heard_s < LOOK_S:
            return True
        self._on_their_way = 0
        return self._sent_in_vain < _TOO_MANY_IN_VAIN

    def wait_for(self, most: int) -> bool:
        """Wait until no more than so many messages are on their way; False if nothing moves any more."""
        self._listen()
        while self._on_their_way > most:
            if time.monotonic() - self._heard_s > LOOK_S:
                return False
            time.sleep(_ROOM_S)
            self._listen()
        return True

    def close(self) -> None:
        """Listen no longer."""
        self._in.close_port()
        self._in.delete()

    def _listen(self) -> None:
        """Take what has come."""
        while self._in.get_message() is not None:
            self._on_their_way = max(0, self._on_their_way - 1)
            self._sent_in_vain = 0
            self._heard_s = time.monotonic()


def _matching(name: str, ports: Sequence[str]) -> str | None:
    """The existing port that a user means by a name: the same, or the only one that has it in its own."""
    wanted = name.casefold()
    same = [port for port in ports if port.casefold() == wanted]
    # Systems add numbers and clients' names: "Stembridge 1", "FLUID Synth (714):Synth input port (714:0) 128:0".
    like = same or [port for port in ports if wanted in port.casefold()]
    return like[0] if same or len(like) == 1 else None


def _compiled(api: str | None) -> list[tuple[str, int]]:
    """Name and RtMidi's number of the back-ends that the library has."""
    library = _library()
    named = [(_NAMES.get(library.get_api_name(number), ""), number) for number in library.get_compiled_api()]
    found = sorted((name, number) for name, number in named if name)
    if api and api not in dict(found):
        there = ", ".join(name for name, _ in found)
        raise NoMidiPort(f"there is no MIDI back-end {api} here; choose from {there}")
    return [(name, number) for name, number in found if not api or name == api]


def _library() -> Any:
    """python-rtmidi, whose types mypy can't see."""
    try:
        import rtmidi
    except ImportError as error:
        raise NoMidiPort(f"python-rtmidi can't be loaded ({error}); install Stembridge again") from error
    return rtmidi


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep ALSA's and JACK's libraries, which write to descriptor 2 whatever one does, from the user's terminal."""
    if sys.platform == "win32":
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a descriptor is wanted, not a path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
