"""What is fetched, what is given up without being fetched, and what can't be fetched from where its row says."""

import gc

import pytest

from tests.fakes.checks import assert_balanced
from tests.fakes.mailbox import FAILED, INBOX, PROCESSED, Server, mail
from tests.fakes.world import DEATHS, World
from worker.message.outcome import State
from worker.pipeline.fetched import BrokenOff


def test_an_oversize_message_is_a_dead_letter_and_never_handed_over(world: World) -> None:
    world.server.deliver(mail(body=b"x" * 60_000))
    world.server.deliver(mail(body=b"x" * 60_000), size=10)  # the size is an estimate
    world.drain()
    assert world.states() == {State.FAILED: 2}
    assert world.calls == []


def test_an_oversize_dead_letter_that_was_taken_away_and_is_retried_is_gone(world: World) -> None:
    taken, left = (world.server.deliver(mail(body=b"x" * 60_000)) for _ in range(2))
    world.drain()
    world.server.delete(taken)
    for row in world.rows():
        world.journal.reopen(row.id)
    world.drain()
    assert [row.state for row in world.rows()] == [State.GONE, State.FAILED]
    assert world.server.find(left) is not None
    assert_balanced(world, gone=1, failed=1)


def test_poison_that_was_taken_away_and_is_retried_is_gone(world: World) -> None:
    taken = world.server.deliver(mail("poison"))
    world.drain()
    world.server.delete(taken)
    (row,) = world.rows()
    world.journal.reopen(row.id)
    for _ in range(DEATHS):
        world.tries.died_with(row)
    world.drain()
    assert world.states() == {State.GONE: 1}


def test_a_server_that_shows_a_header_otherwise_than_in_the_message_keeps_nobody(world: World) -> None:
    """What says which message it is is the header as it is shown by itself."""
    one = world.server.deliver(mail("retry"))
    one.other_in_full = one.raw.replace(b"Subject: ", b"Subject: [external] ")
    world.drain()
    assert world.states() == {State.HANDLED: 1}


@pytest.mark.parametrize("quirk", ["breaks", "refused"])
def test_a_message_at_whose_fetch_the_server_hangs_up_or_refuses_stops_nobody(world: World, quirk: str) -> None:
    world.server.deliver(mail())
    bad = world.server.deliver(mail())
    setattr(bad, quirk, True)
    world.server.deliver(mail())
    for _ in range(12):
        world.tick(30)
    assert world.states()[State.HANDLED] == 2
    world.drain()
    assert world.states() == {State.HANDLED: 2, State.FAILED: 1}
    assert world.server.folder_of(bad) == FAILED


def test_pending_mail_of_a_folder_that_is_gone_and_not_watched_stops_nobody() -> None:
    world = World(Server(folders=["Results"]))
    world.watched_folders = (INBOX, "Results")
    world.start()
    world.server.deliver(mail("retry"), "Results")
    world.tick()
    world.watched_folders = (INBOX,)
    world.start()
    del world.server.folders["Results"]
    world.server.deliver(mail())
    world.tick(1000)
    assert world.states()[State.HANDLED] == 1
    world.drain()
    assert world.states() == {State.HANDLED: 1, State.GONE: 1}


def test_pending_mail_of_a_folder_that_is_not_watched_is_handled_from_where_it_lies(world: World) -> None:
    """As a retried dead letter is whose place the server never told."""
    world.server.copyuid = False
    dead = world.server.deliver(mail("reject"))
    world.drain()
    (row,) = world.rows()
    assert (row.place.folder, row.place.uid) == (FAILED, None)
    dead.raw = world.server.all_mail(FAILED)[0].raw = dead.raw.replace(b"reject", b"ok    ")
    world.journal.reopen(row.id)
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert [one.origin for one in world.server.all_mail(PROCESSED)] == [dead.origin]
    assert_balanced(world, handled=1, missing=0)


def test_headers_alone_are_fetched_where_no_handler_wants_more(world: World) -> None:
    world.headers_only = True
    world.start()
    world.start()
    world.server.deliver(mail(junk=True))
    world.tick()
    (call,) = world.calls
    assert b"hello" not in call.raw
    assert world.states() == {State.JUNK: 1}


def test_a_fetch_that_was_broken_off_leaves_nothing_in_memory(world: World) -> None:
    """Its frames hold a batch, and the collector of cycles may come much later."""
    world.server.deliver(mail(), breaks=True)
    gc.collect()
    gc.disable()
    try:
        world.tick()
        left = [one for one in gc.get_objects() if isinstance(one, BrokenOff)]
    finally:
        gc.enable()
    assert left == []
