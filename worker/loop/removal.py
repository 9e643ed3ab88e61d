"""Has handlers remove their old copies of messages, as their `remove_after` says: a little each hour, all in the trail.

Nothing goes that a message still needs, and nothing because our clock is wrong. A copy goes only if its message is done
by the journal, or the journal doesn't know it any more. How old a copy is we measure by our clock, but never by a time
much later than that of the newest message, which is the server's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Protocol

import orjson

from worker.handling.retention import CopiesFailed, Retention
from worker.journal.facts import Facts
from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.logs.log import get_logger
from worker.loop.go_ahead import GoAhead
from worker.loop.steady_clock import SteadyClock
from worker.mailbox.session import Session
from worker.message.copies import Look, OldCopies, OldCopy, RemovedCopies
from worker.message.outcome import State

log = get_logger()

RETENTION = "retention"
"""The journal's fact that holds how far each handler's removal has come."""

DAY = 86_400.0
NOTICE = DAY
"""Seconds between saying that removal begins, or that more is removed from now on, and the first removal."""
QUIET = 2 * DAY
"""How far (s) our clock may be ahead of the newest message's date of arrival. Beyond that, we don't believe it."""
AT_A_TIME = 100
"""Copies removed between two looks at whether we may go on."""
LOOKED_IN_ONE = 20_000
LOOKED_A_DAY = 400_000
REMOVED_A_DAY = 10_000
VISIT = 10.0
"""Seconds that one hour's removal takes at most, for each handler, beyond the look or the removal that it is in."""
LONGEST_REST = 7 * DAY
"""Seconds until everything is looked at again, even if nothing can be old before: copies may have been put back."""

_DONE = frozenset({State.HANDLED, State.JUNK})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the removal of one handler's copies has come. Times are in epoch s.

    keep: its `remove_after` (s). begins_at: nothing is removed before. day: when the day began for which `looked` and
    `removed` count. after: where the look through all copies goes on; began_at: when it began; due_at: when the next
    begins. oldest: of the copies that stayed, so far in this look; oldest_known: at the end of the last. kept: how many
    old ones stayed because their messages aren't done; refused: because the store doesn't let go of them. left: how
    many things weren't as the handler had made them. versions: the store keeps earlier versions. total: how many were
    removed in all. of: which copies, as in `Retention`; empty: not noted.
    """

    keep: float
    begins_at: float
    day: float = 0.0
    looked: int = 0
    removed: int = 0
    after: str | None = None
    began_at: float = 0.0
    due_at: float = 0.0
    oldest: float | None = None
    oldest_known: float | None = None
    kept: int = 0
    refused: int = 0
    left: int = 0
    versions: bool = False
    total: int = 0
    of: str = ""

    def today(self, now: float) -> "Progress":
        """The same, on this day."""
        return self if 0 <= now - self.day < DAY else replace(self, day=now, looked=0, removed=0)

    @property
    def may_look(self) -> int:
        """How many more copies may be looked at today."""
        return max(0, LOOKED_A_DAY - self.looked) if self.removed < REMOVED_A_DAY else 0

    def anew(self, now: float, left: int) -> "Progress":
        """At the beginning of a look through all copies. left: how much is left of what was to be removed before."""
        return replace(self, began_at=now, oldest=None, kept=0, refused=0, left=left, versions=False)

    def seen(self, found: OldCopies) -> "Progress":
        """After this look."""
        ages = [one for one in (self.oldest, _epoch(found.oldest)) if one is not None]
        return replace(
            self,
            looked=self.looked + found.looked,
            after=found.after,
            oldest=min(ages, default=None),
            left=self.left + found.left,
        )

    def did(self, asked: int, done: RemovedCopies, kept: int) -> "Progress":
        """After this removal. asked: how many were to be removed. kept: how many old ones had to stay."""
        return replace(
            self,
            removed=self.removed + asked,
            total=self.total + len(done.removed),
            kept=self.kept + kept,
            refused=self.refused + len(done.refused),
            left=self.left + done.left,
            versions=self.versions or done.versions,
        )

    def through(self) -> "Progress":
        """All copies were looked at. The next look comes when one can be old, and a day later at the soonest."""
        soonest, latest = self.began_at + DAY, self.began_at + LONGEST_REST
        due = latest if self.oldest is None else self.oldest + self.keep
        due = soonest if self.kept or self.refused else min(max(due, soonest), latest)
        return replace(self, due_at=due, oldest_known=self.oldest)


class Recorder(Protocol):
    """Writes the audit trail, and counts. Never raises."""

    def removal_announced(self, handler: str, seconds: float, /) -> None:
        """From a day later, this handler's copies older than so many seconds are removed."""

    def copies_to_be_removed(self, handler: str, keys: Sequence[str], /) -> bool:
        """The copies of these messages are removed next. Returns whether the trail says so: else they must stay."""

    def copies_removed(self, handler: str, count: int, kept: Sequence[str], /) -> None:
        """So many were removed. kept: the keys of those that couldn't be."""

    def oldest_copy(self, handler: str, at: float | None, /) -> None:
        """When the oldest copy that stays was received or made (epoch s); None if there is none."""


