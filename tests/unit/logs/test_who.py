"""Who acts, by name, and where the user has none."""

import getpass
import os

import pytest

from worker.logs.who import actor, person


def test_the_user_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "NHS\\j.smith")
    assert person() == "NHS_j.smith"
    assert actor().startswith("NHS\\j.smith@")


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert person() == f"uid-{os.getuid()}"
    assert actor().startswith(f"{os.getuid()}@")
