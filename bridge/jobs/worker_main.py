"""The process in which a job is converted: started by `bridge.jobs.worker`, never by hand.

It reads one line of JSON (a `JobSpec`) from its standard input, writes news (`bridge.jobs.news`) to its standard
output, and ends. SIGTERM, or the end of its input, which comes too when the parent dies, asks it to tidy up and end.

A process of its own, because an engine may crash, hang or eat all memory, and so that the daemon's memory stays small.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

from bridge.errors import BridgeError
from bridge.interrupt import end_at_once, interruptible
from bridge.jobs.model import JobSpec, spec_from_json
from bridge.jobs.news import MAX_FOUND, Advanced, Alive, Failed, Finished, Found, News, PartName, to_line
from bridge.model import COMPONENTS, PARTS, ConversionRequest, DeliverOptions, Groove, MidiOptions, Note
from bridge.names import deliveries_named
from bridge.progress import Progress, Report
from bridge.write import grooves

#: Progress is told at most ten times a second: who shows it needs no more.
NEWS_GAP_S = 0.1
#: Without progress to tell, a sign of life is given this often; the parent waits for minutes.
ALIVE_GAP_S = 5.0
#: How long tidying up may take, also when the parent is gone; one that is there waits as long.
GRACE_S = 3.0
#: Lower priority than the DAW, which must not stutter; of 19 steps, as ``nice`` has by custom 10 and batch daemons 5.
NICENESS = 5
_REPORT = "please report it with the daemon's log"


def main() -> None:
    """Do the one job that stands on the standard input, then end the process without further ado."""
    out = _take_over_stdout()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    teller = Teller(out, time.monotonic)
    with interruptible(lambda reason: end_at_once(1), patience_s=GRACE_S, signals=(signal.SIGTERM,)) as cancelled:
        try:
            spec = spec_from_json(sys.stdin.buffer.readline())
            threading.Thread(target=_watch_parent, args=[cancelled], name="watch-parent", daemon=True).start()
            teller.tell(work(spec, teller, cancelled))
        except BrokenPipeError:
            pass  # the parent has gone
        except BaseException as error:  # the border: whatever broke, the parent hears it in one line
            with contextlib.suppress(BrokenPipeError):
                teller.tell(failure(error))
        # Nothing is left to tidy up, and taking engines apart takes a moment.
        sys.stderr.flush()
        end_at_once(0)


def work(spec: JobSpec, teller: Teller, cancelled: threading.Event) -> Finished:
    """Convert, and write what Live needs where the spec has a clip."""
    from bridge.app import default_cache, engines_for
    from bridge.convert import convert

    request = spec_to_request(spec)
    choice = engines_for(request)
    progress = Progress(teller.report, cancelled, alive=teller.alive)
    result = convert(request, choice.engines, default_cache(), progress, choice.reasons, teller.found)
    folder = result.folder.absolute()
    insert = None
    if spec.clip is not None:
        from bridge.live.insert import write_insert

        insert = str(write_insert(folder, spec.clip))
    return Finished(str(folder), insert)


def spec_to_request(spec: JobSpec) -> ConversionRequest:
    """The request that a job's spec stands for."""
    options = spec.options
    range_s = None
    if options.range_s is not None:
        start_s, end_s = options.range_s
        range_s = start_s, float("inf") if end_s is None else end_s
    return ConversionRequest(
        source=Path(spec.source),
        out_dir=Path(spec.out_dir),
        recording=options.recording,
        separator=options.separator,
        parts=options.parts,
        bpm=options.bpm,
        range_s=range_s,
        midi=MidiOptions(
            quantize=None if options.quantize is None else Fraction(options.quantize),
            strength=options.strength,
            swing=options.swing,
            transpose=options.transpose,
            pitch_bend=options.pitch_bend,
            scale=options.scale,
            groove=_groove(options.groove),
            groove_strength=options.groove_strength,
            humanize=options.humanize,
            seed=options.seed,
            programs={part: program for part, program in options.programs.items()},
            expression=options.expression,
        ),
        stems=options.stems,
        drum_engine=options.drum_engine,
        tightness=options.tightness,
        fresh=options.fresh,
        name=spec.name,
        deliver=DeliverOptions(
            kinds=deliveries_named(options.deliver),
            loop_bars=options.loop_bars,
            split_notes=options.split_notes,
            audio_tracks=options.audio_tracks,
            soundfont=None if options.soundfont is None else Path(options.soundfont).expanduser(),
        ),
    )


def _groove(source: str | None) -> str | Groove | None:
    """A part's name as it is, or the groove in a file."""
    return source if source is None or source in (*PARTS, *COMPONENTS) else grooves.read(Path(source).expanduser())


def failure(error: BaseException) -> Failed:
    """The news that an error ended the job; the traceback of one that nobody foresaw goes to standard error."""
    if isinstance(error, BridgeError):
        return Failed(error.code, _line(str(error)))
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, MemoryError):
        return Failed("engine-crashed", "it ran out of memory: close other programs, or convert less at once")
    return Failed(BridgeError.code, _line(f"{type(error).__name__}: {error}; {_REPORT}"))


class Teller:
    """Writes news to the parent, from any thread, and no more often than it wants to hear.

    Parameters
    ----------
    out
        The pipe.
    clock
        Seconds from any start.
    """

    def __init__(self, out: BinaryIO, clock: Callable[[], float]) -> None:
        self._out = out
        self._clock = clock
        self._lock = threading.Lock()
        self._stage = ""
        self._told_s = clock()

    def tell(self, news: News) -> None:
        """Write it."""
        with self._lock:
            self._write(news)

    def report(self, report: Report) -> None:
        """Tell progress, unless there was news a moment ago; a new stage and the end of one are always told."""
        with self._lock:
            is_new = report.stage != self._stage or report.fraction >= 1.0
            if is_new or self._clock() - self._told_s >= NEWS_GAP_S:
                self._stage = report.stage
                self._write(Advanced(report.stage[:100], min(1.0, max(0.0, report.fraction))))

    def found(self, part: str, notes: Sequence[Note]) -> None:
        """Tell a part's notes, in several lines where they are many; one line where there are none."""
        rows = [(note.onset_s, note.offset_s, note.pitch, note.velocity) for note in notes]
        for start in range(0, max(1, len(rows)), MAX_FOUND):
            self.tell(Found(cast(PartName, part), tuple(rows[start : start + MAX_FOUND])))

    def alive(self) -> None:
        """Give a sign of life, unless there was news not long ago."""
        with self._lock:
            if self._clock() - self._told_s >= ALIVE_GAP_S:
                self._write(Alive())

    def _write(self, news: News) -> None:
        self._told_s = self._clock()
        self._out.write(to_line(news))
        self._out.flush()


def _take_over_stdout() -> BinaryIO:
    """The pipe to the parent; what anything prints from now on goes to standard error instead of among the news."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "wb")


def _watch_parent(cancelled: threading.Event) -> None:
    """When the parent closes the pipe, or dies: cancel, and end in any case, whatever else goes on here."""
    while os.read(0, 4096):
        pass
    cancelled.set()
    time.sleep(GRACE_S)
    end_at_once(1)


def _line(text: str) -> str:
    return " ".join(text.split())[:1000]


if __name__ == "__main__":
    main()
