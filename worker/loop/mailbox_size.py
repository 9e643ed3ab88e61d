"""The chore that learns how full the mailbox is, and warns before it is full.

It works on the connection that is open anyway, in the hourly look, and never opens one. Where the server has QUOTA it
costs one command an hour. Elsewhere the messages' sizes are added up once a day, the first time an hour after the first
start, when the first mail has been handed over.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Final, Protocol

import orjson

from worker.journal.facts import Facts
from worker.journal.size_note import Fullness, Sample, SizeNote, read_size, write_size
from worker.logs.log import get_logger
from worker.mailbox.session import Session
from worker.observe.size_words import advice
from worker.pipeline.stop import Stop
from worker.reconcile.growth import days_until_full, fullness, sampled

log = get_logger()

_NAME: Final = "mailbox.size.asked"
HOUR: Final = 3540.0
"""Seconds between two questions for the quota: a little less than an hour, so that no hourly look is passed over."""
DAY: Final = 86_400.0 - 60.0
"""Seconds between two sums; and until the next try, when the server refused or the connection ended over one."""


class Sums(Protocol):
    """Adds up the sizes of all messages."""

    def total(self, session: Session) -> int | None:
        """The mailbox's bytes; None: the next call carries on. May leave no folder selected."""


@dataclass(frozen=True, slots=True)
class SizeRules:
    """limit: bytes to count against where the server tells no limit. warn: the per cent of filling, and of full."""

    limit: int
    warn: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Asked:
    """When to ask next (epoch s). since: when this was noted; a time before it means that the clock was put back.

    unfinished: it was begun, and hasn't ended: the connection, or the process, ended over it.
    """

    since: float
    quota_at: float
    sum_at: float
    unfinished: bool = False


class MailboxSize:
    """Learns the mailbox's size when that is due, and notes it. Logs it once a day, and when a warning begins."""

    def __init__(self, facts: Facts, sums: Sums, rules: SizeRules, clock: Callable[[], float]) -> None:
        self._facts = facts
        self._sums = sums
        self._rules = rules
        self._clock = clock

    def do(self, session: Session) -> None:
        """Learn it if that is due. May leave another folder selected, or none.

        Raises:
            MailboxError: the connection ended; the next try is a day later. JournalUnavailable, Stop.
        """
        before = read_size(self._facts)
        reading = self._due(session)
        if reading is not None:
            self._note(before, *reading)
        elif before is not None:
            self._judge_anew(before)

    def _due(self, session: Session) -> tuple[Sample, int | None] | None:
        """The reading and the server's limit, if one was due and is complete."""
        now = self._clock()
        asked = self._recalled(now)
        if asked.unfinished:
            if now < asked.since + DAY:
                return None
            asked = replace(asked, quota_at=now, sum_at=min(asked.sum_at, now), unfinished=False)
        by_quota = session.has("QUOTA") and now >= asked.quota_at
        if not by_quota and now < asked.sum_at:
            return None
        self._remember(replace(asked, since=now, unfinished=True))
        reading: tuple[Sample, int | None] | None = None
        after = asked
        try:
            if by_quota:
                storage = session.storage()
                after = replace(asked, quota_at=now + (DAY if storage is None else HOUR))
                if storage is not None:
                    # no sum is due for as long as the server tells
                    after = replace(after, sum_at=now + 2 * HOUR)
                    reading = Sample(now, storage.used, estimate=False), storage.limit
            if reading is None and now >= asked.sum_at:
                total = self._sums.total(session)
                if total is not None:
                    after = replace(after, sum_at=now + DAY)
                    reading = Sample(now, total, estimate=True), None
        except Stop:
            self._remember(replace(asked, since=now))
            raise
        self._remember(replace(after, since=now))
        return reading

    def _note(self, before: SizeNote | None, sample: Sample, told: int | None) -> None:
        samples = () if before is None else before.samples
        taken = sampled(samples, sample)
        limit = told or self._rules.limit
        note = SizeNote(sample.at, sample.used, limit, sample.estimate, told is not None, samples=taken)
        self._judge(note, before, is_new_day=sample in taken)

    def _judge_anew(self, before: SizeNote) -> None:
        """The settings may have changed since."""
        self._judge(before if before.told else replace(before, limit=self._rules.limit), before, is_new_day=False)

    def _judge(self, note: SizeNote, before: SizeNote | None, *, is_new_day: bool) -> None:
        was = Fullness.FINE if before is None else before.fullness
        judged = replace(
            note,
            fullness=fullness(was, note.used, note.limit, self._rules.warn),
            days_left=days_until_full(note.samples, note.used, note.limit),
        )
        if judged != before:
            write_size(self._facts, judged)
        if is_new_day or judged.fullness is not was:
            _log(judged)

    def _recalled(self, now: float) -> _Asked:
        first = _Asked(now, now, now + HOUR)
        try:
            stored = orjson.loads(self._facts.recall(_NAME) or "null")
            asked = None if stored is None else _Asked(**stored)
            if asked is not None and asked.since <= now:
                return asked
        except (TypeError, ValueError):  # written by a program that knows other fields
            pass
        self._remember(first)
        return first

    def _remember(self, asked: _Asked) -> None:
        self._facts.remember(_NAME, orjson.dumps(asdict(asked)).decode())


def _log(note: SizeNote) -> None:
    fields: dict[str, object] = {"bytes": note.used, "limit": note.limit, "percent": note.percent}
    fields |= {"estimate": note.estimate} | ({} if note.days_left is None else {"days": note.days_left})
    match note.fullness:
        case Fullness.FINE:
            log.info("mailbox.size", **fields)
        case Fullness.FILLING:
            log.warning("mailbox.filling", **fields, advice=advice(note.fullness))
        case Fullness.FULL:
            log.error("mailbox.full", **fields, advice=advice(note.fullness))
