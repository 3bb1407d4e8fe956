"""Short paths for files whose own one is too long to be told.

A message has room for 836 characters of a percent-encoded path, which are 92 Chinese or Japanese ones. What lies deeper
is copied to the daemon's folder and told there: ``insert.json`` names everything by absolute paths, so it means the
same anywhere. A copy is made anew whenever its job's end is to be told to a device that may not know it.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from pathlib import Path

from bridge.disk import unwritable, write_whole
from bridge.osc.endings import MAX_REMEMBERED

#: Folders that are kept, the newest: as many as ends of jobs are remembered, each with the path that was told.
KEPT = MAX_REMEMBERED


class Shelf:
    """Copies in a folder of the daemon's own, one for each job.

    Parameters
    ----------
    folder
        Where; made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()  # several devices' results may be put here at once

    def put(self, job_id: str, file: Path) -> Path:
        """Copy a job's file; gives the path of the copy, which has the same name.

        Raises
        ------
        OSError
            If the file can't be read.
        OutputUnwritable
            If the copy can't be made.
        """
        data = file.read_bytes()
        # A hash: short, and one folder for each id also where upper and lower case are the same.
        copy = self._folder / hashlib.sha256(job_id.encode("ascii")).hexdigest()[:16] / file.name
        try:
            with self._lock:
                copy.parent.mkdir(parents=True, exist_ok=True)
                write_whole(copy, data)
                self._tidy()
        except OSError as error:
            raise unwritable(copy, error, "free some space there or make it writable") from error
        return copy

    def _tidy(self) -> None:
        """Remove all but the newest. Writing to a folder makes it new."""
        folders = sorted(self._folder.iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
        for folder in folders[:-KEPT]:
            shutil.rmtree(folder, ignore_errors=True)
