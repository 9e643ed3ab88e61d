"""What waits for another try, by its reason."""

from tests.unit.journal.world import new
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.records import Result
from worker.journal.tries import Tries
from worker.journal.waiting_again import WaitingAgain, waiting_again
from worker.message.outcome import State


def test_messages_are_counted_by_reason_and_the_oldest_is_named(
    database: Database, messages: Messages, tries: Tries
) -> None:
    one, two, three, four, five = (
        messages.add([new(letter * 26, uid)], float(uid))[0] for uid, letter in enumerate("abcde", start=1)
    )
    assert waiting_again(database, 5) == []
    tries.record(
        [
            Result(three.id, State.PENDING, "archive:OSError:ENOSPC", failed_handler="archive", next_at=90.0),
            Result(two.id, State.PENDING, "archive:OSError:ENOSPC", failed_handler="archive", next_at=95.0),
            Result(four.id, State.PENDING, "notify:TimeoutError", failed_handler="notify", next_at=70.0),
            Result(five.id, State.FAILED, "notify:TimeoutError", failed_handler="notify"),
        ],
        50.0,
    )
    archive = WaitingAgain("archive:OSError:ENOSPC", 2, 2.0, two.key, 90.0)
    notify = WaitingAgain("notify:TimeoutError", 1, 4.0, four.key, 70.0)
    assert waiting_again(database, 5) == [archive, notify]
    assert waiting_again(database, 1) == [archive], "the reason of most messages"
    assert one.key not in {found.key for found in waiting_again(database, 5)}, "it waits for its first try"
