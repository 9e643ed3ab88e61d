"""What the spine reports of outcomes that were written down between polls."""

from tests.fakes.mailbox import mail
from tests.fakes.world import World
from worker.message.outcome import Outcome, State


def hand_over_two_that_hang(world: World) -> None:
    world.hung.add("slow")
    world.start()
    for _ in range(2):
        world.server.deliver(mail("slow"))
        world.tick()
    world.pipeline.take_report()


def test_what_is_written_down_in_a_pause_is_counted_until_it_is_asked_for(world: World) -> None:
    hand_over_two_that_hang(world)
    world.hands.one_at_a_time = True
    for _ in range(2):
        world.end_hang()
        world.pipeline.record_finished()
    assert world.pipeline.take_report().outcomes == {State.HANDLED: 2}
    assert world.pipeline.take_report().outcomes == {}


def test_a_stop_counts_what_came_back_before_and_waits_for_nobody_after_its_grace(world: World) -> None:
    hand_over_two_that_hang(world)
    world.hands.finish(world.rows()[0], Outcome(State.HANDLED))
    world.pipeline.record_finished()
    waits: list[float] = []
    world.hands.asked = waits.append
    world.pipeline.stop(0.0, world.clock.monotonic, None)
    assert waits == [0]
    assert len(world.hands) == 1
    assert world.pipeline.take_report().outcomes == {State.HANDLED: 1}
