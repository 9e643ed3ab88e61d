"""Handled mail is deleted after its time, and no other mail ever."""

from datetime import timedelta

import pytest

from tests.fakes.checks import Logged, assert_balanced, handed
from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, PROCESSED, mail
from tests.fakes.world import World

DAY = 86_400.0
YEAR = 365 * DAY
HOUR = 3600.0


def delete_old(world: World, *, days: int = 40) -> None:
    """So many days later, handled mail is deleted that is older than thirty."""
    world.clock.now += days * 86_400
    world.even_clock()
    world.delete_handled_after = timedelta(days=30)
    world.tick()
    world.delete_handled_after = None


def deleted(world: World) -> list[bool]:
    return [row.is_deleted for row in world.rows()]


@pytest.mark.parametrize("copyuid", [True, False])
def test_handled_mail_is_deleted_after_its_time(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    for _ in range(3):
        world.server.deliver(mail())
    world.drain()
    delete_old(world)
    assert world.server.all_mail(PROCESSED) == []
    assert deleted(world) == [True, True, True]
    assert_balanced(world, handled=3, missing=0)


def test_handled_mail_that_is_too_young_is_not_deleted(world: World, logged: Logged) -> None:
    for _ in range(2):
        world.server.deliver(mail())
    world.drain()
    delete_old(world, days=29)
    assert deleted(world) == [False, False]
    assert logged("mailbox.handled_deleted") == []
    young = world.server.deliver(mail())
    world.drain()
    delete_old(world, days=2)
    assert deleted(world) == [True, True, False]
    assert world.server.find(young) is not None
    assert len(world.server.all_mail(PROCESSED)) == 1
    assert logged("mailbox.handled_deleted") == [{"event": "mailbox.handled_deleted", "count": 2, "log_level": "info"}]


def test_a_copy_of_mail_that_the_worker_deleted_is_a_message_of_its_own(world: World) -> None:
    first = world.server.deliver(mail())
    world.drain()
    kept = world.server.copy(first, ELSEWHERE)
    delete_old(world)
    world.server.move(kept, INBOX)
    world.drain()
    assert len(handed(world)) == len(set(handed(world))) == 2
    assert_balanced(world, handled=2, missing=0)


def test_only_what_was_deleted_is_marked_so_and_what_was_renumbered_is_found(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    world.server.renumber(PROCESSED)
    world.server.deliver(mail())
    taken = world.server.deliver(mail())
    world.drain()
    world.server.delete(taken)
    stranger = world.server.deliver(mail(), PROCESSED)
    delete_old(world)
    assert world.server.all_mail(PROCESSED) == [stranger]
    assert deleted(world) == [True, True, False]
    assert_balanced(world, handled=3, missing=1)


def test_what_has_another_number_now_is_never_deleted_in_its_stead(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    folder = world.server.folders[PROCESSED]
    (uid,) = folder.mails
    folder.take(uid)
    stranger = world.server.deliver(mail(), PROCESSED, uid=uid)
    for _ in range(2):
        delete_old(world)
    assert world.server.all_mail(PROCESSED) == [stranger]
    assert deleted(world) == [False]


def test_handled_mail_that_somebody_moved_elsewhere_is_not_deleted(world: World) -> None:
    moved = world.server.deliver(mail())
    world.drain()
    world.server.move(moved, JUNK)
    world.drain()
    delete_old(world)
    assert world.server.all_mail(JUNK) == [moved]
    assert deleted(world) == [False]


@pytest.mark.parametrize("refused", ["select", "delete"])
def test_a_folder_that_is_gone_or_refuses_keeps_no_other_from_being_deleted(world: World, refused: str) -> None:
    world.handled = "Done"
    world.server.create("Done")
    world.start()
    world.server.deliver(mail())
    world.drain()
    world.handled = PROCESSED
    world.start()
    world.server.deliver(mail())
    world.drain()
    sessions = world.server.sessions
    if refused == "select":
        del world.server.folders["Done"]
    else:
        world.server.refusing.add(("delete", "Done"))
    delete_old(world)
    assert world.server.all_mail(PROCESSED) == []
    assert deleted(world) == [False, True]
    assert world.server.sessions == sessions
    assert world.cycle.trouble is None


def test_a_clock_that_was_ahead_for_an_hour_deletes_nothing(world: World) -> None:
    world.delete_handled_after = timedelta(days=30)
    world.server.deliver(mail())
    for _ in range(50):
        world.tick(HOUR)
    world.clock.ahead = YEAR
    world.tick(HOUR)
    world.tick(HOUR)
    world.clock.ahead = 0.0
    world.tick(HOUR)
    assert len(world.server.folders[PROCESSED].mails) == 1
    for _ in range(31 * 24):
        world.tick(HOUR)
    assert len(world.server.folders[PROCESSED].mails) == 0


def test_what_was_handled_while_the_clock_was_behind_is_not_deleted_before_its_time(world: World) -> None:
    world.delete_handled_after = timedelta(days=30)
    world.server.deliver(mail(), received_at=world.clock.now)
    world.clock.ahead = -20 * YEAR
    world.tick()
    world.clock.ahead = 0.0
    for _ in range(72):
        world.tick(HOUR)
    assert len(world.server.folders[PROCESSED].mails) == 1
