"""Tries: which messages are due, which are being handled, and the result of each try."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, literal, or_, select, update

from worker.journal.records import InHand, Record, Result
from worker.journal.rows import Rows, chunks
from worker.journal.schema import delivery, known_sender, message
from worker.message.outcome import State
from worker.message.verdict import MailPath


class Tries(Rows):
    """Reads and writes the tries of messages. Every method may raise `JournalUnavailable`."""

    def due(self, now: float, *, longest: float) -> list[Record]:
        """Pending messages whose next try is due.

        longest: the longest wait there is, in seconds. A message that would wait longer was postponed while the clock
        was ahead, so it is due.
        """
        has_come = or_(message.c.next_at.is_(None), message.c.next_at <= now, message.c.next_at > now + longest)
        return self._records(and_(message.c.state == State.PENDING, has_come))

    def next_due_at(self) -> float | None:
        """When the next pending message is due (epoch s); None if no message is pending."""
        with self._database.read() as connection:
            query = select(func.min(func.coalesce(message.c.next_at, 0.0))).where(message.c.state == State.PENDING)
            value: float | None = connection.execute(query).scalar()
            return value

    def suspects(self) -> list[Record]:
        """Messages that a process began to handle and neither finished nor gave back."""
        return self._records(message.c.in_hand.is_not(None))

    def done_handlers(self, ids: Sequence[int]) -> dict[int, dict[str, tuple[bool, int]]]:
        """For each message, the handlers called on its present path: whether each is done, and how often it failed."""
        found: dict[int, dict[str, tuple[bool, int]]] = {}
        on_its_path = and_(message.c.id == delivery.c.message_id, message.c.path == delivery.c.path)
        with self._database.read() as connection:
            for chunk in chunks(list(ids)):
                query = select(delivery).join(message, on_its_path).where(message.c.id.in_(chunk))
                for row in connection.execute(query):
                    found.setdefault(row.message_id, {})[row.handler] = (row.done_at is not None, row.tries)
        return found

    def postpone(self, untils: Mapping[int, float]) -> None:
        """Don't try these messages before the given times (epoch s), because others come first."""
        self._update_many(
            update(message).where(message.c.id == bindparam("row")).values(next_at=bindparam("until")),
            [{"row": row, "until": until} for row, until in untils.items()],
        )

    def postpone_all(self, reason: str, until: float | None) -> None:
        """Don't try the messages that wait for this reason before that time (epoch s). None: they are due now."""
        waits = and_(message.c.state == State.PENDING, message.c.reason == reason, message.c.in_hand.is_(None))
        with self._write() as connection:
            connection.execute(update(message).where(waits).values(next_at=until))

    def begin_tries(self, ids: Sequence[int], run: str, *, alone: bool) -> None:
        """Count a try of each message and mark it as in hand. Call this before touching its content.

        run: names the process that handles them. alone: whether it handles nothing else meanwhile.
        """
        in_hand = (InHand.ALONE if alone else InHand.TOGETHER).stored(run)
        self._update_many(
            update(message)
            .where(message.c.id == bindparam("row"))
            .values(tries=message.c.tries + 1, in_hand=bindparam("run")),
            [{"row": id_, "run": in_hand} for id_ in ids],
        )

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
        for chunk in chunks(list(ids)):
            senders = select(message.c.sender, literal(now)).where(
                message.c.id.in_(chunk), message.c.path == MailPath.CLEAN.value, message.c.sender.is_not(None)
            )
            statement = self._insert(known_sender).from_select(["sender", "since"], senders.distinct())
            connection.execute(statement.on_conflict_do_nothing())


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
