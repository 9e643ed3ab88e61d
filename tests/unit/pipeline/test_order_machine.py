"""The order of senders' mail under everything that comes and goes: it is kept, and nobody waits longer than the bound.

Simulated time, real pipeline and journal. Mail comes under real and forged names, without content, failing for a while
or for ever, slow; the process restarts, dies and loses its connection; people take mail away and pause the worker.
"""

import os
from collections import defaultdict
from itertools import count
from typing import Any

import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.fakes.world import Fault, Killed, World
from tests.unit.pipeline.machines import run
from tests.unit.pipeline.timeline import EVERY, Timeline
from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.mailbox.errors import ConnectionLost
from worker.message.outcome import State
from worker.pipeline.order import OrderRules

Queue = tuple[str, bool | None]
GRAIN = 1.0
"""Seconds that a run may come late."""


class Queues(RuleBasedStateMachine):
    """Two senders, each with confirmed, unconfirmed and unknown mail. `mine`: keys by queue, as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.line: Timeline
        self.bounds: OrderRules
        self.mine: dict[Queue, list[str]] = defaultdict(list)
        self.queue_of: dict[str, Queue] = {}
        self.serial = count(1)
        self.hidden: list[str] = []
        self.slow: set[str] = set()
        self.taken: set[str] = set()
        self.lost = 0.0
        """Seconds in which no run could do anything: pauses, lost connections."""
        self.checked: set[str] = set()

    @initialize(wait=st.sampled_from([0.0, 20.0, 60.0, 300.0]), retry=st.sampled_from([0.0, 100.0, 600.0, 1500.0]))
    def begin(self, wait: float, retry: float) -> None:
        self.bounds = OrderRules(wait, retry)
        self.line = Timeline(World(order={"all": self.bounds}))
        self.line.world.hung.add("slow")
        self.line.world.start()

    # -- what happens

    @rule(
        kind=st.sampled_from(["ok"] * 4 + ["twice", "retry", "always", "reject", "slow"]),
        sender=st.sampled_from(["a", "a", "a", "b"]),
        confirmed=st.sampled_from([None, None, True, False]),
        hidden=st.sampled_from([""] * 3 + ["scan", "bodiless"]),
        free=st.integers(0, 7),
    )
    def mail_comes(self, kind: str, sender: str, confirmed: bool | None, hidden: str, free: int) -> None:
        route = "unordered" if free == 0 else ""
        key = self.line.deliver(
            kind, hidden=hidden, sender=sender, confirmed=confirmed, route=route, serial=next(self.serial)
        )
        if hidden:
            self.hidden.append(key)
        if kind == "slow":
            self.slow.add(key)
        self.queue_of[key] = (sender, confirmed)
        if not route:
            self.mine[sender, confirmed].append(key)

    @precondition(lambda self: self.hidden)
    @rule(data=st.data())
    def content_comes(self, data: Any) -> None:
        key = data.draw(st.sampled_from(self.hidden))
        self.hidden.remove(key)
        if key not in self.line.done:
            self.line.show(key)

    @rule(seconds=st.sampled_from([1, 7, 19, 20, 45, 60, 61, 150, 400, 700, 1600]))
    def time_passes(self, seconds: int) -> None:
        self.line.wait(seconds)

    @rule()
    def slow_calls_return(self) -> None:
        self.line.world.hands.end_hang()
        self.line.run()

    @rule()
    def restart(self) -> None:
        """What was slow is in nobody's hand any more, and is handed over anew."""
        self.line.world.start()
        self.line.run()

    @rule(
        calls=st.integers(0, 40),
        after=st.booleans(),
        what=st.sampled_from([Killed, ConnectionLost, JournalUnavailable]),
    )
    def fault(self, calls: int, after: bool, what: type[BaseException]) -> None:
        self.line.world.faults.planned = Fault(calls, after, what)
        before = self.line.now
        self.line.wait(EVERY)
        self.line.world.faults.planned = None
        self.line.wait(10)  # until there is a new connection
        self.lost += self.line.now - before

    @precondition(lambda self: self._there())
    @rule(data=st.data())
    def person_takes_away(self, data: Any) -> None:
        key = data.draw(st.sampled_from(self._there()))
        self.line.take_away(key)
        self.taken.add(key)
        self.line.wait(3 * EVERY)
        self.hidden = [other for other in self.hidden if other != key]

    def _there(self) -> list[str]:
        """Keys of what nobody has taken away, and what isn't done."""
        return [key for key in self.queue_of if key not in self.line.done and key not in self.taken]

    @rule(seconds=st.sampled_from([30, 200, 900]))
    def person_pauses(self, seconds: int) -> None:
        facts = Facts(self.line.world.database)
        facts.pause("a person", self.line.now)
        self.line.wait(seconds)
        facts.resume()
        self.line.wait(10)
        self.lost += seconds + 10

    # -- what must hold

    @invariant()
    def order_is_kept(self) -> None:
        """One that was given to a handler before an earlier one was done had waited for as long as it may."""
        if not hasattr(self, "line"):
            return
        rows = {row.key: row for row in self.line.world.rows()}
        for later in self.line.order:
            if later in self.checked or later not in self.queue_of:
                continue
            self.checked.add(later)
            at = self.line.called[later]
            for earlier in self._before(later):
                if self.line.done.get(earlier, at + 1) < at or self._is_first(earlier, later):
                    continue
                row = rows[earlier]
                bound = self.bounds.retry_wait if row.waiting_since is None else self.bounds.wait
                assert row.state is State.PENDING, "the earlier one was done by then, and is called later"
                assert row.id not in self.line.world.hands, "two of one sender were in hand"
                assert self.line.waited(later) >= bound - GRAIN, f"it waited for {self.line.waited(later)} s"

    def _before(self, key: str) -> list[str]:
        queue = self.mine[self.queue_of[key]]
        return queue[: queue.index(key)] if key in queue else []

    def _is_first(self, earlier: str, later: str) -> bool:
        """Whether both were handled by one run, in order."""
        calls = self.line.order
        return self.line.done.get(earlier) == self.line.called[later] and (
            earlier not in calls or calls.index(earlier) < calls.index(later)
        )

    @invariant()
    def nobody_waits_longer_than_the_bound(self) -> None:
        if not hasattr(self, "line"):
            return
        now = self.line.now
        for queue, keys in self.mine.items():
            if self.slow.intersection(keys):
                continue  # what is slow may hold the others for as long as it takes
            for key in keys:
                if key in self.hidden or key in self.taken or (key in self.line.done and key not in self.line.called):
                    continue
                waited = self.line.called.get(key, now) - self.line.came[key]
                bound = self.bounds.wait + self.bounds.retry_wait + GRAIN + self.lost
                own = 3700.0  # until one without content is asked for again, or given up
                note(f"{queue} {key}: {waited}")
                assert waited <= bound + (own if key in self._ever_hidden else 0.0), f"{waited} s"

    @property
    def _ever_hidden(self) -> set[str]:
        return {key for key in self.queue_of if self.line.was_hidden(key)}

    def teardown(self) -> None:
        if not hasattr(self, "line"):
            return
        world = self.line.world
        for key in self.hidden:
            if key not in self.line.done:
                self.line.show(key)
        world.end_hang()
        world.drain()
        assert not world.repeated
        assert set(world.states()) <= {State.HANDLED, State.FAILED, State.GONE}
        world.database.close()


@pytest.mark.timeout(600)
def test_order_and_bounds() -> None:
    run(Queues, examples=12, steps=20)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_order_and_bounds_at_length() -> None:
    run(Queues, examples=10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else 300, steps=40)
