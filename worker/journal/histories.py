"""What became of messages: when they were seen and done, and each of their handlers with its tries and last failure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, select

from worker.journal.database import Database
from worker.journal.rows import chunks
from worker.journal.schema import delivery, message
from worker.message.verdict import MailPath

AFTER_REASON: Final = " at="
"""What follows the reason in the text of a failure. Earlier versions stored the reason alone."""
_STORED: Final = re.compile(r"(?P<reason>\S*) at=(?P<at>\d+(\.\d+)?)( where=(?P<where>\S+))?")


@dataclass(frozen=True, slots=True)
class HandlerFailure:
    """How a handler failed last. It is stored as one text, without anything of the message or the exception's text.

    reason: as a message's; see `Outcome`. at: epoch s; None: an earlier version stored it, and didn't say. where: the
    line of the handler's own code, as module:line; None: it isn't known.
    """

    reason: str
    at: float | None = None
    where: str | None = None

    def stored(self) -> str:
        """The text to store. `read_failure` reads it back."""
        at = "" if self.at is None else f"{AFTER_REASON}{self.at:.3f}"
        return f"{self.reason}{at}" + (f" where={self.where}" if at and self.where else "")


def read_failure(stored: str) -> HandlerFailure:
    """The failure that was stored as this text. Earlier versions stored the reason alone."""
    found = _STORED.fullmatch(stored)
    if found is None:
        return HandlerFailure(stored)
    return HandlerFailure(found["reason"], float(found["at"]), found["where"])


@dataclass(frozen=True, slots=True)
class HandlerHistory:
    """One handler's part in a message's history.

    tries: how often it failed since the message was last opened. done_at: when it finished with the message (epoch s);
    None: it hasn't. failure: its last one; None: it hasn't failed since, or has finished after it.
    """

    handler: str
    path: MailPath
    tries: int
    done_at: float | None = None
    failure: HandlerFailure | None = None


@dataclass(frozen=True, slots=True)
class History:
    """A message's history. Times are epoch s; None: it hasn't happened. handlers: by when they last did something."""

    key: str
    first_seen_at: float
    outcome_at: float | None
    settled_at: float | None
    released_at: float | None
    tries: int
    deaths: int
    next_at: float | None
    handlers: tuple[HandlerHistory, ...] = ()

    @property
    def last_failed(self) -> HandlerHistory | None:
        """The handler that failed last, and hasn't finished since."""
        failed = [one for one in self.handlers if one.failure is not None]
        return failed[-1] if failed else None

    @property
    def last_try_at(self) -> float | None:
        """When the last try that is known ended."""
        ends = [self.outcome_at]
        for one in self.handlers:
            ends += [one.done_at, None if one.failure is None else one.failure.at]
        return max((at for at in ends if at is not None), default=None)


def histories(database: Database, keys: Sequence[str]) -> dict[str, History]:
    """The histories of the messages with these keys, by key; unknown keys are left out.

    Raises:
        JournalUnavailable
    """
    rows: list[Row[Any]] = []
    found: dict[int, list[HandlerHistory]] = {}
    with database.read() as connection:
        for chunk in chunks(list(dict.fromkeys(keys))):
            wanted = message.c.key.in_(chunk)
            rows += connection.execute(select(message).where(wanted)).all()
            query = select(delivery).join(message, message.c.id == delivery.c.message_id).where(wanted)
            for row in connection.execute(query):
                failure = None if row.reason is None else read_failure(row.reason)
                one = HandlerHistory(row.handler, MailPath(row.path), row.tries, row.done_at, failure)
                found.setdefault(row.message_id, []).append(one)
    return {
        row.key: History(
            key=row.key,
            first_seen_at=row.first_seen_at,
            outcome_at=row.outcome_at,
            settled_at=row.settled_at,
            released_at=row.released_at,
            tries=row.tries,
            deaths=row.deaths,
            next_at=row.next_at,
            handlers=tuple(sorted(found.get(row.id, ()), key=_when)),
        )
        for row in rows
    }


def _when(one: HandlerHistory) -> tuple[float, str]:
    failed_at = None if one.failure is None else one.failure.at
    return max(one.done_at or 0.0, failed_at or 0.0), one.handler
