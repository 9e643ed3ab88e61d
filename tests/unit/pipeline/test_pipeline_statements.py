"""What a poll asks of the journal costs the same however much mail the journal has settled."""

from tests.fakes.mailbox import INBOX, JUNK, PROCESSED, mail
from tests.fakes.plans import growing, statements
from tests.fakes.world import World

ALLOWED = {
    "UPDATE message SET folder=?, settle_to=CASE": "an earlier version's rows in the inbox get its one name, once",
}
"""Statements of a poll that may read every row, with the reason why they may."""


def test_a_poll_reads_no_settled_rows_but_those_that_it_asks_for(world: World) -> None:
    world.tick()  # the first look at each folder, and what is unsettled
    with statements() as first:
        for name in ("ok", "reject", "twice", "retry"):
            world.server.deliver(mail(name))
        world.server.deliver(mail(junk=True))
        world.server.deliver(mail(), JUNK)
        world.tick()
    with statements() as again:
        world.server.deliver(mail())
        for _ in range(5):
            world.tick(400)  # those that are tried again
    assert len(first) > 10, "it looks at what a poll asks"
    assert growing(world.database, first + again, ALLOWED) == []


def test_an_idle_poll_and_a_new_connection_read_no_settled_rows(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    with statements() as idle:
        world.tick(1)
    with statements() as connected:
        world = World(world.server, database=world.database)
        world.tick()
    assert any("settled_at IS NULL" in one.text for one in connected)
    assert growing(world.database, idle + connected, ALLOWED) == []


def test_mail_that_stays_or_moves_is_found_by_its_place_and_fingerprint(world: World) -> None:
    world.handled = "keep"
    first = world.server.deliver(mail())
    world.drain()
    with statements() as asked:
        world.server.move(first, PROCESSED)
        world.server.move(first, INBOX)
        world.server.deliver(mail())
        world.tick(1)
        world.tick(1)
    assert growing(world.database, asked, ALLOWED) == []
