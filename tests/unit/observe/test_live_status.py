"""The state of the process that works: the journal's, and what only this process knows."""

from datetime import UTC, datetime

from tests.unit.observe.world import ADDRESS, World
from worker.handling.circuit import Circuit, CircuitRules
from worker.handling.handler import Handler
from worker.handling.late_handler import LateHandler
from worker.journal.records import NewMessage, Place, Result
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.observe.view import CircuitView
from worker.observe.work_view import RouteView


def test_what_only_the_process_knows_is_in_the_view(world: World) -> None:
    listener = world.listener()
    listener.started()
    view = world.status(listener).view()
    assert (view.account, view.replica, view.now.timestamp()) == (ADDRESS, "here", world.now)
    assert view.started_at == view.now
    assert (view.journal_ok, view.stuck, view.live) == (True, 0, True)
    listener.polled("journal", 0.1)
    listener.health.watch(lambda: False)
    view = world.status(listener).view()
    assert (view.journal_ok, view.live) == (False, False)


class Unheard:
    """Listens to a circuit, and does nothing with it."""

    def opened(self, pause: float) -> None:
        pass

    def closed(self) -> None:
        pass


def test_each_handlers_circuit_is_in_the_view(world: World) -> None:
    clock = lambda: world.now  # noqa: E731 -- short
    world.circuits = {name: Circuit(CircuitRules(1, (60.0,)), clock, Unheard()) for name in ("archive", "queue")}
    status = world.status(world.listener())
    since = status.view().now
    world.circuits["archive"].failed("a" * 26)
    world.circuits["archive"].no_witness()
    world.now += 30
    assert status.view().circuits == (
        CircuitView(handler="archive", open=True, since=since),
        CircuitView(handler="queue"),
    )


class Builds:
    """Builds a handler at once."""

    def build(self) -> Handler:
        return Handler("archive", lambda _message: None)


def test_a_handler_that_is_not_built_is_in_the_view(world: World) -> None:
    circuit = Circuit(CircuitRules(0, (60.0,)), lambda: world.now, Unheard())
    late = LateHandler("archive", Builds(), ConnectionRefusedError(), headers_only=False)
    world.circuits, world.late = {"archive": circuit}, {"archive": late}
    circuit.hold(60)
    status = world.status(world.listener())
    (shown,) = status.view().circuits
    assert (shown.open, shown.not_built) == (True, "ConnectionRefusedError")
    late.build()
    circuit.succeeded()
    assert status.view().circuits == (CircuitView(handler="archive"),)


class Rhythm:
    """Polls at one time."""

    def next_at(self) -> datetime:
        return datetime(2026, 11, 23, 14, 6, tzinfo=UTC)


def test_the_next_poll_is_the_schedules(world: World) -> None:
    assert world.status(world.listener()).view().next_poll_at is None
    assert world.status(world.listener(), Rhythm()).view().next_poll_at == Rhythm().next_at()


def test_what_routes_and_handlers_did_is_in_the_view(world: World) -> None:
    circuit = Circuit(CircuitRules(0, (60.0,)), lambda: world.now, Unheard())
    world.circuits = {"archive": circuit, "queue": circuit}
    listener = world.listener()
    listener.metrics.handled("archive", "done", 0.25)
    place = Place("INBOX", 1, 1)
    (record,) = world.journal.messages.add([NewMessage("k", place, 1, 0.0, Verdict(MailPath.CLEAN))], world.now)
    listener.outcome(record, Result(record.id, State.HANDLED, route="everything-else"))
    listener.outcome(record, Result(record.id, State.PENDING, route="everything-else", untried=True))
    view = world.status(listener).view()
    assert view.routes == (RouteView(route="everything-else", done=1),)
    archive, queue = view.handlers
    assert (archive.calls, archive.slowest, queue.calls) == (1, 0.25, 0)
