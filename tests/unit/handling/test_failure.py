"""A failure names the line of the handler's own code, and what the system says; nothing of the exception's text."""

import errno
import functools
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.handling.world import message
from worker.handling.building import built, module_of
from worker.handling.failure import CallFailure
from worker.message.message import Message
from worker.message.outcome import KeyTaken, Reject, Retry

CODE = """
import json
from worker import Retry

def helper(text):
    return json.loads(text)

def handle(message):
    helper("{")

def later(message):
    raise Retry("secret words")

class Doer:
    def __call__(self, message):
        message.attachments[7]
"""
HELPER, LATER, INDEX = 6, 12, 16


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "ward_handlers.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "ward_handlers", raising=False)
    import ward_handlers  # type: ignore[import-not-found]  # written above

    return ward_handlers  # type: ignore[no-any-return]  # its type isn't known


def failed(handler: object) -> CallFailure:
    ready = built("one", handler, None)
    try:
        ready(message())
    except Exception as error:  # noqa: BLE001 -- whatever the handler raises
        return CallFailure.of(error, ready.outages, ready.module)
    raise AssertionError("it returned")


@pytest.mark.parametrize(("name", "line"), [("handle", HELPER), ("later", LATER), ("Doer", INDEX)])
def test_the_line_is_the_last_of_the_handlers_own_code(ward: ModuleType, name: str, line: int) -> None:
    """`json` raises the first error, and our own code calls the handler: neither helps its author."""
    assert failed(getattr(ward, name)).where == f"ward_handlers:{line}"


def test_the_line_of_a_partial_is_that_of_its_function(ward: ModuleType) -> None:
    partial = functools.partial(functools.partial(ward.later))
    assert module_of(partial) == "ward_handlers"
    assert failed(partial).where == f"ward_handlers:{LATER}"


def test_a_handler_without_a_line_of_its_own_has_the_last_line_outside_the_worker() -> None:
    def load(_message: Message) -> object:
        return json.loads("{")

    load.__module__ = "elsewhere"
    assert (failed(load).where or "").startswith("json.decoder:")


def test_of_the_workers_own_package_only_the_handlers_module_is_its_own() -> None:
    from worker.demo.handlers import broken

    try:
        broken(message())
    except Exception as error:  # noqa: BLE001 -- whatever it raises
        where = CallFailure.of(error, (), "worker.demo.handlers").where or ""
        assert where.startswith("worker.demo.handlers:")
    else:
        pytest.fail("it returned")


def test_an_error_that_was_never_raised_has_no_line() -> None:
    assert CallFailure.of(ValueError("secret words")).where is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "secret words"), "OSError:ENOSPC"),
        (PermissionError(errno.EACCES, "secret words", "/srv/secret words"), "PermissionError:EACCES"),
        (OSError(123456, "secret words"), "OSError"),
        (OSError("secret words"), "OSError"),
        (ValueError("secret words"), "ValueError"),
        (Reject("secret words"), "Reject:secret-words"),  # a literal, so the author means it to be seen
        (KeyTaken("secret words"), "key-taken"),
    ],
)
def test_the_reason_names_what_the_system_says(error: Exception, reason: str) -> None:
    assert CallFailure.of(error).reason == reason


def test_what_it_was_raised_from_says_it_too() -> None:
    again = Retry("secret words")
    again.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "secret words")
    assert CallFailure.of(again).reason == "Retry:ECONNREFUSED"
