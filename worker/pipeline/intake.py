"""Intake: new messages get rows, missing ones are counted as missed. It touches no other stage."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, zip_longest

from worker.handling.pool import Pool
from worker.journal.places import Places
from worker.journal.records import Record
from worker.logs.fields import first_keys
from worker.logs.log import get_logger
from worker.mailbox.session import Session
from worker.pipeline.admit import Admission, Admitted
from worker.pipeline.fetched import Missing
from worker.pipeline.header_suspects import HEADER_POISON, Batch
from worker.pipeline.observer import Observer
from worker.pipeline.poll import Poll
from worker.pipeline.report import Report
from worker.pipeline.stop import Permission
from worker.pipeline.whereabouts import Look, Whereabouts

log = get_logger()

GONE_AFTER = 2
"""How many polls in a row must miss a message before it counts as taken away."""


class Intake:
    """Takes in what a poll saw, and remembers what this poll has seen and missed so far."""

    def __init__(
        self,
        *,
        poll: Poll,
        admission: Admission,
        whereabouts: Whereabouts,
        places: Places,
        pool: Pool,
        permission: Permission,
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        self._poll = poll
        self._admission = admission
        self._whereabouts = whereabouts
        self._places = places
        self._pool = pool
        self._permission = permission
        self._observer = observer
        self._clock = clock
        self._seen: set[int] = set()
        self._missed: set[int] = set()

    def admit(self, session: Session, looks: Sequence[Look]) -> Iterator[Admitted]:
        """Give each new message its row, a batch of headers at a time."""
        self._seen.clear()
        self._missed.clear()
        for look in looks:
            batches = self._admission.batches(look)
            for batch, following in zip_longest(batches, batches[1:]):
                self._permission.go_on()
                if session.selected != look.folder:
                    session.select(look.folder)
                if batch is batches[0]:
                    self._ask_for_the_first_two(session, look, batches)
                admitted = self._admission.admit(session, look, batch, looks)
                if following is not None:
                    self._admission.ask(session, look, following)
                self._seen |= admitted.rows
                self._tell(admitted)
                yield replace(admitted, more=following is not None)

    def _ask_for_the_first_two(self, session: Session, look: Look, batches: Sequence[Batch]) -> None:
        """Ask for two batches together: nothing else is on its way yet that would hide the second one's round trip."""
        if len(batches) > 1 and not batches[0].suspect:
            for batch in batches[:2]:
                self._admission.ask(session, look, batch)

    def miss(self, session: Session, looks: Sequence[Look]) -> Report:
        """Count the missing messages, after every new one was matched: a missing message may have moved."""
        self._places.found([record.id for look in looks for record in look.found])
        missing = [record for look in looks for record in look.missing if record.id not in self._seen]
        return self._miss(self._sought(session, missing) if self._poll.leaves_out else missing)

    def miss_unfetched(self, missing: Missing) -> Report:
        """Count messages that couldn't be fetched from where they should lie."""
        report = Report(missed=missing.sought)
        report += self._miss(missing.records)
        if missing.look_again is not None:
            self._poll.look_again(missing.look_again)
        return report

    def end(self, session: Session, looks: Sequence[Look]) -> Report:
        """Select the folder that stays selected between polls, and store what the folders looked like."""
        if session.selected != self._poll.rest:
            session.select(self._poll.rest)
        self._places.looked_at(self._poll.looked() if looks else {})
        return Report(arrived=self._poll.arrived_since(session))

    def _tell(self, admitted: Admitted) -> None:
        if admitted.new:
            self._observer.new(len(admitted.new))
        for record in admitted.again.rejudged:
            log.warning("message.rejudged", key=record.key, folder=admitted.folder)
        for record, _ in admitted.again.moved_back:
            log.warning("message.moved_back", key=record.key, folder=admitted.folder, state=record.state.value)
        for record, reason in admitted.headless:
            if reason == HEADER_POISON:
                log.error("message.header_poison", key=record.key, folder=admitted.folder)
        if admitted.by_headers:
            log.warning("message.known_by_headers", count=admitted.by_headers, folder=admitted.folder)
            self._observer.known_by_headers(admitted.by_headers)
        if admitted.unread:
            log.warning("mailbox.header_not_shown", count=len(admitted.unread), folder=admitted.folder)
        for folder in admitted.look_again | ({admitted.folder} if admitted.unread else set()):
            self._poll.look_again(folder)

    def _sought(self, session: Session, missing: Sequence[Record]) -> list[Record]:
        """Those that are nowhere in their folders, not even among mail older than `poll.since`.

        If a folder isn't opened now, the next poll looks for its messages.
        """
        records = [record for record in missing if record.id not in self._pool]
        nowhere: list[Record] = []
        for folder, group in groupby(sorted(records, key=_folder_of), key=_folder_of):
            absent = self._whereabouts.seek(session, folder, list(group))
            if absent is None:
                self._poll.look_again(folder)
            else:
                nowhere += absent
        return nowhere

    def _miss(self, records: Sequence[Record]) -> Report:
        """Count these as missed by this poll: once each, however often the poll looks."""
        records = [record for record in records if record.id not in self._pool and record.id not in self._missed]
        if not records:
            return Report()
        self._missed.update(record.id for record in records)
        gone = self._places.missed([record.id for record in records], gone_after=GONE_AFTER, now=self._clock())
        if gone:
            keys = first_keys([record.key for record in records if record.missed + 1 >= GONE_AFTER])
            log.warning("message.gone", count=gone, keys=keys)
            self._observer.gone([record for record in records if record.missed + 1 >= GONE_AFTER])
        for folder in {record.place.folder for record in records}:
            self._poll.look_again(folder)
        return Report(gone=gone, missed=len(records) - gone)


def _folder_of(record: Record) -> str:
    return record.place.folder
