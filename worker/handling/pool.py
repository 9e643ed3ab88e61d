"""The pool of threads in which messages are handled, and what is in hand at this moment.

The threads are daemons: a handler that never returns can't keep the process from stopping. Nor can it keep the others
waiting: another thread takes the place of one in which a call is overdue, and a message whose handler has no room is
laid aside.
"""

import queue
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from worker.handling.gate import Busy
from worker.handling.stopwatch import Stopwatch
from worker.journal.records import Record
from worker.logs import bound, get_logger
from worker.logs.exceptions import class_of
from worker.message.message import Message
from worker.message.outcome import Outcome, State

log = get_logger()

ASK_AGAIN = 0.2
"""Seconds between two questions whether a message may be begun."""


@dataclass(frozen=True, slots=True)
class InHand:
    """A message that a thread has, or will have, or whose outcome waits to be collected.

    message: None where it needs no handler. size: bytes held in memory for it. done: handlers that returned before it
    was laid aside.
    """

    record: Record
    message: Message | None
    already_done: Collection[str]
    size: int
    done: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Finished:
    """A message that a thread gave back."""

    record: Record
    outcome: Outcome


class Attempt(Protocol):
    """One try at one message."""

    def __call__(self, message: Message, already_done: Collection[str], /) -> Outcome:
        """What it came to. already_done: handlers that returned at an earlier try.

        Raises:
            Busy: the message is to be laid aside.
        """


class StartPermission(Protocol):
    """Whether work may begin."""

    def may_begin(self) -> bool:
        """Asked by every thread before each message; while it says no, none is begun."""


class _Always:
    """Work may begin at any time."""

    def may_begin(self) -> bool:
        return True


