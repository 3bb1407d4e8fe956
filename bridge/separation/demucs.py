"""Demucs' hybrid transformer models behind `bridge.engines.Separator`; they run in a child process.

Needs weights (`bridge.separation.weights`). The library is imported only in the child (`demucs_child`), so
importing this module is quick.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bridge import children
from bridge.audio.file import AudioFile
from bridge.engines import PartBlock
from bridge.errors import AudioUnreadable, BridgeError, EngineFailed, EngineUnavailable
from bridge.model import EngineId
from bridge.progress import Progress
from bridge.separation.demucs_child import Job
from bridge.separation.demucs_frames import BLOCK, DONE, FAILED, PROGRESS, Frame, read_frames, unpack_fraction
from bridge.separation.waiting import while_waiting
from bridge.separation.weights import Installed, find, installed

#: The sources of the models, in the order in which they give them (the ``sources`` in demucs' configuration).
_SOURCES = {
    "htdemucs": ("drums", "bass", "other", "vocals"),
    "htdemucs_ft": ("drums", "bass", "other", "vocals"),
    "htdemucs_6s": ("drums", "bass", "other", "vocals", "guitar", "piano"),
}
#: What is folded into the melody.
_MELODIC = ("other", "guitar", "piano")


class DemucsSeparator:
    """Separates with ``htdemucs``, ``htdemucs_ft`` or ``htdemucs_6s``.

    Parameters
    ----------
    name
        demucs' name for the model.
    weights_dir
        The folder with its files, or None: where `bridge.separation.weights.find` finds them.

    Raises
    ------
    InvalidRequest
        There is no such model.
    EngineUnavailable
        Its weights are missing or damaged.
    """

    def __init__(self, name: str, weights_dir: Path | None = None) -> None:
        folder = weights_dir or find(name)
        if folder is None:
            raise EngineUnavailable(f"{name} has no weights here yet: stembridge models download {name}")
        self._weights: Installed = installed(name, folder)
        self._sources = _SOURCES[name]

    @property
    def identity(self) -> EngineId:
        """The model's name, demucs' version and the hash of the weights."""
        return EngineId(self._weights.name, metadata.version("demucs"), self._weights.sha256)

    @property
    def parts(self) -> tuple[str, ...]:
        """The four parts; with six sources ``guitar`` and ``piano`` too, which are also in the melody."""
        return ("bass", "melody", "vocals", "drums", *self._sources[4:])

    def separate(self, mix: AudioFile, progress: Progress) -> Iterator[PartBlock]:
        """Yield the parts from start to end, at the mix's own rate, channels and length.

        Raises
        ------
        EngineUnavailable
            The weights don't load.
        EngineFailed
            The child broke down.
        AudioUnreadable
            The mix can't be read.
        Cancelled
            The user stopped it; the child is dead by then.
        """
        if mix.length == 0:
            progress.at(1.0)
            return
        with _Child(self._weights.name, Job(mix, self._weights.files, self._weights.rows)) as child:
            for kind, payload in child.frames(progress):
                if kind == PROGRESS:
                    progress.at(unpack_fraction(payload))
                elif kind == BLOCK:
                    samples = np.frombuffer(payload, dtype=np.float32)
                    yield self._fold(samples.reshape(len(self._sources), -1, mix.channels))
                elif kind == FAILED:
                    raise self._failure(payload)
                elif kind == DONE:
                    return
            raise child.death()

    def _fold(self, block: NDArray[np.float32]) -> PartBlock:
        """The parts from the sources, (sources, samples, channels)."""
        sources = dict(zip(self._sources, block, strict=True))
        melodic = [sources[name] for name in _MELODIC if name in sources]
        extra = {name: sources[name] for name in self._sources[4:]}
        melody = np.add.reduce(melodic) if extra else melodic[0]
        return {
            "bass": sources["bass"],
            "melody": melody,
            "vocals": sources["vocals"],
            "drums": sources["drums"],
            **extra,
        }

    def _failure(self, payload: bytearray) -> BridgeError:
        """The error for what the child says went wrong."""
        failure = json.loads(payload)
        name, message = self._weights.name, failure["message"]
        if failure["code"] == "weights":
            return EngineUnavailable(f"{name}'s weights don't load ({message}): stembridge models download {name}")
        if failure["code"] == "audio":
            return AudioUnreadable(message)
        return EngineFailed(f"{name} broke down ({message}): try another --separator")


class _Child:
    """The child process; leaving the context kills it."""

    def __init__(self, name: str, job: Job) -> None:
        self._name = name
        self._job = job

    def __enter__(self) -> _Child:
        # PASSIVE: OpenMP's threads sleep while they wait. Spinning, they cost others (a DAW) a core, and us a quarter
        # of our speed on a busy machine (measured: 3.6 s a segment against 2.6 s).
        environment = children.environment(OMP_WAIT_POLICY="PASSIVE")
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # closed in __exit__
        self._process = subprocess.Popen(
            children.command("bridge.separation.demucs_child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=environment,
            **children.beside(),  # Ctrl-C is for the parent, which then ends the child
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        process.kill()
        process.wait()
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # what it never read
            process.stdin.close()
        self._complaints.close()

    def frames(self, progress: Progress) -> Iterator[Frame]:
        """Send the job and give what the child says, up to its end."""
        return while_waiting(self._talk, progress)

    def _talk(self) -> Iterator[Frame]:
        """The conversation, from a thread of its own: it owns the child's standard output, and closes it."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdout as stdout:
            try:
                process.stdin.write(self._job.to_line())
                process.stdin.flush()
            except OSError:
                return  # it is dead already: that is told by its ending
            yield from read_frames(stdout)

    def death(self) -> EngineFailed:
        """The error for a child that ended without a word, with the likeliest reason."""
        code = self._process.wait()
        if code == -9:  # SIGKILL, which Windows' signal module lacks
            reason = "the system ended it, most likely for want of memory: close other programs"
        elif code < 0:
            reason = f"it crashed with signal {-code}"
        else:
            reason = self._last_complaint() or f"it ended with code {code}"
        return EngineFailed(f"{self._name} broke down ({reason}); or try another --separator")

    def _last_complaint(self) -> str:
        """The last line on the child's standard error."""
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 4096))
        lines = self._complaints.read().decode(errors="replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
