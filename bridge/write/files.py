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
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from bridge.disk import printable, unwritable, write_whole
from bridge.errors import OutputUnwritable
from bridge.write import manifest as manifests
from bridge.write.keep import KEPT as KEPT
from bridge.write.keep import Takeover, leaves, make_folders, move_back, move_kept
from bridge.write.leftovers import WORK_PREFIX, clear_up_after_the_dead, remove_work
from bridge.write.leftovers import clear_up_own as clear_up_own

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


def changed_meanwhile(target: Path) -> OutputUnwritable:
    """That a result is no longer the one that more was to be made of."""
    return OutputUnwritable(f"{printable(target)} was changed meanwhile by another conversion; try again")


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
        #: Once it is in place: relative paths of the user's files that could not stay where they were.
        self.kept: tuple[str, ...] = ()

    def __enter__(self) -> ResultFolder:
        try:
            make_folders(self.target.parent, self._made)
            clear_up_after_the_dead(self.target.parent)
            _check_replaceable(self.target)
            self._work.mkdir()
            owner = {"host": socket.gethostname(), "pid": os.getpid(), "target": self.target.name}
            # Whole, since one that a kill cut short would tell nobody that this folder may go.
            write_whole(self._work / "owner.json", json.dumps(owner).encode("ascii"))
            self._new.mkdir()
            self.scratch.mkdir()
        except BaseException as error:
            self._discard()
            if isinstance(error, OSError):
                raise unwritable(self.target, error) from error
            raise
        return self

    @property
    def content(self) -> Path:
        """Where the files written so far lie, for reading them."""
        return self._new

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

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files that were written, and folders that are empty then."""
        for relative in paths:
            path = self._new.joinpath(*_inside(relative))
            path.unlink(missing_ok=True)
            for folder in path.parents[: len(path.relative_to(self._new).parts) - 1]:
                with contextlib.suppress(OSError):  # it isn't empty
                    folder.rmdir()

    def listing(self) -> dict[str, int]:
        """Size in bytes of each file written so far, by its relative path, in order; without the manifest."""
        files = (path for path in leaves(self._new) if path.is_file() and path != self._new / manifests.NAME)
        return dict(sorted((path.relative_to(self._new).as_posix(), path.stat().st_size) for path in files))

    def take_over(self, paths: Iterable[str], manifest: bytes) -> None:
        """Have these files of the earlier result in this one too, where it has none of their names.

        They get a second name here at once, or where the file system has no such thing, they are moved when this one
        is put in place. If the target then is another result than the one with this manifest, that raises
        `OutputUnwritable` and the target stays as it is.
        """
        paths = list(paths)
        Takeover.of(paths, manifest).write(self._work)
        for relative in paths:
            with contextlib.suppress(OSError):
                os.link(self.target / relative, self.path(relative))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._new.stat()  # missing where someone tidied up; then the user's files must stay where they are
                self.kept = tuple(_publish(self._work, self.target))
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
        remove_work(self._work)
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # others may have put something there meanwhile
                folder.rmdir()


def _inside(relative: str) -> tuple[str, ...]:
    """The components of a relative path that stays inside its folder."""
    parts = tuple(relative.split("/"))
    if any(part in ("", ".", "..") or (os.sep != "/" and (os.sep in part or ":" in part)) for part in parts):
        raise ValueError(f"{relative!r} leads out of the result folder")
    return parts


def _check_replaceable(target: Path) -> None:
    """Raise `OutputUnwritable` where the target is neither missing, nor empty, nor an earlier result."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise OutputUnwritable(f"{printable(target)} is in the way and no folder; move it or use another folder")
    if any(target.iterdir()) and manifests.written_files(target) is None:
        raise OutputUnwritable(
            f"{printable(target)} holds files that are no result of Stembridge; move it or use another folder"
        )


def _publish(work: Path, target: Path) -> list[str]:
    """Put ``work/new`` at the target and what is there now into ``work/old-*``; after a failure all is as before.

    Returns the paths of the user's files that could not stay where they were.
    """
    undo = contextlib.ExitStack()
    kept: list[str] = []
    takeover = Takeover.read(work)
    with undo:
        for attempt in range(_ATTEMPTS):
            _check_replaceable(target)
            aside = work / f"old-{attempt}"
            with contextlib.suppress(FileNotFoundError):  # nothing there, or another conversion has just set it aside
                target.rename(aside)
                undo.callback(move_back, aside, target, [])
            if takeover is not None and not takeover.is_from(aside):
                raise changed_meanwhile(target)
            if aside.exists():
                kept += move_kept(aside, work / "new", undo, takeover.paths if takeover else ())
            try:
                (work / "new").rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt + 1 == _ATTEMPTS:
                    raise
                continue  # another conversion put its result there meanwhile; it is an earlier result now
            undo.pop_all()
            break
    return kept
