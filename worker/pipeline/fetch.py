"""Fetch: gets the content of messages and gives it to the pool, a batch at a time.

A try is counted before the content is touched. Fetch deals with every reason why a message can't be fetched: it is too
large, has killed the process too often, was taken away, isn't shown yet, or ends the connection.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain

from worker.handling.content_check import Doubt
from worker.handling.pool import Pool
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Record
from worker.journal.tries import Tries
from worker.logs.log import get_logger
from worker.mailbox.errors import CommandRefused, FolderBusy, MailboxError
from worker.mailbox.folders import Layout
from worker.mailbox.session import Session
from worker.message.content_mark import is_comparable
from worker.message.key import Fingerprints, MessageKey
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits
from worker.message.mime.signs import is_retrieval_stand_in
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath
from worker.pipeline.admit import Top
from worker.pipeline.fetched import BrokenOff, Fetched, Missing
from worker.pipeline.late_content import LateContent, why_waiting
from worker.pipeline.next_batch import NextBatch
from worker.pipeline.whereabouts import Whereabouts

log = get_logger()

NOT_READY_WAIT = timedelta(minutes=5)
"""How long to wait before asking again for a message that the server lists without showing its content."""


class Fetch:
    """Counts a try for each message of a batch, fetches it, and gives it to the pool."""

    def __init__(
        self,
        *,
        messages: Messages,
        tries: Tries,
        places: Places,
        whereabouts: Whereabouts,
        fingerprints: Fingerprints,
        late_content: LateContent,
        pool: Pool,
        layout: Layout,
        limits: Limits,
        deaths: int,
        junk_by_headers: bool,
        handlers: Mapping[MailPath, Collection[str]],
        run: str,
    ) -> None:
        """deaths: when the process has died this often with a message alone in hand, the message is a dead letter.

        junk_by_headers: whether the handlers of junk need no body. handlers: the names of all handlers, by path.
        run: the name of this process in the journal.
        """
        self._messages = messages
        self._tries = tries
        self._places = places
        self._whereabouts = whereabouts
        self._fingerprints = fingerprints
        self._late_content = late_content
        self._pool = pool
        self._layout = layout
        self._limits = limits
        self._deaths = deaths
        self._junk_by_headers = junk_by_headers
        self._handlers = handlers
        self._run = run

    def ask(self, session: Session, batch: Sequence[Record]) -> None:
        """Ask for the content of these messages of one folder ahead, if it is selected.

        It is on its way then. No try is counted, and nothing of it is read before their turn.
        """
        state = session.selected_state
        if state is None or session.selected != batch[0].place.folder:
            return
        here = [record for record in batch if record.place.holds_in(state) and self._hopeless(record) is None]
        whole = self._wanted_whole({record.place.uid: record for record in here if record.place.uid is not None})
        session.ask_bodies(list(whole), cap=self._limits.message, expected=sum(whole.values()))

    def discard(self, session: Session) -> None:
        """Throw away all content that was asked for ahead and isn't read yet. No try was counted for it.

        Raises:
            MailboxError: the connection ended before all of it had come.
        """
        session.discard_bodies()

    def __call__(
        self,
        session: Session,
        batch: Sequence[Record],
        tops: dict[int, Top],
        *,
        alone: bool = False,
        ahead: NextBatch | None = None,
    ) -> Missing:
        """Count a try for each of these messages of one folder, then fetch them and hand them over.

        tops: header blocks that are already known; those used are removed. alone: whether the process handles nothing
        else meanwhile. ahead: what is asked for meanwhile, as soon as there is room for it.

        Raises:
            BrokenOff: an error of the mailbox, after the tries were counted.
            MailboxError: the same, before that.
        """
        here, missing = self._at_hand(session, batch[0].place.folder, batch)
        here, absent = self._refuse_hopeless(session, here)
        missing = replace(missing, records=(*missing.records, *absent))
        if not here:
            return missing
        self._tries.begin_tries([record.id for record in here], self._run, alone=alone)
        try:
            taken, astray = self._touch(session, here, tops, ahead)
        except MailboxError as error:
            raise BrokenOff([record for record in here if record.id not in self._pool], error) from error
        look_again = here[0].place.folder if astray else missing.look_again
        return replace(missing, records=(*missing.records, *taken), look_again=look_again)

    def _touch(
        self, session: Session, batch: Sequence[Record], tops: dict[int, Top], ahead: NextBatch | None
    ) -> tuple[list[Record], list[Record]]:
        """Fetch these and hand them over.

        Returns those that somebody took away meanwhile, and those whose place holds another message.
        """
        done = self._tries.done_handlers([record.id for record in batch])
        names = {row: {name for name, (is_done, _) in handlers.items() if is_done} for row, handlers in done.items()}
        by_uid = {record.place.uid: record for record in batch if record.place.uid is not None}
        doubts = self._doubts(batch)
        doubtful: list[Fetched] = []
        late: list[Fetched] = []
        for uid, raw, complete in self._contents(session, by_uid, tops):
            record = by_uid.pop(uid)
            top = tops.pop(record.id, None)
            fetched = Fetched(record, uid, raw, complete, _headers(raw, top))
            if top is None and self._looks_otherwise(record, fetched.headers):
                doubtful.append(fetched)
            elif record.waiting_since is not None or record.is_placeholder:
                late.append(fetched)
            else:
                self._take(fetched, names, doubts)
            if ahead is not None:  # once this one is taken: the connection may end here
                ahead.ask_if_room(chain(by_uid.values(), (held.record for held in chain(doubtful, late))))
        known = (
            self._late_content.known_anew(session, {fetched.uid: fetched.record for fetched in late}) if late else {}
        )
        for fetched in late:
            self._take(replace(fetched, record=known[fetched.uid]), names, doubts)
        astray = self._astray(session, doubtful) if doubtful else set()
        for fetched in doubtful:
            if fetched.uid not in astray:
                self._take(fetched, names, doubts)
        taken = self._without_content(session, list(by_uid.values())) if by_uid else []
        return taken, [fetched.record for fetched in doubtful if fetched.uid in astray]

    def _doubts(self, batch: Sequence[Record]) -> dict[int, Doubt]:
        """What the contents of these messages are compared with, by row id, if their headers don't identify them."""
        doubtful = [record for record in batch if record.doubtful]
        lost = self._messages.comparable([record.fingerprint for record in doubtful]) if doubtful else {}
        return {
            record.id: Doubt(
                record.content if is_comparable(record.content) else None,
                frozenset(
                    other.content
                    for other in lost.get(record.fingerprint, [])
                    if other.content and other.id != record.id
                ),
            )
            for record in doubtful
        }

    def _take(self, fetched: Fetched, done: Mapping[int, set[str]], doubts: Mapping[int, Doubt]) -> None:
        record = fetched.record
        if not fetched.complete:
            self._pool.finish(record, Outcome(State.FAILED, reason="oversize"))
            return
        message = Message(
            fetched.raw,
            key=MessageKey(record.key),
            folder=record.place.folder,
            received_at=datetime.fromtimestamp(record.received_at, UTC),
            verdict=record.verdict,
            headers=fetched.headers,
            limits=self._limits,
            redelivery=record.redelivery,
        )
        self._pool.take(
            record,
            message,
            done.get(record.id, set()) | self._left_out(record),
            doubt=doubts.get(record.id),
            headers_alone=self._wants_headers_alone(record),
        )

    def _left_out(self, record: Record) -> set[str]:
        """The handlers that don't get this message again, because a person named another one."""
        if record.only_handler is None:
            return set()
        return {*self._handlers[record.verdict.path]} - {record.only_handler}

    def _looks_otherwise(self, record: Record, headers: Headers) -> bool:
        """Whether this may not be the row's message.

        If the server shows a placeholder, or did so before, a difference shows nothing: its headers are no message's.
        """
        if record.is_placeholder or is_retrieval_stand_in(headers):
            return False
        return self._fingerprints.of(headers) != record.fingerprint

    def _astray(self, session: Session, doubtful: Sequence[Fetched]) -> set[int]:
        """The UIDs that no longer belong to the row's message, because another folder has the same UIDVALIDITY.

        We compare the header that the server shows by itself, because the key was made from that; a server may show a
        different header with the whole message. The next look finds the row's message again, and its try doesn't count.
        """
        shown = {
            head.uid: self._fingerprints.of_block(head.header)
            for head in session.heads([fetched.uid for fetched in doubtful])
        }
        astray = [fetched for fetched in doubtful if shown.get(fetched.uid) != fetched.record.fingerprint]
        if astray:
            log.warning("mailbox.folder_replaced", folder=astray[0].record.place.folder)
            self._tries.put_back([fetched.record.id for fetched in astray])
            self._places.misplaced([fetched.record.id for fetched in astray])
        return {fetched.uid for fetched in astray}

    def _contents(
        self, session: Session, by_uid: dict[int, Record], tops: dict[int, Top]
    ) -> Iterator[tuple[int, bytes, bool]]:
        """(UID, bytes, whether complete) of each message that the server shows; for some, the header alone."""
        whole = self._wanted_whole(by_uid)
        slim = [uid for uid in by_uid if uid not in whole]
        known = {uid: tops[by_uid[uid].id].raw for uid in slim if by_uid[uid].id in tops}
        for uid, raw in known.items():
            yield uid, raw, True
        for head in session.heads([uid for uid in slim if uid not in known]):
            yield head.uid, head.header, True
        for body in session.bodies(list(whole), cap=self._limits.message, expected=sum(whole.values())):
            yield body.uid, body.raw, body.complete

    def _wanted_whole(self, by_uid: Mapping[int, Record]) -> dict[int, int]:
        """The UIDs of those whose bodies are needed, with their sizes (bytes)."""
        return {uid: record.size for uid, record in by_uid.items() if not self._wants_headers_alone(record)}

    def _wants_headers_alone(self, record: Record) -> bool:
        """Whether the body isn't needed. What a placeholder hid may turn out to be no junk, so it is fetched whole."""
        certain = not record.doubtful and not record.is_placeholder
        return self._junk_by_headers and record.verdict.path is MailPath.JUNK and certain

    def _refuse_hopeless(self, session: Session, batch: Sequence[Record]) -> tuple[list[Record], list[Record]]:
        """Make dead letters of hopeless messages, untouched. Returns the others, and those that aren't there.

        A message that somebody took away is no dead letter, because there would be no message to show to people.
        """
        hopeless = {record.id: reason for record in batch if (reason := self._hopeless(record)) is not None}
        uids = [record.place.uid for record in batch if record.id in hopeless and record.place.uid is not None]
        there = session.present(uids) if uids else set()
        kept: list[Record] = []
        absent: list[Record] = []
        for record in batch:
            reason = hopeless.get(record.id)
            if reason is None:
                kept.append(record)
            elif record.place.uid not in there:
                absent.append(record)
            else:
                if reason == "oversize":
                    log.error("message.oversize", key=record.key, size=record.size)
                else:
                    log.error("message.poison", key=record.key, deaths=record.deaths)
                self._pool.finish(record, Outcome(State.FAILED, reason=reason))
        return kept, absent

    def _hopeless(self, record: Record) -> str | None:
        if record.size > self._limits.message:
            return "oversize"
        return "poison" if record.deaths >= self._deaths else None

    def _without_content(self, session: Session, records: Sequence[Record]) -> list[Record]:
        """Put off messages that the server lists but doesn't show yet. Returns those that were taken away meanwhile."""
        there = session.present([record.place.uid for record in records if record.place.uid is not None])
        taken = [record for record in records if record.place.uid not in there]
        self._tries.put_back([record.id for record in taken])
        for record in records:
            if record.place.uid in there:
                reason = why_waiting(record, "not-ready")
                self._pool.finish(record, Outcome(State.PENDING, reason=reason, after=NOT_READY_WAIT))
        return taken

    def _at_hand(self, session: Session, folder: str, batch: Sequence[Record]) -> tuple[list[Record], Missing]:
        """Those that can be fetched now. One that isn't where its row says is looked for first, and fetched later."""
        watched = folder in self._layout.watched
        try:
            state = session.selected_state if session.selected == folder else session.select(folder)
        except (CommandRefused, FolderBusy):
            if watched:
                raise
            state = None
        here = [] if state is None else [record for record in batch if record.place.holds_in(state)]
        if len(here) == len(batch):
            return here, Missing()
        if watched:
            return here, Missing(look_again=folder)
        elsewhere = [record for record in batch if record not in here]
        absent = self._whereabouts.seek(session, folder, elsewhere)
        if absent is None:
            return [], Missing(unopened=tuple(batch))
        return here, Missing(tuple(absent), sought=len(elsewhere))


def _headers(raw: bytes, top: Top | None) -> Headers:
    """The headers of this content: the known ones only if it begins with them, as a placeholder has its own."""
    if top is not None and raw.startswith(top.raw.rstrip(b"\r\n")):
        return top.headers
    return Headers.from_bytes(raw)
