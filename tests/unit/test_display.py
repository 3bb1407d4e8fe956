import io
import json
import re

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


def screen(text: str, columns: int = 120) -> list[str]:
    """What a terminal shows of text that moves its cursor up and erases lines."""
    lines, row, column, index = [""], 0, 0, 0
    while index < len(text):
        escape = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])").match(text, index)
        if escape:
            index = escape.end()
            if escape[2] == "A":
                row -= int(escape[1] or 1)
            elif escape[2] == "K":
                lines[row] = ""
            continue
        letter = text[index]
        index += 1
        if letter == "\n":
            row += 1
            column = 0
            if row == len(lines):
                lines.append("")
        elif letter == "\r":
            column = 0
        else:
            lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines if line.strip()]


def test_on_a_terminal_nothing_that_was_said_is_erased(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = io.StringIO()
    stream.isatty = lambda: True
    with LiveDisplay(stream, stream) as display:
        for name in ("first", "second"):
            display.say("source", f"{name}.wav")
            for stage in ("read", "separate", "write"):
                display.report(Report(stage, 0.0))
                display.report(Report(stage, 1.0))
            display.say("warning", f"Note: about {name}")
            display.say("result", f"result of {name}")
    shown = screen(stream.getvalue())
    for name in ("first", "second"):
        assert f"{name}.wav" in shown
        assert f"Note: about {name}" in shown
        assert f"result of {name}" in shown
    assert sum(line.startswith("Separating") for line in shown) == 2
