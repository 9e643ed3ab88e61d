"""What a placeholder hid is judged by its own header once it is shown, and is the same message as before."""

from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.checks import assert_balanced
from tests.fakes.mailbox import INBOX, JUNK, Mail, mail
from tests.fakes.world import World
from tests.unit.pipeline.fetching import Bench
from worker.message.outcome import State
from worker.message.verdict import MailPath
from worker.pipeline.admit import HIDDEN


def placeholder(number: int = 1) -> bytes:
    """Exchange's notice that it can't convert a message. Nothing in it is the message's own."""
    return (
        b"From: Microsoft Exchange Server 2016\r\n"
        b"Subject: Retrieval using the IMAP4 protocol failed for the following message: %d\r\n\r\n"
        b"The server couldn't retrieve the following message:\r\n"
    ) % number


def paths(world: World) -> list[tuple[State, MailPath]]:
    return [(row.state, row.verdict.path) for row in world.rows()]


def called(world: World) -> list[str]:
    """The handlers that were called, in order."""
    return [call.handler for call in world.calls]


def hidden(world: World, folder: str = INBOX) -> Mail:
    return world.server.deliver(placeholder(), folder)


def test_junk_that_a_placeholder_hid_is_junk(world: World) -> None:
    one = hidden(world)
    world.tick()
    assert paths(world) == [(State.PENDING, MailPath.CLEAN)]

    one.raw = mail(junk=True)
    world.drain()

    assert paths(world) == [(State.JUNK, MailPath.JUNK)]
    assert called(world) == ["quarantine"]
    assert len(world.server.folders[JUNK].mails) == 1
    assert_balanced(world)


def test_mail_that_a_placeholder_hid_in_the_junk_folder_stays_junk(world: World) -> None:
    one = hidden(world, JUNK)
    world.tick()
    one.raw = mail()
    world.drain()
    assert paths(world) == [(State.JUNK, MailPath.JUNK)]
    assert called(world) == ["quarantine"]


def test_junk_that_a_person_released_while_a_placeholder_hid_it_stays_released(world: World) -> None:
    one = hidden(world, JUNK)
    world.tick()
    (row,) = world.rows()
    world.release(row.key)
    world.tick()
    one.raw = mail(junk=True)
    world.drain()
    (row,) = world.rows()
    assert (row.state, row.verdict.path) == (State.HANDLED, MailPath.CLEAN)


@pytest.mark.parametrize("junk", [False, True])
def test_a_placeholder_that_is_replaced_before_its_body_was_read_is_one_message(world: World, junk: bool) -> None:
    one = hidden(world)
    one.breaks = True
    for _ in range(3):
        world.tick(30)
    one.raw, one.breaks = mail(junk=junk), False
    world.drain()
    assert [row.state for row in world.rows()] == [State.JUNK if junk else State.HANDLED]
    assert called(world) == (["quarantine"] if junk else ["archive", "notify"])
    assert_balanced(world)


def test_a_placeholder_that_is_replaced_right_after_its_header_was_read_is_one_message(world: World) -> None:
    one = hidden(world)
    once = [True]

    def replaced(command: str) -> None:
        if command == "bodies" and once:
            once.clear()
            one.raw = mail(junk=True)

    world.server.before = replaced
    world.drain()
    assert not once
    assert [row.state for row in world.rows()] == [State.JUNK]
    assert called(world) == ["quarantine"]
    assert_balanced(world)


def test_a_placeholder_whose_body_comes_empty_at_first_is_one_message(world: World) -> None:
    one = hidden(world)
    world.tick()
    one.bodiless = True
    world.tick(601)
    assert [row.state for row in world.rows()] == [State.PENDING]
    one.raw, one.bodiless = mail(), False
    world.drain()
    assert [row.state for row in world.rows()] == [State.HANDLED]
    assert_balanced(world)


CALLED = {True: ("quarantine",), False: ("archive", "notify")}
SHOWN = st.sampled_from(["placeholder", "bodiless", "breaks", "headless", "itself"])
LATE = st.tuples(st.lists(SHOWN, max_size=4), st.booleans(), st.sampled_from([INBOX, JUNK]))


@given(st.lists(LATE, min_size=1, max_size=3), st.lists(st.sampled_from([30, 301, 601]), min_size=4, max_size=4))
def test_whatever_is_shown_first_each_message_comes_once_and_on_its_path(
    late: list[tuple[list[str], bool, str]], waits: list[int]
) -> None:
    """What a server may show of a message before it shows the message itself, in any order."""
    world = World()
    with closing(world.database):
        mails = [world.server.deliver(mail(junk=junk), folder) for _, junk, folder in late]
        own = [one.raw for one in mails]
        for step, wait in enumerate(waits):
            for number, (one, (shown, _, _)) in enumerate(zip(mails, late, strict=True)):
                seen_whole = any(call.raw == own[number] for call in world.calls)
                what = shown[step] if step < len(shown) and not seen_whole else "itself"
                one.raw = placeholder(number) if what == "placeholder" else own[number]
                one.bodiless, one.headless, one.breaks = what == "bodiless", what == "headless", what == "breaks"
            world.tick(wait)
        for raw, one in zip(own, mails, strict=True):
            one.raw, one.bodiless, one.headless, one.breaks = raw, False, False, False
        world.drain()

        to_junk = {raw: junk or folder == JUNK for raw, (_, junk, folder) in zip(own, late, strict=True)}
        expected = Counter((raw, handler) for raw in own for handler in CALLED[to_junk[raw]])
        assert Counter((call.raw, call.handler) for call in world.calls) == expected
        assert len(world.rows()) == len(late)
        assert {row.state for row in world.rows()} <= {State.HANDLED, State.JUNK}
        assert_balanced(world)


def test_what_turns_out_to_be_no_junk_is_handed_over_with_its_body() -> None:
    bench = Bench(junk_by_headers=True)
    one, record = bench.add(placeholder(), path=MailPath.JUNK)
    one.raw = mail()
    bench([replace(record, reason=HIDDEN)])
    (taken,) = bench.hands.taken
    assert taken.record.verdict.path is MailPath.CLEAN
    assert taken.message.raw == one.raw
    assert not taken.headers_alone
