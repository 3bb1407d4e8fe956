import io
import json

import pytest

from bridge.display import JsonDisplay, LiveDisplay, PlainDisplay
from bridge.progress import Report


class Clock:
    """A time that only tests move."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def events(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_tells_beginning_and_end_of_a_stage_and_at_most_five_steps_a_second():
    clock, stream = Clock(), io.StringIO()
    with JsonDisplay(stream, clock) as display:
        for step in range(1001):
            clock.now = step / 500
            display.report(Report("separate", step / 1000))
    fractions = [event["fraction"] for event in events(stream)]
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert 9 <= len(fractions) <= 12


def test_json_tells_each_file_of_several():
    stream = io.StringIO()
    with JsonDisplay(stream, Clock()) as display:
        for name in ("a", "b"):
            display.say("source", name, path=name)
            display.report(Report("read", 0.0))
            display.report(Report("read", 1.0))
    assert [(event["event"], event.get("fraction")) for event in events(stream)] == [
        ("source", None),
        ("progress", 0.0),
        ("progress", 1.0),
    ] * 2


def test_json_is_ascii_whatever_the_names():
    stream = io.StringIO()
    with JsonDisplay(stream, Clock()) as display:
        display.say("source", "naïve 🎹 \udce9", path="\udce9")
    assert stream.getvalue().isascii()
    assert events(stream)[0]["path"] == "\udce9"


def test_plain_lines_come_once_when_a_stage_ends():
    clock, progress, results = Clock(), io.StringIO(), io.StringIO()
    with PlainDisplay(progress, results, clock) as display:
        display.report(Report("separate", 0.0))
        clock.now = 2.5
        display.report(Report("separate", 0.7))
        display.report(Report("separate", 1.0))
        display.report(Report("separate", 1.0))
        display.say("warning", "Note: short")
        display.say("result", "120 BPM")
    assert progress.getvalue() == "Separating: 2.5 s\nNote: short\n"
    assert results.getvalue() == "120 BPM\n"


@pytest.mark.parametrize("event", ["result", "warning"])
def test_the_live_display_keeps_results_apart_from_progress(event):
    progress, results = io.StringIO(), io.StringIO()
    with LiveDisplay(progress, results) as display:
        display.say("source", "[bold]song[/bold].mp3")
        display.report(Report("separate", 0.5))
        display.say(event, "text [1/2]")
    assert ("text [1/2]" in results.getvalue()) == (event == "result")
    assert "[bold]song[/bold].mp3" in progress.getvalue()
    assert "Separating" in progress.getvalue()
