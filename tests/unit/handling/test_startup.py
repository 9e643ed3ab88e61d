"""Handlers' code that fails while the worker starts."""

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.handling.handler_modules import RAISES, faults
from worker.handling.loading import load_handler
from worker.settings import SettingsError

ODD = """
import asyncio
class Own(BaseException): ...
class Silent(Exception):
    def __str__(self): raise Own
def fail(): raise {error}
class Built:
    def __init__(self): fail()
    def __call__(self, message): ...
class Closed:
    def __call__(self, message): ...
    def close(self): fail()
class Judging:
    from pydantic import BaseModel, model_validator
    class Settings(BaseModel):
        from pydantic import model_validator
        @model_validator(mode="after")
        def judge(self): fail()
    def __init__(self, settings): ...
    def __call__(self, message): ...
{at_import}
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Writes a module whose parts raise this error, and which runs the given code when imported."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(error: str, at_import: str) -> None:
        (tmp_path / "odd_handlers.py").write_text(ODD.format(error=error, at_import=at_import))
        importlib.invalidate_caches()

    yield write
    sys.modules.pop("odd_handlers", None)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("Silent", "Silent."),
        ("asyncio.CancelledError('no')", "CancelledError: no."),
        ("Own('mine')", "Own: mine."),
        ("KeyboardInterrupt", "KeyboardInterrupt."),
        ("GeneratorExit", "GeneratorExit."),
    ],
)
def test_whatever_a_handler_raises_at_the_start_is_told_by_its_name(
    tmp_path: Path, calls: list[Any], odd: Callable[[str, str], None], error: str, said: str
) -> None:
    odd(error, "fail()")
    (fault,) = faults(tmp_path, '["odd_handlers:Built"]')
    assert f"[handler.odd_handlers:Built]: odd_handlers:Built can't be imported: {said}" in fault
    odd(error, "")
    started = f"[handler.odd_handlers:Built]: can't be started: {said} odd_handlers:6 raised it. Put right"
    (fault,) = faults(tmp_path, '["odd_handlers:Closed", "odd_handlers:Built"]')
    assert fault.startswith(started)
    with pytest.raises(SettingsError) as caught:
        load_handler("odd_handlers:Built", {})
    assert caught.value.faults == [fault]
    assert faults(tmp_path, '["odd_handlers:Judging"]') == [
        f"[handler.odd_handlers:Judging]: its settings can't be checked: {said} odd_handlers:6 raised it."
    ]


def test_a_secret_is_never_quoted(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.bad]\nuse = "some_handlers:Configured"\nurl = "here"\nlimit = 13\n'
    environ = {"NHSMAIL_HANDLER__BAD__TOKEN": "hunter-two-22"}
    (fault,) = faults(tmp_path, '["bad"]', table, environ)
    assert fault == (
        f"[handler.bad]: can't be started: PermissionError. some_handlers:{RAISES} raised it. Put right what it needs: "
        "`nhsmail-worker check` tries again."
    )


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Modules whose code blocks until the event is set."""
    go = threading.Event()
    monkeypatch.setattr(sys, "let_slow_handlers_go", go, raising=False)
    (tmp_path / "slow_import.py").write_text("import sys\nsys.let_slow_handlers_go.wait(20)\ndef one(message): ...\n")
    (tmp_path / "slow_build.py").write_text(
        "import sys\nclass One:\n    def __init__(self): sys.let_slow_handlers_go.wait(20)\n"
        "    def __call__(self, message): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield go
    go.set()
    for thread in threading.enumerate():
        if thread.name == "handler":
            thread.join()
    for name in ("slow_import", "slow_build"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "said"), [("slow_import:one", "can't be imported"), ("slow_build:One", "can't be started")]
)
def test_a_handler_that_blocks_at_start_is_a_fault_with_its_name(
    tmp_path: Path, calls: list[Any], slow: threading.Event, name: str, said: str
) -> None:
    (fault,) = faults(tmp_path, f'["{name}"]', '[work]\nstart = "1s"\n')
    assert name in fault
    assert said in fault
    assert "[work] start" in fault


def test_a_handler_that_fails_or_leaves_at_import_is_a_fault_with_its_name(tmp_path: Path, calls: list[Any]) -> None:
    found = faults(tmp_path, '["broken_handlers:x", "leaving_handlers:x"]')
    assert len(found) == 2
    assert "broken_handlers:x" in found[0]
    assert "leaving_handlers:x" in found[1]
