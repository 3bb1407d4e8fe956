"""What killed conversions left beside their targets: cleared away, or finished where they were about to be in place."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
from pathlib import Path

from bridge.write.keep import Takeover, move_kept

#: How the names of folders at work begin. They stay short, so that a target may use all 255 bytes that a name can have.
WORK_PREFIX = ".stembridge-"


def clear_up_after_the_dead(folder: Path) -> None:
    """Remove what killed conversions left in a folder; finish those that were about to put their result in place."""
    for work in sorted(folder.glob(f"{WORK_PREFIX}*-*")):
        with contextlib.suppress(OSError, ValueError):
            if _is_abandoned(work):
                _finish(work)
                remove_work(work)


def _is_abandoned(work: Path) -> bool:
    """Whether the process that made a work folder is gone; False where that can't be told, as on another host."""
    pid = int(work.name.removeprefix(WORK_PREFIX).partition("-")[0])
    if _is_running(pid):
        return False
    if not (work / "owner.json").exists():
        return True  # killed before its first file was whole; there is nothing in it
    owner = json.loads((work / "owner.json").read_bytes())
    return isinstance(owner, dict) and owner.get("host") == socket.gethostname()


def clear_up_own(folder: Path) -> None:
    """Remove what this process has at work in a folder; what was set aside for a replacement stays for the next one."""
    for work in folder.glob(f"{WORK_PREFIX}{os.getpid()}-*"):
        remove_work(work)


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
        takeover = Takeover.read(work) if heir is new else None
        for aside in asides:
            move_kept(aside, heir, undo, takeover.paths if takeover else ())
        if heir is new:
            new.rename(target)
        undo.pop_all()
    shutil.rmtree(work, ignore_errors=True)


def remove_work(work: Path) -> None:
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
