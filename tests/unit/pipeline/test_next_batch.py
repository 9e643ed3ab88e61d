"""What follows a batch is asked for once, as soon as there is room for it besides what is in hand and on its way."""

from types import SimpleNamespace
from typing import Any

import pytest

from worker.pipeline.next_batch import NextBatch, Room


class Asks:
    """Notes what is asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def ask(self, _session: object, batch: Any) -> None:
        self.asked.append([record.id for record in batch])


def records(*sizes: int) -> list[Any]:
    return [SimpleNamespace(id=number, size=size) for number, size in enumerate(sizes, 1)]


@pytest.mark.parametrize(
    ("in_hand", "unread", "following", "room"),
    [(0, (), (20,), True), (1, (), (20,), False), (5, (5,), (5, 5), True), (5, (6,), (5, 5), False)],
)
def test_in_hand_and_on_its_way_take_no_more_than_twice_the_bytes_of_a_batch(
    in_hand: int, unread: tuple[int, ...], following: tuple[int, ...], room: bool
) -> None:
    asks = Asks()
    pool: Any = SimpleNamespace(size=in_hand)
    session: Any = object()
    batch = NextBatch(asks, session, records(*following), Room(pool, 10))
    batch.ask_if_room(records(*unread))
    assert bool(asks.asked) is room


def test_it_is_asked_for_once_room_comes_and_then_no_more() -> None:
    asks = Asks()
    pool: Any = SimpleNamespace(size=0)
    session: Any = object()
    batch = NextBatch(asks, session, records(8, 8), Room(pool, 10))
    for unread in [(3, 3), (3,), ()]:
        batch.ask_if_room(records(*unread))
    assert asks.asked == [[1, 2]]


def test_where_nothing_follows_nothing_is_asked_for() -> None:
    asks = Asks()
    pool: Any = SimpleNamespace(size=0)
    session: Any = object()
    NextBatch(asks, session, (), Room(pool, 10)).ask_if_room(())
    assert asks.asked == []
