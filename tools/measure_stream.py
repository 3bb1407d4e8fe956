#!/usr/bin/env python3
"""Whether notes arrive, and how late: a stream to a JACK server of its own, with a receiver in another process.

usage: measure_stream.py [--notes N] [--rate N] [--period N] [--no-realtime] [--beside COMMAND ...]

A song of N notes (5,000) is played at a number of notes a second (40) through `Streamer`; jackd with the dummy driver
carries them, in realtime mode where that is permitted, and a second client notes when each comes. --beside runs a
command again and again meanwhile, such as: --beside python -m bridge convert --force --out beside song.flac

Printed: notes sent and received, notes that hang at the end, how late they were sent by the streamer's own count, and
how long after their due time they arrived, the server's buffering (two periods at most) included.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bridge import __version__
from bridge.model import BeatGrid, EngineId, Note
from bridge.music.timeline import Timeline
from bridge.outputs.messages import begins_note, ends_note
from bridge.outputs.streamer import Streamer
from bridge.write import manifest as manifests
from bridge.write import midi, notes

ROOT = Path(__file__).resolve().parents[1]
PORT = "Stembridge"
BPM = 120.0
#: How long anything may take to happen before a measurement, or a test, gives up.
PATIENCE_S = 20.0
#: How often a JACK server is tried to be started.
ATTEMPTS = 3
#: Pitches that a part goes through, and every how many notes it has its turn.
PARTS = {"bass": range(33, 50), "melody": range(60, 84), "vocals": range(57, 76), "drums": (36, 38, 42, 46, 51)}


def make_song(folder: Path, count: int, per_second: float, *, length_s: float = 0.0) -> Path:
    """A result folder with `count` notes spread over the parts, each as long as four of them."""
    step_s = 1.0 / per_second
    duration_s = max(length_s, count * step_s + 1.0)
    found: dict[str, list[Note]] = {part: [] for part in PARTS}
    for index in range(count):
        part = list(PARTS)[index % len(PARTS)]
        pitches = PARTS[part]
        onset_s = 0.25 + index * step_s
        pitch = pitches[index // len(PARTS) % len(pitches)]
        found[part].append(Note(onset_s, onset_s + 4 * step_s, pitch, 1 + index % 127))
    beats = tuple(beat * 60.0 / BPM for beat in range(int(duration_s * BPM / 60.0)))
    timeline = Timeline.from_grid(BeatGrid(BPM, beats, beats[::4]), duration_s)
    for kind in ("midi", "notes"):
        (folder / kind).mkdir(parents=True)
    for part, rows in found.items():
        (folder / f"midi/{part}.mid").write_bytes(midi.part_file(midi.MidiPart.of(part, rows), timeline))
        (folder / f"notes/{part}.json").write_bytes(notes.encode(part, rows))
    manifest = manifests.Manifest(
        stembridge=__version__,
        source=manifests.Source(
            path="/song.wav", sha256="0" * 64, duration_s=duration_s, sample_rate=44100, channels=2
        ),
        range_s=None,
        tempo_bpm=BPM,
        tempo=manifests.Tempo(bpm=BPM, confidence=1.0, alternatives_bpm=(), source="given"),
        beats_s=beats,
        downbeats_s=beats[::4],
        time_signature=(4, 4),
        key=None,
        separator=EngineId("none", "1"),
        parts=tuple(
            manifests.Part(
                name=part,
                midi=f"midi/{part}.mid",
                audio=None,
                notes=f"notes/{part}.json",
                confidence=1.0,
                color=manifests.COLORS[part],
                program=None,
            )
            for part in found
        ),
        files=(),
        timings_s={},
        warnings=(),
    )
    (folder / manifests.NAME).write_bytes(manifests.encode(manifest))
    return folder


def _started(period: int, realtime: bool) -> tuple[str, subprocess.Popen[bytes]] | None:
    """A server that answers, with its name; None where it doesn't: two that start at once get in each other's way."""
    name = f"stembridge-{os.getpid()}-{time.monotonic_ns()}"
    # -S: synchronous; jackd's asynchronous mode loses MIDI when a client is late. Without -R it takes some ten seconds
    # to notice that a client was killed.
    command = ["jackd", "-n", name, "-R" if realtime else "-r", "-S", "-d", "dummy", "-p", str(period)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    waiting = ["jack_wait", "--server", name, "--wait", "--timeout", str(int(PATIENCE_S / ATTEMPTS))]
    if subprocess.run(waiting, capture_output=True, check=False).returncode == 0 and server.poll() is None:
        return name, server
    _ended(server)
    return None


def _ended(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextlib.contextmanager
def jack_server(*, period: int = 256, realtime: bool = True) -> Iterator[dict[str, str]]:
    """A JACK server of our own with the dummy driver; gives the environment in which clients find it."""
    name, server = next(filter(None, (_started(period, realtime) for _ in range(ATTEMPTS))), ("", None))
    if server is None:
        raise RuntimeError("jackd doesn't start")
    try:
        yield {**os.environ, "JACK_DEFAULT_SERVER": name, "STEMBRIDGE_MIDI_API": "jack", "PYTHONPATH": str(ROOT)}
    finally:
        _ended(server)
        for left in Path("/dev/shm").glob(f"jack_*{name}*"):  # noqa: S108  # of clients that were killed
            left.unlink(missing_ok=True)


@dataclass
class Heard:
    """What a receiver heard: (seconds of the system's monotonic clock, message), and what sounds now."""

    messages: list[tuple[float, bytes]] = field(default_factory=list)
    sounding: set[tuple[int, int]] = field(default_factory=set)
    begun: int = 0
    begun_twice: int = 0
    connections: int = 0

    def take_in(self, line: str) -> None:
        """Take in a line of the receiving process."""
        word, _, rest = line.partition(" ")
        if word == "connected":
            self.connections += 1
            return
        message = bytes.fromhex(rest)
        self.messages.append((float(word), message))
        if begins_note(message):
            note = message[0] & 0x0F, message[1]
            self.begun += 1
            self.begun_twice += note in self.sounding
            self.sounding.add(note)
        elif ends_note(message):
            self.sounding.discard((message[0] & 0x0F, message[1]))


class Receiver:
    """A JACK client in a process of its own that plays nothing and writes down everything.

    It connects to the port when there is one, and again when there is another, as patch bays do.
    """

    def __init__(self, environment: dict[str, str], port: str = PORT) -> None:
        self.heard = Heard()
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--receive", port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert self._process.stdout is not None
        self._descriptor = self._process.stdout.fileno()
        self._rest = ""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._descriptor, selectors.EVENT_READ)

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._selector.close()

    def until(self, predicate: Callable[[Heard], bool], patience_s: float = PATIENCE_S) -> bool:
        """Listen until something holds of what was heard; False if it didn't come to that in time."""
        deadline_s = time.monotonic() + patience_s
        while not predicate(self.heard):
            if not self._selector.select(max(0.0, deadline_s - time.monotonic())):
                return False
            data = os.read(self._descriptor, 1 << 16)
            if not data:
                return predicate(self.heard)
            *lines, self._rest = (self._rest + data.decode("ascii")).split("\n")
            for line in lines:
                self.heard.take_in(line)
        return True


