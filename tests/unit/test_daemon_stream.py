"""What is heard when, with a stand-in for the program that plays: it writes down its orders and plays in no time."""

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.daemon_stream import MOST_WAITING, Playback
from bridge.jobs.model import Job, JobEvent, JobSpec, Options
from bridge.jobs.news import Found
from tests.integration.daemon_support import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in waits for its pipe and a file at once")

PATIENCE_S = 20.0
PLAYER = """
import json, os, select, sys
folder = os.path.dirname(sys.argv[0])
if os.path.exists(os.path.join(folder, "no system")):
    os.write(1, b'{"is":"failed","number":0,"code":"no-midi","text":"no MIDI system works here"}\\n')
    os._exit(4)
log = open(os.path.join(folder, "orders"), "a")
def say(**report):
    os.write(1, json.dumps(report).encode() + b"\\n")
def at(state):
    say(**{"is": "position"}, state=state, seconds=0, bar=1, turns=0, zero_s=0, begun=0, late_ms=[0, 0, 0], stalls=0)
say(**{"is": "ready"}, backend="none", port="Stembridge", is_virtual=True)
song, plays, kept = "", False, b""
while True:
    if select.select([0], [], [], 0.01)[0]:
        data = os.read(0, 65536)
        if not data:
            break
        *lines, kept = (kept + data).split(b"\\n")
        for order in map(json.loads, lines):
            if order["do"] == "beat":
                continue
            log.write(json.dumps(order) + "\\n")
            log.flush()
            if order["do"] == "grow":
                song, plays = "growing", False
                if os.path.exists(os.path.join(folder, "die")):
                    os.remove(os.path.join(folder, "die"))
                    os._exit(1)
            elif order["do"] == "load" and "fatal" in order["folder"]:
                say(**{"is": "bye"}, reason="terminated")
                os._exit(0)
            elif order["do"] == "load":
                song, plays = order["folder"], False
                say(**{"is": "loaded"}, number=order["number"], parts=[], bars_s=[], end_s=1, pitches={})
            elif order["do"] == "play":
                plays = True
                at("playing")
            elif order["do"] == "stop":
                plays = False
                at("stopped")
            elif order["do"] == "clear":
                say(**{"is": "cleared"})
            elif order["do"] == "complete":
                song = "complete"
    if plays and song != "growing" and not ("long" in song and not os.path.exists(os.path.join(folder, "go"))):
        plays = False
        at("ended")
"""


