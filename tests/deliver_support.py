"""A result folder, made as a conversion makes it but without listening to anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from bridge.model import BeatGrid, EngineId, MidiOptions, Note
from bridge.progress import Progress
from bridge.write.files import ResultFolder
from bridge.write.manifest import Source
from bridge.write.result import Findings, PartFindings, write_result

RATE = 8000
ENGINE = EngineId("none", "1")
#: Eight bars and a half at 120 BPM.
SECONDS = 17.0
NOTES: Mapping[str, Sequence[Note]] = {
    "bass": [Note(0.01 + index * 0.5, 0.4 + index * 0.5, 33 + index % 5, 90, 0.5) for index in range(32)],
    "drums": [Note(index * 0.5, index * 0.5 + 0.1, (36, 38)[index % 2], 100) for index in range(34)],
}


def make_result(
    folder: Path, notes: Mapping[str, Sequence[Note]] = NOTES, options: MidiOptions | None = None, *, stems: bool = True
) -> Path:
    """A result of the given notes at a constant 120 BPM, with noise for stems."""
    beats = tuple(index * 0.5 for index in range(int(SECONDS * 2)))
    names = frozenset(notes if stems else ())
    findings = Findings(
        source=Source(path="/music/song.wav", sha256="0" * 64, duration_s=SECONDS, sample_rate=RATE, channels=1),
        range_s=None,
        duration_s=SECONDS,
        parts={name: PartFindings(found, "stem", ENGINE) for name, found in notes.items()},
        grid=BeatGrid(120.0, beats, beats[::4], confidence=1.0),
        separator=ENGINE,
        stems=names,
    )
    with ResultFolder(folder) as new:
        for seed, name in enumerate(sorted(names)):
            samples = np.random.default_rng(seed).uniform(-0.5, 0.5, round(SECONDS * RATE))
            soundfile.write(new.path(f"stems/{name}.wav"), samples, RATE, subtype="PCM_24")
        write_result(new, findings, options or MidiOptions(), {"total": 1.0}, ["be careful"], Progress())
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """What is in a folder, by path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
