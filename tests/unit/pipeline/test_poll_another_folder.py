"""A folder that is another one than before: its UIDVALIDITY changed, or stayed the same by chance."""

import io

import pytest

from tests.fakes.checks import Logged, assert_balanced, fields, handed
from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, PROCESSED, Mail, mail
from tests.fakes.world import ACCOUNT, World
from worker.logs.log import configure as configure_logging
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.message.outcome import State

STAND_IN = (
    b"From: Microsoft Exchange Server 2019\r\n"
    b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 7\r\n\r\n"
    b"The server couldn't retrieve the following message:\r\n"
)


HOUR = 3600.0


@pytest.mark.parametrize("folder", [INBOX, JUNK])
def test_a_uidvalidity_change_hands_nothing_over_again_and_skips_nothing(world: World, folder: str) -> None:
    world.handled = "keep"
    world.start()
    for _ in range(3):
        world.server.deliver(mail(), folder)
        world.server.deliver(mail("retry", serial=10**9), folder)
    world.tick()
    keys = {row.key for row in world.rows()}
    world.server.renumber(folder)
    world.server.deliver(mail(), folder)
    world.drain()
    assert len({row.key for row in world.rows()} - keys) == 1
    first = "archive" if folder == INBOX else "quarantine"
    plain = [call.key for call in world.calls if call.handler == first and b"X-Kind: ok" in call.raw]
    assert len(plain) == len(set(plain)) == 4
    assert len(world.rows()) == 7
    assert world.states()[State.PENDING] == 0
    assert_balanced(world)


def test_a_uidvalidity_change_is_reported_once(world: World) -> None:
    log = io.StringIO()
    world.tick()
    world.server.deliver(mail())
    world.tick()
    world.server.renumber(INBOX)
    configure_logging(level="warning", format="json", stream=log, hooks=False)
    world.tick()
    world.server.deliver(mail())
    world.tick()
    assert log.getvalue().count("mailbox.uidvalidity_changed") == 1


def numbered_anew(world: World, *mails: Mail) -> None:
    """The mailbox was moved to another server: the same UIDVALIDITY, and the same numbers for other messages."""
    folder = world.server.folders[INBOX]
    folder.mails.clear()
    world.server.folders[ELSEWHERE].mails.clear()
    folder.uidnext, folder.changes = 1, folder.changes + 1
    for one in mails:
        folder.put(one)
    world.connector.close()


def test_a_folder_that_comes_back_with_the_same_uidvalidity_skips_nothing(world: World) -> None:
    log = io.StringIO()
    configure_logging(level="warning", format="json", stream=log, hooks=False)
    world.handled = "keep"
    world.start()
    old = [world.server.deliver(mail()) for _ in range(3)]
    world.drain()
    numbered_anew(world, world.server.deliver(mail(), ELSEWHERE), old[1])
    world.start()
    world.drain()
    assert len(handed(world)) == len(set(handed(world))) == 4
    assert log.getvalue().count("mailbox.folder_replaced") == 1
    assert_balanced(world, handled=4, missing=2)


@pytest.mark.parametrize("told", [True, False], ids=["fewer", "no fewer"])
def test_mail_is_never_handed_over_under_the_key_of_another(world: World, told: bool) -> None:
    old = world.server.deliver(mail("retry"))
    others = 3 if told else 0
    for _ in range(others):
        world.server.deliver(mail())
    world.tick()
    key = world.rows()[0].key
    new = [world.server.deliver(mail(), ELSEWHERE) for _ in range(2)]
    numbered_anew(world, new[0], old, *new[1:])
    world.drain()
    for call in world.calls:
        assert call.key.startswith(fingerprint(ACCOUNT, Headers.from_bytes(call.raw)))
    assert {one.raw for one in new} < {call.raw for call in world.calls}
    assert world.row(key).state is State.HANDLED
    assert_balanced(world, handled=3 + others)


def test_what_is_in_hand_when_its_folder_is_replaced_moves_nobody_elses_mail(world: World) -> None:
    world.hold = True
    world.start()
    world.hung.add("slow")
    old = world.server.deliver(mail("slow"))
    world.server.deliver(mail())
    world.tick()
    other = world.server.deliver(mail(), ELSEWHERE)
    numbered_anew(world, other)
    world.hung.clear()
    world.tick()
    world.hands.end_hang()
    world.drain()
    assert len(handed(world)) == 3
    assert [one.raw for one in world.server.all_mail(PROCESSED)].count(other.raw) == 1
    assert old.raw not in [one.raw for one in world.server.all_mail()]
    assert_balanced(world, handled=3, missing=1)


def test_a_folder_that_is_another_one_is_told_of(world: World, logged: Logged) -> None:
    world.handled = "keep"
    world.start()
    kept, _gone = world.server.deliver(mail()), world.server.deliver(mail())
    world.drain()
    world.server.renumber(INBOX)
    world.drain()
    assert fields(logged, "mailbox.uidvalidity_changed") == [{"folder": INBOX}]
    numbered_anew(world, kept)
    world.drain()
    assert fields(logged, "mailbox.folder_replaced") == [{"folder": INBOX}]


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
    counts = []
    for seconds in (HOUR, 60, 60, 60):
        world.faults.calls.clear()
        world.tick(seconds)
        counts.append(world.faults.calls.count("heads"))
    assert counts == [1, 0, 0, 0]


def test_a_folder_that_is_known_by_now_is_not_compared_again_when_mail_comes(world: World) -> None:
    world.handled = "keep"
    world.start()
    world.server.deliver(mail())
    world.drain()
    world.tick(HOUR)
    names: list[str] = []
    world.server.before = names.append
    world.server.deliver(mail())
    world.tick()
    assert names.count("heads") == 1, "that of the new message, as it comes"


def test_a_stand_in_that_gives_way_to_its_message_makes_no_other_folder(world: World) -> None:
    one = world.server.deliver(STAND_IN)
    world.tick()
    (row,) = world.rows()
    one.raw = mail()
    world.pipeline.look_anew(connected=False)
    world.drain()
    assert [(row.key, row.state) for row in world.rows()] == [(row.key, State.HANDLED)]
    assert [call.raw for call in world.calls if call.handler == "archive"] == [one.raw]


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
