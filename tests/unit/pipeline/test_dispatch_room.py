"""Mail on which handlers hang, and large mail, leave room for the rest. With threads, in proportion to the defaults."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest

from tests.fakes.mailbox import mail
from tests.fakes.world import World
from tests.rig.worker import eventually
from worker.handling.content_check import ContentCheck
from worker.handling.pool import Pool
from worker.message.message import Message
from worker.message.outcome import Outcome, State
from worker.pipeline.dispatch import Bounds

MEGABYTE = 1_250
"""What stands for one: batches have 20,000 bytes here, and 16 MB by default."""


class Real(World):
    """The world with threads. Calls with mail of the kind "hang" last until the end of the test."""

    go: threading.Event
    threads: list[int]
    hands: Any

    def hands_of(self, attempt: Callable[[Message, Collection[str]], Outcome]) -> Any:
        self.go, self.threads = threading.Event(), []

        def call(message: Message, done: Collection[str]) -> Outcome:
            if b"X-Kind: hang" in message.raw[:600]:
                self.threads.append(threading.get_ident())
                self.go.wait(60)
            return attempt(message, done)

        return Pool(call, 4, contents=ContentCheck(self.marks), memory=self)

    def resident(self) -> int:
        """What the tests take isn't the worker's."""
        return 0

    def hangs(self, sender: str, megabytes: int = 0) -> None:
        """Mail comes on which the handler hangs, for longer than its time limit."""
        count = len(self.threads)
        self.server.deliver(mail("hang", sender=sender, body=b"x" * megabytes * MEGABYTE))
        self.tick(60)
        eventually(lambda: len(self.threads) > count)
        self.hands.slow(self.threads[-1])
        self.hands.overdue(self.threads[-1])


@pytest.fixture
def world() -> Iterator[Real]:
    world = Real()
    world.bounds = Bounds(batch_bytes=20_000, batch_count=100, patience=0.2)
    world.start()
    yield world
    world.go.set()
    world.hands.close()


def five_are_handled(world: Real, besides: int = 0) -> None:
    for number in range(5):
        world.server.deliver(mail(sender=f"laboratory {number}"))
    until = time.monotonic() + 20
    while world.states()[State.HANDLED] < 5 + besides and time.monotonic() < until:
        world.tick(60)
    assert world.states()[State.HANDLED] == 5 + besides


def test_a_call_that_hangs_and_a_large_mail(world: Real) -> None:
    world.hangs("hostile")
    world.server.deliver(mail(sender="ward", body=b"x" * 36 * MEGABYTE))
    five_are_handled(world, besides=1)


def test_seven_senders_whose_mail_hangs(world: Real) -> None:
    for number in range(7):
        world.hangs(f"hostile {number}", megabytes=0 if number < 4 else 12)
    five_are_handled(world)


def test_a_large_mail_that_hangs(world: Real) -> None:
    for number in range(3):
        world.hangs(f"hostile {number}", megabytes=36)
    five_are_handled(world)
