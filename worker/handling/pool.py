"""The pool of threads that handle messages, and the messages in hand at this moment.

The threads are daemons, so a handler that never returns can't keep the process from stopping. It can't block other
messages either: a thread whose call is slow or overdue is replaced by a new one, a message whose handler has no free
slot is laid aside, and the line (`worker/handling/line.py`) sees to it that slow mail leaves room for other senders'.
"""

import queue
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from worker.handling.aside import Aside
from worker.handling.content_check import Attempt, ContentCheck, Doubt
from worker.handling.gate import Busy
from worker.handling.in_hand import Finished, InHand, sender_of
from worker.handling.line import SLOW, Line
from worker.handling.overdue_calls import Stopwatch
from worker.handling.resident import ProcessMemory
from worker.journal.records import Record
from worker.logs.exceptions import class_of
from worker.logs.log import bound, get_logger
from worker.message.content_mark import ContentMarks
from worker.message.message import Message
from worker.message.outcome import Outcome, State

log = get_logger()

ASK_AGAIN = 0.2
"""Seconds between two checks of whether a message may be started."""
REPLACED_AT_MOST = 4
"""For each of its threads, the pool replaces so many in slow calls, but no more than `MOST_REPLACED`."""
MOST_REPLACED = 64
"""At the time limit of a call its thread is replaced, too, unless as many as the pool has are replaced already."""
ROOM = 256_000_000
"""Bytes. A process that takes more has no memory for the messages of further threads."""


class StartPermission(Protocol):
    """Says whether a message may be started."""

    def may_begin(self) -> bool:
        """Checked by every thread before each message. While it is false, no message is started."""


class Wakeable(Protocol):
    """Whoever waits for messages to be finished."""

    def wake(self) -> None:
        """A message is finished. Called in a thread of the pool."""


