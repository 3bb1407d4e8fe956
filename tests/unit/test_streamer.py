"""The player's process and its parent, when one of them hangs: stand-ins for the other, no MIDI system needed."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from bridge.outputs import streamer as streamers
from bridge.outputs import wire
from bridge.outputs.player import Options
from bridge.outputs.score import TimedNote
from bridge.outputs.stream_main import Stream
from bridge.outputs.streamer import Streamer
from tests.integration.daemon_support import until

#: Takes its orders, and plays as long as it is asked to.
PLAYER = """
import json, os, sys
def say(**report):
    os.write(1, json.dumps(report).encode() + b"\\n")
say(**{"is": "ready"}, backend="none", port="Stembridge", is_virtual=True)
position = dict(state="playing", seconds=0, bar=1, turns=0, zero_s=0, begun=0, late_ms=[0, 0, 0], stalls=0)
for line in sys.stdin.buffer:
    order = json.loads(line)["do"]
    if order == "play":
        say(**{"is": "position"}, **position)
    elif order == "clear":
        say(**{"is": "cleared"})
"""
#: More than a pipe holds.
NOTES = [TimedNote(index * 0.1, index * 0.1 + 0.05, 60, 100) for index in range(5000)]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.setattr(streamers, "BEAT_S", 0.05)
    script = tmp_path / "player.py"
    script.write_text(textwrap.dedent(PLAYER))
    return (sys.executable, "-I", "-S", str(script))


@pytest.mark.skipif(os.name == "nt", reason="Windows stops no processes")
@pytest.mark.parametrize("notes", [NOTES[:10], NOTES], ids=["few notes", "more than the pipe holds"])
def test_a_player_that_hangs_is_replaced_and_holds_nobody_up(command: tuple[str, ...], notes: list[TimedNote]) -> None:
    with Streamer(command=command) as streamer:
        streamer.play()
        until(lambda: streamer.position, "playing")
        hanging = streamer.pid
        os.kill(hanging, signal.SIGSTOP)
        streamer.append("melody", notes, 1e6)  # must come back though nobody reads
        until(lambda: streamer.pid != hanging, "another player")
        assert streamer.lost == 1
        streamer.play()
        until(lambda: streamer.position, "playing again")


@pytest.mark.skipif(os.name == "nt", reason="Windows stops no processes")
def test_a_player_that_hangs_before_it_plays_is_replaced_too(command: tuple[str, ...]) -> None:
    with Streamer(command=command) as streamer:
        hanging = streamer.pid
        os.kill(hanging, signal.SIGSTOP)
        streamer.append("melody", NOTES, 1e6)
        until(lambda: streamer.pid != hanging, "another player")


class Port:
    """A MIDI port that keeps what is sent."""

    name = "a test's"

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def is_lost(self) -> bool:
        return False


def test_what_sounds_ends_when_the_parent_gives_no_sign_of_life() -> None:
    port, inbox, heard = Port(), SimpleQueue(), []
    stream = Stream(port, inbox, heard.append, watchdog_s=0.3)
    for order in (
        wire.Grow(("bass",), Options()),
        wire.Add("bass", ((0.0, 100.0, 40, 90),), 1000.0),
        wire.Play(),
    ):
        inbox.put(order)
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    until(lambda: b"\x90\x28\x5a" in port.sent, "the note")
    until(lambda: b"\x80\x28\x40" in port.sent, "its end")
    until(lambda: isinstance(heard[-1], wire.Position) and heard[-1].state == "stopped", "the report")
    inbox.put("closed")
    thread.join(5.0)
    assert not thread.is_alive()
