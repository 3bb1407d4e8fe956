"""The errors that a user can meet, one tree.

::

    BridgeError                1  internal         anything else
    ├── InvalidRequest         2  invalid-request  wrong use
    ├── AudioUnreadable        3  audio-unreadable the audio can't be read
    ├── EngineUnavailable      4  engine-missing   an engine or its weights are missing
    ├── EngineFailed           1  engine-failed    an engine broke down
    ├── Cancelled              5  cancelled        the user stopped it
    └── OutputUnwritable       6  output-unwritable could not write

The number is the command's exit code, the word the stable code for programs. The message is one line that says
what is wrong and what to do.
"""

from __future__ import annotations

from typing import ClassVar


class BridgeError(Exception):
    """Base of all errors that Stembridge raises on purpose."""

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1


class InvalidRequest(BridgeError):
    """What was asked for makes no sense, whatever the audio."""

    code = "invalid-request"
    exit_code = 2


class AudioUnreadable(BridgeError):
    """The source is missing, not audio, or too damaged to use."""

    code = "audio-unreadable"
    exit_code = 3


class EngineUnavailable(BridgeError):
    """An engine, its weights or its library is not on this machine."""

    code = "engine-missing"
    exit_code = 4


class EngineFailed(BridgeError):
    """An engine broke down while it worked."""

    code = "engine-failed"


class Cancelled(BridgeError):
    """The user asked to stop."""

    code = "cancelled"
    exit_code = 5


class OutputUnwritable(BridgeError):
    """A result could not be written: no permission, no space, a name in the way."""

    code = "output-unwritable"
    exit_code = 6
