"""Handlers are found by name and built once each, and all faults are reported at once."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.handling.handler_modules import RAISES, faults, settings
from worker.handling.loading import check_handlers, load_handlers
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
