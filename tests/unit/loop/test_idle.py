"""News on the idling connection brings the next run forward."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from worker.loop.idle import NoWatcher, Watcher

WAIT = 60.0


@pytest.fixture
def line() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_news_wakes_once_until_the_connection_is_watched_again(line: tuple[int, int]) -> None:
    here, there = line
    wakes: list[int] = []
    woken = threading.Event()

    def wake() -> None:
        wakes.append(1)
        woken.set()

    with closing(Watcher(wake)) as watcher:
        watcher.watch(here)
        os.write(there, b"news")
        assert woken.wait(WAIT)
        woken.clear()
        assert not woken.wait(0.05)  # nobody has read it, and it is known by now
        watcher.watch(here)
        assert woken.wait(WAIT)
    assert len(wakes) == 2


def test_what_is_watched_no_more_wakes_nobody(line: tuple[int, int]) -> None:
    here, there = line
    woken = threading.Event()
    with closing(Watcher(woken.set)) as watcher:
        watcher.watch(here)
        watcher.watch(None)
        os.write(there, b"news")
        assert not woken.wait(0.05)
    NoWatcher().watch(here)
