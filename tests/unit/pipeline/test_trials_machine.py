"""Hostile and good mail of several senders in any order, while the target comes and goes: what holds of the circuit."""

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from tests.fakes.mailbox import mail
from tests.fakes.world import TRIES, Fault, Killed, World, kind
from tests.unit.pipeline.hostile import DEFAULT_PAUSES, OF_THE_MESSAGE, OF_THE_TARGET, POLL
from tests.unit.pipeline.machines import run
from worker.handling.circuit import WITNESSES
from worker.mailbox.errors import ConnectionLost
from worker.message.outcome import State
from worker.pipeline.dispatch import Bounds

AFTER = 3
SENDERS = st.sampled_from(["a", "b", "c", ""])
OWN, TARGET = sorted(OF_THE_MESSAGE), sorted(OF_THE_TARGET)


class Handler(RuleBasedStateMachine):
    """The handler `archive`: what it is given, and what becomes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.since: dict[bytes, float] = {}
        """When each good message came."""
        self.blamed: set[bytes] = set()
        """Messages at which the target was down or seemed so, since the handler last returned."""
        self.checked = 0
        self.innocent = True
        """Whether no message has made the target fail, and nothing else happened but mail and time."""
        self.called_while_down: Counter[bytes] = Counter()
        self.tries_in_outages: Counter[bytes] = Counter()
        """Those of them that weren't trials, because the handler wasn't paused yet."""

    @initialize(ordered=st.booleans(), many=st.booleans())
    def begin(self, ordered: bool, many: bool) -> None:
        self.world = World(pause_after=AFTER, pauses=DEFAULT_PAUSES, ordered=ordered)
        self.world.hostile = OF_THE_MESSAGE | OF_THE_TARGET
        self.world.bounds = Bounds(batch_bytes=1_000_000, batch_count=100 if many else 3, patience=1.0)
        self.world.begun = self._begun
        self.world.start()

    def _begun(self, message: Any) -> None:
        self.world.clock.now += 0.001

    # -- what happens

    @rule(
        sort=st.sampled_from(["own", "own", "target"]),
        nth=st.integers(0, 5),
        count=st.integers(1, 6),
        sender=SENDERS,
    )
    def hostile_mail_comes(self, sort: str, nth: int, count: int, sender: str) -> None:
        kinds = OWN if sort == "own" else TARGET
        self.innocent = self.innocent and sort == "own"
        for _ in range(count):
            self.world.server.deliver(mail(kinds[nth % len(kinds)], sender=sender))

    @rule(count=st.integers(1, 4), sender=SENDERS)
    def good_mail_comes(self, count: int, sender: str) -> None:
        for _ in range(count):
            raw = mail(sender=sender)
            self.world.server.deliver(raw)
            self.since[raw] = self.world.clock.now

    @rule(down=st.booleans())
    def the_target_comes_and_goes(self, down: bool) -> None:
        self.world.down = down
        self.innocent = self.innocent and not down

    @rule(hang=st.booleans())
    def some_calls_hang(self, hang: bool) -> None:
        """Those at bad messages; they come to their end when the hang ends."""
        if hang:
            self.world.hung.update(["late", "dead"])
        else:
            self.world.end_hang()
        self.innocent = False

    @rule(calls=st.integers(0, 40), after=st.booleans(), what=st.sampled_from([Killed, ConnectionLost]))
    def something_breaks(self, calls: int, after: bool, what: type[BaseException]) -> None:
        self.world.faults.planned = Fault(calls, after, what)
        self._tick(POLL)
        self.world.faults.planned = None
        self.innocent = False

    @rule()
    def the_worker_is_restarted(self) -> None:
        self.world.start()
        self.blamed.clear()

    @rule(seconds=st.sampled_from([1.0, 10.0, POLL, POLL, POLL, 1000.0]), times=st.integers(1, 3))
    def time_passes(self, seconds: float, times: int) -> None:
        for _ in range(times):
            self._tick(seconds)

    # -- what must hold

    def _tick(self, seconds: float) -> None:
        circuit = self.world.gates["archive"].circuit
        was_open, deaths, before = circuit.open_for is not None, self.world.deaths, len(self.world.calls)
        self.world.tick(seconds)
        calls = [call for call in self.world.calls[before:] if call.handler == "archive"]
        if self.world.down and (not was_open or deaths != self.world.deaths):
            self.tries_in_outages.update(call.raw for call in calls)
        if self.world.down and was_open and deaths == self.world.deaths:
            assert len(calls) <= 1, "in an outage more than one message was tried after a pause"
        if self.world.down and deaths == self.world.deaths:
            fresh = [call for call in calls if not was_open]
            assert len(fresh) <= AFTER + WITNESSES + 1
        if deaths != self.world.deaths:
            self.blamed.clear()

    @invariant()
    def only_the_target_takes_the_handler_away(self) -> None:
        """Fewer different messages than it takes have failed by the target: no mail is held back."""
        if not hasattr(self, "world"):
            return
        for call in self.world.calls[self.checked :]:
            if call.handler == "archive":
                self._note(call.raw)
        self.checked = len(self.world.calls)
        if len(self.blamed) < AFTER:
            assert self.world.gates["archive"].circuit.wait is None

    def _note(self, raw: bytes) -> None:
        if self.world.down:
            self.called_while_down[raw] += 1
        if self.world.down or kind(raw) in OF_THE_TARGET:
            self.blamed.add(raw)

    @invariant()
    def good_mail_is_handled_within_two_polls(self) -> None:
        """Whatever bad mail there is. In order, a bad message holds its sender's later mail, as the route says."""
        if not hasattr(self, "world") or not self.innocent or self.world.order:
            return
        done = {call.raw for call in self.world.finished if call.handler == "notify"}
        for raw, since in self.since.items():
            assert raw in done or self.world.clock.now <= since + 2 * POLL, "good mail waits for bad mail"

    @invariant()
    def no_poll_follows_at_once(self) -> None:
        if hasattr(self, "world") and self.world.gates["archive"].circuit.wait is not None:
            waiting = [row for row in self.world.rows() if row.state is State.PENDING and row.paused_handler]
            assert all(row.next_at is not None for row in waiting)

    def teardown(self) -> None:
        """The target is well, and nothing breaks any more: good mail is handled, each message at its first call."""
        if not hasattr(self, "world"):
            return
        self.world.down = False
        self.world.hostile = dict(OF_THE_MESSAGE)
        self.world.end_hang()
        self.world.drain()
        called = Counter(call.raw for call in self.world.calls if call.handler == "archive")
        fates = {call.raw: self.world.recorded.get(call.key) for call in self.world.calls}
        for raw in self.since:
            lost = self.tries_in_outages[raw] >= TRIES  # it has spent them before the handler was paused
            assert fates.get(raw) is State.HANDLED or lost, "good mail wasn't handled"
            assert called[raw] - self.called_while_down[raw] <= 1 + self.world.runs
        assert self.world.journal.counts().by_state[State.PENDING] == 0


PHASES = (Phase.reuse, Phase.generate, Phase.shrink)  # explaining takes longer than all else


def test_nobodys_mail_takes_a_handler_away() -> None:
    run(Handler, examples=25, steps=15, phases=PHASES)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_nobodys_mail_takes_a_handler_away_at_length() -> None:
    run(Handler, examples=20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else 80, steps=25, phases=PHASES)
