"""Which places in a watched folder count: not ours, not hidden ones, not what lies deeper than asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bridge.inputs.headers import AUDIO_ENDINGS
from bridge.inputs.settle import is_passed_over
from bridge.jobs.model import JobSpec, Options

#: A result folder's manifest, and how it begins.
_MANIFEST = "manifest.json"
_MANIFEST_START = re.compile(rb'\{\s*"schema"\s*:\s*\d+\s*,\s*"stembridge"\s*:')


@dataclass(frozen=True, slots=True)
class WatchedFolder:
    """A folder whose recordings are converted, and how.

    Attributes
    ----------
    folder
        An absolute path; it needn't be there yet.
    out
        Where the results go, an absolute path. It may lie in `folder`, or be `folder`.
    recursive
        Whether folders in it are watched too; their results go to folders of the same names in `out`.
    polling
        Whether to read it again and again, for network drives, which send no events.
    options
        How to convert.
    shared_out
        The folder that `out` lies in, where other watched folders have theirs in it too: a content is converted once in
        all of them. None where `out` is this folder's alone.
    """

    folder: Path
    out: Path
    recursive: bool = False
    polling: bool = False
    options: Options = field(default_factory=Options)
    shared_out: Path | None = None

    @property
    def scope(self) -> str:
        """What a content is converted once in."""
        return os.fsencode(self.shared_out or self.out).decode("utf-8", "backslashreplace")

    def spec_for(self, recording: Path) -> JobSpec:
        """The job for one of its recordings.

        The result is called as the recording is, without its ending; where another recording beside it differs only in
        that, with it.
        """
        above = recording.parent.relative_to(self.folder)
        # Asked for by name: listing a folder of thousands for each of its files would take minutes.
        others = {recording.with_suffix(form(ending)) for ending in AUDIO_ENDINGS for form in (str.lower, str.upper)}
        is_alone = not any(other.exists() for other in others if other.name.lower() != recording.name.lower())
        name = "" if is_alone else recording.name
        return JobSpec(source=str(recording), out_dir=str(self.out / above), name=name, options=self.options)


def is_of_interest(watched: WatchedFolder, path: Path) -> bool:
    """Whether a file, or a folder that may hold some, at this path counts, by its path alone."""
    try:
        parts = path.relative_to(watched.folder).parts
    except ValueError:
        return False
    if not parts or any(is_passed_over(part) for part in parts) or (len(parts) > 1 and not watched.recursive):
        return False
    # An output folder in the watched one is no input; one that holds or is the watched one can't be told apart so.
    return not (watched.out != watched.folder and _is_in(watched.out, watched.folder) and _is_in(path, watched.out))


def lies_in_result(watched: WatchedFolder, path: Path) -> bool:
    """Whether a file lies in a result folder of ours, at any depth."""
    above = path.parent
    while above != watched.folder and _is_in(above, watched.folder):
        if is_result(above):
            return True
        above = above.parent
    return False


def is_result(folder: Path) -> bool:
    """Whether a folder is a result of a conversion, by the first bytes of its manifest."""
    try:
        with (folder / _MANIFEST).open("rb") as file:
            return _MANIFEST_START.match(file.read(200)) is not None
    except OSError:
        return False


def candidates(watched: WatchedFolder, start: Path, failed: Callable[[OSError], None]) -> Iterator[Path]:
    """The files below `start` that count by their places, in order; links to folders are not followed.

    Parameters
    ----------
    watched
        The watched folder.
    start
        It, or a folder in it.
    failed
        Told of folders that can't be read.
    """
    for folder, folders, files in os.walk(start, onerror=failed):
        here = Path(folder)
        if here != watched.folder and is_result(here):
            folders.clear()
            continue
        folders[:] = (
            sorted(name for name in folders if is_of_interest(watched, here / name)) if watched.recursive else []
        )
        yield from (here / name for name in sorted(files) if is_of_interest(watched, here / name))


def _is_in(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder)
