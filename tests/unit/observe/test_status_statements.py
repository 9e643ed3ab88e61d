"""What `status`, the page, the metrics and the daily chores ask of the journal, and what of it grows with it."""

from tests.fakes.plans import growing, statements
from tests.unit.observe.world import World
from worker.journal.junk_review import released_since
from worker.journal.records import NewMessage, Place, Result
from worker.journal.waiting_again import waiting_again
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict

ALLOWED = {
    "SELECT message.state, count(*)": "counts every message, from the index of the states alone: 0.1 s a million",
}
"""Statements that may read every row, with the reason why they may."""


def test_status_reads_no_settled_rows_but_those_that_it_shows(world: World) -> None:
    journal, now = world.journal, world.now
    for number, state in enumerate(State, 1):
        (row,) = journal.messages.add(
            [NewMessage(f"{number:026}", Place("INBOX", 1, number), 1, 0.0, Verdict(MailPath.CLEAN))], now
        )
        journal.tries.record([Result(row.id, state)], now)
    with statements() as asked:
        world.status(world.listener()).view()
        waiting_again(journal.database, 5)
    assert len(asked) >= 8, "it looks at what status asks"
    assert growing(journal.database, asked, ALLOWED) == []
    assert len(growing(journal.database, asked, {})) == len(ALLOWED), "no longer needed: take it off the list"


def test_daily_chores_read_no_settled_rows_but_those_that_are_due(world: World) -> None:
    journal, now = world.journal, world.now
    with statements() as asked:
        journal.messages.any_settled_before(now)
        journal.messages.handled_before(now)
        released_since(journal.database, now)
    assert len(asked) == 3
    assert growing(journal.database, asked, {}) == []


def test_a_statement_that_reads_all_rows_is_found(world: World) -> None:
    with statements() as asked:
        world.journal.messages.everything()
        world.journal.messages.in_folder("Processed")
        world.journal.messages.in_state(State.HANDLED)
        world.journal.messages.received_last()
    assert len(growing(world.journal.database, asked, {})) == len(asked) == 4
