"""Result folders: the only place that makes them. They appear whole or not at all, and nothing of the user's is lost.

A conversion works in ``.stembridge-<pid>-<random>`` beside its target, on the same file system, in which there are::

    owner.json   whose it is and what it is to become
    new/         the result in the making
    scratch/     what is needed only while at work
    old-0/       an earlier result, set aside while it is replaced

A replacement goes: earlier result to ``old-0``, the user's files in it to ``new``, ``new`` to the target. ``old-*``
exists only once ``new`` is complete, so that after a crash at any point the next conversion into the same place can
carry on from there.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import secrets
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from bridge.disk import printable, unwritable
from bridge.errors import OutputUnwritable
from bridge.write import manifest as manifests

#: How the names of folders at work begin. They stay short, so that a target may use all 255 bytes that a name can have.
WORK_PREFIX = ".stembridge-"
#: Where a user's file goes when the new result has one of that name; ``kept-2`` and so on where that is taken too.
KEPT = "kept"
#: Two conversions that end at once may each find the other's result in the way, but hardly this often.
_ATTEMPTS = 10
#: Names that Windows keeps for devices, with or without an ending.
_WINDOWS_DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{digit}" for port in ("COM", "LPT") for digit in range(1, 10)),
}
_NAMELESS = "untitled"


def folder_name_for(source: Path, *, platform: str = sys.platform) -> str:
    """Name of the result folder of a recording: its own name without the ending, made safe where it would not be one.

    Parameters
    ----------
    source
        The recording; only its last component counts.
    platform
        As `sys.platform`; on Windows, names can't end in a dot or space, nor be a device's.
    """
    stem, dot, ending = source.name.rpartition(".")
    name = stem if dot else ending
    if platform == "win32":
        name = name.rstrip(". ")
        if name.partition(".")[0].rstrip().upper() in _WINDOWS_DEVICES:
            name = f"_{name}"
    return _NAMELESS if name in ("", ".", "..") else name


class ResultFolder:
    """A result folder in the making; leaving the ``with`` block puts it in place, an exception removes it.

    Parameters
    ----------
    target
        What it will be. There may be nothing, an empty folder, or an earlier result, which is replaced: files in it
        that Stembridge didn't write, or that changed since, move to the same place in the new result or, where that is
        taken, to its ``kept`` folder.

    Raises
    ------
    OutputUnwritable
        On entry, where the target is something else or can't be made; on leaving, where it can't be put in place (what
        was there before is then back). An `OSError` that the block lets through becomes one too when it comes from this
        folder or a full disk.

    Examples
    --------
    ::

        with ResultFolder(out / "song") as folder:
            folder.write_bytes("midi/bass.mid", data)
            folder.write_bytes("manifest.json", manifest)
    """

    def __init__(self, target: Path) -> None:
        # A link to a folder stays one: the folder that it leads to is replaced.
        self.target = Path(os.path.realpath(target))
        self._work = self.target.parent / f"{WORK_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        self._new = self._work / "new"
        self._made: list[Path] = []

    def __enter__(self) -> ResultFolder:
        try:
            _make_folders(self.target.parent, self._made)
            _clear_up_after_the_dead(self.target.parent)
            _check_replaceable(self.target)
            self._work.mkdir()
            owner = {"host": socket.gethostname(), "pid": os.getpid(), "target": self.target.name}
            (self._work / "owner.json").write_text(json.dumps(owner), encoding="ascii")
            self._new.mkdir()
            self.scratch.mkdir()
        except BaseException as error:
            self._discard()
            if isinstance(error, OSError):
                raise unwritable(self.target, error) from error
            raise
        return self

    @property
    def scratch(self) -> Path:
        """A folder for what is needed only while at work; it goes when the result appears."""
        return self._work / "scratch"

    def path(self, relative: str) -> Path:
        """Where to write a file; its folder is made. `relative` has forward slashes and can't lead out of here."""
        path = self._new.joinpath(*_inside(relative))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.target / relative, error) from error
        return path

    def write_bytes(self, relative: str, data: bytes) -> None:
        """Write a file of the result."""
        path = self.path(relative)
        try:
            path.write_bytes(data)
        except OSError as error:
            raise unwritable(self.target / relative, error) from error

    def listing(self) -> dict[str, int]:
        """Size in bytes of each file written so far, by its relative path, in order; without the manifest."""
        files = (path for path in _leaves(self._new) if path.is_file() and path != self._new / manifests.NAME)
        return dict(sorted((path.relative_to(self._new).as_posix(), path.stat().st_size) for path in files))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._new.stat()  # missing where someone tidied up; then the user's files must stay where they are
                _publish(self._work, self.target)
                self._made = []
        except OSError as refusal:
            raise unwritable(self.target, refusal) from refusal
        finally:
            self._discard()
        if isinstance(error, OSError) and self._is_ours(error):
            raise unwritable(self.target, error) from error

    def _is_ours(self, error: OSError) -> bool:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        return isinstance(error.filename, str | bytes) and Path(os.fsdecode(error.filename)).is_relative_to(self._work)

    def _discard(self) -> None:
        _remove_work(self._work)
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # others may have put something there meanwhile
                folder.rmdir()


