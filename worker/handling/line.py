"""The line of messages that wait for a thread of the pool, and whose turn it is.

Usually the first in the line is next. Once calls are slow, the mail of one sender must not take the threads, or the
slots of a handler, away from everybody else's: a sender whose mail is slow leaves one of them free, other senders go
first, one message of each at a time, and the newest and the oldest message take turns.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Generic, Protocol, TypeVar

SLOW = 30.0
"""Seconds after which a call is slow."""
REMEMBERED = 1_000
"""Of so many senders at most we remember that their mail was slow."""

Sender = tuple[str | None, bool | None]
"""A keyed hash of the address, and whether the provider confirmed it: a forged name isn't the sender's own."""


class Waiting(Protocol):
    """A message in the line."""

    @property
    def sender(self) -> Sender: ...


T = TypeVar("T", bound=Waiting)


class Line(Generic[T]):
    """Thread-safe."""

    def __init__(self, threads: int, *, keep_one_free: bool = False) -> None:
        """threads: how many messages are handled at once as long as no call is slow.

        keep_one_free: whether every sender leaves one of them to the others, also while its mail is quick. That is for
        handlers with as few slots, each of which a message may take for long before anybody knows that it is slow.
        """
        self._most = max(1, threads - 1)
        self._keep_one_free = keep_one_free
        self._waiting: list[T] = []
        self._running: Counter[Sender] = Counter()
        self._slow: dict[Sender, int] = {}  # how many of its calls are slow now; 0: its last one was
        self._ends, self._ends_aside = cycle((True, False)), cycle((True, False))
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Add a message to the end."""
        with self._changed:
            self._waiting.append(item)
            self._changed.notify()

    def get(self) -> T | None:
        """Wait for the message whose turn it is, and take it: call `left` when it is done. None: the line is closed."""
        with self._changed:
            while True:
                if (item := self._first(self._waiting, self._ends)) is not None:
                    self._waiting.remove(item)
                    self._running[item.sender] += 1
                    return item
                if self._closed and not self._waiting:
                    return None
                self._changed.wait()

    def choose(self, items: Sequence[T]) -> T | None:
        """Which of these messages, given in their order, is to go first. None: there are none."""
        with self._changed:
            return self._first(items, self._ends_aside) or next(iter(items), None)

    def slow(self, item: T) -> None:
        """This message has been in a call for more than `SLOW` seconds."""
        with self._changed:
            self._slow[item.sender] = self._slow.pop(item.sender, 0) + 1
            if len(self._slow) > REMEMBERED:
                self._forget(next((sender for sender, calls in self._slow.items() if not calls), None))

    def left(self, item: T, *, slow: bool, returned: bool) -> None:
        """This message has left its thread. slow: `slow` was called. returned: its handlers have had it."""
        with self._changed:
            self._running[item.sender] -= 1
            if not self._running[item.sender]:
                del self._running[item.sender]
            if slow:
                self._slow[item.sender] -= 1
            elif returned and self._slow.get(item.sender) == 0:
                self._forget(item.sender)
            if self._waiting or self._closed:
                self._changed.notify_all()

    def is_slow(self, sender: Sender) -> bool:
        """Whether the mail of this sender is slow."""
        with self._changed:
            return sender in self._slow

    def drain(self) -> list[T]:
        """Take all messages out of the line."""
        with self._changed:
            items, self._waiting = self._waiting, []
            self._changed.notify_all()
            return items

    def drain_slow(self) -> list[T]:
        """Take the messages of senders whose mail is slow out of the line."""
        with self._changed:
            items = [item for item in self._waiting if item.sender in self._slow]
            self._waiting = [item for item in self._waiting if item.sender not in self._slow]
            return items

    def close(self) -> None:
        """Once the line is empty, `get` returns None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _first(self, items: Sequence[T], ends: Iterator[bool]) -> T | None:
        """The message whose turn it is. None: there is none, or those that wait must leave a thread free for others.

        First goes a quick sender's who has no call, then another of a quick sender's, then one of a slow sender's.
        ends: whether the newest is to be preferred, or else the oldest; asked only once calls are slow.
        """
        if not self._slow:
            return next((item for item in items if not self._is_full(item)), None)
        second = third = None
        for item in reversed(items) if next(ends) else items:
            if self._is_full(item):
                continue
            if item.sender in self._slow:
                third = third or item
            elif not self._running[item.sender]:
                return item
            else:
                second = second or item
        return second or third

    def _is_full(self, item: T) -> bool:
        return self._running[item.sender] >= self._most and (self._keep_one_free or item.sender in self._slow)

    def _forget(self, sender: Sender | None) -> None:
        if sender is not None:
            self._slow.pop(sender, None)
