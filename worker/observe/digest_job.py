"""The digest of junk: when it is due, what is in it, and that each channel gets it once."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from worker.classify.policy import SOURCES
from worker.journal.database import Database
from worker.journal.facts import Facts
from worker.journal.junk_review import Waiting, in_junk, released_since
from worker.journal.lease import current_holder
from worker.logs.log import get_logger
from worker.observe.delivery import Channel, delivered
from worker.observe.digest import AGES, MOST_KEYS, Digest

log = get_logger()

_FACT = "digest"
_LOG = ""
"""Stands for the log among the names of channels."""
_DAY = 86_400.0
_AGE_ENDS = (_DAY, 7 * _DAY, 30 * _DAY, float("inf"))
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SCHEDULE = re.compile(r"([a-z]+) (\d\d):(\d\d)")


def digest(waiting: Sequence[Waiting], *, account: str, now: float, since: float, released: int) -> Digest:
    """The digest of what lies in junk. Pure.

    waiting: everything in junk, newest first. now, since: epoch s, of this digest and of the last one. released: how
    many messages were released in between.
    """
    sources = Counter(source for message in waiting for source in message.sources)
    known = [message.key for message in waiting if message.known and not message.reviewed]
    return Digest(
        account=account,
        at=datetime.fromtimestamp(now, UTC),
        junk=len(waiting),
        new=sum(message.received_at >= since for message in waiting),
        released=released,
        by_source=tuple((source, sources[source]) for source in SOURCES if sources[source]),
        by_age=_by_age(now - message.received_at for message in waiting),
        known=tuple(known[:MOST_KEYS]),
        known_count=len(known),
    )


def _by_age(ages: Iterable[float]) -> tuple[tuple[str, int], ...]:
    counted = Counter(next(name for name, end in zip(AGES, _AGE_ENDS, strict=True) if age < end) for age in ages)
    return tuple((name, counted[name]) for name in AGES if counted[name])


def latest_due(schedule: str, zone: tzinfo, now: datetime) -> datetime | None:
    """The last time, at or before `now`, that a digest was due; None: the setting says `off`.

    schedule: as in the settings: `weekdays 07:00`, `daily 07:00`, `monday 07:00`, or `off`.
    """
    match = _SCHEDULE.fullmatch(schedule)
    if match is None:
        return None
    wanted = {"daily": range(7), "weekdays": range(5)}.get(match[1]) or [_DAYS.index(match[1])]
    at = time(int(match[2]), int(match[3]), tzinfo=zone)
    today = now.astimezone(zone).date()
    due = (datetime.combine(today - timedelta(days=days), at) for days in range(9))
    return next(moment for moment in due if moment.weekday() in wanted and moment <= now).astimezone(UTC)


def zone_named(name: str) -> tzinfo:
    """The time zone of this name; UTC if this machine doesn't know it."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return UTC


@dataclass
class _Told:
    """The last digest. due, made: epoch s. since: when the previous one was made. sent: the channels that took it."""

    due: float
    made: float
    since: float
    sent: list[str]


class DigestJob:
    """Sends the digest when it is due. `check` belongs in a thread of its own: sending takes seconds."""

    def __init__(
        self,
        database: Database,
        channels: Sequence[Channel[Digest]],
        *,
        schedule: str,
        zone: tzinfo,
        account: str,
        replica: str,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._facts = Facts(database)
        self._channels = channels
        self._schedule = schedule
        self._zone = zone
        self._account = account
        self._replica = replica
        self._clock = clock

    def check(self) -> None:
        """Send the digest if it is due and not sent yet, and this replica is the one that works on the mailbox.

        A digest that fell due while no worker ran is sent late. A channel that failed is tried again at the next check.

        Raises:
            JournalUnavailable
        """
        now = self._clock()
        due = latest_due(self._schedule, self._zone, datetime.fromtimestamp(now, UTC))
        holder = current_holder(self._database, now)
        if due is None or holder is None or holder.name != self._replica:
            return
        told = self._recalled()
        if told is None:  # the first start: there is no last digest to count from
            self._remember(_Told(due.timestamp(), now, now, [_LOG] + [channel.name for channel in self._channels]))
            return
        if due.timestamp() > told.due:
            told = _Told(due.timestamp(), now, told.made, [])
        left = [channel for channel in self._channels if channel.name not in told.sent]
        if _LOG in told.sent and not left:
            return
        self._tell(told, left, now)

    def _tell(self, told: _Told, left: Sequence[Channel[Digest]], now: float) -> None:
        released = released_since(self._database, told.since)
        found = digest(in_junk(self._database), account=self._account, now=now, since=told.since, released=released)
        if _LOG not in told.sent:
            log.info("junk.digest", junk=found.junk, new=found.new, released=found.released, known=found.known_count)
            told.sent.append(_LOG)
        for channel in left:
            if found.is_empty or delivered(channel, found, rule="junk-digest", state="report"):
                told.sent.append(channel.name)
                self._remember(told)  # at once: the next channel may take long, and the process may end
        self._remember(told)

    def _recalled(self) -> _Told | None:
        stored = self._facts.recall(_FACT)
        try:
            return None if stored is None else _Told(**json.loads(stored))
        except (ValueError, TypeError):
            return None

    def _remember(self, told: _Told) -> None:
        self._facts.remember(_FACT, json.dumps(asdict(told)))
