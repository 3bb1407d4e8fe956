import threading
import time
from collections.abc import Iterator

import pytest

from bridge.errors import Cancelled
from bridge.progress import Progress
from bridge.separation.waiting import while_waiting


def test_the_items_come_in_order() -> None:
    assert list(while_waiting(lambda: iter(range(100)), Progress())) == list(range(100))


def test_an_error_of_the_source_is_raised_after_what_came_before() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    items = while_waiting(source, Progress())
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)


def test_cancelling_does_not_wait_for_a_source_that_blocks() -> None:
    cancelled, unblock = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        yield 1
        unblock.wait(30)

    items = while_waiting(source, Progress(cancelled=cancelled))
    next(items)
    cancelled.set()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        next(items)
    unblock.set()
    assert time.monotonic() - began < 1.0


def test_the_source_runs_ahead_by_little_and_ends_when_nobody_listens() -> None:
    made: list[int] = []
    ended = threading.Event()

    def source() -> Iterator[int]:
        try:
            for number in range(10_000):
                made.append(number)
                yield number
        finally:
            ended.set()

    items = while_waiting(source, Progress())
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert ended.wait(10)
    assert len(made) < 10


def test_waiting_is_no_sign_of_life_but_each_item_is_one() -> None:
    signs: list[int] = []
    cancelled, unblock = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        yield 1
        yield 2
        unblock.wait(30)

    items = while_waiting(source, Progress(cancelled=cancelled, alive=lambda: signs.append(1)))
    assert [next(items), next(items)] == [1, 2]
    before = len(signs)
    threading.Timer(0.5, cancelled.set).start()  # several looks at whether to stop
    with pytest.raises(Cancelled):
        next(items)
    unblock.set()
    assert (before, len(signs)) == (2, 2)
