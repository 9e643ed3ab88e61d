"""Messages, handlers and gates to try them with."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from worker.handling.call import Try
from worker.handling.circuit import CircuitRules
from worker.handling.gate import Gate
from worker.handling.handler import Handler
from worker.handling.overdue_calls import Stopwatch
from worker.handling.pool import Pool
from worker.journal.records import Record
from worker.message.message import Message
from worker.message.verdict import MailPath, Verdict

WAIT = 60.0
NEVER = CircuitRules(after=0, pauses=(1.0,))


class Rules:
    def __init__(self, *names: str) -> None:
        self._names = names

    def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (("all", self._names),)


def record(row: int, sender: str | None = None) -> Record:
    given = {"id": row, "key": f"key-{row}", "sender": sender, "sender_confirmed": None}
    return cast("Record", type("Row", (), given)())


def message(key: str = "a" * 26) -> Message:
    raw = b"From: a@lab.nhs.uk\r\nSubject: secret words\r\n\r\nhello\r\n"
    return Message(
        raw, key=key, folder="INBOX", received_at=datetime(2026, 1, 1, tzinfo=UTC), verdict=Verdict(MailPath.CLEAN)
    )


def gate(name: str, stopwatch: Stopwatch, **given: Any) -> Gate:
    rules: dict[str, Any] = {"circuit": NEVER, "concurrency": None, "time_limit": None, "monotonic": time.monotonic}
    return Gate(name, stopwatch=stopwatch, **(rules | given))


def attempt(call: Callable[[Message], object], kept: Gate | None = None) -> Try:
    return Try(
        Rules("one"),
        {MailPath.CLEAN: {"one": Handler("one", call)}},
        time.monotonic,
        gates={} if kept is None else {"one": kept},
    )


def raising(error: BaseException) -> Callable[[Message], None]:
    def call(_message: Message) -> None:
        raise error

    return call


def all_finished(pool: Pool) -> list[int]:
    rows: list[int] = []
    while pool:
        rows += [item.record.id for item in pool.finished(WAIT)]
    return sorted(rows)


class Permission(threading.Event):
    """Messages may be started once it is set."""

    def may_begin(self) -> bool:
        return self.is_set()
