"""The account of messages where the server, the clock or the machine does what nobody expects."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.mailbox import FAILED, INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import DEATHS, World
from worker.logs import configure_logging
from worker.mailbox.session import HEADS_AT_ONCE
from worker.message.outcome import State

HOUR = 3600.0
DAY = 86_400.0
YEAR = 365 * DAY


@pytest.fixture(autouse=True)
def quiet() -> None:
    configure_logging(level="error", format="json", stream=io.StringIO(), hooks=False)


@pytest.fixture(params=[("MOVE", "UIDPLUS", "IDLE"), ("UIDPLUS", "IDLE")], ids=["move", "uidplus"])
def world(request: pytest.FixtureRequest) -> World:
    return World(Server(capabilities=request.param))


STAND_IN = (
    b"From: Microsoft Exchange Server 2019\r\n"
    b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 7\r\n\r\n"
    b"The server couldn't retrieve the following message:\r\n"
)


def test_a_stand_in_below_the_header_of_the_message_itself_is_waited_for_too(world: World) -> None:
    """The server shows the header by itself, and fails to convert the whole."""
    one = world.server.deliver(mail("ok"))
    one.other_in_full = STAND_IN
    world.tick()
    assert world.calls == []
    one.other_in_full = None
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert [call.raw for call in world.calls if call.handler == "archive"] == [one.raw]


def test_a_header_that_ends_the_connection_keeps_no_other_waiting(world: World) -> None:
    world.server.deliver(mail())
    bad = world.server.deliver(mail(), breaks_at_head=True)
    world.server.deliver(mail())
    for _ in range(10):
        world.tick()
    assert world.states() == {State.HANDLED: 2}
    world.drain()
    assert world.states() == {State.HANDLED: 2, State.FAILED: 1}
    assert world.server.find(bad) is not None
    assert world.server.find(bad)[0] == FAILED  # type: ignore[index]


def test_a_header_that_ended_the_connection_once_is_read_later(world: World) -> None:
    world.server.deliver(mail())
    bad = world.server.deliver(mail(), breaks_at_head=True)
    for _ in range(4):
        world.tick()
    bad.breaks_at_head = False
    for _ in range(10):
        world.tick()
    assert world.states() == {State.HANDLED: 2}


def test_what_is_waited_for_since_a_clock_that_was_ahead_is_a_dead_letter_after_an_hour(world: World) -> None:
    world.clock.ahead = YEAR
    world.server.deliver(mail(), bodiless=True)
    world.server.deliver(mail(), headless=True)
    world.tick()
    world.clock.ahead = 0.0
    for _ in range(16):
        world.tick(HOUR / 12)
    assert world.states() == {State.FAILED: 2}


def test_a_move_that_was_refused_is_asked_for_again_after_the_clock_was_put_back(world: World) -> None:
    world.server.deliver(mail())
    world.clock.ahead = YEAR
    world.server.refusing = {("move", INBOX), ("copy", INBOX)}
    world.tick()
    world.server.refusing = set()
    world.clock.ahead = 0.0
    for _ in range(4):
        world.tick(HOUR / 4)
    assert len(world.server.folders[PROCESSED].mails) == 1


# -- deletion of handled mail


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


# -- another folder of the same UIDVALIDITY


@pytest.mark.parametrize("folder", [INBOX, JUNK])
def test_a_folder_replaced_by_one_with_the_same_uidvalidity_hides_no_mail(world: World, folder: str) -> None:
    """Its UIDNEXT is no lower, and in the places of messages that are known lie others."""
    world.handled = "keep"
    world.start()
    for _ in range(3):
        world.server.deliver(mail(), folder)
    world.drain()
    validity = world.server.folders[folder].uidvalidity
    world.server.replace(folder)
    world.server.folders[folder].uidvalidity = validity
    raws = [mail() for _ in range(4)]
    for raw in raws:
        world.server.deliver(raw, folder)
    world.drain()
    done = {call.raw for call in world.calls}
    assert done >= set(raws)


def test_a_header_that_is_shown_otherwise_than_before_makes_no_other_folder(world: World) -> None:
    world.handled = "keep"
    world.start()
    mails = [world.server.deliver(mail()) for _ in range(4)]
    world.drain()
    mails[-1].raw = mails[-1].raw.replace(b"Subject: ", b"Subject: [external] ")
    world.start()
    world.drain()
    assert len(world.rows()) == 4


def test_an_old_copy_of_a_folder_with_new_mail_in_it_hides_none(world: World) -> None:
    """A mailbox that was put back as it was: what came then got numbers that others had."""
    world.handled = "keep"
    world.start()
    for _ in range(8):
        world.server.deliver(mail())
    world.drain()
    folder = world.server.folders[INBOX]
    for uid in (5, 6, 7, 8):
        folder.mails.pop(uid)
    raws = [mail() for _ in range(5)]
    for uid, raw in enumerate(raws, start=5):
        world.server.deliver(raw, uid=uid)
    folder.uidnext = 10
    world.start()
    world.drain()
    assert {call.raw for call in world.calls} >= set(raws)
    handed = [call.key for call in world.calls if call.handler == "archive"]
    assert len(handed) == len(set(handed)) == 13


def test_what_is_known_of_a_folder_is_asked_for_once_an_hour(world: World) -> None:
    world.handled = "keep"
    world.start()
    for _ in range(8):
        world.server.deliver(mail())
    world.drain()
    world.faults.record = True
    world.cycle._full_look_at = 0.0
    counts = []
    for _ in range(4):
        world.faults.calls.clear()
        world.tick(60)
        counts.append(world.faults.calls.count("heads"))
    assert counts == [1, 0, 0, 0]


def test_a_folder_that_is_known_by_now_is_not_compared_again_when_mail_comes(world: World) -> None:
    world.handled = "keep"
    world.start()
    world.server.deliver(mail())
    world.drain()
    world.cycle._full_look_at = 0.0
    world.tick()
    names: list[str] = []
    world.server.before = names.append
    world.server.deliver(mail())
    world.tick()
    assert names.count("heads") == 2, "that of the new message, as it comes and as it is fetched"


def test_a_stand_in_that_gives_way_to_its_message_makes_no_other_folder(world: World) -> None:
    one = world.server.deliver(STAND_IN)
    world.tick()
    (row,) = world.rows()
    one.raw = mail()
    world.pipeline.look_anew(connected=False)
    world.drain()
    assert [(row.key, row.state) for row in world.rows()] == [(row.key, State.HANDLED)]
    assert [call.raw for call in world.calls if call.handler == "archive"] == [one.raw]


def test_a_dead_letter_without_a_header_is_not_forgotten_when_its_folder_is_renumbered(world: World) -> None:
    one = world.server.deliver(mail(), headless=True)
    world.drain()
    assert [row.reason for row in world.rows()] == ["header-not-shown"]
    world.server.renumber(FAILED)
    world.clock.now += 2 * YEAR
    for _ in range(3):
        assert world.compact(keep=YEAR) == 0
    world.server.delete(one)
    assert [world.compact(keep=YEAR) for _ in range(2)] == [0, 1]


def test_known_mail_whose_header_ends_the_connection_keeps_no_other_waiting(world: World) -> None:
    world.handled = "keep"
    world.start()
    one = world.server.deliver(mail())
    world.drain()
    one.breaks_at_head = True
    world.server.deliver(mail())
    world.start()
    for _ in range(3):
        world.tick()
    assert world.states() == {State.HANDLED: 2}


def test_headers_are_read_so_many_at_a_time_as_memory_holds_in_any_case(world: World) -> None:
    """A death while they are read is nobody's: it would come again at each start."""
    world.bounds = replace(world.bounds, batch_count=100)
    world.server.copyuid = False
    world.start()
    for _ in range(250):
        world.server.deliver(mail(junk=True), JUNK)
    world.drain()
    world.server.renumber(JUNK)
    world.drain()
    assert world.balance().unaccounted == 0
    assert world.server.most_heads <= HEADS_AT_ONCE


def test_deaths_that_come_from_outside_are_shared_out_among_what_was_in_hand(world: World) -> None:
    """Else the same innocent is alone in hand each time, and is given up for it."""
    kills = iter(range(2 * DEATHS))
    world.poison = lambda _message: next(kills, None) is not None
    for _ in range(4):
        world.server.deliver(mail())
    world.drain()
    assert world.deaths == 2 * DEATHS
    assert world.states() == {State.HANDLED: 4}
