"""One daemon per user, and how other programs of the same user find it and prove to be his.

In the daemon's folder there are::

    daemon.lock   held locked for as long as a daemon lives: the system lets go of it however that ends
    daemon.json   where the daemon is, as long as it lives and knows (`Discovery`)
    secret        what a device must know, readable by the user only
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bridge import __version__
from bridge.disk import is_full, write_whole
from bridge.errors import BridgeError, InvalidRequest, OutputUnwritable
from bridge.places import data_dir

LOCK_NAME = "daemon.lock"
DISCOVERY_NAME = "daemon.json"
SECRET_NAME = "secret"  # noqa: S105  (a file's name)
#: 256 bits: nobody guesses them.
SECRET_BYTES = 32
#: Somebody who only asks whether a daemon runs holds the lock for a moment; a daemon keeps it.
_LOCK_PATIENCE_S = 0.5
_LOCK_RETRY_S = 0.05

_log = logging.getLogger(__name__)


class AlreadyRunning(BridgeError):
    """Another daemon of this user is running; as wrong use, it is nothing that trying again would change."""

    code = "already-running"
    exit_code = InvalidRequest.exit_code


class Discovery(Struct, frozen=True):
    """Where a daemon is.

    Attributes
    ----------
    pid
        Its process.
    osc_port
        The UDP port on 127.0.0.1 at which it hears devices.
    started_s
        When it started, in seconds since 1970.
    version
        Of Stembridge.
    """

    pid: Annotated[int, Meta(ge=1)]
    osc_port: Annotated[int, Meta(ge=0, le=65535)]
    started_s: float
    version: str


def daemon_dir() -> Path:
    """The daemon's folder."""
    return data_dir() / "daemon"


