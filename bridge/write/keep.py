"""What stays when one result takes another's place: the user's files, and those of its own that it takes over.

Files are moved, never copied, and every move can be undone.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct, ValidationError, convert

from bridge.write import manifest as manifests

#: Where a user's file goes when the new result has one of that name; ``kept-2`` and so on where that is taken too.
KEPT = "kept"
#: How a Live Set's name ends.
_SET = ".als"
#: In a work folder: what the result in the making takes over from the one that it replaces.
TAKEOVER = "takeover.json"


class Takeover(Struct, frozen=True):
    """What a result takes over from the one that it replaces, and from that one only.

    Attributes
    ----------
    paths
        Relative paths of files, as its manifest has them.
    manifest_sha256
        Of its manifest.
    """

    paths: tuple[str, ...]
    manifest_sha256: str

    @classmethod
    def of(cls, paths: Iterable[str], manifest: bytes) -> Takeover:
        """Take files over from the result with this manifest."""
        return cls(tuple(paths), hashlib.sha256(manifest).hexdigest())

    @classmethod
    def read(cls, work: Path) -> Takeover | None:
        """What a work folder says; None where nothing is taken over."""
        try:
            return convert(json.loads((work / TAKEOVER).read_bytes()), cls)
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, work: Path) -> None:
        """Put it into a work folder."""
        content = {"paths": self.paths, "manifest_sha256": self.manifest_sha256}
        (work / TAKEOVER).write_text(json.dumps(content), encoding="ascii")

    def is_from(self, folder: Path) -> bool:
        """Whether a folder is the result that it is meant for."""
        try:
            manifest = (folder / manifests.NAME).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(manifest).hexdigest() == self.manifest_sha256


def make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it; adds the ones that were missing to `made`, from the top down."""
    for path in (folder, *folder.parents)[::-1]:
        if not path.exists():
            path.mkdir(exist_ok=True)
            made.append(path)


def move_kept(old: Path, heir: Path, undo: contextlib.ExitStack, taken_over: Iterable[str] = ()) -> list[str]:
    """Move the user's files from an earlier result to another, and those of its own that are taken over.

    Returns
    -------
    list of str
        Relative paths of the user's files that could not stay where they were.
    """
    users = list(_users_files(old))
    moved: list[str] = []
    for path in (old / relative for relative in taken_over):
        place = heir / path.relative_to(old)
        if path.is_file() and path not in users and _is_free(place):
            _move(path, place, undo)
    # Those that can stay where they are come first, lest another one is put there.
    for path in sorted(users, key=lambda path: not _is_free(heir / path.relative_to(old))):
        relative = path.relative_to(old)
        if _is_folder(path) and _is_folder(heir / relative):
            continue  # an empty folder
        place = next(place for place in _places_for(relative, heir) if _is_free(place))
        _move(path, place, undo)
        if place != heir / relative:
            moved.append(place.relative_to(heir).as_posix())
    return moved


def move_back(source: Path, target: Path, made: list[Path]) -> None:
    """Undo a move and the making of folders for it. What can't be moved back stays, for the next conversion to find."""
    with contextlib.suppress(OSError):
        source.rename(target)
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            folder.rmdir()


def as_written(folder: Path) -> Iterator[str]:
    """Relative paths of the files in a result that are ours: as its manifest lists them, and not changed since.

    A Live project in which the user has saved a set is the user's as a whole, for the set plays the samples in it.
    """
    written = manifests.written_files(folder) or {}
    finished_ns = (folder / manifests.NAME).stat().st_mtime_ns if written else 0
    same = [path for path, file in written.items() if _is_same(folder / path, file, finished_ns)]
    projects = {path.rpartition("/")[0] for path in written if path.endswith(_SET)} - {""}
    ours = set(same)
    users = tuple(f"{project}/" for project in projects if not _sets_in(folder, project) <= ours)
    return (path for path in same if not path.startswith(users))


def has_users_set(folder: Path, project: str) -> bool:
    """Whether a folder of a result, where there is one, holds a Live Set that the user has saved."""
    sets = _sets_in(folder, project)
    return bool(sets) and not sets <= set(as_written(folder))


def leaves(folder: Path) -> Iterator[Path]:
    """Files, links and empty folders below a folder."""
    for path in sorted(folder.iterdir()):
        if _is_folder(path) and any(path.iterdir()):
            yield from leaves(path)
        else:
            yield path


def _is_same(path: Path, file: manifests.File, finished_ns: int) -> bool:
    """Whether a file is as the manifest, finished at a time, lists it.

    One that is no younger than the manifest is known by its size. In a copy of a result all files are as young as the
    copy, and are known by their content.
    """
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != file.bytes:
            return False
        return facts.st_mtime_ns <= finished_ns or (file.crc32 is not None and manifests.crc32_of(path) == file.crc32)
    except OSError:  # it is gone, or can't be read
        return False


def _sets_in(folder: Path, project: str) -> set[str]:
    """Relative paths of the Live Sets in a folder of a result; without the hidden files of some file systems."""
    places = (folder / project).glob(f"*{_SET}")
    return {place.relative_to(folder).as_posix() for place in places if not place.name.startswith(".")}


def _users_files(folder: Path) -> Iterator[Path]:
    """What in an earlier result isn't ours, or changed since."""
    ours = {*as_written(folder), manifests.NAME}
    return (path for path in leaves(folder) if path.relative_to(folder).as_posix() not in ours)


def _move(path: Path, place: Path, undo: contextlib.ExitStack) -> None:
    made: list[Path] = []
    undo.callback(move_back, place, path, made)
    make_folders(place.parent, made)
    path.rename(place)


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def _places_for(relative: Path, heir: Path) -> Iterator[Path]:
    """Where a kept file may go, best first."""
    yield heir / relative
    yield heir / KEPT / relative
    for number in itertools.count(2):
        yield heir / f"{KEPT}-{number}" / relative


def _is_free(place: Path) -> bool:
    """Whether nothing is at a path and no file where one of its folders would be."""
    existing = next(path for path in place.parents if os.path.lexists(path))
    return existing.is_dir() and not os.path.lexists(place)
