"""What became of a message: its times, its handlers, their tries and last failures."""

import pytest
from sqlalchemy import update

from tests.unit.journal.world import new
from worker.journal.database import Database
from worker.journal.histories import HandlerFailure, HandlerHistory, histories, read_failure
from worker.journal.messages import Messages
from worker.journal.records import Result
from worker.journal.schema import delivery
from worker.journal.tries import Tries
from worker.message.outcome import State
from worker.message.verdict import MailPath

CLEAN = MailPath.CLEAN


def failed(row: int, state: State = State.PENDING, where: str | None = "ward.filing:42") -> Result:
    return Result(
        row, state, "file:OSError:ENOSPC", failed_handler="file", failed_as="file:OSError:ENOSPC", where=where
    )


def test_a_failure_is_kept_with_its_time_and_its_line(messages: Messages, tries: Tries, database: Database) -> None:
    (row,) = messages.add([new()], 1.0)
    tries.record([failed(row.id, where="ward.filing:7")], 2.0)
    tries.record([failed(row.id, State.FAILED)], 3.5)
    history = histories(database, [row.key])[row.key]
    last = HandlerFailure("file:OSError:ENOSPC", 3.5, "ward.filing:42")
    assert history.handlers == (HandlerHistory("file", CLEAN, 2, None, last),)
    assert history.last_failed == history.handlers[0]
    assert (history.first_seen_at, history.outcome_at, history.last_try_at) == (1.0, 3.5, 3.5)


def test_a_handler_that_has_finished_has_no_failure(messages: Messages, tries: Tries, database: Database) -> None:
    (row,) = messages.add([new()], 1.0)
    tries.record([failed(row.id)], 2.0)
    tries.record([Result(row.id, State.HANDLED, done=("file", "tell"))], 3.0)
    history = histories(database, [row.key])[row.key]
    assert history.handlers == (HandlerHistory("file", CLEAN, 1, 3.0), HandlerHistory("tell", CLEAN, 0, 3.0))
    assert history.last_failed is None


def test_the_handler_that_failed_last_is_the_last(messages: Messages, tries: Tries, database: Database) -> None:
    (row,) = messages.add([new()], 1.0)
    tries.record([failed(row.id)], 4.0)
    tries.record([Result(row.id, State.PENDING, "a:X", failed_handler="a", failed_as="a:X")], 5.0)
    history = histories(database, [row.key])[row.key]
    assert [one.handler for one in history.handlers] == ["file", "a"]
    assert history.last_failed == history.handlers[1]


def test_a_pause_hides_no_failure(messages: Messages, tries: Tries, database: Database) -> None:
    """A trial at a paused handler failed: the message waits for the handler, and the handler's history says why."""
    (row,) = messages.add([new()], 1.0)
    result = Result(row.id, State.PENDING, "paused:file", failed_handler="file", failed_as="file:OSError", untried=True)
    tries.record([result], 2.0)
    (one,) = histories(database, [row.key])[row.key].handlers
    assert (one.tries, one.failure) == (0, HandlerFailure("file:OSError", 2.0))


def test_what_an_earlier_version_stored_is_read(messages: Messages, tries: Tries, database: Database) -> None:
    (row,) = messages.add([new()], 1.0)
    tries.record([failed(row.id)], 2.0)
    with database.write() as connection:
        connection.execute(update(delivery).values(reason="file:OSError"))
    history = histories(database, [row.key])[row.key]
    assert history.handlers == (HandlerHistory("file", CLEAN, 1, None, HandlerFailure("file:OSError")),)
    assert history.last_try_at is None


def test_unknown_keys_have_none_and_a_new_message_has_no_handler(messages: Messages, database: Database) -> None:
    (row,) = messages.add([new()], 1.0)
    found = histories(database, [row.key, "b" * 26])
    assert list(found) == [row.key]
    assert (found[row.key].handlers, found[row.key].last_failed, found[row.key].last_try_at) == ((), None, None)


@pytest.mark.parametrize(
    "failure",
    [
        HandlerFailure("file:OSError"),
        HandlerFailure("file:OSError:ENOSPC", 1_732_768_496.125),
        HandlerFailure("ward.filing:handle:ValueError", 2.0, "ward.filing:42"),
    ],
)
def test_what_is_stored_is_read_back(failure: HandlerFailure) -> None:
    assert read_failure(failure.stored()) == failure