class Instance:
    """The process as the user's only daemon, from entering the context to leaving it.

    Parameters
    ----------
    folder
        The daemon's folder; made where missing.
    clock
        The time of day, in seconds since 1970.

    Raises
    ------
    AlreadyRunning
        On entry, if there is one; says where it is.
    OutputUnwritable
        If the folder can't be written.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._descriptor = -1

    def __enter__(self) -> Instance:
        self._descriptor = self._locked()
        self._forget()  # what one that was killed left
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        found = read_discovery(self._folder)
        if found is not None and found.pid == os.getpid():
            self._forget()
        os.close(self._descriptor)  # which lets go of the lock; the file stays, or two could hold locks on two files

    def announce(self, osc_port: int) -> Discovery:
        """Write down where this daemon is, once it is known."""
        discovery = Discovery(os.getpid(), osc_port, self._clock(), __version__)
        self._write(discovery)
        return discovery

    def look_after(self, mine: Discovery) -> bool:
        """See to it that this is found, and stays alone, though somebody removed its files: clean-up programs do.

        Parameters
        ----------
        mine
            What `announce` gave.

        Returns
        -------
        bool
            Whether something was gone and is there again.

        Raises
        ------
        AlreadyRunning
            If another daemon has taken the place meanwhile.
        OutputUnwritable
            If the files can't be made again.
        """
        holds_lock = self._holds_lock()
        if not holds_lock:
            descriptor = self._locked()
            os.close(self._descriptor)
            self._descriptor = descriptor
        found = read_discovery(self._folder)
        is_found = found is not None and found.pid == mine.pid
        if not is_found:
            self._write(mine)
        return not (holds_lock and is_found)

    def _locked(self) -> int:
        """The lock's file, held locked."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        if not _locked_within(descriptor, _LOCK_PATIENCE_S):
            os.close(descriptor)
            raise AlreadyRunning(_where(read_discovery(self._folder)))
        return descriptor

    def _holds_lock(self) -> bool:
        """Whether the file that others would try to lock is the one that is locked."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), (self._folder / LOCK_NAME).stat())
        except OSError:
            return False

    def _write(self, discovery: Discovery) -> None:
        path = self._folder / DISCOVERY_NAME
        try:
            write_whole(path, msgspec.json.encode(discovery) + b"\n")
        except OSError as error:
            raise _unwritable(path, error) from error

    def _forget(self) -> None:
        with contextlib.suppress(OSError):
            (self._folder / DISCOVERY_NAME).unlink(missing_ok=True)


def running(folder: Path) -> Discovery | None:
    """Where the user's daemon is, or None where none runs, or it doesn't know yet."""
    return read_discovery(folder) if is_locked(folder) else None


def is_locked(folder: Path) -> bool:
    """Whether a daemon holds the folder."""
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def read_discovery(folder: Path) -> Discovery | None:
    """What the last daemon to live wrote, or None where that isn't there or isn't whole."""
    try:
        return msgspec.convert(json.loads((folder / DISCOVERY_NAME).read_bytes()[:10_000]), Discovery)
    except (OSError, ValueError, RecursionError):
        return None


def secret(folder: Path) -> str:
    """The user's secret: 64 hexadecimal digits. Made where missing, once, however many ask at a time.

    A file that others may read is mended, with a new secret in it: the old one may be known.

    Raises
    ------
    OutputUnwritable
        If it can't be read, made or mended.
    """
    path = folder / SECRET_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = _kept_secret(path)
        if found is None:
            _make_secret(path, secrets.token_hex(SECRET_BYTES))
            found = _kept_secret(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    if found is None:
        raise OutputUnwritable(f"the secret in {path} can't be kept from others; move the folder to a disk of your own")
    return found


def restore_secret(folder: Path, text: str) -> bool:
    """Make the file again with the secret that was in it, where it is gone; whether it was.

    Raises
    ------
    OutputUnwritable
        If it can't be made.
    """
    path = folder / SECRET_NAME
    try:
        if path.exists():
            return False
        _make_secret(path, text)
    except OSError as error:
        raise _unwritable(path, error) from error
    return True


def _kept_secret(path: Path) -> str | None:
    """The secret in the file; None where there is no file, or its secret is none, or known to others."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        text = file.read(1000).decode("ascii", "replace").strip()
    # Windows has no such bits: there the user's own folders are closed to others.
    if sys.platform != "win32" and (stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.getuid()):
        _log.warning("%s could be read by others, so a new secret is made; install the device again", path)
        path.unlink()
        return None
    if not re.fullmatch(rf"[0-9a-f]{{{2 * SECRET_BYTES}}}", text):
        _log.warning("%s held no secret, so one is made; install the device again", path)
        path.unlink()
        return None
    return text


def _make_secret(path: Path, text: str) -> None:
    """Make the file, whole and closed to others from its first moment; where another process was quicker, its stays."""
    work = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            if sys.platform == "win32":
                work.rename(path)  # which there refuses to replace
            else:
                os.link(work, path)  # a rename would replace
    finally:
        work.unlink(missing_ok=True)


def _where(other: Discovery | None) -> str:
    """The message that there is another daemon."""
    if other is None:
        return "Stembridge is starting or ending already; try again in a moment"
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(other.started_s))
    return (
        f"Stembridge runs already, as process {other.pid} with OSC port {other.osc_port} since {started}; "
        "use that one, or end it first"
    )


def _unwritable(path: Path, error: OSError) -> OutputUnwritable:
    todo = "free some space on its disk" if is_full(error) else "make it readable and writable for you"
    return OutputUnwritable(f"cannot use {path}: {error.strerror or error}; {todo}")


def _locked_within(descriptor: int, patience_s: float) -> bool:
    """Take the lock for this process alone, if that works within a moment."""
    deadline_s = time.monotonic() + patience_s
    while not _try_lock(descriptor, shared=False):
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(_LOCK_RETRY_S)
    return True


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int, *, shared: bool) -> bool:
        """Take the lock until the descriptor is closed; whether that worked. Windows' are never shared."""
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool) -> bool:
        """Take the lock until the descriptor is closed; whether that worked."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
