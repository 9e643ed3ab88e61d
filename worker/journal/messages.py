"""Messages: one row for each message that the server has ever shown, with its state and its verdict."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, or_, select, true, update

from worker.journal.brief_rows import BriefRow, brief_rows
from worker.journal.failed_handlers import failed_at
from worker.journal.folder_rows import FolderRows
from worker.journal.key_search import keys_like
from worker.journal.new_rows import new_record, new_rows, row_ids, taken_numbers
from worker.journal.records import Counts, NewMessage, Place, Queued, Record
from worker.journal.reopened import redeliver, reopen
from worker.journal.rows import PLACE, REBUILT, chunks, evidence_json, listed, placed, records_where
from worker.journal.schema import known_sender, message, tally
from worker.message.outcome import State
from worker.message.reasons import Reason
from worker.message.verdict import MailPath, Verdict

_ALIKE = records_where(listed(message.c.fingerprint))
_NAMED = records_where(listed(message.c.key))
_ADD = message.insert()


class Messages(FolderRows):
    """Reads and writes the rows of messages. Every method may raise `JournalUnavailable`."""

    def with_fingerprints(self, fingerprints: Iterable[str]) -> dict[str, list[Record]]:
        """The messages with these fingerprints, oldest first."""
        found: dict[str, list[Record]] = {}
        for chunk in chunks(list(dict.fromkeys(fingerprints))):
            for record in self._records_by(_ALIKE, chunk=chunk):
                found.setdefault(record.fingerprint, []).append(record)
        return found

    def comparable(self, fingerprints: Iterable[str]) -> dict[str, list[Record]]:
        """The messages with these fingerprints that are lost or gone and whose content is known, oldest first."""
        is_lost = and_(message.c.doubtful, message.c.uid.is_(None), message.c.content.is_not(None))
        is_gone = and_(message.c.state == State.GONE, message.c.content.is_not(None))
        found: dict[str, list[Record]] = {}
        for chunk in chunks(list(dict.fromkeys(fingerprints))):
            for record in self._records(and_(message.c.fingerprint.in_(chunk), or_(is_lost, is_gone))):
                found.setdefault(record.fingerprint, []).append(record)
        return found

    def look_alikes(self, fingerprints: Iterable[str]) -> dict[str, int]:
        """The highest look-alike number in use for each fingerprint; the next look-alike gets the number after it."""
        with self._database.read() as connection:
            return taken_numbers(connection, list(fingerprints))

    def with_keys(self, keys: Sequence[str]) -> list[Record]:
        """The messages with these keys. Unknown keys are ignored."""
        unique = list(dict.fromkeys(keys))
        return [record for chunk in chunks(unique) for record in self._records_by(_NAMED, chunk=chunk)]

    def keys_like(self, beginning: str, ending: str = "", *, most: int) -> tuple[list[str], int]:
        """The first `most` keys with this beginning and this ending, in order, and how many there are."""
        return keys_like(self._database, beginning, ending, most=most)

    def received_last(self) -> float | None:
        """When the server received the newest message (epoch s, by its clock); None if there is none."""
        with self._database.read() as connection:
            newest: float | None = connection.execute(select(func.max(message.c.received_at))).scalar()
            return newest

    def in_state(self, state: State, *, since: float = float("-inf"), handler: str | None = None) -> list[Record]:
        """The messages in this state that were received at or after `since` (epoch s), newest first.

        handler: only those that failed at this handler.
        """
        at_handler = true() if handler is None else failed_at(handler)
        found = self._records(and_(message.c.state == state, message.c.received_at >= since, at_handler))
        return sorted(found, key=lambda record: (-record.received_at, -record.id))

    def on_path(self, path: MailPath, ids: Sequence[int]) -> set[int]:
        """Which of these messages are on this path."""
        found: set[int] = set()
        if not ids:
            return found
        with self._database.read() as connection:
            for chunk in chunks(list(ids)):
                query = select(message.c.id).where(message.c.id.in_(chunk), message.c.path == path.value)
                found.update(connection.execute(query).scalars())
        return found

    def pending_by_sender(self) -> dict[tuple[str, bool | None], list[Queued]]:
        """The pending clean messages of each sender, in order of arrival.

        A sender is a keyed hash with whether the provider confirmed it (None: it says nothing of that).
        """
        query = (
            select(
                message.c.sender,
                message.c.sender_confirmed,
                message.c.id,
                message.c.key,
                message.c.next_at,
                message.c.waiting_since,
                message.c.first_seen_at,
            )
            .where(
                message.c.state == State.PENDING, message.c.path == MailPath.CLEAN.value, message.c.sender.is_not(None)
            )
            .order_by(message.c.received_at, message.c.id)
        )
        found: dict[tuple[str, bool | None], list[Queued]] = {}
        with self._database.read() as connection:
            for sender, confirmed, *fields in connection.execute(query):
                found.setdefault((sender, confirmed), []).append(Queued(*fields))
        return found

    def everything(self) -> list[Record]:
        """Every row. A walk over a large journal takes `in_brief`."""
        return self._records(message.c.id.is_not(None))

    def in_brief(self) -> Iterator[BriefRow]:
        """Every row in the order of their ids, all as they are at one moment. Memory holds few of them at a time."""
        return brief_rows(self._database)

    def counts(self) -> Counts:
        """How many messages are in each state, those without a row included."""
        with self._database.read() as connection:
            states = connection.execute(select(message.c.state, func.count()).group_by(message.c.state))
            by_state = {State(state): count for state, count in states}
            released = connection.execute(select(func.count()).where(message.c.released_at.is_not(None))).scalar_one()
            pending = message.c.state == State.PENDING
            oldest = connection.execute(select(func.min(message.c.first_seen_at)).where(pending)).scalar_one()
        compacted = self.compacted()
        return Counts({state: by_state.get(state, 0) + compacted.get(state, 0) for state in State}, released, oldest)

    def compacted(self) -> dict[State, int]:
        """How many messages of each state no longer have a row."""
        with self._database.read() as connection:
            return {State(row.state): row.messages for row in connection.execute(select(tally))}

    def add(self, new: Sequence[NewMessage], now: float) -> list[Record]:
        """Add messages that are new to us. Each gets a key of its own: look-alikes get `-2`, `-3` and so on."""
        if not new:
            return []
        with self._write() as connection:
            rows = new_rows(connection, new, now)
            connection.execute(_ADD, rows)
            ids = row_ids(connection, [row["key"] for row in rows])
        return [new_record(ids[row["key"]], row["key"], item, now) for row, item in zip(rows, new, strict=True)]

    def recognised(self, row: int, place: Place, *, instead_of: int | None) -> None:
        """Record that a message lies in this place, as its content shows.

        instead_of: the row that this place had; it is no message of its own, and is deleted.
        """
        is_gone = message.c.state == State.GONE
        with self._write() as connection:
            if instead_of is not None:
                connection.execute(delete(message).where(message.c.id == instead_of))
            connection.execute(
                update(message)
                .where(message.c.id == row)
                .values(
                    folder=place.folder,
                    uidvalidity=place.uidvalidity,
                    uid=place.uid,
                    missed=0,
                    doubtful=False,
                    state=case((is_gone, State.PENDING.value), else_=message.c.state),
                    outcome_at=case((is_gone, None), else_=message.c.outcome_at),
                    settled_at=case((is_gone, None), else_=message.c.settled_at),
                    reason=case((is_gone, None), else_=message.c.reason),
                )
            )

    def known_by(self, records: Sequence[Record]) -> None:
        """Store the fingerprint and size of messages that the server first showed differently. Their keys stay."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(fingerprint=bindparam("mark"), size=bindparam("bytes")),
            [{"row": record.id, "mark": record.fingerprint, "bytes": record.size} for record in records],
        )

    def sent_by(self, senders: Mapping[int, tuple[str | None, bool, bool | None]]) -> None:
        """Store who sent these: the mark, whether the settings list it, whether it is confirmed; see `NewMessage`."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(sender=bindparam("who"), sender_listed=bindparam("known"), sender_confirmed=bindparam("sure")),
            [{"row": row, "who": who, "known": known, "sure": sure} for row, (who, known, sure) in senders.items()],
        )

    def add_settled(self, found: Sequence[tuple[NewMessage, State]], now: float) -> None:
        """Add messages that were settled under an earlier journal, and so already lie where they should.

        Senders of handled mail are known senders. All are added or none, and never as pending: wherever the process
        crashes, no message that is done is handled again.
        """
        if not found:
            return
        with self._write(durable=True) as connection:
            done = {"reason": REBUILT, "outcome_at": now, "settled_at": now}
            rows = new_rows(connection, [item for item, _ in found], now)
            connection.execute(
                message.insert(),
                [row | done | {"state": state.value} for row, (_, state) in zip(rows, found, strict=True)],
            )
            handled = {one.sender for one, state in found if state is State.HANDLED and one.sender is not None}
            if handled:
                known = [{"sender": sender, "since": now} for sender in sorted(handled)]
                connection.execute(self._insert(known_sender).on_conflict_do_nothing(), known)

    def settled_elsewhere(self, found: Sequence[tuple[int, State, Place]], now: float) -> None:
        """Record that these messages were settled under a later journal, and where they lie, by row id. All or none."""
        done = {"reason": REBUILT, "outcome_at": now, "settled_at": now}
        undone = dict.fromkeys(("settle_to", "in_hand", "next_at", "waiting_since"))
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(
                state=bindparam("now_is"),
                missed=0,
                **PLACE,
                **done,
                **undone,
            ),
            [placed(row, place) | {"now_is": state.value} for row, state, place in found],
        )

    def any_settled_before(self, then: float) -> bool:
        """Whether any message was settled before `then` (epoch s)."""
        query = select(message.c.id).where(message.c.state.in_(_DONE), _ended_before(then)).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def handled_before(self, then: float) -> list[Record]:
        """Handled messages that were settled before `then` (epoch s) and still lie in the folder that we moved them to.

        A message that a person moved since is left to that person, and one that we deleted is finished. A message that
        the server received after `then` was also settled after it, whatever our clock said.
        """
        return self._records(
            and_(
                message.c.state == State.HANDLED,
                _ended_before(then),
                message.c.received_at < then,
                message.c.settle_to == message.c.folder,
                message.c.reason.is_distinct_from(Reason.DELETED.stored()),
            )
        )

    def deleted(self, ids: Sequence[int]) -> None:
        """Record that we deleted these messages from the mailbox, as the settings say."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(uid=None, doubtful=False, reason=Reason.DELETED.stored()),
            [{"row": row} for row in ids],
        )

    def found_or_missed(self, found: Sequence[int], missed: Sequence[int]) -> None:
        """Record which settled messages a walk over the mailbox found, and which it missed."""
        with self._write() as connection:
            for chunk in chunks(list(found)):
                connection.execute(update(message).where(message.c.id.in_(chunk)).values(missed=0))
            for chunk in chunks(list(missed)):
                connection.execute(update(message).where(message.c.id.in_(chunk)).values(missed=message.c.missed + 1))

    def compact(self, ids: Sequence[int], *, missed: int) -> int:
        """Delete these rows, and keep count of them. Returns how many were deleted.

        A row stays if its message was opened again meanwhile, or was found again, so that fewer than `missed` walks in
        a row have missed it.
        """
        if not ids:
            return 0
        with self._write(durable=True) as connection:
            found: dict[int, str] = {}
            for chunk in chunks(list(ids)):
                unseen = and_(message.c.id.in_(chunk), message.c.missed >= missed, message.c.settled_at.is_not(None))
                rows = connection.execute(select(message.c.id, message.c.state).where(unseen).with_for_update())
                found |= {row.id: row.state for row in rows}
            for state, count in Counter(found.values()).items():
                statement = self._insert(tally).values(state=state, messages=count)
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["state"], set_={"messages": tally.c.messages + count}
                    )
                )
            for chunk in chunks(list(found)):
                connection.execute(delete(message).where(message.c.id.in_(chunk)))  # cascades to `delivery`
            return len(found)

    def judged(self, verdicts: Sequence[tuple[int, Verdict]]) -> None:
        """Store new verdicts. They make their messages pending, whatever their state was, and undo a release."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(
                path=bindparam("new_path"),
                evidence=bindparam("new_evidence"),
                state=State.PENDING.value,
                outcome_at=None,
                settled_at=None,
                settle_to=None,
                next_at=None,
                released_at=None,
                only_handler=None,
            ),
            [
                {"row": id_, "new_path": verdict.path.value, "new_evidence": evidence_json(verdict)}
                for id_, verdict in verdicts
            ],
        )

    def noted(self, verdicts: Sequence[tuple[int, Verdict]]) -> None:
        """Store new verdicts that change no message's state."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(path=bindparam("new_path"), evidence=bindparam("new_evidence")),
            [
                {"row": id_, "new_path": verdict.path.value, "new_evidence": evidence_json(verdict)}
                for id_, verdict in verdicts
            ],
        )

    def reopen(self, row: int, *, verdict: Verdict | None = None, released_at: float | None = None) -> None:
        """Make a message that was done pending again. Handlers that finished stay finished; failures are forgotten.

        verdict, released_at: of a person's release. Without a verdict, the message keeps the one that it has.
        """
        with self._write(durable=True) as connection:
            reopen(connection, row, verdict=verdict, released_at=released_at)

    def redeliver(self, record: Record, *, only: str | None, request: int, now: float) -> bool:
        """Make a message that was handled, or is junk, pending again with the next count, and note the request as done.

        Its handlers are called again: all of them, or only this one. Both are written in one transaction, so no crash
        makes one request count twice. Returns False, and changes nothing, if the message isn't as in this record.
        """
        with self._write(durable=True) as connection:
            return redeliver(connection, record, only=only, request=request, now=now)


_DONE = tuple(state.value for state in State if state is not State.PENDING)


def _ended_before(then: float) -> ColumnElement[bool]:
    """Whether a message was settled before. It had its outcome before that, by which an index finds it."""
    return and_(message.c.outcome_at < then, message.c.settled_at < then)
