"""Order: what holds a sender's mail, for how long, and whose mail it doesn't hold."""

import pytest

from tests.fakes.world import World
from tests.unit.pipeline.deliveries import archived, deliver
from tests.unit.pipeline.timeline import EVERY, Timeline
from worker.message.outcome import State
from worker.pipeline.order import OrderRules

WAIT, RETRY_WAIT = 60.0, 600.0


def next_due(world: World) -> float:
    due = world.tries.next_due_at(besides=world.hands.rows())
    assert due is not None
    return due


@pytest.fixture
def line() -> Timeline:
    """A mailbox whose only route asks for order, with the default waits."""
    return Timeline(World(order={"all": OrderRules(WAIT, RETRY_WAIT)}))


# -- one at a time, as they arrived


def test_a_senders_mail_is_handed_over_in_order_of_arrival() -> None:
    world = World(ordered=True)
    ours, others = deliver(world, 5, sender="a"), deliver(world, 5, sender="b")
    world.tick()
    assert [raw for raw in archived(world) if raw in ours] == ours
    assert [raw for raw in archived(world) if raw in others] == others
    assert world.states() == {State.HANDLED: 10}
    assert archived(world)[:2] == [ours[0], others[0]]  # different senders beside each other


def test_never_two_of_one_sender_are_in_hand() -> None:
    world = World(ordered=True)
    world.hold = True
    world.start()
    deliver(world, 4, sender="a")
    deliver(world, 4, sender="b")
    world.hands.most = 0
    world.tick()
    assert world.hands.most == 2
    assert world.states() == {State.HANDLED: 8}


def test_a_retry_holds_the_senders_later_mail_and_no_other() -> None:
    world = World(ordered=True)
    first = deliver(world, 1, sender="a", kind="retry")
    later, other = deliver(world, 2, sender="a"), deliver(world, 1, sender="b")
    world.tick()
    assert archived(world) == [*first, *other]
    assert world.states() == {State.HANDLED: 1, State.PENDING: 3}
    waiting = [row for row in world.rows() if row.state is State.PENDING]
    assert all(row.next_at is not None and row.next_at > world.clock.now for row in waiting)
    assert [row.tries for row in waiting] == [1, 0, 0]
    world.drain()
    assert [raw for raw in archived(world) if raw not in other] == [*first, *later]


def test_a_dead_letter_lets_the_later_mail_go() -> None:
    world = World(ordered=True)
    deliver(world, 1, sender="a", kind="reject")
    later = deliver(world, 1, sender="a")
    world.tick()
    assert archived(world)[1:] == later
    assert world.states() == {State.FAILED: 1, State.HANDLED: 1}


def test_mail_of_a_route_without_order_holds_nobody() -> None:
    world = World(ordered=True)
    deliver(world, 1, sender="a", kind="retry", route="unordered")
    later = deliver(world, 2, sender="a")
    world.tick()
    assert archived(world)[1:] == later
    assert world.states() == {State.HANDLED: 2, State.PENDING: 1}


def test_mail_that_a_later_rule_wants_in_order_holds_the_next() -> None:
    world = World(ordered=True)
    deliver(world, 1, sender="a", kind="retry", route="copy all")
    later = deliver(world, 2, sender="a")
    world.tick()
    assert later[0] not in archived(world)
    assert world.states() == {State.PENDING: 3}


def test_mail_without_a_sender_waits_for_nobody() -> None:
    world = World(ordered=True)
    deliver(world, 1, kind="retry")
    deliver(world, 3)
    world.tick()
    assert world.states() == {State.HANDLED: 3, State.PENDING: 1}


def test_mail_in_hand_that_hangs_holds_its_sender_alone() -> None:
    world = World(ordered=True)
    world.hung.add("slow")
    world.start()
    deliver(world, 1, sender="a", kind="slow")
    later = deliver(world, 1, sender="a")
    deliver(world, 2, sender="b")
    world.tick()
    assert world.states() == {State.HANDLED: 2, State.PENDING: 2}
    world.tick(0)
    assert next_due(world) > world.clock.now
    world.end_hang()
    world.drain()
    assert archived(world)[-1:] == later
    assert world.states() == {State.HANDLED: 4}


def test_order_is_kept_over_folders_and_restarts() -> None:
    world = World(ordered=True)
    first = deliver(world, 1, sender="a", kind="twice")
    later = deliver(world, 3, sender="a")
    world.tick()
    world.start()
    world.tick()
    world.drain()
    assert archived(world) == [*first, *later]


# -- a message without content


@pytest.mark.parametrize("hidden", ["scan", "bodiless"])
def test_a_message_without_content_holds_the_next_for_the_routes_wait_alone(line: Timeline, hidden: str) -> None:
    line.deliver(hidden=hidden)
    later = line.deliver()
    line.wait(WAIT - 1)
    assert later not in line.called
    line.wait(3600)
    assert line.waited(later) == WAIT


