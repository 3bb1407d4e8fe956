"""Trying what may crash, hang or print: in a child process, which says in lines of JSON how each attempt went.

Before an attempt its name is said, so that the parent, `probed`, knows what broke a child that is gone.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bridge import children
from bridge.quietly import refuse_telemetry

#: How long a child may take. Importing torch from a slow disk takes half a minute.
CHILD_TIMEOUT_S = 120.0

#: Module -> distribution, where their names differ.
_DISTRIBUTIONS = {"basic_pitch": "basic-pitch", "pythonosc": "python-osc", "rtmidi": "python-rtmidi", "yaml": "pyyaml"}
#: What libsndfile and libav are to read; both are built into their wheels, but a system's own build may lack some.
_SNDFILE_FORMATS = ("WAV", "AIFF", "FLAC", "OGG", "MP3")
_LIBAV_CODECS = ("aac", "alac", "mp3", "opus", "vorbis", "wmav2")


def probed(kind: str, *names: str) -> Iterator[dict[str, Any]]:
    """What came of each attempt: a dictionary with ``name`` and either ``error`` or what was found.

    Where a child dies, the next one goes on behind what killed it.

    Parameters
    ----------
    kind
        ``libraries`` (are they importable?), ``decoders`` (what can be read?) or ``midi`` (which back-ends work?).
    names
        The modules to import; the other kinds take none.
    """
    left = list(names)
    while True:
        lines, end = _child(kind, left)
        for line in lines:
            if "name" in line:
                yield line
        if not end:
            return
        culprit = lines[-1].get("trying", kind) if lines else kind
        yield {"name": culprit, "error": end}
        left = left[left.index(culprit) + 1 :] if culprit in left else []
        if not left:
            return


def _child(kind: str, names: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """What one child says, and how it came to a bad end; empty if it didn't."""
    try:
        done = subprocess.run(
            [*children.command("bridge.doctor_probe"), kind, *names],
            env=children.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=CHILD_TIMEOUT_S,
            check=False,
        )
        out, end = done.stdout, f"it ends the process with code {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired as error:
        out, end = error.stdout or b"", f"it takes longer than {CHILD_TIMEOUT_S:.0f} s"
    return [json.loads(line) for line in out.splitlines() if line.endswith(b"}")], end


# ---- in the child


def main() -> None:
    """Try what the arguments name: a kind of attempt, and its subjects."""
    kind, *names = sys.argv[1:]
    refuse_telemetry()
    pipe = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not come among the lines
    with os.fdopen(pipe, "w", encoding="ascii") as out:
        for name, attempt in _PROBES[kind](names):
            _say(out, {"trying": name})
            try:
                _say(out, {"name": name, **attempt()})
            except Exception as error:  # the border: whatever a library raises is what is to be told
                _say(out, {"name": name, "error": " ".join(f"{type(error).__name__}: {error}".split())[:300]})


def _libraries(names: Iterable[str]) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    for name in names:
        yield name, lambda name=name: _imported(name)  # type: ignore[misc]


def _imported(name: str) -> dict[str, Any]:
    importlib.import_module(name)
    return {"version": importlib.metadata.version(_DISTRIBUTIONS.get(name, name))}


def _decoders(names: Iterable[str]) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield from (("libsndfile", _sndfile), ("libav", _libav))


def _sndfile() -> dict[str, Any]:
    import soundfile

    there = soundfile.available_formats()
    return {"there": [name for name in _SNDFILE_FORMATS if name in there], "wanted": _SNDFILE_FORMATS}


def _libav() -> dict[str, Any]:
    import av

    there = set(av.codecs_available)
    return {"there": [name for name in _LIBAV_CODECS if name in there], "wanted": _LIBAV_CODECS}


def _midi(names: Iterable[str]) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "MIDI", _backends


def _backends() -> dict[str, Any]:
    from bridge.outputs.midi_port import backends

    rows = [
        {"name": it.name, "reason": it.reason, "ports": it.ports, "virtual": it.has_virtual_ports} for it in backends()
    ]
    return {"backends": rows}


_PROBES: dict[str, Callable[[Iterable[str]], Iterator[tuple[str, Callable[[], dict[str, Any]]]]]] = {
    "libraries": _libraries,
    "decoders": _decoders,
    "midi": _midi,
}


def _say(out: Any, line: dict[str, Any]) -> None:
    out.write(json.dumps(line) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
