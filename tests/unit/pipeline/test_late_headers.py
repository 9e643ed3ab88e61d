"""Headers that the server doesn't show yet, or at which the connection ends, keep no other message waiting."""

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, mail
from tests.fakes.world import World
from worker.message.outcome import State

DAY = 86_400.0
YEAR = 365 * DAY
HOUR = 3600.0


def test_a_header_that_comes_late_is_seen_at_the_next_poll_though_nothing_else_changed(world: World) -> None:
    late = world.server.deliver(mail(), headless=True)
    world.tick()
    assert world.rows() == []
    late.headless = False
    world.tick()
    assert world.states() == {State.HANDLED: 1}


def test_a_header_that_never_comes_is_a_dead_letter_after_an_hour_of_waiting(world: World) -> None:
    unseen = world.server.deliver(mail(), headless=True)
    world.server.deliver(mail())
    started = world.clock.now
    while world.states()[State.FAILED] == 0:
        world.tick(120)
    assert 3600 <= world.clock.now - started < 3600 + 900
    assert [row.reason for row in world.rows() if row.state is State.FAILED] == ["header-not-shown"]
    assert len(handed(world)) == 1
    assert [one.raw for one in world.server.all_mail(FAILED)] == [unseen.raw]
    world.drain()
    assert_balanced(world, handled=1, failed=1)

    unseen.headless = False
    assert world.balance().unaccounted_keys == ()
    world.server.move(unseen, INBOX)  # a person, whose mail program shows it
    world.drain()
    assert world.states()[State.HANDLED] == 2
    assert len(handed(world)) == 2


def test_a_message_without_a_header_is_a_dead_letter_where_it_lies_by_then(world: World) -> None:
    """A person takes it out of `Failed`, asks for another try, and puts it into INBOX after that."""
    world.server.deliver(mail(), veiled=True)
    pass_hours(world)
    (dead,) = world.server.all_mail(FAILED)
    dead.veiled = True  # without MOVE it is a copy
    world.server.move(dead, ELSEWHERE)
    world.retry(world.rows()[0].key)
    pass_hours(world)
    assert world.states() == {State.GONE: 1}
    world.server.move(dead, INBOX)
    pass_hours(world)
    assert world.states() == {State.FAILED: 1}
    assert [len(world.server.all_mail(name)) for name in (INBOX, FAILED)] == [0, 1]


def pass_hours(world: World) -> None:
    for _ in range(12):
        world.tick(600)


def test_messages_without_a_header_are_never_taken_for_one(world: World) -> None:
    world.server.copyuid = False
    for _ in range(3):
        world.server.deliver(mail(), veiled=True)
        world.drain()
        for _ in range(10):
            world.tick(600)
    assert world.states() == {State.FAILED: 3}
    assert len(world.server.all_mail(FAILED)) == 3


def test_a_restart_does_not_begin_the_hour_of_waiting_for_a_header_anew(world: World) -> None:
    world.server.deliver(mail(), headless=True)
    shown = world.server.deliver(mail(), headless=True)
    started = world.clock.now
    for _ in range(20):
        world.tick(600)
        world.start()
        shown.headless = world.clock.now < started + 2000
        if world.states()[State.FAILED]:
            break
    assert 3600 <= world.clock.now - started < 3600 + 900
    assert world.states() == {State.FAILED: 1, State.HANDLED: 1}
    world.server.deliver(mail())
    world.drain()
    assert world.places.headerless(INBOX) == {}


def test_a_header_that_never_comes_of_a_message_that_is_taken_away_is_nothing(world: World) -> None:
    unseen = world.server.deliver(mail(), headless=True)
    world.tick()
    world.server.delete(unseen)
    world.drain()
    assert world.rows() == []


def test_a_message_of_which_the_server_refuses_the_header_stops_nobody(world: World) -> None:
    veiled = world.server.deliver(mail(), veiled=True)
    for _ in range(3):
        world.server.deliver(mail())
    world.tick()
    assert world.states() == {State.HANDLED: 3}
    for _ in range(12):
        world.tick(400)
    assert world.states() == {State.HANDLED: 3, State.FAILED: 1}
    assert world.server.folder_of(veiled) == FAILED
    assert world.server.sessions == 1
    world.start()
    world.drain()
    assert_balanced(world, handled=3, failed=1, missing=0)


def test_where_the_server_shows_no_header_at_all_no_message_is_given_up(world: World) -> None:
    unseen = [world.server.deliver(mail(), veiled=True) for _ in range(20)]
    for _ in range(12):
        world.tick(400)
    assert world.rows() == []
    for one in unseen:
        one.veiled = False
    world.drain()
    assert world.states() == {State.HANDLED: 20}


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
    assert world.server.folder_of(bad) == FAILED


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