@pytest.mark.parametrize("hidden", ["scan", "bodiless"])
def test_content_that_comes_in_time_keeps_the_order(line: Timeline, hidden: str) -> None:
    first = line.deliver(hidden=hidden)
    later = line.deliver()
    line.wait(WAIT / 2)
    line.show(first)
    line.wait(WAIT)
    assert line.order == [first, later]
    assert line.waited(later) == WAIT  # it is asked for once more before it is overtaken


def test_messages_without_content_one_after_another_hold_no_longer_than_one(line: Timeline) -> None:
    for _ in range(12):
        line.deliver(hidden="scan")
    line.wait(5)
    later = line.deliver()
    for _ in range(8):
        line.wait(10)
        line.deliver(hidden="scan")
    assert line.waited(later) == pytest.approx(WAIT, abs=1)


def test_restarts_do_not_lengthen_the_wait(line: Timeline) -> None:
    for _ in range(5):
        line.deliver(hidden="scan")
    later = line.deliver()
    for _ in range(20):
        line.wait(20)
        line.world.start()
    assert line.waited(later) <= WAIT + 20


def test_without_a_wait_nobody_is_held() -> None:
    line = Timeline(World(order={"all": OrderRules(0.0, 0.0)}))
    line.deliver(hidden="scan")
    line.deliver("always")
    assert line.waited(line.deliver()) == 0


def test_of_several_routes_the_shortest_wait_counts_while_the_route_is_not_known() -> None:
    line = Timeline(World(order={"all": OrderRules(300.0, 600.0), "urgent": OrderRules(20.0, 600.0)}))
    line.deliver(hidden="scan", route="all")
    later = line.deliver(route="urgent")
    line.wait(100)
    assert line.waited(later) == 20


# -- whose mail holds whose


def test_mail_under_a_forged_name_does_not_hold_the_senders_own(line: Timeline) -> None:
    for confirmed in (False, None):
        line.deliver(hidden="scan", confirmed=confirmed)
        line.deliver("always", confirmed=confirmed)
    assert line.waited(line.deliver(confirmed=True)) == 0


def test_confirmed_mail_is_kept_in_order(line: Timeline) -> None:
    first = line.deliver("twice", confirmed=True)
    later = line.deliver(confirmed=True)
    line.wait(600)
    assert line.order == [first, later]
    assert line.done[first] <= line.called[later]


# -- a message that is tried again


def test_a_message_that_always_fails_holds_the_next_for_the_routes_retry_wait(line: Timeline) -> None:
    line.deliver("always")
    later = line.deliver()
    line.wait(RETRY_WAIT - 1)
    assert later not in line.called
    line.wait(3600)
    assert line.waited(later) == RETRY_WAIT


def test_messages_that_fail_one_after_another_hold_no_longer_than_one(line: Timeline) -> None:
    for _ in range(6):
        line.deliver("always")
    later = line.deliver()
    line.wait(2 * RETRY_WAIT)
    assert line.waited(later) == pytest.approx(RETRY_WAIT, abs=1)


def test_each_route_says_how_long_its_retries_hold() -> None:
    line = Timeline(World(order={"all": OrderRules(10.0, 600.0), "urgent": OrderRules(10.0, 100.0)}))
    line.deliver("always", sender="a", route="copy all")
    line.deliver("always", sender="b", route="copy urgent")
    later = {sender: line.deliver(sender=sender) for sender in ("a", "b")}
    line.wait(1000)
    assert [line.waited(later[sender]) for sender in ("a", "b")] == [600, 100]


# -- a message that is handled for long


def slow(line: Timeline) -> str:
    """A message of which the handler doesn't return."""
    line.world.hung.add("slow")
    line.world.start()
    return line.deliver("slow")


@pytest.mark.parametrize("seconds", [7, 45, 400, 5000])
def test_the_next_follows_at_once_when_a_slow_message_is_done(line: Timeline, seconds: float) -> None:
    slow(line)
    later = line.deliver()
    line.wait(seconds)
    assert later not in line.called
    line.world.end_hang()  # the pool's thread wakes the schedule
    line.run()
    assert line.waited(later) == seconds


def test_a_call_over_its_time_limit_holds_the_next_as_a_retry_does(line: Timeline) -> None:
    slow(line)
    later = line.deliver()
    line.wait(300)
    line.world.overdue = True
    line.wait(RETRY_WAIT - 1)
    assert later not in line.called
    line.wait(EVERY)
    assert later in line.called


def test_one_that_somebody_takes_away_holds_nobody(line: Timeline) -> None:
    first = line.deliver("always")
    later = line.deliver()
    line.take_away(first)
    line.wait(3 * EVERY)
    assert line.waited(later) <= 2 * EVERY


def test_after_a_restart_too_the_next_follows_at_once(line: Timeline) -> None:
    first = slow(line)
    later = line.deliver()
    line.wait(2)
    line.world.hung.clear()
    line.world.start()
    line.run()
    assert line.order == [first, later]
    assert line.waited(later) == 2
