"""What a look at the mailbox finds, at what cost, and what `poll.since` leaves out."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import FAILED, INBOX, JUNK, mail
from tests.fakes.world import World
from worker.journal.schema import message as message_table
from worker.mailbox.folders import Layout
from worker.message.outcome import State


def test_nothing_new_is_one_round_trip_a_folder(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    world.faults.record, world.faults.calls = True, []
    world.tick()
    assert [name for name in world.faults.calls if not name.startswith("journal.")] == ["idle_done", "status", "idle"]
    assert "journal.unsettled" not in world.faults.calls


def test_a_late_uid_below_others_is_found(world: World) -> None:
    late = world.server.reserve()
    world.server.deliver(mail())
    world.drain()
    world.server.deliver(mail(), uid=late)
    world.drain()
    assert world.states() == {State.HANDLED: 2}


def test_a_late_uid_waits_for_the_next_look_and_what_that_passes_over_is_unaccounted_for(world: World) -> None:
    world.handled = "keep"
    world.start()
    late = world.server.reserve()
    gone = world.server.deliver(mail())
    world.server.deliver(mail())
    world.drain()
    world.server.deliver(mail(), uid=late)
    for missing in (0, 1):
        balance = world.balance()
        assert (balance.pending, balance.missing, balance.unaccounted) == (1, missing, 0)
        if not missing:
            world.server.delete(gone)  # the count is as before
    world.drain()
    assert_balanced(world, handled=3, pending=0, missing=1)

    (row, *_) = [row for row in world.rows() if row.place.uid == late]
    with world.database.write() as connection:
        connection.execute(message_table.delete().where(message_table.c.id == row.id))
    assert world.balance().unaccounted_keys == (row.fingerprint,)


def test_a_folder_to_be_looked_at_again_is_listed_and_no_other(world: World) -> None:
    session: Any = world.server.session()
    poll = world.journal_parts().poll(Layout((INBOX,), JUNK), None)
    assert [look.folder for look in poll.look(session)] == [INBOX, JUNK]
    session.select(INBOX)
    assert poll.look(session) == []
    for folder in (INBOX, JUNK):
        poll.look_again(folder)
        assert [look.folder for look in poll.look(session)] == [folder]
        session.select(INBOX)


def test_mail_that_comes_while_another_folder_is_selected_is_found_at_the_next_poll(world: World) -> None:
    world.tick()
    world.server.deliver(mail(), JUNK)
    came: list[str] = []

    def deliver(name: str) -> None:
        if name == "bodies" and not came:
            came.append(name)
            world.server.deliver(mail())

    world.server.after = deliver
    world.tick()
    assert came
    world.tick()
    assert world.states() == {State.HANDLED: 1, State.JUNK: 1}


def test_older_mail_than_since_is_left_alone(world: World) -> None:
    world.since = datetime(2024, 1, 1, tzinfo=UTC)
    world.start()
    old = world.server.deliver(mail(), received_at=world.since.timestamp() - 86_400)
    missed = world.server.deliver(mail(), received_at=world.since.timestamp(), unsearched=True)
    world.server.deliver(mail(), received_at=world.since.timestamp() + 86_400)
    world.drain()
    assert world.states() == {State.HANDLED: 2}
    assert world.server.find(old) == (INBOX, 1)
    assert world.server.find(missed) != (INBOX, 2)
    assert_balanced(world, handled=2)


def test_pending_mail_that_is_older_than_a_since_set_later_is_not_said_to_be_taken_away(world: World) -> None:
    world.server.deliver(mail("retry"))
    world.tick()
    world.since = datetime(2100, 1, 1, tzinfo=UTC)
    world.start()
    world.drain()
    assert world.states() == {State.HANDLED: 1}


def test_done_mail_that_is_older_than_a_since_set_later_is_moved(world: World) -> None:
    world.server.deliver(mail("ok"))
    world.server.deliver(mail("ok"))
    world.server.refusing = {("move", INBOX), ("copy", INBOX)}
    world.tick()
    assert world.states() == {State.HANDLED: 2}
    assert len(world.server.folders[INBOX].mails) == 2
    world.server.refusing = set()
    world.since = datetime(2100, 1, 1, tzinfo=UTC)
    world.start()
    world.drain()
    assert len(world.server.folders[INBOX].mails) == 0


@pytest.mark.parametrize("how", ["no-copyuid", "renumbered"])
def test_what_was_begun_and_is_older_than_since_is_found_again(world: World, how: str) -> None:
    world.server.copyuid = how != "no-copyuid"
    world.server.deliver(mail("twice"))
    world.server.deliver(mail("older, and never begun"))
    world.bounds = replace(world.bounds, batch_count=1)
    world.start()
    world.tick()
    (row,) = [row for row in world.rows() if row.state is State.PENDING]
    world.since = datetime(2100, 1, 1, tzinfo=UTC)
    world.start()
    world.server.renumber(INBOX)
    world.drain()
    assert world.row(row.key).state is State.HANDLED
    assert world.states()[State.GONE] == 0


def test_a_retried_dead_letter_that_is_older_than_since_is_found_again(world: World) -> None:
    world.server.copyuid = False
    world.server.deliver(mail("reject"))
    world.drain()
    assert world.states() == {State.FAILED: 1}
    world.since = datetime(2100, 1, 1, tzinfo=UTC)
    world.start()
    for _ in range(3):
        world.retry(world.rows()[0].key)
        world.drain()
        assert world.states() == {State.FAILED: 1}
        assert len(world.server.folders[FAILED].mails) == 1
    assert handed(world, "notify") == [world.rows()[0].key] * 4


def test_a_look_writes_nothing_down(world: World) -> None:
    """A dry run looks, too, beside a worker that is at work."""
    world.handled = "keep"
    world.start()
    world.server.deliver(mail())
    world.server.deliver(mail())
    world.drain()
    before = world.rows(), world.places.last_looks()
    validity = world.server.folders[INBOX].uidvalidity
    world.server.replace(INBOX)
    world.server.folders[INBOX].uidvalidity = validity
    world.server.deliver(mail())
    session: Any = world.server.session()
    (look, _) = world.journal_parts().poll(Layout((INBOX,), JUNK), None).look(session)
    assert len(look.displaced) == 2
    assert (world.rows(), world.places.last_looks()) == before
