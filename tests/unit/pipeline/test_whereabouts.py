"""A message is recognised wherever it lies, and its look-alikes and copies aren't taken for it."""

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import FAILED, INBOX, PROCESSED, mail
from tests.fakes.world import World
from worker.message.outcome import State


@pytest.mark.parametrize("copyuid", [True, False])
def test_a_look_alike_with_other_content_is_not_taken_for_mail_that_was_deleted(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    first = world.server.deliver(mail(serial=7001, body=b"first\r\n"))
    world.drain()
    world.server.delete(first)
    second = world.server.deliver(mail(serial=7001, body=b"another content\r\n"))
    world.drain()
    assert [call.raw for call in world.calls if call.handler == "archive"] == [first.raw, second.raw]
    assert handed(world)[1] == f"{handed(world)[0]}-2"
    assert_balanced(world, handled=2, missing=1)


def test_handled_mail_is_known_again_in_a_renumbered_folder_though_its_size_is_estimated_anew(world: World) -> None:
    world.handled = "keep"
    world.start()
    for _ in range(3):
        world.server.deliver(mail())
    world.drain()
    world.server.renumber(INBOX)
    for one in world.server.all_mail(INBOX):
        one.size = 12_345
    world.drain()
    assert len(handed(world)) == 3
    assert_balanced(world, handled=3, missing=0)


@pytest.mark.parametrize("copyuid", [True, False])
def test_a_copy_of_handled_mail_is_a_message_of_its_own(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    first = world.server.deliver(mail())
    world.drain()
    world.server.copy(first, INBOX)
    world.drain()
    assert len(set(handed(world))) == 2
    assert_balanced(world, handled=2, missing=0)


def test_what_search_misses_and_the_count_shows_is_found(world: World) -> None:
    world.server.deliver(mail(), unsearched=True)
    world.server.deliver(mail())
    world.tick()
    assert world.states() == {State.HANDLED: 2}
    assert_balanced(world, handled=2)


@pytest.mark.parametrize("copyuid", [True, False])
def test_a_dead_letter_that_search_misses_is_found_for_its_retry(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    world.server.deliver(mail("twice"))
    world.drain()
    dead = world.server.deliver(mail("reject"))
    world.drain()
    dead.unsearched = True
    (row,) = [row for row in world.rows() if row.state is State.FAILED]
    world.journal.reopen(row.id)
    for _ in range(4):
        world.tick(700)
    assert world.row(row.key).state is State.FAILED, "tried again, and refused again"
    assert len([call for call in world.calls if call.key == row.key and call.handler == "notify"]) == 2
    assert_balanced(world, handled=1, failed=1, gone=0)


def test_a_dead_letter_that_lies_where_it_is_said_to_be_gone_from_is_a_finding(world: World) -> None:
    world.server.deliver(mail("reject"))
    world.server.deliver(mail())
    world.drain()
    (dead,) = [row for row in world.rows() if row.state is State.FAILED]
    world.journal.reopen(dead.id)
    world.places.missed([dead.id], gone_after=1, now=world.clock())
    balance = world.balance()
    assert (balance.unaccounted_keys, balance.gone, balance.seen) == ((dead.key,), 0, 2)

    world.server.move(world.server.all_mail(FAILED)[0], INBOX)
    world.drain()
    assert_balanced(world, handled=1, failed=1, gone=0)

    filed = world.server.deliver(mail("retry"))
    world.tick()
    world.server.move(filed, PROCESSED)  # a person did by hand what the worker hadn't done yet
    for _ in range(3):
        world.tick(4000)
    assert_balanced(world, handled=1, failed=1, gone=1)
