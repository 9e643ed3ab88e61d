"""Dispatch: messages that are due are handed over a batch at a time, suspects one at a time."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, zip_longest

from worker.handling.pool import Pool
from worker.journal.records import Record
from worker.journal.tries import Tries
from worker.logs.fields import first_keys
from worker.logs.log import get_logger
from worker.mailbox.session import Session
from worker.message.outcome import LONGEST_AFTER, Outcome, State
from worker.pipeline.admit import Top
from worker.pipeline.fetch import NOT_READY_WAIT, Fetch
from worker.pipeline.fetched import BrokenOff, Missing
from worker.pipeline.late_content import why_waiting
from worker.pipeline.next_batch import NextBatch, Room
from worker.pipeline.stop import Permission
from worker.pipeline.turns import Turns

log = get_logger()

SLOW_WAIT = 60.0
"""Seconds that a message waits if it makes room for other senders' mail. It spends no try."""
UNOPENED_WAIT = 60.0
"""Seconds until the server is asked again to open a folder for the messages in it. None of them spends a try."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is done at a time. batch_bytes: bytes.

    patience: seconds to wait for any handler to return before the other mail goes on without it. That says nothing of
    the handler: whether a call is stuck is for health to tell, by a limit of its own. longest_wait: seconds; no message
    waits longer than this for its next try.
    """

    batch_bytes: int
    batch_count: int
    patience: float
    longest_wait: float = LONGEST_AFTER.total_seconds()


@dataclass(frozen=True, slots=True)
class Step:
    """A point at which outcomes must be collected before dispatch goes on.

    wait: wait at most so many seconds for the first outcome. settle: whether everything that is written down is to be
    settled as well. missing: messages that couldn't be fetched just now.
    """

    wait: float = 0.0
    settle: bool = False
    missing: Missing = field(default_factory=Missing)


