"""Who acts, by name, and where the user has none."""

import os
import pwd
from types import SimpleNamespace

import pytest

from worker.logs.who import actor, person


def test_the_user_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_name="NHS\\j.smith"))
    assert person() == "NHS_j.smith"
    assert actor().startswith("NHS\\j.smith@")


@pytest.mark.parametrize("variable", ["LOGNAME", "USER", "LNAME", "USERNAME"])
def test_nobody_names_himself(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The trail says who vouched that the account is unlocked: a variable must not put that on somebody else."""
    monkeypatch.setenv(variable, "local.administrator")
    assert person() == pwd.getpwuid(os.getuid()).pw_name
    assert "local.administrator" not in actor()


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> object:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert person() == f"uid-{os.getuid()}"
    assert actor().startswith(f"{os.getuid()}@")