def _inside(relative: str) -> tuple[str, ...]:
    """The components of a relative path that stays inside its folder."""
    parts = tuple(relative.split("/"))
    if any(part in ("", ".", "..") or (os.sep != "/" and (os.sep in part or ":" in part)) for part in parts):
        raise ValueError(f"{relative!r} leads out of the result folder")
    return parts


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it; adds the ones that were missing to `made`, from the top down."""
    for path in (folder, *folder.parents)[::-1]:
        if not path.exists():
            path.mkdir(exist_ok=True)
            made.append(path)


def _check_replaceable(target: Path) -> None:
    """Raise `OutputUnwritable` where the target is neither missing, nor empty, nor an earlier result."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise OutputUnwritable(
            f"{printable(target)} is in the way and no folder; move it or choose another folder with --out"
        )
    if any(target.iterdir()) and manifests.written_files(target) is None:
        raise OutputUnwritable(
            f"{printable(target)} holds files that are no result of Stembridge; "
            "move it or choose another folder with --out"
        )


def _publish(work: Path, target: Path) -> None:
    """Put ``work/new`` at the target and what is there now into ``work/old-*``; after a failure all is as before."""
    undo = contextlib.ExitStack()
    with undo:
        for attempt in range(_ATTEMPTS):
            _check_replaceable(target)
            aside = work / f"old-{attempt}"
            with contextlib.suppress(FileNotFoundError):  # nothing there, or another conversion has just set it aside
                target.rename(aside)
                undo.callback(_move_back, aside, target, [])
                _move_kept(aside, work / "new", undo)
            try:
                (work / "new").rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt + 1 == _ATTEMPTS:
                    raise
                continue  # another conversion put its result there meanwhile; it is an earlier result now
            undo.pop_all()
            return


def _move_kept(old: Path, heir: Path, undo: contextlib.ExitStack) -> None:
    """Move the user's files from an earlier result to another."""
    # Those that can stay where they are come first, lest another one is put there.
    for path in sorted(_users_files(old), key=lambda path: not _is_free(heir / path.relative_to(old))):
        relative = path.relative_to(old)
        if _is_folder(path) and _is_folder(heir / relative):
            continue  # an empty folder
        place = next(place for place in _places_for(relative, heir) if _is_free(place))
        made: list[Path] = []
        undo.callback(_move_back, place, path, made)
        _make_folders(place.parent, made)
        path.rename(place)


def _move_back(source: Path, target: Path, made: list[Path]) -> None:
    """Undo a move and the making of folders for it. What can't be moved back stays, for the next conversion to find."""
    with contextlib.suppress(OSError):
        source.rename(target)
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _users_files(folder: Path) -> Iterator[Path]:
    """What in an earlier result isn't ours, or changed since: it has another size, or is newer than the manifest."""
    written = manifests.written_files(folder) or {}
    manifest = folder / manifests.NAME
    finished_ns = manifest.stat().st_mtime_ns if written else 0
    for path in _leaves(folder):
        facts = path.lstat()
        is_as_written = (
            stat.S_ISREG(facts.st_mode)
            and facts.st_mtime_ns <= finished_ns
            and facts.st_size == written.get(path.relative_to(folder).as_posix())
        )
        if not is_as_written and path != manifest:
            yield path


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def _leaves(folder: Path) -> Iterator[Path]:
    """Files, links and empty folders below a folder."""
    for path in sorted(folder.iterdir()):
        if _is_folder(path) and any(path.iterdir()):
            yield from _leaves(path)
        else:
            yield path


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


def _clear_up_after_the_dead(folder: Path) -> None:
    """Remove what killed conversions left in a folder; finish those that were about to put their result in place."""
    for work in sorted(folder.glob(f"{WORK_PREFIX}*-*")):
        with contextlib.suppress(OSError, ValueError):
            if _is_abandoned(work):
                _finish(work)
                _remove_work(work)


def _is_abandoned(work: Path) -> bool:
    """Whether the process that made a work folder is gone; False where that can't be told, as on another host."""
    pid = int(work.name.removeprefix(WORK_PREFIX).partition("-")[0])
    if _is_running(pid):
        return False
    if not (work / "owner.json").exists():
        return True  # killed between its first two steps; there is nothing in it
    owner = json.loads((work / "owner.json").read_bytes())
    return isinstance(owner, dict) and owner.get("host") == socket.gethostname()


def clear_up_own(folder: Path) -> None:
    """Remove what this process has at work in a folder; what was set aside for a replacement stays for the next one."""
    for work in folder.glob(f"{WORK_PREFIX}{os.getpid()}-*"):
        _remove_work(work)


def _finish(work: Path) -> None:
    """Carry on where a conversion was killed while it put its result in place."""
    asides = sorted(work.glob("old-*"))
    new = work / "new"
    if not asides or not new.exists():
        return
    target = work.parent / json.loads((work / "owner.json").read_bytes())["target"]
    with contextlib.ExitStack() as undo:
        # Another conversion may have put its result there meanwhile; then that one inherits the user's files.
        heir = target if target.is_dir() else new
        for aside in asides:
            _move_kept(aside, heir, undo)
        if heir is new:
            new.rename(target)
        undo.pop_all()
    shutil.rmtree(work, ignore_errors=True)


def _remove_work(work: Path) -> None:
    """Delete a work folder, unless it holds an earlier result that could not be put back."""
    is_published = not os.path.lexists(work / "new")
    if is_published or not list(work.glob("old-*")):
        shutil.rmtree(work, ignore_errors=True)


def _is_running(pid: int) -> bool:
    """Whether a process of this number exists on this machine."""
    if sys.platform == "win32":
        import ctypes

        limited_information = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
        handle = ctypes.windll.kernel32.OpenProcess(limited_information, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
