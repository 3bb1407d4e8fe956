"""Signals and the process that they ask to end, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What the process says when it gives up.
GIVES_UP = """
import os, signal, time
from bridge.interrupt import SAME_WISH_S, end_at_once, interruptible

def give_up(reason):
    print(reason, end="", flush=True)
    end_at_once(1)

def hit(number):
    os.kill(os.getpid(), number)

signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
SECOND = "a second signal came"
TOO_SLOW = "it takes too long to end everything in order"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to itself")


@pytest.mark.parametrize(
    "arguments, does, said",
    [
        ("", "hit(signal.SIGTERM); assert asked.wait(60)", ""),
        ("", "hit(signal.SIGHUP); assert asked.wait(60)", ""),
        (", patience_s=0.1", "hit(signal.SIGINT); time.sleep(60)", TOO_SLOW),
        (
            ", patience_s=60, heeds_second=True",
            "hit(signal.SIGINT); time.sleep(2 * SAME_WISH_S); hit(signal.SIGTERM); time.sleep(60)",
            SECOND,
        ),
        (", patience_s=60, heeds_second=True", "hit(signal.SIGTERM); hit(signal.SIGTERM); assert asked.wait(60)", ""),
        (", patience_s=0.1", "hit(signal.SIGINT); hit(signal.SIGTERM); time.sleep(60)", TOO_SLOW),
        (", patience_s=60", "hit(signal.SIGINT); hit(signal.SIGTERM); assert asked.wait(60)", ""),
    ],
    ids=[
        "in order",
        "terminal closed",
        "too slowly",
        "at the second",
        "in order where one is sent twice",
        "too slowly after two",
        "in order after two",
    ],
)
def test_signals_end_a_process_in_order_or_at_once(arguments: str, does: str, said: str) -> None:
    done = _run(f"with interruptible(give_up{arguments}) as asked:\n    {does}")
    assert done.stdout == said
    assert done.returncode == (1 if said else 0), done.stderr


def test_a_hang_up_that_is_ignored_stays_so() -> None:
    done = _run(
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with interruptible(give_up) as asked:\n    hit(signal.SIGHUP)\n    assert not asked.wait(0.1)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_signal_that_strikes_while_the_event_is_being_used_is_heard_and_blocks_nothing() -> None:
    done = _run(
        "with interruptible(give_up, patience_s=60) as asked:\n    with asked._cond:\n        hit(signal.SIGTERM)\n"
        "    assert asked.wait(60)"
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_signals_mean_what_they_did_before_once_the_block_is_left() -> None:
    done = _run("with interruptible(give_up):\n    pass\nhit(signal.SIGTERM)\ntime.sleep(60)")
    assert done.returncode == -15


def _run(script: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", f"{GIVES_UP}\n{script}"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