def receive(port: str) -> None:
    """The receiving process: a line for each message, until it is killed."""
    import rtmidi

    from bridge.outputs.priority import raise_priority

    raise_priority()  # as a DAW would: this is to measure the way there, not the arrival at a busy program

    def opened() -> Any:
        """A new client: RtMidi's JACK input hears nothing any more once it was closed."""
        client = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="receiver")
        client.ignore_types(sysex=False, timing=False, active_sense=False)
        client.set_callback(
            lambda event, _: os.write(1, f"{time.monotonic():.6f} {bytes(event[0]).hex()}\n".encode("ascii"))
        )
        return client

    client, is_open = opened(), False
    while True:
        there = [index for index, name in enumerate(client.get_ports()) if name.endswith(f":{port}")]
        if there and not is_open:
            try:
                client.open_port(there[-1])
                os.write(1, b"connected\n")
            except rtmidi.RtMidiError:  # it vanished since it was looked for
                there = []
        elif is_open and not there:
            client.close_port()
            client.delete()
            client = opened()
        is_open = bool(there)
        time.sleep(0.01)


@contextlib.contextmanager
def beside(command: Sequence[str]) -> Iterator[None]:
    """Run a command again and again."""
    stopped = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def run() -> None:
        while not stopped.is_set():
            running[:] = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
            running[0].wait()

    thread = threading.Thread(target=run)
    if command:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for process in running:
            process.terminate()
        if command:
            thread.join()


