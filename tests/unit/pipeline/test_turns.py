"""Whose turn it is: mail of a handler that is paused waits, and so does what its sender's earlier mail holds back."""

from tests.fakes.mailbox import mail
from tests.fakes.world import TRIES, World
from worker.message.outcome import State


def deliver(world: World, count: int, *, sender: str = "", kind: str = "ok", route: str = "") -> list[bytes]:
    raws = [mail(kind, sender=sender, route=route) for _ in range(count)]
    for raw in raws:
        world.server.deliver(raw)
    return raws


def archived(world: World) -> list[bytes]:
    """The messages that the first handler was given, in order."""
    return [call.raw for call in world.calls if call.handler == "archive"]


# -- a handler that is paused


def test_while_a_handler_is_paused_its_mail_waits_and_spends_no_try() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 8)
    world.tick()
    assert len(archived(world)) == 3
    rows = world.rows()
    assert [row.tries for row in rows] == [1, 1, 1, 0, 0, 0, 0, 0]
    held = [row for row in rows if not row.tries]
    assert {row.reason for row in held} == {"paused:archive"}
    assert all(row.next_at == world.clock.now + 30 for row in held)
    assert all(row.in_hand is None and row.state is State.PENDING for row in rows)


def test_after_a_pause_one_message_is_tried_and_the_rest_not_even_fetched() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 8)
    world.tick()
    world.faults.record = True
    for _ in range(40):  # as many as a message has tries, and more
        world.clock.now = next_due(world)
        world.faults.calls.clear()
        before = len(archived(world))
        world.tick(0)
        assert len(archived(world)) - before <= 1 + 3  # the trial; and those that failed before, whose waits are over
        assert world.faults.calls.count("bodies") <= 2
    assert world.states()[State.PENDING] == 8 - world.states()[State.FAILED]


def next_due(world: World) -> float:
    due = world.tries.next_due_at()
    assert due is not None
    return max(due, world.clock.now + 0.001)


def test_when_the_target_is_back_all_goes_on_at_once() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 20)
    world.tick()
    world.down = False
    world.tick(30)
    world.tick(0)
    assert world.states() == {State.HANDLED: 17, State.PENDING: 3}  # these failed, and wait for their own next try
    world.drain()
    assert world.states() == {State.HANDLED: 20}


def test_a_long_outage_makes_no_dead_letters_of_mail_that_waits() -> None:
    world = World(pause_after=2)
    world.down = True
    deliver(world, 30)
    for _ in range(20):
        world.tick(130)
    assert world.states()[State.FAILED] <= 20 // TRIES + 2
    world.down = False
    world.drain()
    assert world.states()[State.HANDLED] >= 25


def test_one_bad_message_pauses_nobody() -> None:
    world = World(pause_after=3)
    deliver(world, 1, kind="always")
    for _ in range(TRIES):
        world.tick(700)
    deliver(world, 3)
    world.tick()
    assert world.states() == {State.HANDLED: 3, State.FAILED: 1}


def test_a_new_process_tries_what_waited_at_once() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 8)
    world.tick()
    world.down = False
    world.start()
    world.tick(0)
    assert world.states() == {State.HANDLED: 5, State.PENDING: 3}


def test_mail_for_other_handlers_goes_on_while_one_is_paused() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 5)
    for _ in range(4):
        world.server.deliver(mail(junk=True))
    world.tick()
    assert world.states() == {State.PENDING: 5, State.JUNK: 4}


def test_handlers_that_are_done_are_not_called_again_after_a_pause() -> None:
    world = World(pause_after=2)
    deliver(world, 4, kind="twice")  # the second handler fails, twice for each
    for _ in range(12):
        world.tick(130)
    world.drain()
    assert len(archived(world)) == len(set(archived(world))) == 4
    assert world.states() == {State.HANDLED: 4}


def test_a_paused_handler_never_makes_the_polls_spin() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 8)
    world.tick()
    for _ in range(30):
        world.tick(0)
        assert next_due(world) > world.clock.now


# -- the order of a sender's mail


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
    assert next_due(world) >= world.clock.now or len(world.hands) == 1
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
