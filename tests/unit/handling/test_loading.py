"""Handlers are found by name and built once each, and all faults are reported at once."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.handling.handler_modules import RAISES, faults, settings
from worker.handling.late_handler import not_built
from worker.handling.loading import check_handlers, load_handlers
from worker.handling.target_down import kind_of
from worker.testing import make_message


def test_a_function_is_a_handler(tmp_path: Path, calls: list[Any]) -> None:
    handlers = load_handlers(settings(tmp_path, '["some_handlers:plain"]'))
    message: Any = object()
    handlers["some_handlers:plain"](message)
    assert calls == [("plain", message)]
    handlers["some_handlers:plain"].flush()
    handlers["some_handlers:plain"].close()


def test_two_names_for_one_class_are_two_handlers(tmp_path: Path, calls: list[Any]) -> None:
    tables = "".join(
        f'[handler.{name}]\nuse = "some_handlers:Configured"\nurl = "{name}"\n' for name in ("one", "other")
    )
    handlers = load_handlers(settings(tmp_path, '["one", "other"]', tables))
    assert handlers["one"].call is not handlers["other"].call


@pytest.mark.parametrize("name", ["some_handlers:Simple", "some_handlers:ready"])
def test_a_class_without_settings_and_an_object_will_do(tmp_path: Path, calls: list[Any], name: str) -> None:
    load_handlers(settings(tmp_path, f'["{name}"]'))[name](object())  # type: ignore[arg-type]  # it looks at nothing
    assert calls[0][0] == "simple"


def test_installed_handlers_are_found_by_their_entry_point(tmp_path: Path, calls: list[Any]) -> None:
    table = f'[handler.archive]\nurl = "file://{tmp_path}/archive"\n[handler.second]\nuse = "archive"\nurl = "file://{tmp_path}/b"\n'
    handlers = load_handlers(settings(tmp_path, '["archive", "second", "quarantine"]', table))
    assert set(handlers) == {"archive", "second", "quarantine", "some_handlers:plain"}
    for handler in handlers.values():
        handler.close()


def test_every_fault_of_every_handler_is_reported_at_once(tmp_path: Path, calls: list[Any]) -> None:
    tables = (
        '[handler.mine]\nuse = "some_handlers:Configured"\nlimt = 3\nevery = 3\n[handler.unused]\nuse = "nothing"\n'
    )
    found = faults(tmp_path, '["mine", "archiv", "broken_handlers:x"]', tables)
    assert sorted(fault.split(": ")[0] for fault in found) == [
        "[handler.archiv]",
        "[handler.broken_handlers:x]",
        "[handler.mine] limt",
        "[handler.mine] url",
        "[handler.unused]",
    ]
    assert sorted(check_handlers(settings(tmp_path, '["mine", "archiv", "broken_handlers:x"]', tables))) == sorted(
        found
    )


def test_users_that_handlers_cant_run_as_are_reported_at_once_also_of_unused_tables(
    tmp_path: Path, calls: list[Any]
) -> None:
    tables = "".join(
        f'[handler.{name}]\nuse = "some_handlers:plain"\nisolate.user = "{user}"\n'
        for name, user in (("one", "nobody-of-that-name"), ("two", "root"), ("unused", "no-such-user"))
    )
    found = faults(tmp_path, '["one", "two"]', tables)
    assert [fault.split(": ")[0] for fault in found] == [
        f"[handler.{name}] isolate.user" for name in ("one", "two", "unused")
    ]
    assert check_handlers(settings(tmp_path, '["one", "two"]', tables)) == []  # most commands call no handler


def test_checking_builds_nothing(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x"\nlimit = 13\n'
    assert check_handlers(settings(tmp_path, '["mine"]', table)) == []


def test_a_handler_that_cant_be_started_is_a_fault_and_the_others_are_closed(tmp_path: Path, calls: list[Any]) -> None:
    tables = (
        '[handler.good]\nuse = "some_handlers:Configured"\nurl = "x"\n'
        '[handler.bad]\nuse = "some_handlers:Configured"\nurl = "here"\nlimit = 13\n'
    )
    (fault,) = faults(tmp_path, '["good", "bad"]', tables)
    assert fault == (
        f"[handler.bad]: can't be started: PermissionError: not with here. some_handlers:{RAISES} raised it. Put right "
        "what it needs: `nhsmail-worker check` tries again."
    )
    assert calls == ["close"]


def test_a_handler_can_be_built_in_a_process_of_its_own(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x://y"\nisolate = true\ntime_limit = "20s"\n'
    handler = load_handlers(settings(tmp_path, '["mine"]', table))["mine"]
    handler(make_message())
    handler.close()
    assert calls == []  # the handler ran in another process


def test_one_that_cant_be_built_there_is_a_fault_without_its_secrets(tmp_path: Path, calls: list[Any]) -> None:
    table = '[handler.mine]\nuse = "some_handlers:Configured"\nurl = "x://y"\nlimit = 13\nisolate = true\n'
    (fault,) = faults(tmp_path, '["mine"]', table, {"NHSMAIL_HANDLER__MINE__TOKEN": "a-secret"})
    assert fault.startswith("[handler.mine]: can't be started: ")
    assert "a-secret" not in fault
    assert fault.endswith("Put right what it needs: `nhsmail-worker check` tries again.")


LATE = """
from worker import Retry
class Late:
    headers_only = True
    def __init__(self): {raises}
    def __call__(self, message): ...
"""


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize(
    ("raises", "kind"),
    [
        ("raise ConnectionRefusedError('no')", "ConnectionRefusedError"),
        ("raise Retry('not yet')", "Retry"),
        ("raise RuntimeError('no') from TimeoutError()", "RuntimeError"),
        ("__import__('socket').create_connection(('127.0.0.1', 1))", "ConnectionRefusedError"),
    ],
)
def test_one_whose_target_is_not_there_yet_stops_no_start(
    tmp_path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch, isolate: bool, raises: str, kind: str
) -> None:
    (tmp_path / "late_handlers.py").write_text(LATE.format(raises=raises))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "late_handlers", raising=False)
    table = f'[handler.late]\nuse = "late_handlers:Late"\nisolate = {str(isolate).lower()}\n'
    handlers = load_handlers(settings(tmp_path, '["some_handlers:plain", "late"]', table))
    assert set(handlers) == {"some_handlers:plain", "late"}
    assert {name: not_built(late) for name, late in handlers.late.items()} == {"late": kind}
    assert getattr(handlers["late"].call, "headers_only", False), "known of the class, before it is built"
    assert kind_of(handlers.late["late"].build() or ValueError()) == kind
    handlers.close()


def test_beside_a_fault_of_another_it_stops_the_start(
    tmp_path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_handlers.py").write_text(LATE.format(raises="raise ConnectionRefusedError"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "late_handlers", raising=False)
    bad = '[handler.bad]\nuse = "some_handlers:Configured"\nurl = "x"\nlimit = 13\n'
    table = f'[handler.late]\nuse = "late_handlers:Late"\n{bad}'
    (fault,) = faults(tmp_path, '["late", "bad"]', table)
    assert fault.startswith("[handler.bad]")
