"""Places of messages: where each lies and is to lie, what the folders were like, and which headers are waited for."""

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
        """Messages with an outcome that the mailbox doesn't show yet."""
        return self._records(and_(message.c.settled_at.is_(None), message.c.outcome_at.is_not(None)))

    def misplaced(self, ids: Sequence[int]) -> None:
        """These don't lie where we thought: the number there is another message's. Somewhere in the folder, perhaps."""
        if not ids:
            return
        with self._write() as connection:
            for chunk in chunks(list(ids)):
                there = select(message.c.folder).where(message.c.id.in_(chunk))
                connection.execute(update(folder).where(folder.c.name.in_(there)).values(seen=""))  # it saw another one
                connection.execute(update(message).where(message.c.id.in_(chunk)).values(uid=None))

    def seen_at(self, moves: Sequence[tuple[int, Place]]) -> None:
        """Messages that were known lie elsewhere than we thought; what was gone is pending again."""
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
        """Messages that are done, and whose mail came back: it is to be moved once more."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(settled_at=None), [{"row": i} for i in ids]
        )

    def settled(self, places: Sequence[tuple[int, Place]], now: float) -> None:
        """The mailbox shows the outcome of these; they lie there now."""
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
        """Pending messages that a walk over the mailbox didn't find; after so many walks they are gone.

        Returns how many became gone.
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
        """Messages that a walk missed and the next one found: only walks in a row make a message gone."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(missed=0), [{"row": id_} for id_ in ids]
        )

    def looked_at(self, looks: Mapping[str, Looked]) -> None:
        """Remember what the folders were like at a good poll."""
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
        """What each folder was like at the last good poll."""
        with self._database.read() as connection:
            rows = connection.execute(select(folder))
            return {row.name: Looked(row.uidvalidity, row.uidnext, row.seen) for row in rows}

    def headerless(self, name: str) -> dict[tuple[int, int], float]:
        """Since when (epoch s) the server has listed messages of this folder without a header, by UIDVALIDITY, UID."""
        with self._database.read() as connection:
            rows = connection.execute(select(headerless).where(headerless.c.folder == name))
            return {(row.uidvalidity, row.uid): row.since for row in rows}

    def await_headers(
        self, name: str, begun: Mapping[tuple[int, int], float], ended: Iterable[tuple[int, int]]
    ) -> None:
        """Headers of this folder's messages are waited for from then on (epoch s); for those of others no more."""
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