class Scene:
    """A playback and what its player was told."""

    def __init__(self, folder: Path, playback: Playback) -> None:
        self._orders = folder / "orders"
        self._playback = playback

    @property
    def orders(self) -> list[dict]:
        return [json.loads(line) for line in self._orders.read_text().splitlines()] if self._orders.exists() else []

    @property
    def story(self) -> list[str]:
        """The orders in short, without those that only say that a part is known."""
        return [
            Path(order["folder"]).name if order["do"] == "load" else order.get("part", order["do"])
            for order in self.orders
            if order["do"] != "add" or order["notes"]
        ]

    def found(self, job: Job, part: str, *notes: tuple) -> None:
        self._playback.on_event(JobEvent(job, "found", Found(part, notes or ((0.0, 1.0, 40, 90),))))

    def end(self, job: Job, state: str = "done", result: str | None = None) -> None:
        ended = Job(
            job.id, job.origin, 0, job.spec, state, result=result or ("/out/whole" if state == "done" else None)
        )
        self._playback.on_event(JobEvent(ended, "ended"))

    def put_back(self, job: Job) -> None:
        self._playback.on_event(JobEvent(Job(job.id, job.origin, 0, job.spec, "queued"), "progress"))

    def until_idle(self) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while self._playback._is_busy or self._playback._waiting:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)

    def until(self, *story: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while (heard := self.story) != list(story):
            assert time.monotonic() < deadline_s, heard
            assert heard == list(story)[: len(heard)]
            time.sleep(0.005)


@pytest.fixture
def said() -> list[str]:
    """What the user was told."""
    return []


@pytest.fixture
def playback(tmp_path: Path, said: list[str]) -> Playback:
    script = tmp_path / "player.py"
    script.write_text(textwrap.dedent(PLAYER))
    command = (sys.executable, "-I", "-S", str(script))
    return Playback("Stembridge", "", said.append, command, retries_s=(0.05,))


@pytest.fixture
def scene(playback: Playback, tmp_path: Path) -> Iterator[Scene]:
    with playback:
        yield Scene(tmp_path, playback)


@pytest.fixture
def job() -> Callable[..., Job]:
    return lambda job_id="a", **options: Job(job_id, "watch", 0, JobSpec("/a.wav", "/out", "", Options(**options)))


def test_a_running_conversion_is_heard_from_its_first_part_on_and_its_result_is_not_played_again(scene, job) -> None:
    scene.found(job(), "bass")
    scene.until("grow", "bass", "play")
    scene.found(job(), "drums")
    scene.found(job(), "melody")
    scene.until("grow", "bass", "play", "drums", "melody")
    scene.end(job())
    scene.until("grow", "bass", "play", "drums", "melody", "complete")
    scene.end(job("b"), result="/out/next")
    scene.until("grow", "bass", "play", "drums", "melody", "complete", "next", "play")
    known = [order for order in scene.orders if order["do"] == "add" and order["known_s"] > 1000]
    before_play = scene.orders[: [order["do"] for order in scene.orders].index("play")]
    assert {order["part"] for order in known if order in before_play} == {"bass", "melody", "vocals", "drums"}


@pytest.mark.parametrize("options", [{"quantize": "1/16"}, {"transpose": 2}, {"pitch_bend": True}])
def test_a_conversion_whose_notes_will_be_changed_is_heard_when_it_is_done(scene, job, options) -> None:
    scene.found(job(**options), "bass")
    scene.end(job(**options))
    scene.until("whole", "play")


def test_a_conversion_that_comes_while_another_is_heard_waits_until_it_is_done(scene, job) -> None:
    scene.found(job("a"), "bass")
    scene.until("grow", "bass", "play")
    scene.found(job("b"), "bass")
    scene.end(job("a"))
    scene.found(job("b"), "drums")
    scene.until("grow", "bass", "play", "complete")
    scene.end(job("b"))
    scene.until("grow", "bass", "play", "complete", "whole", "play")


def test_while_a_result_is_heard_a_conversion_waits_and_isnt_begun_in_its_middle(scene, job, tmp_path) -> None:
    scene.end(job("a"), result="/out/long")
    scene.until("long", "play")
    scene.found(job("b"), "bass")
    (tmp_path / "go").touch()
    scene.end(job("c"), result="/out/next")
    scene.until("long", "play", "next", "play")
    scene.found(job("b"), "drums")
    scene.end(job("b"))
    scene.until("long", "play", "next", "play", "whole", "play")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_what_is_heard_of_a_conversion_that_comes_to_nothing_stops_and_the_next_one_is_heard(scene, job, state) -> None:
    scene.found(job("a"), "bass")
    scene.until("grow", "bass", "play")
    scene.end(job("a"), state)
    scene.until("grow", "bass", "play", "stop")
    scene.end(job("b"))
    scene.until("grow", "bass", "play", "stop", "whole", "play")


def test_a_conversion_that_was_interrupted_stops_and_is_heard_when_it_is_done(scene, job) -> None:
    scene.found(job(), "bass")
    scene.until("grow", "bass", "play")
    scene.put_back(job())
    scene.until("grow", "bass", "play", "stop")
    scene.found(job(), "bass")
    scene.end(job())
    scene.until("grow", "bass", "play", "stop", "whole", "play")


def test_a_conversion_that_runs_when_the_player_dies_is_heard_when_it_is_done(scene, job, tmp_path, caplog) -> None:
    (tmp_path / "die").touch()
    scene.found(job(), "bass")
    scene.until("grow", "clear")
    deadline_s = time.monotonic() + PATIENCE_S
    while "job a could not be played" not in caplog.text:
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
    scene.found(job(), "drums")
    scene.end(job())
    scene.until("grow", "clear", "whole", "play")


def test_ending_does_not_wait_for_a_conversion_that_is_heard(scene, job) -> None:
    scene.found(job(), "bass")
    scene.until("grow", "bass", "play")
    # Leaving the fixture's context does what is tested; it must take less than a look or two.
    began_s = time.monotonic()
    scene._playback.__exit__(None, None, None)
    assert time.monotonic() - began_s < 2.0
    assert not scene._playback._thread.is_alive()


def test_a_conversion_that_was_left_for_later_isnt_begun_in_its_middle_when_nothing_is_heard_any_more(
    scene, job, tmp_path
) -> None:
    scene.end(job("a"), result="/out/long")
    scene.until("long", "play")
    scene.found(job("b"), "bass")
    (tmp_path / "go").touch()
    scene.until_idle()
    scene.found(job("b"), "drums")
    scene.until_idle()  # nothing was put down to be played
    scene.found(job("c"), "bass")
    scene.until("long", "play", "grow", "bass", "play")
    scene.end(job("c"))
    scene.end(job("b"))
    scene.until("long", "play", "grow", "bass", "play", "complete", "whole", "play")


def test_of_many_results_that_wait_the_last_are_heard(scene, job, tmp_path) -> None:
    scene.end(job("a"), result="/out/long")
    scene.until("long", "play")
    for number in range(MOST_WAITING + 2):
        scene.end(job(f"b{number}"), result=f"/out/{number}")
    (tmp_path / "go").touch()
    later = [word for number in range(2, MOST_WAITING + 2) for word in (str(number), "play")]
    scene.until("long", "play", *later)


def test_streaming_begins_when_a_midi_system_comes_with_what_is_found_from_then_on(
    playback, said, job, tmp_path
) -> None:
    (tmp_path / "no system").touch()
    with playback:
        scene = Scene(tmp_path, playback)
        assert said == ["Note: notes are not streamed: no MIDI system works here"]
        scene.found(job("a"), "bass")
        scene.end(job("b"), result="/out/too early")
        (tmp_path / "no system").unlink()
        until(lambda: len(said) == 2, "the port")
        assert said[1] == "Conversions are played to the MIDI port Stembridge"
        scene.found(job("a"), "drums")
        scene.end(job("a"))
        scene.until("whole", "play")


def test_a_player_that_was_told_to_end_is_started_again_for_the_next_result(scene, job) -> None:
    scene.end(job("a"), result="/out/fatal")
    scene.until("fatal")
    scene.end(job("b"))
    scene.until("fatal", "whole", "play")


def test_a_song_that_breaks_the_thread_that_plays_does_not_silence_the_next(scene, job, caplog) -> None:
    scene.found(job("a"), "bass", (1.0,))  # no note, which never comes; whatever does come is no worse
    until(lambda: "job a could not be played" in caplog.text, "the fault")
    scene.end(job("b"))
    scene.until("grow", "whole", "play")


def test_ending_does_not_wait_for_a_midi_system(playback, tmp_path) -> None:
    (tmp_path / "no system").touch()
    with playback:
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 2.0
    assert not playback._thread.is_alive()
