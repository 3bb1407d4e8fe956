"""Child processes of Stembridge's own: modules of this package, run by the same Python, ended by their parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bridge


def command(module: str) -> tuple[str, ...]:
    """The command that runs a module of this package.

    Never from the working directory (-P): a file named torch.py may lie there. Warnings are the developers' concern.
    """
    return sys.executable, "-P", "-W", "ignore", "-m", module


def environment(**variables: str) -> dict[str, str]:
    """The environment of this process, so completed that a child finds this package, with further variables."""
    package_dir = str(Path(bridge.__file__).parents[1])
    search = os.pathsep.join(filter(None, [package_dir, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": search, **variables}


def apart(*, below_normal: bool = False) -> dict[str, Any]:
    """Popen's options for a process that the terminal's Ctrl-C doesn't reach, and that opens no window.

    Parameters
    ----------
    below_normal
        Whether it gets a lower priority, on Windows; elsewhere a process lowers its own.
    """
    if sys.platform != "win32":
        return {"start_new_session": True}
    flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return {"creationflags": flags | (subprocess.BELOW_NORMAL_PRIORITY_CLASS if below_normal else 0)}


def beside() -> dict[str, Any]:
    """Popen's options for a process that helps this one and is to die with it, even where it hangs.

    A process that was started `apart` leads a session without a terminal; whoever gives it up kills its whole group. So
    its helpers stay in that group. Those of others are `apart` themselves.
    """
    return {} if _leads_session_without_terminal() else apart()


def _leads_session_without_terminal() -> bool:
    if sys.platform == "win32" or os.getsid(0) != os.getpid():
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return True
    return False
