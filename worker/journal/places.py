"""Places: where each message lies, what each folder was like when last polled, and which headers are still awaited."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Boolean, ColumnElement, and_, bindparam, case, delete, or_, select, true, update

from worker.journal.facts import set_fact, stored_fact
from worker.journal.header_reads import HEADER_READS, HeaderReads, read_header_reads
from worker.journal.records import Looked, Place, Record
from worker.journal.rows import PLACE, Rows, chunks, look_no_longer_holds, placed
from worker.journal.schema import folder, headerless, message
from worker.message.content_mark import OF_HEADERS
from worker.message.outcome import State

_HEADERLESS = select(headerless.c.uidvalidity, headerless.c.uid, headerless.c.since).where(
    headerless.c.folder == bindparam("in_folder")
)
_SETTLED = (
    update(message)
    .where(message.c.id == bindparam("row"))
    .values(
        **PLACE,
        settled_at=bindparam("now"),
        missed=0,
        # One that was lost stays lost; one whose place we only forget by moving it isn't.
        doubtful=and_(message.c.doubtful, or_(bindparam("uid_known", type_=Boolean), message.c.uid.is_(None))),
    )
)


class Places(Rows):
    """Reads and writes the places of messages. Every method may raise `JournalUnavailable`."""

    def unsettled(self) -> list[Record]:
        """Messages whose outcome is recorded but not yet shown in the mailbox."""
        return self._records(and_(message.c.settled_at.is_(None), message.c.outcome_at.is_not(None)))

    def misplaced(self, ids: Sequence[int]) -> None:
        """Forget the UIDs of these messages: they are other messages' UIDs. The messages may still be in the folder."""
        # A message whose content is known may be found again by its headers. Any other one keeps its doubt.
        self._displace(ids, doubtful=and_(message.c.doubtful, message.c.content.is_(None)))

    def lost(self, ids: Sequence[int]) -> None:
        """Record that these messages aren't where they were. Only a message with the same content is one of them."""
        self._displace(ids, doubtful=true())

    def doubted(self, ids: Sequence[int]) -> None:
        """Record that each of these messages, whose bodies were never handed over, may be one that was and is lost."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(doubtful=True), [{"row": i} for i in ids]
        )

    def not_lost(self, ids: Sequence[int]) -> None:
        """Record that these messages are where they were after all, as far as headers can say."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(doubtful=False),
            [{"row": id_} for id_ in ids],
        )

    def _displace(self, ids: Sequence[int], *, doubtful: ColumnElement[bool]) -> None:
        if not ids:
            return
        with self._write() as connection:
            for chunk in chunks(list(ids)):
                look_no_longer_holds(connection, chunk)
                connection.execute(update(message).where(message.c.id.in_(chunk)).values(uid=None, doubtful=doubtful))

    def seen_at(self, moves: Sequence[tuple[int, Place]], *, by_headers: bool = False) -> None:
        """Record where known messages lie. Those that were gone are pending again.

        by_headers: their headers alone say so. If we know the content that was handed over, it is to be compared.
        """
        is_comparable = and_(message.c.content.is_not(None), ~message.c.content.startswith(OF_HEADERS))
        is_gone = message.c.state == State.GONE
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(
                **PLACE,
                missed=0,
                state=case((is_gone, State.PENDING.value), else_=message.c.state),
                outcome_at=case((is_gone, None), else_=message.c.outcome_at),
                settled_at=case((is_gone, None), else_=message.c.settled_at),
                reason=case((is_gone, None), else_=message.c.reason),
                doubtful=or_(message.c.doubtful, is_comparable) if by_headers else message.c.doubtful,
            ),
            [placed(id_, place) for id_, place in moves],
        )

    def settle_again(self, ids: Sequence[int]) -> None:
        """Have these messages moved again: they are done, but lie in a watched folder again."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(settled_at=None), [{"row": i} for i in ids]
        )

    def settled(self, places: Sequence[tuple[int, Place]], now: float) -> None:
        """Record that the mailbox shows the outcome of these messages, and where they now lie."""
        self._update_many(
            _SETTLED,
            [placed(id_, place) | {"uid_known": place.uid is not None, "now": now} for id_, place in places],
        )

    def missed(self, ids: Sequence[int], *, gone_after: int, now: float) -> int:
        """Count a look at the mailbox that didn't find these pending messages. Returns how many are now gone.

        gone_after: the number of looks in a row after which a message is gone.
        """
        if not ids:
            return 0
        with self._write() as connection:
            for chunk in chunks(list(ids)):
                connection.execute(update(message).where(message.c.id.in_(chunk)).values(missed=message.c.missed + 1))
            gone = connection.execute(
                update(message)
                .where(message.c.state == State.PENDING, message.c.missed >= gone_after)
                .values(
                    state=State.GONE.value, outcome_at=now, settled_at=now, in_hand=None, reason="taken-away", missed=0
                )
            )
        return int(gone.rowcount)

    def found(self, ids: Sequence[int]) -> None:
        """Start the count of misses again for messages that were found: only misses in a row make a message gone."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(missed=0), [{"row": id_} for id_ in ids]
        )

    def looked_at(self, looks: Mapping[str, Looked]) -> None:
        """Remember what the folders were like at a successful poll."""
        if not looks:
            return
        with self._write() as connection:
            statement = self._insert(folder)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["name"],
                    set_={name: statement.excluded[name] for name in ("uidvalidity", "uidnext", "seen")},
                ),
                [{"name": name, **asdict(look)} for name, look in looks.items()],
            )

    def last_looks(self) -> dict[str, Looked]:
        """What each folder was like at the last successful poll."""
        with self._database.read() as connection:
            rows = connection.execute(select(folder))
            return {row.name: Looked(row.uidvalidity, row.uidnext, row.seen) for row in rows}

    def header_reads(self) -> HeaderReads:
        """Which headers of new messages are being read, and at which a process died."""
        with self._database.read() as connection:
            return read_header_reads(stored_fact(connection, HEADER_READS))

    def read_headers(self, reads: HeaderReads) -> None:
        """Store which headers are being read. Call this before any of them is."""
        with self._write() as connection:
            set_fact(connection, self._insert, HEADER_READS, reads.stored())

    def headerless(self, name: str) -> dict[tuple[int, int], float]:
        """Since when (epoch s) the server lists messages in this folder without a header; by UIDVALIDITY and UID."""
        with self._database.read() as connection:
            rows = connection.execute(_HEADERLESS, {"in_folder": name})
            return {(uidvalidity, uid): since for uidvalidity, uid, since in rows}

    def await_headers(
        self, name: str, begun: Mapping[tuple[int, int], float], ended: Iterable[tuple[int, int]]
    ) -> None:
        """Record which messages of this folder we await a header for.

        begun: since when (epoch s), by UIDVALIDITY and UID. ended: those that we no longer wait for.
        """
        ended = list(ended)
        if not begun and not ended:
            return
        of_message = and_(
            headerless.c.folder == name,
            headerless.c.uidvalidity == bindparam("validity"),
            headerless.c.uid == bindparam("number"),
        )
        with self._write() as connection:
            if ended:
                connection.execute(
                    delete(headerless).where(of_message), [{"validity": v, "number": uid} for v, uid in ended]
                )
            if begun:
                connection.execute(
                    headerless.insert(),
                    [{"folder": name, "uidvalidity": v, "uid": uid, "since": at} for (v, uid), at in begun.items()],
                )
