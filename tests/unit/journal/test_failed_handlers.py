"""Which handler made a message a dead letter."""

from sqlalchemy import update

from tests.unit.journal.world import new
from worker.journal.database import Database
from worker.journal.failed_handlers import failed_handlers
from worker.journal.messages import Messages
from worker.journal.records import Result
from worker.journal.schema import delivery
from worker.journal.tries import Tries
from worker.message.outcome import State
from worker.message.verdict import MailPath


def test_it_is_the_one_whose_failure_is_the_reason(database: Database, messages: Messages, tries: Tries) -> None:
    one, two, three, done = messages.add([new(letter * 26, uid) for uid, letter in enumerate("abcd", start=1)], 1.0)
    tries.record(
        [
            Result(one.id, State.PENDING, "notify:TimeoutError", failed_handler="notify"),
            Result(two.id, State.FAILED, "notify:OSError", failed_handler="notify"),
            Result(three.id, State.FAILED, "oversize"),
            Result(done.id, State.FAILED, "archive:OSError", failed_handler="archive", path=MailPath.JUNK),
        ],
        2.0,
    )
    tries.record([Result(one.id, State.FAILED, "archive:OSError", failed_handler="archive")], 3.0)
    rows = [one.id, two.id, three.id, done.id]
    assert failed_handlers(database, rows) == {one.id: "archive", two.id: "notify"}, "a try on the other path is none"

    def at(handler: str | None) -> list[int]:
        return [record.id for record in messages.in_state(State.FAILED, handler=handler)]

    assert at("archive") == [one.id]
    assert at("notify") == [two.id]
    assert at("nobody") == []
    assert at(None) == [done.id, three.id, two.id, one.id]


def test_a_failure_counts_as_an_earlier_version_stored_it_and_no_other_that_begins_alike(
    database: Database, messages: Messages, tries: Tries
) -> None:
    early, alike = messages.add([new(letter * 26, uid) for uid, letter in enumerate("ab", start=1)], 1.0)
    tries.record(
        [Result(one.id, State.FAILED, "archive:OSError", failed_handler="archive") for one in (early, alike)], 2.0
    )
    with database.write() as connection:
        for row, reason in ((early.id, "archive:OSError"), (alike.id, "archive:OSError:ENOSPC at=2.000")):
            connection.execute(update(delivery).where(delivery.c.message_id == row).values(reason=reason))
    assert failed_handlers(database, [early.id, alike.id]) == {early.id: "archive"}
    assert [record.id for record in messages.in_state(State.FAILED, handler="archive")] == [early.id]
