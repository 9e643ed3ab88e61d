"""Handlers whose target isn't there yet: their mail waits, spends no try, and goes on once they are built."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.mailbox import JUNK, mail
from tests.fakes.world import World
from worker.handling.handler import Handler
from worker.handling.late_builds import LateBuilds
from worker.handling.late_handler import LateHandler
from worker.message.outcome import Retry, State

WAITS = (30.0, 60.0, 300.0)
LIMIT = 60.0


class Target:
    """What the handler `archive` talks to."""

    def __init__(self) -> None:
        self.error: Exception | None = ConnectionRefusedError()
        self.asked = 0

    def build(self) -> Handler:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Handler("archive", lambda _message: None)


class Late:
    """A world in which the archive couldn't be built when the process began."""

    def __init__(self) -> None:
        self.world = World(pause_after=3)
        self.target = Target()
        self.woken = 0
        self.start()

    def start(self) -> None:
        """A new process."""
        late = LateHandler("archive", self.target, self.target.error or RuntimeError(), headers_only=False)
        built = self.target.error is None
        self.world.late = {} if built else {"archive": late}
        self.world.start()
        circuits = {name: gate.circuit for name, gate in self.world.gates.items()}
        waiter: Any = self
        self.builds = LateBuilds(
            {} if built else {"archive": late},
            circuits,
            {"archive": WAITS},
            limit=LIMIT,
            monotonic=self.world.clock.monotonic,
            waiter=waiter,
        )
        self.builds.hold()

    def wake(self) -> None:
        self.woken += 1

    def archived(self) -> int:
        return sum(call.handler == "archive" for call in self.world.calls)

    def tick(self, seconds: float = 60.0) -> None:
        self.world.clock.now += seconds
        self.builds.build_due()
        self.world.tick(0)


def test_its_mail_waits_without_tries_and_other_mail_goes_on() -> None:
    late = Late()
    for _ in range(5):
        late.world.server.deliver(mail())
        late.world.server.deliver(mail(), JUNK)
    for _ in range(30):
        late.tick()
    assert late.world.states() == {State.PENDING: 5, State.JUNK: 5}
    assert {row.tries for row in late.world.rows() if row.state is State.PENDING} == {0}
    assert late.archived() == 0
    late.target.error = None
    late.tick(300)
    late.tick()
    assert late.world.states() == {State.HANDLED: 5, State.JUNK: 5}
    assert late.woken == 1
    assert late.world.gates["archive"].circuit.open_for is None


def test_it_is_tried_again_with_growing_waits_or_when_it_asked_for() -> None:
    late = Late()
    clock = late.world.clock
    times: list[float] = []
    for _ in range(1200):
        before = late.target.asked
        clock.now += 1
        wait = late.builds.build_due()
        assert wait is not None
        if late.target.asked > before:
            times.append(clock.now)
        if len(times) == 4:
            break
    first = times[0]
    assert [at - first for at in times] == [0, 60, 360, 660]
    late.target.error = Retry("in a while", after=timedelta(seconds=500))
    clock.now += 300
    assert late.builds.build_due() == 500


def test_a_message_that_asks_while_it_is_being_built_spends_no_try() -> None:
    late = Late()
    late.world.server.deliver(mail())
    late.world.tick()
    late.world.clock.now += (
        WAITS[0] + LIMIT + 1
    )  # nobody has come round to building it: the circuit would try a message
    late.world.tick()
    late.world.tick(30)
    assert late.archived() == 0
    assert {row.tries for row in late.world.rows()} == {0}


def test_another_error_than_at_the_start_ends_no_process() -> None:
    late = Late()
    late.target.error = PermissionError("the password was changed")
    late.tick(60)
    assert late.world.gates["archive"].circuit.open_for is not None
    late.target.error = None
    late.tick(300)
    assert late.builds.build_due() is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["mail", "junk", "up", "down", "restart", "tick", "tick", "tick"]), st.integers(1, 400)
        ),
        max_size=50,
    )
)
@settings(max_examples=40, deadline=None)
def test_no_message_is_lost_or_tried_in_vain(steps: list[tuple[str, int]]) -> None:
    """Whenever the target comes, and however often the process restarts meanwhile."""
    late = Late()
    for step, seconds in steps:
        if step in ("mail", "junk"):
            late.world.server.deliver(mail(), JUNK if step == "junk" else "INBOX")
        elif step == "up":
            late.target.error = None
        elif step == "down" and late.world.late and not late.world.late["archive"].is_built:
            late.target.error = ConnectionRefusedError()
        elif step == "restart":
            late.start()
        else:
            late.tick(seconds)
            if late.world.late and not late.world.late["archive"].is_built:
                assert {row.tries for row in late.world.rows() if row.state is State.PENDING} <= {0}
    waiting = late.world.server.all_mail("INBOX")
    late.target.error = None
    for _ in range(4):
        late.tick(400)
    assert not late.world.states()[State.PENDING]
    assert not late.world.states()[State.FAILED]
    assert late.archived() >= len(waiting)
    assert {row.tries for row in late.world.rows()} <= {0, 1}
