"""Advice names commands as they are typed in this installation."""

import pytest

from tests.unit.login.world import World
from worker.login.backoff import Lockout
from worker.logs.typed import VARIABLE
from worker.mailbox.errors import LoginFailed


@pytest.mark.parametrize(
    ("program", "typed"),
    [("", "`nhsmail-worker login reset --reason …`"), ("nhsmail-worker demo", "`nhsmail-worker demo login reset")],
)
def test_commands_are_named_as_they_are_typed_here(program: str, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, program)
    world = World(Lockout(jitter=0.0))
    with pytest.raises(LoginFailed):
        world.login(0, "rejected")
    assert typed in world.processes[0][1].advice()
