"""Finished conversions played to the MIDI port, one after the other."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.errors import BridgeError
from bridge.jobs.model import JobEvent
from bridge.outputs.streamer import Streamer

#: Results that wait to be played. Of a whole folder of recordings nobody wants to hear more, and then the last ones.
MOST_WAITING = 16
#: How often it is looked, while something plays, whether the daemon ends.
LOOK_S = 0.5
#: How long ending may take: the player ends its notes.
STOP_S = 3.5

_log = logging.getLogger(__name__)


class Playback:
    """Plays results as they are finished, as long as it is entered. Where there is no MIDI system, it does nothing.

    Parameters
    ----------
    port
        Name of the MIDI port.
    api
        The MIDI system to use; empty for the first that works.
    say
        Tells the user a line.
    """

    def __init__(self, port: str, api: str, say: Callable[[str], None]) -> None:
        self._streamer = Streamer(port, api)
        self._say = say
        self._changed = threading.Condition()
        self._waiting: deque[Path] = deque(maxlen=MOST_WAITING)
        self._stopping = False
        self._thread = threading.Thread(target=self._play_all, name="playback", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._streamer.__enter__()
        except BridgeError as error:  # no MIDI system, or one that hangs: all else works
            _log.warning("notes are not streamed: %s", error)
            self._say(f"Note: notes are not streamed: {error}")
        else:
            self._thread.start()
            self._say(f"Finished conversions are played to the MIDI port {self._streamer.port.port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._streamer.close()
            self._thread.join(STOP_S)

    def on_event(self, event: JobEvent) -> None:
        """The queue's listener."""
        if event.kind == "ended" and event.job.result is not None:
            with self._changed:
                self._waiting.append(Path(event.job.result))
                self._changed.notify_all()

    def _play_all(self) -> None:
        while (folder := self._next()) is not None:
            try:
                self._play(folder)
            except BridgeError as error:
                _log.warning("%s could not be played to its end: %s", folder, error)

    def _next(self) -> Path | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._waiting)
            return None if self._stopping else self._waiting.popleft()

    def _play(self, folder: Path) -> None:
        _log.info("playing %s", folder)
        self._streamer.load(folder)
        self._streamer.play()
        while not self._streamer.wait(LOOK_S):
            with self._changed:
                if self._stopping:
                    return