class Pool:
    """Runs tries in threads. All methods but the threads' own are for one owner."""

    def __init__(
        self,
        attempt: Attempt,
        threads: int,
        *,
        permission: StartPermission | None = None,
        stopwatch: Stopwatch | None = None,
        on_finished: Callable[[], None] = lambda: None,
    ) -> None:
        """stopwatch: tells of threads whose calls are overdue. on_finished: told, in the threads, that a message is
        back.
        """
        self._attempt = attempt
        self._permission = permission or _Always()
        self._waiting: queue.SimpleQueue[InHand | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[tuple[InHand, Outcome] | None] = queue.SimpleQueue()
        self._in_hand: dict[int, InHand] = {}
        self._aside: dict[int, InHand] = {}
        self._held: dict[int, InHand] = {}
        self._lock = threading.Lock()
        self._lost: set[int] = set()
        self._with: dict[int, InHand] = {}
        self._overdue: set[int] = set()
        self._threads = threads
        self.on_finished = on_finished
        for _ in range(threads):
            self._start()
        if stopwatch is not None:
            stopwatch.tell(self)

    def __len__(self) -> int:
        return len(self._in_hand)

    def __contains__(self, row: int) -> bool:
        return row in self._in_hand

    def rows(self) -> list[int]:
        """The rows' ids of what is in hand."""
        return list(self._in_hand)

    @property
    def size(self) -> int:
        """Bytes of messages in hand, without those whose calls are overdue: they may hang for ever."""
        return sum(item.size for row, item in self._in_hand.items() if row not in self._overdue)

    def take(self, record: Record, message: Message, already_done: Collection[str]) -> None:
        """Hand a message to the next free thread."""
        item = InHand(record, message, already_done, message.size)
        self._in_hand[record.id] = item
        self._waiting.put(item)

    def finish(self, record: Record, outcome: Outcome) -> None:
        """A message that needs no handler comes back with this outcome, with the next of those that are collected."""
        item = InHand(record, None, (), 0)
        self._in_hand[record.id] = item
        self._finished.put((item, outcome))

    def finished(self, wait: float) -> list[Finished]:
        """What the threads gave back, waiting at most so many seconds for the first, or until `interrupt`."""
        given_back: list[tuple[InHand, Outcome] | None] = []
        with suppress(queue.Empty):
            until = time.monotonic() + wait
            while self._in_hand and (left := until - time.monotonic()) > 0:
                given_back.append(given := self._finished.get(timeout=left))
                if given is None or self._is_awaited(given[0]):
                    break
            while True:
                given_back.append(self._finished.get_nowait())
        finished: list[Finished] = []
        for item, outcome in filter(None, given_back):
            if self._is_awaited(item):
                del self._in_hand[item.record.id]
                self._overdue.discard(item.record.id)
                finished.append(Finished(item.record, outcome))
        return finished

    def _is_awaited(self, item: InHand) -> bool:
        """Whether it wasn't forgotten, and perhaps taken anew since."""
        return self._in_hand.get(item.record.id) is item

    def interrupt(self) -> None:
        """End a wait in `finished`; from another thread."""
        self._finished.put(None)

    def forget(self) -> None:
        """What is in hand is no longer ours: what its threads still give back is dropped."""
        self.drop_waiting()
        self._in_hand.clear()

    def overdue(self, thread: int) -> None:
        """The call in this thread, by its identifier, takes too long: another thread takes its place.

        As many threads as the pool has may be replaced at a time: so much is held by calls that hang, at most.
        """
        with self._lock:
            if len(self._lost) >= self._threads or thread in self._lost:
                return
            self._lost.add(thread)
            if thread in self._with:
                self._overdue.add(self._with[thread].record.id)
        self._start()

    def replaced(self) -> int:
        """How many threads hang in a call, and have another working in their place; from any thread."""
        with self._lock:
            return len(self._lost)

    def drop_waiting(self) -> list[int]:
        """Take back what no thread has begun; the rows' ids. What is half done comes back as finished."""
        dropped: list[int] = []
        with self._lock:
            back: list[InHand | None] = [*self._aside.values(), *self._held.values()]
            self._aside.clear()
            self._held.clear()
        with suppress(queue.Empty):
            while True:
                back.append(self._waiting.get_nowait())
        for item in filter(None, back):
            if item.done:
                outcome = Outcome(State.PENDING, tuple(item.done), "interrupted", after=timedelta(0), held=True)
                self._finished.put((item, outcome))
            else:
                self._in_hand.pop(item.record.id, None)
                dropped.append(item.record.id)
        return dropped

    def close(self) -> None:
        """Let the threads end when they have nothing left."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _start(self) -> None:
        threading.Thread(target=self._run, name="hand", daemon=True).start()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            if item.message is not None and self._is_let(item):
                self._with[threading.get_ident()] = item
                self._handle(item, item.message)
                del self._with[threading.get_ident()]
            del item  # a message may be large: not to be held while waiting for the next
            if self._was_replaced():
                return

    def _handle(self, item: InHand, message: Message) -> None:
        try:
            with bound(key=item.record.key):
                outcome = self._attempt(message, {*item.already_done, *item.done})
        except Busy as busy:
            item.done.extend(busy.done)
            with self._lock:
                self._aside[item.record.id] = item
            busy.slots.when_free(lambda: self._take_up(item))
            return
        except BaseException as error:  # no memory, or a fault of ours: neither message nor thread may be lost by it
            log.error("worker.fault", exc_info=error)
            outcome = Outcome(State.PENDING, reason=f"fault:{class_of(error).__name__}")
        self._finished.put((item, replace(outcome, done=(*item.done, *outcome.done))))
        self.on_finished()

    def _take_up(self, item: InHand) -> bool:
        """The handler that a message was laid aside for has room; false when it isn't wanted for it any more."""
        with self._lock:
            if self._aside.get(item.record.id) is not item:
                return False
            del self._aside[item.record.id]
            self._waiting.put(item)
            return True

    def _was_replaced(self) -> bool:
        """Whether another thread has taken this one's place: then it ends."""
        with self._lock:
            if threading.get_ident() not in self._lost:
                return False
            self._lost.remove(threading.get_ident())
            return True

    def _is_let(self, item: InHand) -> bool:
        """Wait until it may be begun; false when it was taken back or forgotten meanwhile, as others have it now."""
        row = item.record.id
        with self._lock:
            if self._in_hand.get(row) is not item:
                return False
            self._held[row] = item
        while not self._permission.may_begin():
            if self._held.get(row) is not item:
                return False
            time.sleep(ASK_AGAIN)
        with self._lock:
            if self._held.get(row) is not item:
                return False
            del self._held[row]
            return True
