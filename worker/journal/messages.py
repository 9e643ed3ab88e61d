"""The account of messages: one row for each message that the server ever showed, with its state and its place."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, delete, func, literal, or_, select, update

from worker.journal.database import Database
from worker.journal.records import (
    DELETED,
    SUSPECT,
    Counts,
    Looked,
    NewMessage,
    Place,
    Record,
    Result,
    evidence_json,
    record_of,
)
from worker.journal.schema import delivery, folder, headerless, known_sender, message, tally
from worker.message.key import look_alike
from worker.message.outcome import State
from worker.message.verdict import Path, Verdict


class Messages:
    """Reads and writes the account of messages. Every method may raise `JournalUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert: Any = database.insert
        self._fence: Callable[[Connection], None] = lambda _connection: None

    def fenced_by(self, fence: Callable[[Connection], None]) -> None:
        """Ask this within each transaction that writes: it raises where the account is another worker's by now."""
        self._fence = fence

    # -- what is known -------------------------------------------------------------------------------------------------

    def in_folder(self, name: str) -> list[Record]:
        """Every message whose last known place is this folder."""
        return self._records(message.c.folder == name)

    def with_fingerprints(self, fingerprints: Iterable[str]) -> dict[str, list[Record]]:
        """The messages that look like these, oldest first."""
        found: dict[str, list[Record]] = {}
        for chunk in _chunks(list(dict.fromkeys(fingerprints))):
            for record in self._records(message.c.fingerprint.in_(chunk)):
                found.setdefault(record.fingerprint, []).append(record)
        return found

    def look_alikes(self, fingerprints: Iterable[str]) -> dict[str, int]:
        """The highest look-alike's number of each of these that was ever seen; the next one's key has one more."""
        with self._database.read() as connection:
            return _taken(connection, list(fingerprints))

    def with_keys(self, keys: Sequence[str]) -> list[Record]:
        """The messages with these keys; keys that no message has are passed over."""
        unique = list(dict.fromkeys(keys))
        return [record for chunk in _chunks(unique) for record in self._records(message.c.key.in_(chunk))]

    def in_state(self, state: State, *, since: float = float("-inf")) -> list[Record]:
        """The messages in a state that were received at that time (epoch s) or later, newest first."""
        found = self._records(and_(message.c.state == state, message.c.received_at >= since))
        return sorted(found, key=lambda record: (-record.received_at, -record.id))

    def due(self, now: float, *, longest: float) -> list[Record]:
        """Messages that aren't done and whose time has come.

        longest: seconds that anything waits at most; what would wait for longer was put off by a clock that was ahead.
        """
        has_come = or_(message.c.next_at.is_(None), message.c.next_at <= now, message.c.next_at > now + longest)
        return self._records(and_(message.c.state == State.PENDING, has_come))

    def on_path(self, path: Path, ids: Sequence[int]) -> set[int]:
        """Those of these messages that are on this path."""
        found: set[int] = set()
        if not ids:
            return found
        with self._database.read() as connection:
            for chunk in _chunks(list(ids)):
                query = select(message.c.id).where(message.c.id.in_(chunk), message.c.path == path.value)
                found.update(connection.execute(query).scalars())
        return found

    def next_due_at(self) -> float | None:
        """When the next message that waits is due (epoch s); None when none waits."""
        with self._database.read() as connection:
            query = select(func.min(func.coalesce(message.c.next_at, 0.0))).where(message.c.state == State.PENDING)
            value: float | None = connection.execute(query).scalar()
            return value

    def pending_by_sender(self) -> dict[str, list[tuple[int, str, float | None]]]:
        """Of each sender (a keyed hash) the clean messages that aren't done, in order of arrival: id, key, next try."""
        query = (
            select(message.c.sender, message.c.id, message.c.key, message.c.next_at)
            .where(message.c.state == State.PENDING, message.c.path == Path.CLEAN.value, message.c.sender.is_not(None))
            .order_by(message.c.received_at, message.c.id)
        )
        found: dict[str, list[tuple[int, str, float | None]]] = {}
        with self._database.read() as connection:
            for sender, row, key, next_at in connection.execute(query):
                found.setdefault(sender, []).append((row, key, next_at))
        return found

    def unsettled(self) -> list[Record]:
        """Messages with an outcome that the mailbox doesn't show yet."""
        return self._records(and_(message.c.settled_at.is_(None), message.c.outcome_at.is_not(None)))

    def suspects(self) -> list[Record]:
        """Messages that some run had in hand and never gave back."""
        return self._records(message.c.in_hand.is_not(None))

    def everything(self) -> list[Record]:
        """Every row, for the walk of `reconcile`."""
        return self._records(message.c.id.is_not(None))

    def done_handlers(self, ids: Sequence[int]) -> dict[int, dict[str, tuple[bool, int]]]:
        """For each message the handlers that it had on its path: whether they are done, and how often they failed."""
        found: dict[int, dict[str, tuple[bool, int]]] = {}
        on_its_path = and_(message.c.id == delivery.c.message_id, message.c.path == delivery.c.path)
        with self._database.read() as connection:
            for chunk in _chunks(list(ids)):
                query = select(delivery).join(message, on_its_path).where(message.c.id.in_(chunk))
                for row in connection.execute(query):
                    found.setdefault(row.message_id, {})[row.handler] = (row.done_at is not None, row.tries)
        return found

    def counts(self) -> Counts:
        """How many messages are in each state."""
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
        """How many messages of each state have no row any more."""
        with self._database.read() as connection:
            return {State(row.state): row.messages for row in connection.execute(select(tally))}

    # -- what changes --------------------------------------------------------------------------------------------------

    def add(self, new: Sequence[NewMessage], now: float) -> list[Record]:
        """Enter messages for the first time, each with a key of its own: look-alikes get `-2`, `-3`."""
        if not new:
            return []
        with self._write() as connection:
            rows = _new_rows(connection, new, now)
            connection.execute(message.insert(), rows)
        keys = [row["key"] for row in rows]
        by_key = {record.key: record for chunk in _chunks(keys) for record in self._records(message.c.key.in_(chunk))}
        return [by_key[key] for key in keys]

    def known_by(self, records: Sequence[Record]) -> None:
        """Messages of which something else was shown at first: by this fingerprint and size they are known again."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(fingerprint=bindparam("mark"), size=bindparam("bytes")),
            [{"row": record.id, "mark": record.fingerprint, "bytes": record.size} for record in records],
        )

    def misplaced(self, ids: Sequence[int]) -> None:
        """These don't lie where we thought: the number there is another message's. Somewhere in the folder, perhaps."""
        if not ids:
            return
        with self._write() as connection:
            for chunk in _chunks(list(ids)):
                there = select(message.c.folder).where(message.c.id.in_(chunk))
                connection.execute(update(folder).where(folder.c.name.in_(there)).values(seen=""))  # it saw another one
                connection.execute(update(message).where(message.c.id.in_(chunk)).values(uid=None))

    def add_settled(self, found: Sequence[tuple[NewMessage, State]], now: float) -> None:
        """Enter messages that an earlier journal has settled: they lie where they are to lie.

        All of them or none, and never as pending: whatever the process dies at, nothing that is done is handed over.
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

    def settled_before(self, then: float) -> list[Record]:
        """Messages that were settled before that time (epoch s)."""
        return self._records(message.c.settled_at < then)

    def handled_before(self, then: float) -> list[Record]:
        """Handled messages that were settled before that time (epoch s), in the folder that they were settled to.

        What people moved elsewhere since is theirs, and what we deleted is done with. What the server received later
        than that was settled later, too, whatever our clock said.
        """
        return self._records(
            and_(
                message.c.state == State.HANDLED,
                message.c.settled_at < then,
                message.c.received_at < then,
                message.c.settle_to == message.c.folder,
                message.c.reason.is_distinct_from(DELETED),
            )
        )

    def deleted(self, ids: Sequence[int]) -> None:
        """We deleted these from the mailbox, as the settings say."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(uid=None, reason=DELETED),
            [{"row": row} for row in ids],
        )

    def found_or_missed(self, found: Sequence[int], missed: Sequence[int]) -> None:
        """Settled messages that a walk over the mailbox found, and those that it missed."""
        with self._write() as connection:
            for chunk in _chunks(list(found)):
                connection.execute(update(message).where(message.c.id.in_(chunk)).values(missed=0))
            for chunk in _chunks(list(missed)):
                connection.execute(update(message).where(message.c.id.in_(chunk)).values(missed=message.c.missed + 1))

    def compact(self, ids: Sequence[int], *, missed: int) -> int:
        """Forget these rows and keep their number, which is returned.

        Those stay whose message was seen again meanwhile, so that fewer walks than `missed` missed it in a row, or was
        opened again.
        """
        if not ids:
            return 0
        with self._write(durable=True) as connection:
            found: dict[int, str] = {}
            for chunk in _chunks(list(ids)):
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
            for chunk in _chunks(list(found)):
                connection.execute(delete(message).where(message.c.id.in_(chunk)))  # and its rows in `delivery` with it
            return len(found)

    def judged(self, verdicts: Sequence[tuple[int, Verdict]]) -> None:
        """Messages whose verdict is new: because of it they are pending, whatever they were, and released no more."""
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
        """Messages whose evidence is new, and whose state is not changed by it."""
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
        """A message that was done is to be handled anew: handlers that finished stay finished, failures are forgotten.

        verdict, released_at: a person's release; None leaves the verdict as it is.
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

    def postpone(self, untils: Mapping[int, float]) -> None:
        """These aren't to be tried before that time (epoch s): it isn't their turn."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(next_at=bindparam("until")),
            [{"row": row, "until": until} for row, until in untils.items()],
        )

    def postpone_all(self, reason: str, until: float | None) -> None:
        """The messages that wait for this reason aren't to be tried before that time (epoch s); None: they may be."""
        waits = and_(message.c.state == State.PENDING, message.c.reason == reason, message.c.in_hand.is_(None))
        with self._write() as connection:
            connection.execute(update(message).where(waits).values(next_at=until))

    def begin_tries(self, ids: Sequence[int], run: str) -> None:
        """Count a try of each and mark them as in hand, before their content is touched."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(tries=message.c.tries + 1, in_hand=bindparam("run")),
            [{"row": id_, "run": run} for id_ in ids],
        )

    def put_back(self, ids: Sequence[int]) -> None:
        """Messages that were in hand and that nobody touched: their try didn't happen."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(tries=message.c.tries - 1, in_hand=None),
            [{"row": id_} for id_ in ids],
        )

    def give_back(self, ids: Sequence[int]) -> None:
        """Messages that are in hand no more, and of which nothing is recorded: they are due again."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(in_hand=None), [{"row": id_} for id_ in ids]
        )

    def suspect(self, ids: Sequence[int]) -> None:
        """Messages at whose fetch something broke: that try didn't happen, and the next is one at a time."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(tries=message.c.tries - 1, in_hand=SUSPECT),
            [{"row": id_} for id_ in ids],
        )

    def not_alone(self, ids: Sequence[int]) -> None:
        """Messages in hand beside which another is tried: should the process die now, they are suspect, no more."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(in_hand=SUSPECT),
            [{"row": id_} for id_ in ids],
        )

    def died_with(self, record: Record, *, alone: bool) -> None:
        """A run ended with this message in hand, and when it was alone, that death counts; it stays suspect."""
        with self._write() as connection:
            connection.execute(
                update(message)
                .where(message.c.id == record.id)
                .values(in_hand=SUSPECT, deaths=message.c.deaths + (1 if alone else 0))
            )

    def record(self, results: Sequence[Result], now: float) -> None:
        """What tries came to, all in one transaction, on the disk when this returns."""
        if not results:
            return
        with self._write(durable=True) as connection:
            connection.execute(_RECORD, [_result_row(result, now) for result in results])
            done = [_delivery_of(result, handler) | {"done_at": now} for result in results for handler in result.done]
            if done:
                statement = self._insert(delivery)
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["message_id", "path", "handler"], set_={"done_at": now, "reason": None}
                    ),
                    done,
                )
            failed = [
                _delivery_of(result, result.failed_handler) | {"tries": 1, "reason": result.reason}
                for result in results
                if result.failed_handler is not None
            ]
            if failed:
                statement = self._insert(delivery)
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["message_id", "path", "handler"],
                        set_={"tries": delivery.c.tries + 1, "reason": statement.excluded.reason},
                    ),
                    failed,
                )
            handled = [result.id for result in results if result.state is State.HANDLED]
            if handled:
                self._know_senders(connection, handled, now)

    def _know_senders(self, connection: Connection, ids: Sequence[int], now: float) -> None:
        for chunk in _chunks(list(ids)):
            senders = select(message.c.sender, literal(now)).where(
                message.c.id.in_(chunk), message.c.path == Path.CLEAN.value, message.c.sender.is_not(None)
            )
            statement = self._insert(known_sender).from_select(["sender", "since"], senders.distinct())
            connection.execute(statement.on_conflict_do_nothing())

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
            for chunk in _chunks(list(ids)):
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

    # -- folders -------------------------------------------------------------------------------------------------------

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

    # -- headers that are waited for ----------------------------------------------------------------------------------

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

    # -- inside --------------------------------------------------------------------------------------------------------

    def _records(self, where: Any) -> list[Record]:
        with self._database.read() as connection:
            return [record_of(row) for row in connection.execute(select(message).where(where).order_by(message.c.id))]

    @contextmanager
    def _write(self, *, durable: bool = False) -> Iterator[Connection]:
        with self._database.write(durable=durable) as connection:
            self._fence(connection)
            yield connection

    def _update_many(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        with self._write() as connection:
            connection.execute(statement, rows)


_RECORD = (
    update(message)
    .where(message.c.id == bindparam("row"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        next_at=bindparam("new_next_at"),
        outcome_at=bindparam("new_outcome_at"),
        settle_to=bindparam("new_settle_to"),
        settled_at=bindparam("new_settled_at"),
        waiting_since=case(
            (
                bindparam("waiting"),
                case((message.c.waiting_since < bindparam("now"), message.c.waiting_since), else_=bindparam("now")),
            ),
            else_=None,
        ),
        in_hand=None,
        tries=message.c.tries - bindparam("untried"),
    )
)


def _result_row(result: Result, now: float) -> dict[str, Any]:
    done = result.state is not State.PENDING
    return {
        "row": result.id,
        "new_state": result.state.value,
        "new_reason": result.reason,
        "new_next_at": result.next_at,
        "new_outcome_at": now if done else None,
        "new_settle_to": result.settle_to,
        "new_settled_at": now if done and result.settle_to is None else None,
        "waiting": result.waiting,
        "untried": int(result.untried),
        "now": now,
    }


def _delivery_of(result: Result, handler: str) -> dict[str, Any]:
    return {"message_id": result.id, "path": result.path.value, "handler": handler}


def _taken(connection: Connection, fingerprints: list[str]) -> dict[str, int]:
    """The highest look-alike's number of each fingerprint: not their count, as a key is never given twice."""
    taken: dict[str, int] = {}
    for chunk in _chunks(list(dict.fromkeys(fingerprints))):
        query = select(message.c.fingerprint, message.c.key).where(message.c.fingerprint.in_(chunk))
        for fingerprint, key in connection.execute(query):
            taken[fingerprint] = max(taken.get(fingerprint, 0), int(key[len(fingerprint) + 1 :] or 1))
    return taken


def _new_rows(connection: Connection, items: Sequence[NewMessage], now: float) -> list[dict[str, Any]]:
    """Rows with keys that nobody has: not even a message that got its key by another header (see `known_by`)."""
    taken = Counter(_taken(connection, [item.fingerprint for item in items]))
    while True:
        numbers = dict(taken)
        rows = [_new_row(item, numbers, now) for item in items]
        given = set[str]()
        for chunk in _chunks([row["key"] for row in rows]):
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


def _chunks(items: list[Any], size: int = 400) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
