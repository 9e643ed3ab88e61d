"""The doctor's one attempt, where the guard allows none."""

from types import SimpleNamespace
from typing import Any

from tests.unit.login.world import ACCOUNT, World
from worker.commands.doctor.login_steps import LoginSteps
from worker.commands.exits import ExitCode

HOST = "outlook.office365.com"


class Untouched:
    """A session that nothing may be asked of."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def test_it_sends_no_password_to_exchange_online_either_and_names_who_can_change_that() -> None:
    world = World(host=HOST, exchange_online=True)
    given: Any = SimpleNamespace(
        settings=SimpleNamespace(
            account=SimpleNamespace(auth="password", address=ACCOUNT, host=HOST),
            help=SimpleNamespace(local_administrator="the LA on 1234", helpdesk="5678"),
        ),
        parts=SimpleNamespace(open_journal=lambda: None, guard=lambda: world.processes[0][1]),
    )
    untouched: Any = Untouched()
    steps = LoginSteps(given, untouched)
    assert steps.log_in() is None
    (step,) = steps.found
    assert (step.name, step.code, world.server.sent, world.store.records) == ("guard", ExitCode.HALTED, 0, [])
    assert "No password was sent" in step.found
    assert step.who == "you, in the configuration; the LA on 1234 has the application registered"
