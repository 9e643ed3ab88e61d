"""What is missing although `poll.since` may only have hidden it."""

from datetime import UTC, datetime

from tests.fakes.checks import assert_balanced
from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, Server, mail
from tests.fakes.world import World
from worker.message.outcome import State

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
RESULTS = "Results"


def test_of_what_is_missing_only_what_its_folder_does_not_hold_is_taken_away() -> None:
    """Two messages in each folder, in turn: one is taken away, the other shows an earlier date and another UID."""
    world = World(Server(folders=[RESULTS]))
    world.watched_folders = (INBOX, RESULTS)
    world.since = SINCE
    world.start()
    later = SINCE.timestamp() + 86_400
    pairs = [
        [world.server.deliver(mail("retry"), folder, received_at=later) for folder in (INBOX, JUNK, RESULTS)]
        for _ in range(2)
    ]
    world.tick()
    assert [row.place.folder for row in world.rows()].count(INBOX) == 2
    taken, left = pairs
    for one in taken:
        world.server.move(one, ELSEWHERE)
    for one in left:
        place = world.server.find(one)
        assert place is not None
        folder = world.server.folders[place[0]]
        folder.put(folder.take(place[1]))
        one.received_at = SINCE.timestamp() - 86_400
    for _ in range(4):
        world.tick(30)
    assert world.states()[State.GONE] == 3
    world.drain()
    assert world.states() == {State.GONE: 3, State.HANDLED: 2, State.JUNK: 1}
    assert_balanced(world, gone=3)
