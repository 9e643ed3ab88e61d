"""The pool of threads that handle messages, and the messages in hand at this moment.

The threads are daemons, so a handler that never returns can't keep the process from stopping. It can't block other
messages either: a thread whose call is overdue is replaced by a new one, and a message whose handler has no free slot
is laid aside.
"""

import queue
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from worker.handling.gate import Busy
from worker.handling.overdue_calls import Stopwatch
from worker.journal.records import Record
from worker.logs import bound, get_logger
from worker.logs.exceptions import class_of
from worker.message.message import Message
from worker.message.outcome import Outcome, State

log = get_logger()

ASK_AGAIN = 0.2
"""Seconds between two checks of whether a message may be started."""


@dataclass(frozen=True, slots=True)
class InHand:
    """A message that has been handed over and whose outcome hasn't been collected yet.

    message: None if it needs no handler. already_done: handlers that finished in an earlier try. size: bytes held in
    memory for it. done: handlers that finished in this try, before the message was laid aside.
    """

    record: Record
    message: Message | None
    already_done: Collection[str]
    size: int
    done: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Finished:
    """A message whose handling ended, and its outcome."""

    record: Record
    outcome: Outcome


class Attempt(Protocol):
    """One try at one message."""

    def __call__(self, message: Message, already_done: Collection[str], /) -> Outcome:
        """Handle the message and return its outcome. already_done: handlers to skip, because they have finished.

        Raises:
            Busy: a handler has no free slot. Lay the message aside.
        """


class StartPermission(Protocol):
    """Says whether a message may be started."""

    def may_begin(self) -> bool:
        """Checked by every thread before each message. While it is false, no message is started."""


class Wakeable(Protocol):
    """Whoever waits for messages to be finished."""

    def wake(self) -> None:
        """A message is finished. Called in a thread of the pool."""


class _Always:
    """Messages may be started at any time."""

    def may_begin(self) -> bool:
        return True


class Pool:
    """Runs tries in threads. Only one thread, the owner, may call it, except where a method says otherwise."""

    def __init__(
        self,
        attempt: Attempt,
        threads: int,
        *,
        permission: StartPermission | None = None,
        stopwatch: Stopwatch | None = None,
        waiter: Wakeable | None = None,
    ) -> None:
        """Start the threads.

        stopwatch: reports the threads whose calls are overdue. waiter: woken each time a message is finished.
        """
        self._attempt = attempt
        self._permission = permission or _Always()
        self._waiting: queue.SimpleQueue[InHand | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[tuple[InHand, Outcome] | None] = queue.SimpleQueue()
        self._in_hand: dict[int, InHand] = {}
        self._aside: dict[int, InHand] = {}
        self._not_started: dict[int, InHand] = {}
        self._lock = threading.Lock()
        self._replaced: set[int] = set()
        self._current: dict[int, InHand] = {}
        self._overdue: set[int] = set()
        self._threads = threads
        self._waiter = waiter
        for _ in range(threads):
            self._start_thread()
        if stopwatch is not None:
            stopwatch.tell(self)

    def __len__(self) -> int:
        return len(self._in_hand)

    def __contains__(self, row: int) -> bool:
        return row in self._in_hand

    def rows(self) -> list[int]:
        """The journal's row ids of the messages in hand."""
        return list(self._in_hand)

    @property
    def size(self) -> int:
        """Bytes of the messages in hand. Those whose calls are overdue don't count: they may hang for ever."""
        return sum(item.size for row, item in self._in_hand.items() if row not in self._overdue)

    def take(self, record: Record, message: Message, already_done: Collection[str]) -> None:
        """Queue a message for the next free thread."""
        item = InHand(record, message, already_done, message.size)
        self._in_hand[record.id] = item
        self._waiting.put(item)

    def finish(self, record: Record, outcome: Outcome) -> None:
        """Take a message that needs no handler: the next `finished` returns it with this outcome."""
        item = InHand(record, None, (), 0)
        self._in_hand[record.id] = item
        self._finished.put((item, outcome))

    def finished(self, wait: float) -> list[Finished]:
        """Collect the outcomes. Waits at most `wait` seconds for the first one, or until `interrupt`."""
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
        """False if the message was forgotten, even if it has been taken again since."""
        return self._in_hand.get(item.record.id) is item

    def interrupt(self) -> None:
        """End a wait in `finished`. Any thread may call this."""
        self._finished.put(None)

    def forget(self) -> None:
        """Drop all messages in hand. Outcomes that their threads still produce are ignored."""
        self.drop_waiting()
        self._in_hand.clear()

    def overdue(self, thread: int) -> None:
        """Replace the thread with this identifier, because its call is overdue. Any thread may call this.

        At most as many threads are replaced at a time as the pool has, so hanging calls can't take up ever more.
        """
        with self._lock:
            if len(self._replaced) >= self._threads or thread in self._replaced:
                return
            self._replaced.add(thread)
            if thread in self._current:
                self._overdue.add(self._current[thread].record.id)
        self._start_thread()

    def replaced(self) -> int:
        """How many threads hang in a call and have been replaced. Any thread may call this."""
        with self._lock:
            return len(self._replaced)

    def drop_waiting(self) -> list[int]:
        """Take back the messages that no thread has started, and return their row ids.

        A message that some of its handlers have finished isn't among them: `finished` returns it as pending.
        """
        dropped: list[int] = []
        with self._lock:
            back: list[InHand | None] = [*self._aside.values(), *self._not_started.values()]
            self._aside.clear()
            self._not_started.clear()
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
        """End the threads once the queue is empty."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _start_thread(self) -> None:
        threading.Thread(target=self._run, name="pool", daemon=True).start()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            if item.message is not None and self._wait_to_start(item):
                self._current[threading.get_ident()] = item
                self._handle(item, item.message)
                del self._current[threading.get_ident()]
            del item  # a message may be large: release it before waiting for the next one
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
        except BaseException as error:  # out of memory, or a bug of ours: keep the message and the thread
            log.error("worker.fault", exc_info=error)
            outcome = Outcome(State.PENDING, reason=f"fault:{class_of(error).__name__}")
        self._finished.put((item, replace(outcome, done=(*item.done, *outcome.done))))
        if self._waiter is not None:
            self._waiter.wake()

    def _take_up(self, item: InHand) -> bool:
        """Queue a message that was laid aside, now that a slot is free. False if it has been taken back since."""
        with self._lock:
            if self._aside.get(item.record.id) is not item:
                return False
            del self._aside[item.record.id]
            self._waiting.put(item)
            return True

    def _was_replaced(self) -> bool:
        """Whether another thread has replaced this one, which must then end."""
        with self._lock:
            if threading.get_ident() not in self._replaced:
                return False
            self._replaced.remove(threading.get_ident())
            return True

    def _wait_to_start(self, item: InHand) -> bool:
        """Wait until the message may be started. False if it was taken back or forgotten meanwhile."""
        row = item.record.id
        with self._lock:
            if self._in_hand.get(row) is not item:
                return False
            self._not_started[row] = item
        while not self._permission.may_begin():
            if self._not_started.get(row) is not item:
                return False
            time.sleep(ASK_AGAIN)
        with self._lock:
            if self._not_started.get(row) is not item:
                return False
            del self._not_started[row]
            return True
