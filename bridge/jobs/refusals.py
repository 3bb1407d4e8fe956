"""Why the queue may say no.

::

    BridgeError
    ├── QueueFull          busy               too many jobs wait
    ├── StoreLocked        locked             another process holds the database
    ├── StoreUnusable      store-unusable     the database is a newer version's, or can't be opened
    ├── QueueStopped       stopping           the daemon is on its way out
    ├── InvalidRequest
    │   └── UnknownJob     unknown-job        there is no job of that id
    └── OutputUnwritable
        └── StoreUnwritable  disk-full        the database can't be written
"""

from __future__ import annotations

from bridge.errors import BridgeError, InvalidRequest, OutputUnwritable


class QueueFull(BridgeError):
    """As many jobs wait as may; ask again later."""

    code = "busy"


class QueueStopped(BridgeError):
    """The queue takes no more jobs because it is being shut down."""

    code = "stopping"


class StoreLocked(BridgeError):
    """Another process holds the database; nothing was changed."""

    code = "locked"


class StoreUnusable(BridgeError):
    """The database can't be opened, and isn't a corrupt one that could be set aside."""

    code = "store-unusable"


class StoreUnwritable(OutputUnwritable):
    """The database can't be written, most likely because the disk is full; nothing was changed."""

    code = "disk-full"


class UnknownJob(InvalidRequest):
    """There is no job of that id, or no longer."""

    code = "unknown-job"
