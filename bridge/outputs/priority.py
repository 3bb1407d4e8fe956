"""Being woken in time: as much priority as the system gives, while playing only."""

from __future__ import annotations

import contextlib
import os
import sys

#: Above ordinary programs, below audio servers and their clients (jackd starts with 10; most set-ups use 60 to 90).
_LINUX_PRIORITY = 5
#: Linux ends a real-time process that computes for so long without a pause. Playing takes well under a millisecond at
#: a time; a process that runs wild must not take the machine with it.
_LINUX_LIMIT_US = 500_000
_RLIMIT_RTTIME = 15  # <asm-generic/resource.h>; Python has no name for it
_QOS_USER_INTERACTIVE, _QOS_DEFAULT = 0x21, 0x15  # <sys/qos.h>
_HIGH_PRIORITY_CLASS, _NORMAL_PRIORITY_CLASS = 0x80, 0x20  # SetPriorityClass
#: Windows' clock ticks every 15.6 ms unless somebody asks for more.
_WINDOWS_TICK_MS = 1


def raise_priority() -> None:
    """Ask for this thread (on Windows: process) to be woken at once. What isn't permitted is left as it is."""
    if sys.platform == "linux":
        _linux_real_time(_LINUX_PRIORITY)
    else:
        _elsewhere(raised=True)


def lower_priority() -> None:
    """Be an ordinary program again."""
    if sys.platform == "linux":
        _linux_real_time(0)
    else:
        _elsewhere(raised=False)


def _linux_real_time(priority: int) -> None:
    assert sys.platform == "linux"
    import resource

    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK if priority else os.SCHED_OTHER
    with contextlib.suppress(OSError, ValueError):
        if priority:
            _, hard = resource.getrlimit(_RLIMIT_RTTIME)
            resource.setrlimit(_RLIMIT_RTTIME, (_LINUX_LIMIT_US, hard))
        os.sched_setscheduler(0, policy, os.sched_param(priority))


def _elsewhere(*, raised: bool) -> None:
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "darwin":
            quality = _QOS_USER_INTERACTIVE if raised else _QOS_DEFAULT
            ctypes.CDLL(None).pthread_set_qos_class_self_np(quality, 0)
        elif sys.platform == "win32":
            kernel, multimedia = ctypes.windll.kernel32, ctypes.windll.winmm
            (multimedia.timeBeginPeriod if raised else multimedia.timeEndPeriod)(_WINDOWS_TICK_MS)
            kernel.SetPriorityClass(
                kernel.GetCurrentProcess(), _HIGH_PRIORITY_CLASS if raised else _NORMAL_PRIORITY_CLASS
            )
