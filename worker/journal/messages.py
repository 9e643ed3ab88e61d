"""Messages: one row for each message that the server has ever shown, with its state and its verdict."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, delete, func, select, update

from worker.journal.records import Counts, NewMessage, Record
from worker.journal.rows import Rows, chunks, evidence_json
from worker.journal.schema import delivery, message, tally
from worker.message.key import look_alike
from worker.message.outcome import State
from worker.message.reasons import Reason
from worker.message.verdict import MailPath, Verdict


class Messages(Rows):
    """Reads and writes the rows of messages. Every method may raise `JournalUnavailable`."""

    def in_folder(self, name: str) -> list[Record]:
        """Every message whose last known place is this folder."""
        return self._records(message.c.folder == name)

    def with_fingerprints(self, fingerprints: Iterable[str]) -> dict[str, list[Record]]:
        """The messages with these fingerprints, oldest first."""
        found: dict[str, list[Record]] = {}
        for chunk in chunks(list(dict.fromkeys(fingerprints))):
            for record in self._records(message.c.fingerprint.in_(chunk)):
                found.setdefault(record.fingerprint, []).append(record)
        return found

    def look_alikes(self, fingerprints: Iterable[str]) -> dict[str, int]:
        """The highest look-alike number in use for each fingerprint; the next look-alike gets the number after it."""
        with self._database.read() as connection:
            return _taken(connection, list(fingerprints))

    def with_keys(self, keys: Sequence[str]) -> list[Record]:
        """The messages with these keys. Unknown keys are ignored."""
        unique = list(dict.fromkeys(keys))
        return [record for chunk in chunks(unique) for record in self._records(message.c.key.in_(chunk))]

    def in_state(self, state: State, *, since: float = float("-inf")) -> list[Record]:
        """The messages in this state that were received at or after `since` (epoch s), newest first."""
        found = self._records(and_(message.c.state == state, message.c.received_at >= since))
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

    def pending_by_sender(self) -> dict[str, list[tuple[int, str, float | None]]]:
        """The pending clean messages of each sender (a keyed hash), in order of arrival: id, key, time of next try."""
        query = (
            select(message.c.sender, message.c.id, message.c.key, message.c.next_at)
            .where(
                message.c.state == State.PENDING, message.c.path == MailPath.CLEAN.value, message.c.sender.is_not(None)
            )
            .order_by(message.c.received_at, message.c.id)
        )
        found: dict[str, list[tuple[int, str, float | None]]] = {}
        with self._database.read() as connection:
            for sender, row, key, next_at in connection.execute(query):
                found.setdefault(sender, []).append((row, key, next_at))
        return found

    def everything(self) -> list[Record]:
        """Every row."""
        return self._records(message.c.id.is_not(None))

    def counts(self) -> Counts:
        """How many messages are in each state, those without a row included."""
        with self._database.read() as connection:
            states = connection.execute(select(message.c.state, func.count()).group_by(message.c.state))
            by_state = {State(state): count for state, count in states}
            released, oldest = connection.execute(
                select(
                    func.count(message.c.released_at),
                    func.min(case((message.c.state == State.PENDING, message.c.first_seen_at))),
                )
            ).one()
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
            rows = _new_rows(connection, new, now)
            connection.execute(message.insert(), rows)
        keys = [row["key"] for row in rows]
        by_key = {record.key: record for chunk in chunks(keys) for record in self._records(message.c.key.in_(chunk))}
        return [by_key[key] for key in keys]

    def known_by(self, records: Sequence[Record]) -> None:
        """Store the fingerprint and size of messages that the server first showed differently. Their keys stay."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(fingerprint=bindparam("mark"), size=bindparam("bytes")),
            [{"row": record.id, "mark": record.fingerprint, "bytes": record.size} for record in records],
        )

    def add_settled(self, found: Sequence[tuple[NewMessage, State]], now: float) -> None:
        """Add messages that were settled under an earlier journal, and so already lie where they should.

        All are added or none, and never as pending: wherever the process crashes, no message that is done is handled
        again.
        """
        if not found:
            return
        with self._write(durable=True) as connection:
            done = {"reason": "rebuilt", "outcome_at": now, "settled_at": now}
            rows = _new_rows(connection, [item for item, _ in found], now)
            connection.execute(
                message.insert(),
                [row | done | {"state": state.value} for row, (_, state) in zip(rows, found, strict=True)],
            )

    def settled_before(self, then: float) -> list[Record]:
        """Messages that were settled before `then` (epoch s)."""
        return self._records(message.c.settled_at < then)

    def handled_before(self, then: float) -> list[Record]:
        """Handled messages that were settled before `then` (epoch s) and still lie in the folder that we moved them to.

        A message that a person moved since is left to that person, and one that we deleted is finished. A message that
        the server received after `then` was also settled after it, whatever our clock said.
        """
        return self._records(
            and_(
                message.c.state == State.HANDLED,
                message.c.settled_at < then,
                message.c.received_at < then,
                message.c.settle_to == message.c.folder,
                message.c.reason.is_distinct_from(Reason.DELETED.stored()),
            )
        )

    def deleted(self, ids: Sequence[int]) -> None:
        """Record that we deleted these messages from the mailbox, as the settings say."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(uid=None, reason=Reason.DELETED.stored()),
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
        values: dict[str, Any] = {
            "state": State.PENDING.value,
            "tries": 0,
            "deaths": 0,
            "next_at": None,
            "reason": None,
            "outcome_at": None,
            "settle_to": None,
            "settled_at": None,
        }
        if verdict is not None:
            values |= {"path": verdict.path.value, "evidence": evidence_json(verdict), "released_at": released_at}
        with self._write(durable=True) as connection:
            connection.execute(update(message).where(message.c.id == row).values(**values))
            connection.execute(update(delivery).where(delivery.c.message_id == row).values(tries=0, reason=None))


def _taken(connection: Connection, fingerprints: list[str]) -> dict[str, int]:
    """The highest look-alike number of each fingerprint. Not a count of rows, because no key may be given twice."""
    taken: dict[str, int] = {}
    for chunk in chunks(list(dict.fromkeys(fingerprints))):
        query = select(message.c.fingerprint, message.c.key).where(message.c.fingerprint.in_(chunk))
        for fingerprint, key in connection.execute(query):
            taken[fingerprint] = max(taken.get(fingerprint, 0), int(key[len(fingerprint) + 1 :] or 1))
    return taken


def _new_rows(connection: Connection, items: Sequence[NewMessage], now: float) -> list[dict[str, Any]]:
    """New rows with unused keys. A key may also be in use by a message whose fingerprint has changed (`known_by`)."""
    taken = Counter(_taken(connection, [item.fingerprint for item in items]))
    while True:
        numbers = dict(taken)
        rows = [_new_row(item, numbers, now) for item in items]
        given = set[str]()
        for chunk in chunks([row["key"] for row in rows]):
            given.update(connection.execute(select(message.c.key).where(message.c.key.in_(chunk))).scalars())
        if not given:
            return rows
        taken.update(row["fingerprint"] for row in rows if row["key"] in given)


def _new_row(item: NewMessage, taken: dict[str, int], now: float) -> dict[str, Any]:
    number = taken[item.fingerprint] = taken.get(item.fingerprint, 0) + 1
    return {
        "key": look_alike(item.fingerprint, number),
        "fingerprint": item.fingerprint,
        "state": State.PENDING.value,
        "path": item.verdict.path.value,
        "evidence": evidence_json(item.verdict),
        "folder": item.place.folder,
        "uidvalidity": item.place.uidvalidity,
        "uid": item.place.uid,
        "size": item.size,
        "received_at": item.received_at,
        "first_seen_at": now,
        "sender": item.sender,
        "sender_listed": item.sender_listed,
    }
