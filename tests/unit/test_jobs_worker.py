"""The worker's side of the pipe, without a process."""

import io
import threading
from fractions import Fraction
from pathlib import Path

import pytest

from bridge.errors import AudioUnreadable, Cancelled
from bridge.jobs.model import Job, JobSpec, Options
from bridge.jobs.news import MAX_FOUND, MAX_LINE_BYTES, Advanced, Alive, Failed, Finished, Found, from_line, to_line
from bridge.jobs.worker import _Tail
from bridge.jobs.worker_main import ALIVE_GAP_S, NEWS_GAP_S, Teller, failure, spec_to_request
from bridge.model import ConversionRequest, DeliverOptions, MidiOptions, Note
from bridge.names import DEFAULT_DELIVERIES
from bridge.progress import Progress


class Pipe(io.BytesIO):
    @property
    def news(self) -> list[object]:
        return [from_line(line) for line in self.getvalue().splitlines()]


@pytest.mark.parametrize(
    "news",
    [
        Advanced("notes bass", 0.25),
        Alive(),
        Found("drums", ((0.0, 0.1, 36, 127), (0.123456, 7000.5, 0, 1))),
        Finished("/out/\udcff", None),
        Finished("/a", "/b"),
        Failed("x", "\n"),
    ],
)
def test_news_come_over_as_they_were_sent(news) -> None:
    line = to_line(news)
    assert line.isascii()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert from_line(line) == news


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello\n",
        b"\xff\xfe\n",
        b"3\n",
        b"[]\n",
        b"{}\n",
        b'{"event": "result"}\n',
        b'{"event": "progress", "stage": "x", "fraction": 2.0}\n',
        b'{"event": "progress", "stage": "x", "fraction": "0.5"}\n',
        b'{"event": "error", "code": "", "text": ""}\n',
        b'{"event": "other"}\n',
        b'{"event": "found", "part": "kazoo", "notes": []}\n',
        b'{"event": "found", "part": "bass", "notes": [[0.0, 1.0, 128, 1]]}\n',
        b'{"event": "found", "part": "bass", "notes": [[NaN, 1.0, 40, 1]]}\n',
        b"[" * 100_000,
    ],
)
def test_what_is_no_news_is_none(line: bytes) -> None:
    assert from_line(line) is None


def test_progress_is_told_at_a_limited_rate_but_stages_always() -> None:
    now, pipe = [0.0], Pipe()
    progress = Progress(Teller(pipe, lambda: now[0]).report)
    stage = progress.stage("separate")
    for step in range(1000):
        now[0] = step / 1000
        stage.at(step / 1000)
    stage.at(1.0)
    progress.stage("tempo")
    stages = [(news.stage, round(news.fraction, 1)) for news in pipe.news]
    assert stages[0] == ("separate", 0.0)
    assert stages[-2:] == [("separate", 1.0), ("tempo", 0.0)]
    assert 10 <= len(stages) <= 3 + 1 / NEWS_GAP_S


def test_the_notes_of_a_part_are_told_in_lines_of_bounded_length() -> None:
    pipe = Pipe()
    notes = [Note(7000.123456 + step, 7000.234567 + step, 127, 127) for step in range(2 * MAX_FOUND + 1)]
    teller = Teller(pipe, lambda: 0.0)
    teller.found("vocals", notes)
    teller.found("melody", [])
    assert [len(news.notes) for news in pipe.news] == [MAX_FOUND, MAX_FOUND, 1, 0]
    assert [row for news in pipe.news for row in news.notes] == [
        (note.onset_s, note.offset_s, note.pitch, note.velocity) for note in notes
    ]
    assert max(map(len, pipe.getvalue().splitlines())) < MAX_LINE_BYTES / 2


def test_asking_whether_to_stop_is_a_sign_of_life_and_stops_when_asked_to() -> None:
    now, pipe, cancelled = [0.0], Pipe(), threading.Event()
    teller = Teller(pipe, lambda: now[0])
    progress = Progress(teller.report, cancelled, alive=teller.alive)
    stage = progress.stage("notes bass")
    for second in range(1, 21):
        now[0] = float(second)
        stage.check()
    assert pipe.news == [Advanced("notes bass", 0.0), *[Alive()] * int(20 / ALIVE_GAP_S)]
    cancelled.set()
    with pytest.raises(Cancelled):
        stage.check()


def test_a_bare_spec_stands_for_the_defaults_of_the_command() -> None:
    request = spec_to_request(JobSpec("/a/song.wav", "/out"))
    usual = DeliverOptions(DEFAULT_DELIVERIES)
    assert request == ConversionRequest(Path("/a/song.wav"), Path("/out"), deliver=usual)


def test_each_option_reaches_the_request() -> None:
    options = Options(
        recording="melody",
        separator="none",
        parts=("bass",),
        bpm=99.0,
        range_s=(1.0, None),
        quantize="1/12",
        strength=0.5,
        swing=0.25,
        transpose=-3,
        pitch_bend=True,
        scale="A minor",
        groove="drums",
        groove_strength=0.75,
        humanize=0.125,
        seed=7,
        programs={"bass": 38},
        expression=True,
        stems=False,
        drum_engine="onset",
        tightness=0.25,
        fresh=True,
        deliver=("loops", "als"),
        loop_bars=4,
        split_notes=False,
        audio_tracks=False,
        soundfont="/a.sf2",
    )
    assert all(getattr(options, field) != getattr(Options(), field) for field in Options.__struct_fields__)
    assert spec_to_request(JobSpec("/a.wav", "/out", "x", options)) == ConversionRequest(
        Path("/a.wav"),
        Path("/out"),
        "melody",
        "none",
        ("bass",),
        99.0,
        (1.0, float("inf")),
        MidiOptions(Fraction(1, 12), 0.5, 0.25, -3, True, "A minor", "drums", 0.75, 0.125, 7, {"bass": 38}, True),
        False,
        "onset",
        0.25,
        True,
        "x",
        DeliverOptions(("als", "loops"), 4, False, False, Path("/a.sf2")),
    )


def test_errors_become_one_line_with_their_code(capsys) -> None:
    assert failure(AudioUnreadable("no\nsound")) == Failed("audio-unreadable", "no sound")
    assert capsys.readouterr().err == ""
    unforeseen = failure(ValueError("odd"))
    assert (unforeseen.code, unforeseen.text[:15]) == ("internal", "ValueError: odd")
    assert "ValueError: odd" in capsys.readouterr().err
    assert failure(MemoryError()).code == "engine-crashed"


def test_the_end_of_a_stream_is_kept_in_bounded_space() -> None:
    tail = _Tail(1000)
    tail.drain(io.BytesIO(b"x" * 100_000 + b"\nlast \x1b[31mwords\n\n  \n"))  # type: ignore[arg-type]
    assert tail.last_line() == "last [31mwords"
    assert len(tail.text()) == 1000
    assert tail._held <= 1000 + 4096
    assert _Tail(10).last_line() == ""


@pytest.mark.parametrize(
    "state,ended", [("queued", False), ("running", False), ("done", True), ("failed", True), ("cancelled", True)]
)
def test_a_job_knows_whether_it_has_ended(state, ended) -> None:
    assert Job("a", "osc", 0, JobSpec("/a", "/b"), state).ended is ended
