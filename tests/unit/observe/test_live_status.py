"""The state of the process that works: the journal's, and what only this process knows."""

from tests.unit.observe.world import ADDRESS, World
from worker.handling.circuit import Circuit, CircuitRules
from worker.handling.handler import Handler
from worker.handling.late_handler import LateHandler
from worker.observe.view import CircuitView


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
