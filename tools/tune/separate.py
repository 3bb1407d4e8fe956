"""What the built-in separator makes of each song, kept as files."""

from __future__ import annotations

import shutil
from pathlib import Path

from bridge.audio.file import AudioFile
from bridge.audio.stems import stem_format, write_stems
from bridge.model import PARTS
from bridge.progress import Progress
from bridge.separation.builtin import BuiltinSeparator


def separate_songs(cases: Path, target: Path) -> None:
    """Write <target>/<case>/<part>.wav of every song that isn't there yet."""
    for case in sorted(cases.glob("song_*")):
        folder = target / case.name
        if folder.exists():
            continue
        scratch = target / f".{case.name}"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        mix = AudioFile.open(case / "mix.flac")
        blocks = iter(BuiltinSeparator().separate(mix, Progress()))
        write_stems(mix, blocks, scratch, "residual", subtract=PARTS, sample_format=stem_format(mix))
        scratch.rename(folder)
        print(case.name, flush=True)
