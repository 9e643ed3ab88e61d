"""Places: where each message lies, what each folder was like when last polled, and which headers are still awaited."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import and_, bindparam, case, delete, select, update

from worker.journal.records import Looked, Place, Record
from worker.journal.rows import Rows, chunks
from worker.journal.schema import folder, headerless, message
from worker.message.outcome import State


class Places(Rows):
    """Reads and writes the places of messages. Every method may raise `JournalUnavailable`."""

    def unsettled(self) -> list[Record]:
        """Messages whose outcome is recorded but not yet shown in the mailbox."""
        return self._records(and_(message.c.settled_at.is_(None), message.c.outcome_at.is_not(None)))

    def misplaced(self, ids: Sequence[int]) -> None:
        """Forget the UIDs of these messages: they are other messages' UIDs. The messages may still be in the folder."""
        if not ids:
            return
        with self._write() as connection:
            for chunk in chunks(list(ids)):
                there = select(message.c.folder).where(message.c.id.in_(chunk))
                connection.execute(
                    update(folder).where(folder.c.name.in_(there)).values(seen="")
                )  # the last poll took one message for another
                connection.execute(update(message).where(message.c.id.in_(chunk)).values(uid=None))

    def seen_at(self, moves: Sequence[tuple[int, Place]]) -> None:
        """Record where known messages were found. Those that were gone are pending again."""
        is_gone = message.c.state == State.GONE
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(
                folder=bindparam("to_folder"),
                uidvalidity=bindparam("to_uidvalidity"),
                uid=bindparam("to_uid"),
                missed=0,
                state=case((is_gone, State.PENDING.value), else_=message.c.state),
                outcome_at=case((is_gone, None), else_=message.c.outcome_at),
                settled_at=case((is_gone, None), else_=message.c.settled_at),
                reason=case((is_gone, None), else_=message.c.reason),
            ),
            [
                {"row": id_, "to_folder": at.folder, "to_uidvalidity": at.uidvalidity, "to_uid": at.uid}
                for id_, at in moves
            ],
        )

    def settle_again(self, ids: Sequence[int]) -> None:
        """Have these messages moved again: they are done, but lie in a watched folder again."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(settled_at=None), [{"row": i} for i in ids]
        )

    def settled(self, places: Sequence[tuple[int, Place]], now: float) -> None:
        """Record that the mailbox shows the outcome of these messages, and where they now lie."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(
                folder=bindparam("to_folder"),
                uidvalidity=bindparam("to_uidvalidity"),
                uid=bindparam("to_uid"),
                settled_at=bindparam("now"),
                missed=0,
            ),
            [
                {"row": id_, "to_folder": p.folder, "to_uidvalidity": p.uidvalidity, "to_uid": p.uid, "now": now}
                for id_, p in places
            ],
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

    def headerless(self, name: str) -> dict[tuple[int, int], float]:
        """Since when (epoch s) the server lists messages in this folder without a header; by UIDVALIDITY and UID."""
        with self._database.read() as connection:
            rows = connection.execute(select(headerless).where(headerless.c.folder == name))
            return {(row.uidvalidity, row.uid): row.since for row in rows}

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
