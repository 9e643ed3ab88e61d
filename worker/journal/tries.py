"""Tries: which messages are due, which are being handled, and the result of each try."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Double,
    String,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from worker.journal.database import Database
from worker.journal.histories import HandlerFailure
from worker.journal.recent_outcomes import count_outcomes
from worker.journal.records import InHand, Record, Result
from worker.journal.rows import Rows, chunks, listed, look_no_longer_holds, records_in, records_where
from worker.journal.schema import delivery, known_sender, message
from worker.message.outcome import State
from worker.message.reasons import Reason
from worker.message.verdict import MailPath

_HAS_COME = or_(
    message.c.next_at.is_(None), message.c.next_at <= bindparam("now"), message.c.next_at > bindparam("latest")
)
_DUE = select(message.c.id).where(message.c.state == State.PENDING, _HAS_COME).order_by(message.c.id)
_NAMED = records_where(listed(message.c.id))
_CALLED = (
    select(delivery.c.message_id, delivery.c.handler, delivery.c.done_at, delivery.c.tries)
    .join(message, and_(message.c.id == delivery.c.message_id, message.c.path == delivery.c.path))
    .where(listed(message.c.id))
)
_BEGIN = update(message).where(listed(message.c.id)).values(tries=message.c.tries + 1, in_hand=bindparam("run"))


class Tries(Rows):
    """Reads and writes the tries of messages. Every method may raise `JournalUnavailable`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        done = select(
            message.c.id,
            bindparam("path", type_=String),
            bindparam("handler", type_=String),
            literal(0),
            bindparam("now", type_=Double),
        ).where(listed(message.c.id))
        self._done = (
            self._insert(delivery)
            .from_select(["message_id", "path", "handler", "tries", "done_at"], done)
            .on_conflict_do_update(
                index_elements=["message_id", "path", "handler"],
                set_={"done_at": bindparam("now", type_=Double), "reason": None},
            )
        )
        senders = select(message.c.sender, bindparam("now", type_=Double)).where(
            listed(message.c.id), message.c.path == MailPath.CLEAN.value, message.c.sender.is_not(None)
        )
        self._known = (
            self._insert(known_sender).from_select(["sender", "since"], senders.distinct()).on_conflict_do_nothing()
        )

    def due(self, now: float, *, longest: float, besides: Collection[int] = ()) -> list[Record]:
        """Pending messages whose next try is due.

        longest: the longest wait there is, in seconds. A message that would wait longer was postponed while the clock
        was ahead, so it is due. besides: rows to leave out.
        """
        left_out = frozenset(besides)  # there may be thousands: only their ids are read, and they are in no statement
        with self._database.read() as connection:
            due = connection.execute(_DUE, {"now": now, "latest": now + longest}).scalars()
            ids = [row for row in due if row not in left_out]
            return [record for chunk in chunks(ids) for record in records_in(connection, _NAMED, chunk=chunk)]

    def next_due_at(self, *, besides: Collection[int] = ()) -> float | None:
        """When the next pending message is due (epoch s); None if none is. besides: rows to leave out."""
        left_out, due_at = frozenset(besides), func.coalesce(message.c.next_at, 0.0)
        first = select(message.c.id, due_at).where(message.c.state == State.PENDING).order_by(due_at)
        with self._database.read() as connection:
            found = connection.execute(first.limit(len(left_out) + 1))  # so that one of them is none of those
            return next((float(at) for row, at in found if row not in left_out), None)

    def pending(self) -> int:
        """How many messages aren't done."""
        with self._database.read() as connection:
            query = select(func.count()).where(message.c.state == State.PENDING)
            return int(connection.execute(query).scalar_one())

    def suspects(self) -> list[Record]:
        """Messages that a process began to handle and neither finished nor gave back."""
        return self._records(and_(message.c.state == State.PENDING, message.c.in_hand.is_not(None)))

    def done_handlers(self, ids: Sequence[int]) -> dict[int, dict[str, tuple[bool, int]]]:
        """For each message, the handlers called on its present path: whether each is done, and how often it failed."""
        found: dict[int, dict[str, tuple[bool, int]]] = {}
        if not ids:
            return found
        with self._database.read() as connection:
            for chunk in chunks(list(ids)):
                for row, handler, done_at, tries in connection.execute(_CALLED, {"chunk": chunk}):
                    found.setdefault(row, {})[handler] = (done_at is not None, tries)
        return found

    def next_trial(
        self, handler: str, *, newest: bool, not_from: Collection[str | None] = (), in_order: bool = False
    ) -> Record | None:
        """A message that waits for this paused handler, isn't in hand and has never failed at the handler; or None.

        Those of known senders come first, because whoever wants to stop the handler hardly writes as one of them.
        newest: the one that arrived last, not the one that arrived first. not_from: no message of these senders; None:
        those without a sender. in_order: only one that is its sender's first pending message.
        """
        failed = exists().where(
            delivery.c.message_id == message.c.id,
            delivery.c.path == message.c.path,
            delivery.c.handler == handler,
            or_(delivery.c.tries > 0, delivery.c.reason.is_not(None)),  # a trial that failed has no try, but a reason
        )
        waits = [
            message.c.state == State.PENDING,
            message.c.reason == Reason.PAUSED.stored(handler),
            message.c.in_hand.is_(None),
            ~failed,
        ]
        others = [sender for sender in not_from if sender is not None]
        if others:
            waits.append(or_(message.c.sender.is_(None), message.c.sender.not_in(others)))
        if len(others) < len(not_from):
            waits.append(message.c.sender.is_not(None))
        if in_order:
            waits.append(~_follows_another())
        known = message.c.sender.in_(select(known_sender.c.sender))
        arrival = [message.c.received_at, message.c.id]
        order = [column.desc() for column in arrival] if newest else arrival
        with self._database.read() as connection:
            query = select(message.c.key).where(*waits).order_by(case((known, 0), else_=1), *order).limit(1)
            key = connection.execute(query).scalar()
        found = self._records(message.c.key == key) if key is not None else []
        return found[0] if found else None

    def postpone(self, untils: Mapping[int, float]) -> None:
        """Don't try these messages before the given times (epoch s), because others come first."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(next_at=bindparam("until")),
            [{"row": row, "until": until} for row, until in untils.items()],
        )

    def postpone_all(self, reason: str | None, until: float | None) -> None:
        """Don't try the messages that wait for this reason before that time (epoch s). None: they are due now.

        reason: None for those that wait before their first try.
        """
        waits = and_(message.c.state == State.PENDING, message.c.reason == reason, message.c.in_hand.is_(None))
        with self._write() as connection:
            connection.execute(update(message).where(waits).values(next_at=until))

    def begin_tries(self, ids: Sequence[int], run: str, *, alone: bool) -> None:
        """Count a try of each message and mark it as in hand. Call this before touching its content.

        run: names the process that handles them. alone: whether it handles nothing else meanwhile.
        """
        in_hand = (InHand.ALONE if alone else InHand.TOGETHER).stored(run)
        with self._write() as connection:
            for chunk in chunks(list(ids)):
                connection.execute(_BEGIN, {"chunk": chunk, "run": in_hand})

    def put_back(self, ids: Sequence[int]) -> None:
        """Uncount the try of messages that were in hand but never reached a handler."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(tries=message.c.tries - 1, in_hand=None),
            [{"row": id_} for id_ in ids],
        )

    def give_back(self, ids: Sequence[int]) -> None:
        """Take messages out of hand without a result. Their try counts, and they are due again."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(in_hand=None), [{"row": id_} for id_ in ids]
        )

    def compared(self, ids: Sequence[int]) -> None:
        """Record that these messages are none of those that they look like. Their try doesn't count; they are due."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(tries=message.c.tries - 1, in_hand=None, next_at=None, doubtful=False),
            [{"row": id_} for id_ in ids],
        )

    def suspect(self, ids: Sequence[int]) -> None:
        """Uncount the try of messages whose fetch failed, and mark them as suspect: each is tried alone next."""
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(tries=message.c.tries - 1, in_hand=InHand.SUSPECT),
            [{"row": id_} for id_ in ids],
        )

    def not_alone(self, ids: Sequence[int]) -> None:
        """Mark messages as suspect because they are no longer handled alone: a crash now isn't counted against them."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(in_hand=InHand.SUSPECT),
            [{"row": id_} for id_ in ids],
        )

    def died_with(self, record: Record) -> None:
        """Count a crash of a process that was handling this message alone. The message stays suspect."""
        with self._write() as connection:
            connection.execute(
                update(message)
                .where(message.c.id == record.id)
                .values(in_hand=InHand.SUSPECT, deaths=message.c.deaths + 1)
            )

    def record(self, results: Sequence[Result], now: float) -> None:
        """Record the results of tries in one transaction, which is on the disk when this returns."""
        if not results:
            return
        with self._write(durable=True) as connection:
            count_outcomes(connection, self._insert, (result.state for result in results), now)
            connection.execute(_RECORD, [_result_row(result, now) for result in results])
            for chunk in chunks([result.id for result in results if result.is_lost]):
                look_no_longer_holds(connection, chunk)
            self._handlers_done(connection, results, now)
            failed = [
                _delivery_of(result, result.failed_handler)
                | {"tries": int(not result.untried), "reason": _failure_of(result, now).stored()}
                for result in results
                if result.failed_handler is not None
            ]
            if failed:
                statement = self._insert(delivery)
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["message_id", "path", "handler"],
                        set_={
                            "tries": delivery.c.tries + statement.excluded.tries,
                            "reason": statement.excluded.reason,
                        },
                    ),
                    failed,
                )
            handled = [result.id for result in results if result.state is State.HANDLED]
            if handled:
                self._know_senders(connection, handled, now)

    def _handlers_done(self, connection: Connection, results: Sequence[Result], now: float) -> None:
        """Record which handlers are done. Many messages of a batch have the same one: those in one statement."""
        by_handler: dict[tuple[MailPath, str], list[int]] = {}
        for result in results:
            for handler in result.done:
                by_handler.setdefault((result.path, handler), []).append(result.id)
        for (path, handler), ids in by_handler.items():
            for chunk in chunks(ids):
                connection.execute(self._done, {"chunk": chunk, "path": path.value, "handler": handler, "now": now})

    def _know_senders(self, connection: Connection, ids: Sequence[int], now: float) -> None:
        for chunk in chunks(list(ids)):
            connection.execute(self._known, {"chunk": chunk, "now": now})


def _follows_another() -> Any:
    """Whether the sender has an earlier clean message that is pending."""
    earlier = message.alias("earlier")
    return and_(
        message.c.path == MailPath.CLEAN.value,
        exists().where(
            earlier.c.sender == message.c.sender,
            earlier.c.state == State.PENDING,
            earlier.c.path == MailPath.CLEAN.value,
            or_(
                earlier.c.received_at < message.c.received_at,
                and_(earlier.c.received_at == message.c.received_at, earlier.c.id < message.c.id),
            ),
        ),
    )


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
        content=func.coalesce(bindparam("new_content", type_=String), message.c.content),
        doubtful=case(
            (bindparam("has_content", type_=Boolean), bindparam("astray", type_=Boolean)), else_=message.c.doubtful
        ),
        uid=case((bindparam("lost", type_=Boolean), None), else_=message.c.uid),
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
        "new_settled_at": now if done and not result.moves else None,
        "waiting": result.waiting,
        "untried": int(result.untried),
        "now": now,
        "new_content": result.content,
        "has_content": result.content is not None,
        "astray": result.astray,
        "lost": result.is_lost,
    }


def _failure_of(result: Result, now: float) -> HandlerFailure:
    return HandlerFailure(result.failed_as or result.reason or "", now, result.where)


def _delivery_of(result: Result, handler: str) -> dict[str, Any]:
    return {"message_id": result.id, "path": result.path.value, "handler": handler}
