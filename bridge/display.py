"""How a conversion's progress looks: a live line on a terminal, plain lines in a pipe, JSON events for programs.

Each display is a context manager whose `report` is a listener for `bridge.progress.Progress`. Events may come from
several threads.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from bridge.progress import Report

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

#: What each stage is called on screen.
TITLES: Mapping[str, str] = {
    "read": "Reading",
    "decode": "Decoding",
    "separate": "Separating",
    "split drums": "Splitting drums",
    "tempo": "Finding the tempo",
    "notes drums": "Drum hits",
    "notes bass": "Bass notes",
    "notes melody": "Melody notes",
    "notes vocals": "Vocal notes",
    "harmony": "Chords and sections",
    "expression": "Loudness of the parts",
    "write": "Writing",
    "deliver als": "Live Set",
    "deliver dawproject": "DAWproject",
    "deliver loops": "Loops",
    "deliver score": "Score",
    "deliver preview": "Preview",
    "deliver overview": "Overview",
    "download": "Downloading",
}
#: Least time between two JSON progress events of one stage: enough for a smooth bar, not a flood.
_EVENT_INTERVAL_S = 0.2


class Display(Protocol):
    """Shows events."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def report(self, report: Report) -> None:
        """A stage has begun, moved or, at 1, ended."""

    def say(self, event: str, text: str, **facts: Any) -> None:
        """Something a user should know: `text` for people; `event` and `facts` for programs."""


class JsonDisplay:
    """One JSON object a line."""

    def __init__(self, stream: TextIO, clock: Any = time.monotonic) -> None:
        self._stream, self._clock, self._lock = stream, clock, threading.Lock()
        self._last: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()

    def report(self, report: Report) -> None:
        """Write a progress event, at most five a second and stage besides its beginning and end."""
        with self._lock:
            now = self._clock()
            fraction, when = self._last.get(report.stage, (-1.0, 0.0))
            ends = report.fraction >= 1.0 > fraction
            if not ends and (report.fraction <= fraction or (fraction >= 0.0 and now - when < _EVENT_INTERVAL_S)):
                return
            self._last[report.stage] = (report.fraction, now)
        self._write({"event": "progress", "stage": report.stage, "fraction": round(report.fraction, 4)})

    def say(self, event: str, text: str, **facts: Any) -> None:
        """Write one event."""
        if event == "source":
            with self._lock:
                self._last.clear()
        self._write({"event": event, "text": text, **facts})

    def _write(self, event: Mapping[str, Any]) -> None:
        line = json.dumps(event, ensure_ascii=True) + "\n"
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


class PlainDisplay:
    """A line when a stage has ended; for pipes and log files."""

    def __init__(self, progress_stream: TextIO, result_stream: TextIO, clock: Any = time.monotonic) -> None:
        self._progress_stream, self._result_stream, self._clock = progress_stream, result_stream, clock
        self._began: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress_stream.flush()
        self._result_stream.flush()

    def report(self, report: Report) -> None:
        """Write a line when a stage ends."""
        with self._lock:
            now = self._clock()
            began = self._began.setdefault(report.stage, now)
            if report.fraction < 1.0 or began < 0:
                return
            self._began[report.stage] = -1.0
        _write_line(self._progress_stream, f"{_title(report.stage)}: {now - began:.1f} s")

    def say(self, event: str, text: str, **_: Any) -> None:
        """Write the text: results to the one stream, everything else to the other."""
        if event == "source":
            with self._lock:
                self._began.clear()
        if text:
            _write_line(self._result_stream if event == "result" else self._progress_stream, text)


class LiveDisplay:
    """One line a stage with a bar and the time left; for terminals."""

    def __init__(self, progress_stream: TextIO, result_stream: TextIO) -> None:
        self._progress_stream, self._result_stream = progress_stream, result_stream
        self._lock = threading.Lock()
        self._bars: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bars()

    def report(self, report: Report) -> None:
        """Move the stage's bar; the first report of a stage adds one."""
        with self._lock:
            if self._bars is None:
                self._bars = _started_bars(self._progress_stream)
            if report.stage not in self._tasks:
                self._tasks[report.stage] = self._bars.add_task(_title(report.stage), total=1.0)
            self._bars.update(self._tasks[report.stage], completed=report.fraction)

    def say(self, event: str, text: str, **_: Any) -> None:
        """Print the text: above the bars, or below them where it ends them: a result, an error, a new source."""
        if event in ("source", "result", "error"):
            self._end_bars()
        if not text:
            return
        with self._lock:
            if self._bars is not None:
                self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
                return
        _write_line(self._result_stream if event == "result" else self._progress_stream, text)

    def _end_bars(self) -> None:
        """Leave the bars as they stand on the screen."""
        with self._lock:
            bars, self._bars, self._tasks = self._bars, None, {}
        if bars is not None:
            bars.stop()


def _started_bars(stream: TextIO) -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bars = Progress(
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(file=stream),
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bars.start()
    return bars


def _write_line(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()


def _title(stage: str) -> str:
    return TITLES.get(stage, stage.capitalize())