def quantile(values: Sequence[float], fraction: float) -> float:
    """The value below which a fraction of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))] if ordered else 0.0


def arrival_delays_ms(heard: Heard, zero_s: float, song: Path) -> list[float]:
    """How long after their due times notes arrived: the n-th note of each pitch against the n-th of the song."""
    from bridge.outputs.reader import read_score

    due: dict[tuple[int, int], list[float]] = {}
    for events in read_score(song).parts.values():
        for at_s, message in events:
            if begins_note(message):
                due.setdefault((message[0] & 0x0F, message[1]), []).append(zero_s + at_s)
    delays = []
    for at_s, message in heard.messages:
        if begins_note(message):
            delays.append((at_s - due[message[0] & 0x0F, message[1]].pop(0)) * 1e3)
    return delays


def stream(song: Path, receiver: Receiver, *, patience_s: float) -> tuple[Any, float]:
    """Play a song to its end; the last position and when its second 0 was."""
    with Streamer(PORT, "jack") as streamer:
        streamer.load(song)
        if not receiver.until(lambda heard: heard.connections > 0):
            raise RuntimeError("the receiver found no port")
        streamer.play()
        zeros: list[float] = []
        deadline_s = time.monotonic() + patience_s
        while not streamer.wait(0.2) and time.monotonic() < deadline_s:
            receiver.until(lambda _: False, 0.0)
            position = streamer.position
            if position is not None and position.state == "playing":
                zeros.append(position.zero_s)
        return streamer.position, zeros[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=40.0)
    parser.add_argument("--period", type=int, default=256)
    parser.add_argument("--no-realtime", dest="realtime", action="store_false")
    parser.add_argument("--receive", metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--beside", nargs=argparse.REMAINDER, default=[])
    chosen = parser.parse_args()
    if chosen.receive:
        receive(chosen.receive)
    if shutil.which("jackd") is None:
        sys.exit("jackd is needed (Debian: apt install jackd2)")
    with tempfile.TemporaryDirectory() as scratch, jack_server(period=chosen.period, realtime=chosen.realtime) as env:
        os.environ.update(env)
        song = make_song(Path(scratch) / "song", chosen.notes, chosen.rate)
        with Receiver(env) as receiver, beside(chosen.beside):
            position, zero_s = stream(song, receiver, patience_s=chosen.notes / chosen.rate * 2 + PATIENCE_S)
            receiver.until(lambda heard: heard.begun >= chosen.notes and not heard.sounding, 5.0)
        heard = receiver.heard
        delays = arrival_delays_ms(heard, zero_s, song)
        print(f"notes: {chosen.notes} in the song, {position.begun} sent, {heard.begun} received")
        print(f"hanging at the end: {len(heard.sounding)}; begun while they sounded: {heard.begun_twice}")
        print("sent late, ms (median, p99, max): {:.2f} {:.2f} {:.2f}".format(*position.late_ms))
        print(f"stalls: {position.stalls}")
        figures = quantile(delays, 0.5), quantile(delays, 0.99), max(delays, default=0.0)
        print("due to received, ms (median, p99, max): {:.2f} {:.2f} {:.2f}".format(*figures))


if __name__ == "__main__":
    main()
