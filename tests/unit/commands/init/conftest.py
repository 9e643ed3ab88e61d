"""Commands in this process, whose log is left as it is."""

from pathlib import Path

import pytest

import worker.commands.context
from tests.unit.commands.init.answering import Place


@pytest.fixture(autouse=True)
def log_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.commands.context, "configure_logging", lambda **_options: None)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
