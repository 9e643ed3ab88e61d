"""A rebuild where the journal is lost: what the folders show is entered, and nothing is handed over again."""

from datetime import UTC, datetime
from typing import Any

from tests.fakes.checks import assert_balanced
from tests.fakes.mailbox import FAILED, INBOX, JUNK, PROCESSED, mail
from tests.fakes.world import World, classify, sender_of
from worker.journal.records import Record
from worker.message.outcome import State
from worker.message.verdict import MailPath
from worker.reconcile.rebuild import Rebuild, Rebuilt

DAY = 86_400.0
BEFORE = datetime(2024, 3, 1, tzinfo=UTC)


def without_journal(world: World, *, handled: str = PROCESSED) -> World:
    """A worker with an empty journal on the same mailbox."""
    world.connector.close()
    return World(world.server, handled=handled)


def rebuilt(world: World, *, handled: str | None = PROCESSED, before: datetime | None = None) -> Rebuilt:
    rebuild = Rebuild(
        world.journal,
        world.walk(),
        handled=handled,
        failed=FAILED,
        junk=[JUNK],
        assume_handled_before=before,
        clock=world.clock,
        classify=classify,
        sender_of=sender_of,
    )
    session: Any = world.server.session()
    return rebuild(session)


def known(row: Record) -> tuple[Any, ...]:
    """What the mailbox shows of a settled message."""
    return row.fingerprint, row.state, row.place, row.size, row.received_at, row.verdict.path, row.settled


def test_settled_mail_is_entered_as_it_was_and_not_handed_over_again(world: World) -> None:
    for n in range(3):
        world.server.deliver(mail(), received_at=1_700_000_000.0 + n)
        world.server.deliver(mail("reject"), received_at=1_700_100_000.0 + n)
        world.server.deliver(mail(junk=True), received_at=1_700_200_000.0 + n)
        world.server.deliver(mail(), JUNK, received_at=1_700_300_000.0 + n)
    world.drain()
    new = without_journal(world)
    assert rebuilt(new) == Rebuilt(handled=3, junk=6, failed=3, left=0)
    assert {known(row) for row in new.rows()} == {known(row) for row in world.rows()}
    assert {row.place.uid for row in new.rows()} != {None}

    new.drain()
    assert new.calls == []
    assert_balanced(new, handled=3, junk=6, failed=3, missing=0)
    assert rebuilt(new) == Rebuilt(handled=0, junk=0, failed=0, left=0)


def test_junk_that_was_entered_says_that_it_lies_in_the_junk_folder_and_can_be_released(world: World) -> None:
    world.server.deliver(mail(), JUNK)
    new = without_journal(world)
    rebuilt(new)
    (row,) = new.rows()
    assert (row.state, row.verdict.path) == (State.JUNK, MailPath.JUNK)
    assert [(one.source, one.counts) for one in row.verdict.evidence] == [("placement", True)]
    new.release(row.key)
    new.drain()
    assert new.states() == {State.HANDLED: 1}


def test_a_retried_dead_letter_that_was_entered_is_clean(world: World) -> None:
    dead = world.server.deliver(mail("reject"))
    world.drain()
    new = without_journal(world)
    rebuilt(new)
    (row,) = new.rows()
    assert (row.verdict.path, row.verdict.evidence) == (MailPath.CLEAN, ())
    dead.raw = new.server.all_mail(FAILED)[0].raw = dead.raw.replace(b"reject", b"ok    ")
    new.retry(row.key)
    new.drain()
    assert [call.handler for call in new.calls] == ["archive", "notify"]


def test_mail_of_a_watched_folder_is_handled_if_it_came_before_the_given_time_and_left_if_not(world: World) -> None:
    at = BEFORE.timestamp()
    old, *later = [world.server.deliver(mail(), received_at=at + seconds) for seconds in (-1.0, 0.0, DAY)]
    new = without_journal(world, handled="keep")
    assert rebuilt(new, handled=None, before=BEFORE) == Rebuilt(handled=1, junk=0, failed=0, left=2)
    (row,) = new.rows()
    assert (row.state, row.place.folder, row.received_at) == (State.HANDLED, INBOX, at - 1.0)
    new.drain()
    assert {call.raw for call in new.calls} == {one.raw for one in later}
    assert old.raw not in {call.raw for call in new.calls}
    assert_balanced(new, handled=3)


def test_without_a_time_all_mail_of_watched_folders_is_left(world: World) -> None:
    for _ in range(2):
        world.server.deliver(mail())
    new = without_journal(world)
    assert rebuilt(new) == Rebuilt(handled=0, junk=0, failed=0, left=2)
    new.drain()
    assert new.states() == {State.HANDLED: 2}
