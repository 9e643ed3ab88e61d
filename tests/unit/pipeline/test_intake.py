"""What is new gets a row, what is missing counts as missed once a poll, and each is told of."""

import tracemalloc
from dataclasses import replace

import pytest

from tests.fakes.checks import Logged, fields
from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, mail
from tests.fakes.world import World
from worker.mailbox.session import HEADS_AT_ONCE
from worker.message.outcome import State


def test_between_polls_the_inbox_is_selected_whichever_folder_had_the_news(world: World) -> None:
    for folder in (JUNK, INBOX):
        world.server.deliver(mail(), folder)
        world.tick()
        session = world.connector.current()
        assert session is not None
        assert session.selected == INBOX


def test_what_is_moved_from_one_watched_folder_to_another_is_missed_in_none(world: World) -> None:
    mails = [world.server.deliver(mail(), folder, bodiless=True) for folder in (INBOX, JUNK)]
    world.tick()
    world.server.move(mails[0], JUNK)
    world.server.move(mails[1], INBOX)
    world.tick()
    assert [row.missed for row in world.rows()] == [0, 0]


def test_what_was_taken_away_is_gone_after_two_looks_and_taken_up_again(world: World) -> None:
    away = world.server.deliver(mail("retry"))
    world.tick()
    world.server.move(away, ELSEWHERE)
    world.tick(5)
    assert world.states() == {State.PENDING: 1}
    world.drain()
    assert world.states() == {State.GONE: 1}
    world.server.move(away, INBOX)
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert len({call.key for call in world.calls}) == 1


def test_of_what_was_taken_away_only_what_is_gone_is_told(world: World) -> None:
    first, second = (world.server.deliver(mail("retry")) for _ in range(2))
    world.tick()
    keys = [row.key for row in world.rows()]
    for taken, told in ((first, []), (second, keys[:1])):
        world.server.delete(taken)
        world.tick(5)
        assert world.told.keys_gone == told
    world.tick(5)
    assert world.told.keys_gone == keys


def test_a_message_that_two_looks_missed_and_that_shows_again_in_its_place_is_taken_up(world: World) -> None:
    hidden = world.server.deliver(mail("retry"))
    world.tick()
    folder = world.server.folders[INBOX]
    uid = next(iter(folder.mails))
    folder.take(uid)
    world.drain()
    assert world.states() == {State.GONE: 1}
    folder.put(hidden, uid)
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert len({call.key for call in world.calls}) == 1


def test_what_was_taken_away_is_told_of(world: World, logged: Logged) -> None:
    taken = [world.server.deliver(mail("retry")) for _ in range(2)]
    world.tick()
    for one in taken:
        world.server.delete(one)
    world.drain()
    assert fields(logged, "message.gone") == [{"count": 2, "keys": ", ".join(row.key for row in world.rows())}]


def test_headers_that_are_not_shown_are_told_of(world: World, logged: Logged) -> None:
    for _ in range(2):
        world.server.deliver(mail(), headless=True)
    world.server.deliver(mail())
    world.tick()
    assert fields(logged, "mailbox.header_not_shown") == [{"count": 2, "folder": INBOX}]


def test_what_comes_back_is_told_of(world: World, logged: Logged) -> None:
    back, junk = world.server.deliver(mail()), world.server.deliver(mail(), JUNK)
    world.drain()
    world.server.move(back, INBOX)
    world.server.move(junk, INBOX)
    world.drain()
    (handled, released) = [row.key for row in world.rows()]
    assert fields(logged, "message.moved_back") == [{"key": handled, "folder": INBOX, "state": "handled"}]
    assert fields(logged, "message.rejudged") == [{"key": released, "folder": INBOX}]


@pytest.mark.parametrize("more_comes", [False, True])
def test_what_is_due_and_taken_away_is_missed_once_a_poll(world: World, more_comes: bool) -> None:
    away = world.server.deliver(mail("twice"))
    world.tick()
    world.server.move(away, ELSEWHERE)
    if more_comes:
        world.server.deliver(mail())
    world.tick(60)
    key = world.rows()[0].key
    assert world.row(key).state is State.PENDING
    assert world.told.keys_gone == []
    world.tick(60)
    assert world.row(key).state is State.GONE
    assert world.told.keys_gone == [key]


def test_only_polls_in_a_row_that_miss_a_message_make_it_gone(world: World) -> None:
    """The server doesn't show it now and then, at the number that it has."""
    world.server.deliver(mail("twice"))
    world.tick()
    inbox = world.server.folders[INBOX]
    for _ in range(3):
        one = inbox.take(1)
        world.tick(1)
        assert [(row.state, row.missed) for row in world.rows()] == [(State.PENDING, 1)]
        inbox.put(one, 1)
        world.tick(1)
        assert [(row.state, row.missed) for row in world.rows()] == [(State.PENDING, 0)]
    world.drain()
    assert world.states() == {State.HANDLED: 1}


def test_a_dead_letter_that_is_retried_and_not_found_is_missed_once_a_poll(world: World) -> None:
    away = world.server.deliver(mail("reject"))
    world.tick()
    (row,) = world.rows()
    world.server.move(away, ELSEWHERE)
    world.retry(row.key)
    world.server.deliver(mail())
    world.server.deliver(mail(), JUNK)
    world.tick()
    assert world.row(row.key).state is State.PENDING
    world.tick()
    assert world.row(row.key).state is State.GONE


def test_headers_are_read_so_many_at_a_time_as_memory_holds_in_any_case(world: World) -> None:
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


@pytest.mark.slow
def test_of_large_headers_no_more_is_held_than_has_room(world: World) -> None:
    """Each takes 900 kB, and parsed ten times that; all of them together would take 300 MB."""
    for number in range(30):
        fields = b"".join(b"a%d:b\r\n" % (number * 100_000 + one) for one in range(90_000))
        world.server.deliver(mail().partition(b"\r\n\r\n")[0] + b"\r\n" + fields + b"\r\nhello\r\n")
    tracemalloc.start()
    try:
        world.tick()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert world.states() == {State.FAILED: 30}
    assert {row.reason for row in world.rows()} == {"oversize"}
    assert peak < 40_000_000
