"""How much is handed over at a time, and suspects one at a time."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.checks import Logged, assert_balanced, fields
from tests.fakes.mailbox import FAILED, INBOX, JUNK, mail
from tests.fakes.world import DEATHS, SlowHands, World
from worker.journal.records import Place
from worker.message.content_mark import ContentMarks
from worker.message.outcome import Outcome, State
from worker.pipeline.dispatch import SLOW_WAIT, Bounds, Dispatch
from worker.pipeline.fetched import Missing

DAY = 86_400.0
NOW = 50.0


class Stages:
    """What dispatch works with: every message is due, it is every message's turn, and each batch is noted."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._records = [SimpleNamespace(id=n, size=size, place=Place(INBOX, 1, n)) for n, size in enumerate(sizes)]
        self.batches: list[list[int]] = []
        self.back: list[int] = []
        self.until: dict[int, float] = {}

    def put_back(self, rows: list[int]) -> None:
        self.back += rows

    def postpone(self, until: dict[int, float]) -> None:
        self.until |= until

    def due(self, _now: float, *, longest: float, besides: Sequence[int]) -> list[SimpleNamespace]:
        return [record for record in self._records if record.id not in besides]

    def of(self, records: Any, _hands: Any) -> tuple[Any, bool]:
        return records, False

    def not_alone(self, rows: Sequence[int]) -> None:
        assert not rows

    def go_on(self) -> None:
        pass

    def ask(self, _session: Any, _batch: Any) -> None:
        pass

    def discard(self, _session: Any) -> None:
        pass

    def __call__(self, _session: Any, batch: Any, _tops: Any, *, alone: bool, ahead: Any) -> Missing:
        assert not alone
        self.batches.append([record.size for record in batch])
        return Missing()


def work_through(stages: Any, pool: Any) -> None:
    bounds = Bounds(batch_bytes=10, batch_count=3, patience=1.0)
    dispatch = Dispatch(
        tries=stages, turns=stages, fetch=stages, pool=pool, bounds=bounds, permission=stages, clock=lambda: NOW
    )
    for _ in dispatch.work(stages, {}):
        pass


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([], []),
        ([3, 3, 3, 1], [[3, 3, 3], [1]]),
        ([5, 5, 1, 9, 2], [[5, 5], [1, 9], [2]]),
        ([11, 1, 30, 30, 9, 1, 1], [[11], [1], [30], [30], [9, 1], [1]]),
    ],
)
def test_batches_have_so_many_messages_and_bytes_at_most_and_one_message_at_least(
    sizes: list[int], batches: list[list[int]]
) -> None:
    stages: Any = Stages(sizes)
    nobody: Any = SlowHands(lambda _message, _done: Outcome(State.HANDLED), ContentMarks(b""))
    work_through(stages, nobody)
    assert stages.batches == batches


class Full:
    """A pool that is full of mail on which a handler hangs; it hasn't begun some of it."""

    def __init__(self, waiting: Sequence[int]) -> None:
        self._waiting = list(waiting)
        self._begun = [100, 101]

    def __len__(self) -> int:
        return len(self.rows())

    def __contains__(self, row: int) -> bool:
        return row in self.rows()

    def rows(self) -> list[int]:
        return [*self._begun, *self._waiting]

    def keys(self) -> list[str]:
        return [f"key-{row}" for row in self.rows()]

    @property
    def size(self) -> int:
        return 10 * len(self._waiting)

    def is_slow(self, _record: Any) -> bool:
        return False

    def drop_slow(self) -> list[int]:
        dropped, self._waiting = self._waiting, []
        return dropped


def test_mail_on_which_a_handler_hangs_makes_room_for_other_mail() -> None:
    """What hasn't been begun is put off, and spends no try."""
    stages: Any = Stages([5])
    full: Any = Full([7, 8])
    work_through(stages, full)
    assert stages.batches == [[5]]
    assert stages.back == [7, 8]
    assert stages.until == {7: NOW + SLOW_WAIT, 8: NOW + SLOW_WAIT}


@pytest.mark.parametrize("hang", [False, True])
def test_no_more_bytes_are_in_hand_than_two_batches_have(world: World, hang: bool) -> None:
    world.bounds = Bounds(batch_bytes=10_000, batch_count=5, patience=1.0)
    world.hold = True
    if hang:
        world.hung.add("slow")
    world.start()
    for _ in range(12):
        world.server.deliver(mail("slow", body=b"x" * 3_500))
    world.tick()
    assert 10_000 < world.hands.most_bytes <= 20_000
    assert world.states() == ({State.PENDING: 12} if hang else {State.HANDLED: 12})


def test_what_is_due_in_two_folders_is_fetched_from_each(world: World) -> None:
    mails = [world.server.deliver(mail(), folder, bodiless=True) for folder in (INBOX, JUNK)]
    world.tick()
    for one in mails:
        one.bodiless = False
    world.tick(700)
    assert world.states() == {State.HANDLED: 1, State.JUNK: 1}
    assert [row.missed for row in world.rows()] == [0, 0]


def test_a_neighbour_of_poison_is_not_dead_lettered(world: World) -> None:
    neighbours = [world.server.deliver(mail()) for _ in range(4)]
    poison = [world.server.deliver(mail("poison")) for _ in range(2)]
    neighbours += [world.server.deliver(mail()) for _ in range(4)]
    world.drain()
    assert world.states() == {State.HANDLED: 8, State.FAILED: 2}
    assert all(world.server.folder_of(mail_) == FAILED for mail_ in poison)
    assert world.deaths <= 2 * DEATHS + 2
    assert_balanced(world, handled=8, failed=2)


def test_suspects_are_told_of(world: World, logged: Logged) -> None:
    world.server.deliver(mail("poison"))
    world.server.deliver(mail())
    for _ in range(3):
        world.tick()
    keys = ", ".join(row.key for row in world.rows())
    assert fields(logged, "message.suspects") == [{"count": 2, "alone": alone, "keys": keys} for alone in (0, 1)]


def test_a_clock_that_was_ahead_for_a_while_keeps_nothing_waiting(world: World) -> None:
    world.server.deliver(mail("twice"))
    world.clock.now += 3650 * DAY
    world.tick()
    world.clock.now -= 3650 * DAY
    for _ in range(20):
        world.tick(4000)
    assert world.states() == {State.HANDLED: 1}


def test_deaths_that_come_from_outside_are_shared_out_among_what_was_in_hand(world: World) -> None:
    """Else the same innocent is alone in hand each time, and is given up for it."""
    kills = iter(range(2 * DEATHS))
    world.poison = lambda _message: next(kills, None) is not None
    for _ in range(4):
        world.server.deliver(mail())
    world.drain()
    assert world.deaths == 2 * DEATHS
    assert world.states() == {State.HANDLED: 4}