class RemoveCopies:
    """A chore: it looks through each handler's copies, and has old ones removed."""

    def __init__(
        self,
        retentions: Mapping[str, Retention],
        *,
        messages: Messages,
        facts: Facts,
        go_ahead: GoAhead,
        recorder: Recorder,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """retentions: by handler."""
        self._retentions = retentions
        self._messages = messages
        self._facts = facts
        self._steady_clock = SteadyClock(facts, clock)
        self._go_ahead = go_ahead
        self._recorder = recorder
        self._clock = clock
        self._monotonic = monotonic

    def do(self, _session: Session) -> None:
        """Remove what is due, within the bounds of an hour and of a day. Raises `Stop` and `JournalUnavailable`."""
        known = self._known()
        if known.keys() - self._retentions.keys():  # if they are to remove again one day, they announce it again
            self._store(known)
        if not self._retentions or not self._steady_clock.is_steady():
            return
        newest = self._messages.received_last()
        if newest is None:
            return
        now = min(self._clock(), newest + QUIET)
        for name, retention in self._retentions.items():
            self._visit(name, retention, known.get(name), now)

    def _visit(self, name: str, retention: Retention, known: Progress | None, now: float) -> None:
        try:
            progress = self._begun(name, retention, known, now)
            self._recorder.oldest_copy(name, progress.oldest_known)
            if self._clock() >= progress.begins_at:
                self._go_through(name, retention, progress.today(self._clock()), now)
        except CopiesFailed as failed:
            log.warning("copies.not_removed", handler=name, error=failed.kind)

    def _begun(self, name: str, retention: Retention, known: Progress | None, now: float) -> Progress:
        """Where the removal stands. Announces it if it is new, or is to remove more than before, or from elsewhere."""
        keep = retention.remove_after.total_seconds()
        is_set_back = known is not None and self._clock() < known.begins_at - NOTICE
        is_elsewhere = known is not None and known.of not in ("", retention.of)
        if known is not None and keep >= known.keep and not (is_set_back or is_elsewhere):
            known = replace(known, of=retention.of)
            return known if keep == known.keep else replace(known, keep=keep, after=None, due_at=0.0)
        found = retention.copies.old_copies(Look(_time(now - keep), found=AT_A_TIME, most=LOOKED_IN_ONE))
        progress = Progress(keep, self._clock() + NOTICE, total=0 if known is None else known.total, of=retention.of)
        self._recorder.removal_announced(name, keep)
        self._save(name, progress)
        log.warning(
            "copies.removal_announced",
            handler=name,
            days=keep / DAY,
            count=len(found.copies),
            next_at=_time(progress.begins_at),
        )
        return progress

    def _go_through(self, name: str, retention: Retention, progress: Progress, now: float) -> None:
        if progress.after is None:
            if progress.began_at <= self._clock() < progress.due_at:
                return
            rest = retention.copies.remove_copies((), _time(now - progress.keep))
            progress = progress.anew(self._clock(), rest.left)
        until = self._monotonic() + VISIT
        removed, before = 0, _time(now - progress.keep)
        while (most := progress.may_look) and self._monotonic() < until:
            self._go_ahead.go_on()
            seconds = max(1.0, until - self._monotonic())
            found = retention.copies.old_copies(
                Look(before, progress.after, min(most, LOOKED_IN_ONE), AT_A_TIME, seconds)
            )
            going = self._not_needed(found.copies)
            done = self._remove(name, retention, going, before)
            if done is None:  # the audit trail can't be written
                return
            removed += len(done.removed)
            progress = progress.seen(found).did(len(going), done, len(found.copies) - len(going))
            if progress.after is None:
                progress = progress.through()
                self._recorder.oldest_copy(name, progress.oldest_known)
            self._save(name, progress)
            if progress.after is None:
                break
        _tell(name, progress, removed)

    def _remove(
        self, name: str, retention: Retention, going: Sequence[OldCopy], before: datetime
    ) -> RemovedCopies | None:
        """Write it into the audit trail, then have it done. None if the trail can't be written: then nothing is."""
        if not going:
            return RemovedCopies()
        keys = {copy.name: copy.key for copy in going}
        if not self._recorder.copies_to_be_removed(name, list(keys.values())):
            return None
        self._go_ahead.go_on()
        try:
            done = retention.copies.remove_copies(list(keys), before)
        except CopiesFailed:
            self._recorder.copies_removed(name, 0, list(keys.values()))
            raise
        self._recorder.copies_removed(
            name, len(done.removed), [key for copy, key in keys.items() if copy not in done.removed]
        )
        return done

    def _not_needed(self, copies: Sequence[OldCopy]) -> list[OldCopy]:
        """Those of these copies whose messages are done. A message without a row was done long ago, and is gone."""
        records = {str(record.key): record for record in self._messages.with_keys([copy.key for copy in copies])}
        return [copy for copy in copies if _is_done(records.get(copy.key))]

    def _known(self) -> dict[str, Progress]:
        stored = orjson.loads(self._facts.recall(RETENTION) or "{}")
        names = {field.name for field in fields(Progress)}  # a later version may have stored others
        return {
            handler: Progress(**{name: told[name] for name in names & told.keys()}) for handler, told in stored.items()
        }

    def _save(self, name: str, progress: Progress) -> None:
        self._store(self._known() | {name: progress})

    def _store(self, known: Mapping[str, Progress]) -> None:
        told = {name: asdict(one) for name, one in known.items() if name in self._retentions}
        self._facts.remember(RETENTION, orjson.dumps(told).decode())


def _tell(name: str, progress: Progress, removed: int) -> None:
    if removed:
        log.info("copies.removed", handler=name, count=removed)
    if progress.after is not None:
        return
    if progress.refused:
        log.warning("copies.not_removed", handler=name, error="refused", count=progress.refused)
    if progress.left:
        log.warning("copies.left_alone", handler=name, count=progress.left)
    if progress.versions:
        log.warning("copies.versions_kept", handler=name)


def _is_done(record: Record | None) -> bool:
    return record is None or (record.state in _DONE and record.settled)


def _time(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _epoch(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