class Memory(Protocol):
    """Says how much memory the process takes."""

    def resident(self) -> int:
        """Bytes in use now."""


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
        contents: ContentCheck | None = None,
        permission: StartPermission | None = None,
        stopwatch: Stopwatch | None = None,
        waiter: Wakeable | None = None,
        memory: Memory | None = None,
        keep_one_free: bool = False,
    ) -> None:
        """Start the threads.

        contents: compares and marks the contents; None: with a key of its own, which no journal has.
        stopwatch: reports the threads whose calls are overdue. waiter: woken each time a message is finished.
        memory: says how much the process takes. keep_one_free: whether a sender never has all threads.
        """
        self._attempt = attempt
        self._contents = contents or ContentCheck(ContentMarks(b""))
        self._permission = permission or _Always()
        self._line: Line[InHand] = Line(threads, keep_one_free=keep_one_free)
        self._finished: queue.SimpleQueue[tuple[InHand, Outcome] | None] = queue.SimpleQueue()
        self._in_hand: dict[int, InHand] = {}
        self._aside = Aside(self._line)
        self._not_started: dict[int, InHand] = {}
        self._lock = threading.Lock()
        self._replaced: set[int] = set()
        self._current: dict[int, InHand] = {}
        self._overdue: set[int] = set()
        self._uncounted: set[int] = set()
        self._threads = threads
        self._stopwatch = stopwatch
        self._waiter = waiter
        self._memory = memory or ProcessMemory()
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

    def keys(self) -> list[str]:
        """The keys of the messages in hand."""
        return [item.record.key for item in self._in_hand.values()]

    def overdue_rows(self) -> set[int]:
        """Those of them whose calls are overdue."""
        with self._lock:
            return set(self._overdue)

    @property
    def size(self) -> int:
        """Bytes of the messages in hand whose handlers aren't finished, without those that may hang for ever.

        A message in a slow call doesn't count if the process took less than `ROOM` by then. Once its call is overdue,
        it doesn't count unless as many as there are threads are left out.
        """
        return sum(
            item.size for row, item in self._in_hand.items() if item.message is not None and row not in self._uncounted
        )

    def take(
        self,
        record: Record,
        message: Message,
        already_done: Collection[str],
        *,
        doubt: Doubt | None = None,
        headers_alone: bool = False,
    ) -> None:
        """Queue a message for the next free thread.

        doubt: what its content is compared with before any handler has it. headers_alone: its body wasn't fetched.
        """
        item = InHand(record, message, already_done, message.size, doubt, headers_alone)
        self._in_hand[record.id] = item
        self._line.put(item)

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
                self._uncounted.discard(item.record.id)
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
        with self._lock:
            self._overdue.clear()
            self._uncounted.clear()

    def overdue(self, thread: int) -> None:
        """Replace the thread with this identifier, because its call is overdue. Any thread may call this."""
        with self._lock:
            item = self._current.get(thread)
            if item is not None and self._is_awaited(item):
                self._overdue.add(item.record.id)
                if len(self._uncounted) < self._threads:
                    self._uncounted.add(item.record.id)
        self._replace(thread, at_most=self._threads)

    def slow(self, thread: int) -> None:
        """Replace the thread with this identifier, because its call takes long. Any thread may call this."""
        with self._lock:
            item = self._current.get(thread)
            if item is None:
                return
            item.lasts()
        self._line.slow(item)
        self._aside.pass_on(self._line.drain_slow())
        if self._memory.resident() < ROOM:
            with self._lock:
                if self._is_awaited(item):
                    self._uncounted.add(item.record.id)
            self._replace(thread, at_most=min(REPLACED_AT_MOST * self._threads, MOST_REPLACED))

    def _replace(self, thread: int, *, at_most: int) -> None:
        """Start another thread; this one ends with its call. at_most: so many are replaced at a time."""
        with self._lock:
            if len(self._replaced) >= at_most or thread in self._replaced:
                return
            self._replaced.add(thread)
        try:
            self._start_thread()
        except RuntimeError as error:  # the system lets the process have no more threads
            log.error("worker.fault", exc_info=error)
            with self._lock:
                self._replaced.discard(thread)

    def replaced(self) -> int:
        """How many threads are in a slow or overdue call and have been replaced. Any thread may call this."""
        with self._lock:
            return len(self._replaced)

    def drop_waiting(self) -> list[int]:
        """Take back the messages that no thread has started, and return their row ids.

        A message that some of its handlers have finished isn't among them: `finished` returns it as pending.
        """
        with self._lock:
            back = [*self._aside.drain(), *self._not_started.values(), *self._line.drain()]
            self._not_started.clear()
        return self._drop(back)

    def drop_slow(self) -> list[int]:
        """Take back those of them whose senders' mail is slow, as `drop_waiting` does."""
        return self._drop(self._aside.drain_slow())

    def is_slow(self, record: Record) -> bool:
        """Whether mail of this message's sender is slow."""
        return self._line.is_slow(sender_of(record))

    def _drop(self, items: Collection[InHand]) -> list[int]:
        dropped: list[int] = []
        for item in items:
            if item.done:
                outcome = Outcome(State.PENDING, tuple(item.done), "interrupted", after=timedelta(0), held=True)
                self._finished.put((item, outcome))
            else:
                self._in_hand.pop(item.record.id, None)
                dropped.append(item.record.id)
        return dropped

    def close(self) -> None:
        """End the threads once the line is empty."""
        self._line.close()

    def _start_thread(self) -> None:
        threading.Thread(target=self._run, name="pool", daemon=True).start()

    def _run(self) -> None:
        while (item := self._line.get()) is not None:
            returned = False
            if item.message is not None and self._wait_to_start(item):
                with self._watched(item):
                    returned = self._handle(item, item.message)
            self._line.left(item, slow=item.ended(), returned=returned)
            del item  # a message may be large: release it before waiting for the next one
            if self._was_replaced():
                return

    @contextmanager
    def _watched(self, item: InHand) -> Iterator[None]:
        thread = threading.get_ident()
        self._current[thread] = item
        try:
            with nullcontext() if self._stopwatch is None else self._stopwatch.after(SLOW, self.slow):
                yield
        finally:
            del self._current[thread]

    def _handle(self, item: InHand, message: Message) -> bool:
        """Try the message. Returns whether its handlers were called and returned."""
        try:
            with bound(key=item.record.key):
                outcome = self._contents.handle(
                    self._attempt,
                    message,
                    {*item.already_done, *item.done},
                    doubt=item.doubt,
                    headers_alone=item.headers_alone,
                )
        except Busy as busy:
            item.wait_for(busy.slots, busy.done)
            self._aside.lay(item, busy.slots)
            return False
        except BaseException as error:  # out of memory, or a bug of ours: keep the message and the thread
            log.error("worker.fault", exc_info=error)
            outcome = Outcome(State.PENDING, reason=f"fault:{class_of(error).__name__}")
        item.release()
        self._finished.put((item, replace(outcome, done=(*item.done, *outcome.done))))
        if self._waiter is not None:
            self._waiter.wake()
        return not outcome.held or outcome.was_called

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