class Dispatch:
    """Hands messages over, and knows which of them are suspects and which hang."""

    def __init__(
        self,
        *,
        tries: Tries,
        turns: Turns,
        fetch: Fetch,
        pool: Pool,
        bounds: Bounds,
        permission: Permission,
        clock: Callable[[], float],
    ) -> None:
        """turns: decides which of the due messages may be handed over now."""
        self._tries = tries
        self._turns = turns
        self._fetch = fetch
        self._pool = pool
        self._bounds = bounds
        self._room = Room(pool, bounds.batch_bytes)
        self._permission = permission
        self._clock = clock
        self._suspects: list[int] = []
        self._stuck: set[int] = set()
        self._asked: dict[int, Top | None] = {}
        """The messages of the batch that is only asked for, with their header blocks if these are known, by row id."""
        self._more_later = False

    @property
    def has_more(self) -> bool:
        """Whether more messages get their turn once those handed over by the last `work` are done."""
        return self._more_later or self._turns.more

    @property
    def keeps_order(self) -> bool:
        """Whether any route wants each sender's mail in order."""
        return self._turns.keep_order

    def begin(self) -> None:
        """Begin under the lease: messages that were in hand when a process died are retried one at a time."""
        self._turns.begin()
        self._asked.clear()
        suspects = self._tries.suspects()
        alone = [record for record in suspects if record.was_alone]
        for record in alone:
            self._tries.died_with(record)
        self._suspects = [record.id for record in suspects]
        if suspects:
            keys = first_keys([record.key for record in suspects])
            log.warning("message.suspects", count=len(suspects), alone=len(alone), keys=keys)

    def forget_asked(self) -> None:
        """The folders are to be looked at anew: what was asked for may be gone, and other messages in its places."""
        self._asked.clear()

    def stop(self) -> None:
        """Take back messages that no thread has started; their tries don't count."""
        self._tries.put_back(self._pool.drop_waiting())

    def leave(self) -> None:
        """The process ends with messages in hand: don't count that as a crash that they caused."""
        if self._pool:
            log.error("worker.left_in_hand", count=len(self._pool), keys=first_keys(self._pool.keys()))
            self._tries.not_alone(self._pool.rows())

    def work_through(self, session: Session) -> Iterator[Step]:
        """As `work`, and then wait until everything that doesn't hang has returned."""
        yield from self.work(session, {})
        yield from self._finish()

    def work(self, session: Session, tops: dict[int, Top], *, more: bool = False) -> Iterator[Step]:
        """Hand over every message that is due and whose turn it is: suspects first, one at a time.

        Each batch is asked for while the one before it is read, so that the server sends it meanwhile.

        tops: header blocks that are already known, by row id. more: whether more messages are admitted next. Then the
        last batch is only asked for, and read once they are admitted.
        """
        self._more_later = False
        due = self._tries.due(self._clock(), longest=self._bounds.longest_wait, besides=self._pool.rows())
        due, more_later = self._turns.of(due, self._pool)
        tops |= {row: top for row, top in self._asked.items() if top is not None}
        # Fewest deaths first: otherwise each kill from outside would be counted against the same message.
        suspects = sorted((record for record in due if record.id in self._suspects), key=lambda one: one.deaths)
        ids = {suspect.id for suspect in suspects}
        others = sorted((record for record in due if record.id not in ids), key=_folder_of)
        self._keep_asked(session, suspects, others)
        a_suspect_waits = yield from self._one_at_a_time(session, suspects, tops)
        if others:  # with these in hand, a hanging message isn't alone any more
            self._tries.not_alone([row for row in self._pool.rows() if row in self._stuck])
        batches = list(self._in_batches(others))
        self._asked.clear()
        patient = True
        for batch, following in zip_longest(batches, batches[1:]):
            if not (yield from self._made_room(batch, patient=patient)):
                patient = False  # it waits for the next poll; what comes after it may need less room
                self._fetch.discard(session)
                continue
            self._fetch.ask(session, batch)
            if following is None and more and not (a_suspect_waits or self._turns.holds_back):
                self._asked = {record.id: tops.get(record.id) for record in batch}
                break
            ahead = NextBatch(self._fetch, session, following or (), self._room)
            ahead.ask_if_room(batch)
            yield self._hand_over(session, batch, tops, ahead=ahead)
        self._more_later = more_later and patient

    def _keep_asked(self, session: Session, suspects: Sequence[Record], others: Sequence[Record]) -> None:
        """Keep what was asked for ahead only if all of it is read next; otherwise throw it away.

        It mustn't come off the wire while a suspect is alone in hand. A poll that was broken off may have left
        something that this one doesn't want.
        """
        if suspects or not self._asked or not self._asked.keys() <= {record.id for record in others}:
            self._asked.clear()
            self._fetch.discard(session)

    def _in_batches(self, records: Sequence[Record]) -> Iterator[list[Record]]:
        """Split these, which are in the order of their folders, into batches: first the one that was asked for."""
        asked = [record for record in records if record.id in self._asked]
        others = [record for record in records if record.id not in self._asked]
        for part in (asked, others):
            for _, group in groupby(part, key=_folder_of):
                yield from _batches(group, self._bounds)

    def _one_at_a_time(
        self, session: Session, suspects: Sequence[Record], tops: dict[int, Top]
    ) -> Generator[Step, None, bool]:
        """Hand these over alone, so that if the process dies, we know which message caused it.

        Hanging messages stay in hand meanwhile, because they may hang for ever and the suspects can't wait that long.
        They are marked as not alone: if the process dies now, that isn't counted against them.

        Returns whether any of the suspects still waits for its turn.
        """
        if suspects:
            yield from self._finish()
        for record in suspects:
            if not (self._has_room([record]) or (self._put_off_slow([record]) and self._has_room([record]))):
                continue  # it waits for the next poll: whatever could return has returned
            self._tries.not_alone(self._pool.rows())
            step = self._hand_over(session, [record], tops, alone=True)
            yield step
            yield from self._finish(record.id)
            if not step.missing.unopened:
                self._suspects.remove(record.id)
            if record.id in self._pool:
                break  # this one hangs as well: the others wait for the next poll
        return any(record.id in self._suspects for record in suspects)

    def _hand_over(
        self,
        session: Session,
        batch: Sequence[Record],
        tops: dict[int, Top],
        *,
        alone: bool = False,
        ahead: NextBatch | None = None,
    ) -> Step:
        self._permission.go_on()
        self._stuck.difference_update(record.id for record in batch)  # what hung before may well return this time
        try:
            missing = self._fetch(session, batch, tops, alone=alone, ahead=ahead)
            if missing.unopened:
                until = self._clock() + UNOPENED_WAIT
                self._tries.postpone({record.id: until for record in missing.unopened})
            return Step(missing=missing)
        except BrokenOff as broken:
            self._take_back(broken, alone=alone)
            error = broken.error
        try:
            raise error
        finally:
            del error  # or the error and this frame would hold each other, and with them the batch's bytes

    def _take_back(self, broken: BrokenOff, *, alone: bool) -> None:
        """A try that was broken off doesn't count.

        If fetching these messages may have ended the connection, each is fetched alone next time. A message that
        ends the connection even then is put off, so that the others get through.
        """
        rows = [record.id for record in broken.records]
        if not broken.at_fetch:
            self._tries.put_back(rows)
        elif alone:
            for record in broken.records:
                reason = why_waiting(record, "fetch-broken")
                self._pool.finish(record, Outcome(State.PENDING, reason=reason, after=NOT_READY_WAIT))
        else:
            self._tries.suspect(rows)
            self._suspects += [row for row in rows if row not in self._suspects]

    def _made_room(self, batch: Sequence[Record], *, patient: bool) -> Generator[Step, None, bool]:
        """Wait until these may be in hand as well; False if no handler returns for too long. patient: whether to wait.

        Mail of senders on whose mail the handlers hang makes room for the others', before it is begun.
        """
        while not self._has_room(batch):
            if not patient or not ((yield from self._something_returned()) or self._put_off_slow(batch)):
                return False
        return True

    def _has_room(self, batch: Sequence[Record]) -> bool:
        """Whether these may be in hand as well. Where nothing takes room, a message of any size may."""
        return not self._pool.size or self._room.has(batch)

    def _put_off_slow(self, batch: Sequence[Record]) -> bool:
        if all(self._pool.is_slow(record) for record in batch):
            return False
        rows = self._pool.drop_slow()
        if rows:
            log.warning("message.makes_room", count=len(rows), wait=SLOW_WAIT)
            self._tries.put_back(rows)
            self._tries.postpone(dict.fromkeys(rows, self._clock() + SLOW_WAIT))
        return bool(rows)

    def _finish(self, row: int | None = None) -> Iterator[Step]:
        """Wait for everything in hand, or for this one message, and have the outcomes settled.

        A hanging handler is waited for once and then left until it returns by itself: the others mustn't wait for it.
        """
        while self._is_awaited(row):
            self._permission.go_on()
            if not (yield from self._something_returned()):
                self._stuck.update(self._pool.rows())
        yield Step(settle=True)
        self._turns.resume()

    def _is_awaited(self, row: int | None) -> bool:
        in_hand = set(self._pool.rows())
        self._stuck &= in_hand
        return bool(in_hand - self._stuck) if row is None else row in in_hand - self._stuck

    def _something_returned(self) -> Generator[Step, None, bool]:
        """Wait for a handler to return; False if none does for too long."""
        before = set(self._pool.rows())
        yield Step(wait=self._bounds.patience)
        if before.difference(self._pool.rows()):
            return True
        self._permission.go_on()  # a stop cuts the wait short, and in a pause no handler starts: neither is a hang
        return False


def _folder_of(record: Record) -> str:
    return record.place.folder


def _batches(records: Iterable[Record], bounds: Bounds) -> Iterator[list[Record]]:
    """Split the records, in order, into batches within the bounds; each has at least one record."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if batch and (len(batch) >= bounds.batch_count or size + record.size > bounds.batch_bytes):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += record.size
    if batch:
        yield batch
