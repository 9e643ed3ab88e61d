"""Makes messages pending again that were done, on a person's word. Called within a transaction."""

from typing import Any

from sqlalchemy import Connection, and_, update

from worker.journal.records import Record
from worker.journal.rows import evidence_json
from worker.journal.schema import delivery, intent, message
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict

_OPEN: dict[str, Any] = {
    "state": State.PENDING.value,
    "tries": 0,
    "deaths": 0,
    "next_at": None,
    "reason": None,
    "outcome_at": None,
    "settle_to": None,
    "settled_at": None,
}


def reopen(connection: Connection, row: int, *, verdict: Verdict | None, released_at: float | None) -> None:
    """Handlers that finished stay finished; failures are forgotten. verdict, released_at: of a person's release."""
    values = dict(_OPEN)
    if verdict is not None:
        values |= {"path": verdict.path.value, "evidence": evidence_json(verdict), "released_at": released_at}
        values["doubtful"] = and_(message.c.doubtful, message.c.content.is_not(None))  # a release is about this one
        values["only_handler"] = None  # it was one of the other path
    connection.execute(update(message).where(message.c.id == row).values(**values))
    connection.execute(update(delivery).where(delivery.c.message_id == row).values(tries=0, reason=None))


def redeliver(connection: Connection, record: Record, *, only: str | None, request: int, now: float) -> bool:
    """Count one more redelivery, and forget what its handlers did, or what this one did. The request is done.

    A handled message stays on the clean path, even if it was judged junk while a clean handler had it. Returns False,
    and changes nothing, if the message has another state or count by now.
    """
    as_it_was = and_(
        message.c.id == record.id,
        message.c.state == record.state.value,
        message.c.redelivery == record.redelivery,
        message.c.settled_at.is_not(None),
    )
    path = MailPath.CLEAN if record.state is State.HANDLED else record.verdict.path
    values = _OPEN | {
        "path": path.value,
        "redelivery": record.redelivery + 1,
        "only_handler": only,
        "missed": 0,
    }
    if not connection.execute(update(message).where(as_it_was).values(**values)).rowcount:
        return False
    theirs = and_(delivery.c.message_id == record.id, delivery.c.path == path.value)
    again = theirs if only is None else and_(theirs, delivery.c.handler == only)
    connection.execute(update(delivery).where(again).values(tries=0, reason=None, done_at=None))
    connection.execute(update(intent).where(intent.c.id == request).values(done_at=now))
    return True
