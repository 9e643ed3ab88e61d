"""Which handlers a route can name, and what is known of each."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.handling.handler_modules import settings
from worker.handling.catalogue import CatalogueEntry, built_in_handlers, catalogue, handler_named

TABLES = """
[handler.filed]
use = "archive"
url = "file:///srv/filed"
[handler.spare]
use = "some_handlers:plain"
[handler.gone]
use = "no_such_module:x"
"""
BUILT_IN = {"archive", "clamav", "command", "database", "quarantine", "queue", "webhook"}


@pytest.fixture
def found(tmp_path: Path, calls: list[Any]) -> dict[str, CatalogueEntry]:
    configured = settings(tmp_path, '["some_handlers:Simple", "filed"]', TABLES)
    return {entry.name: entry for entry in catalogue(configured)}


def test_the_built_in_ones_are_there_without_a_configuration() -> None:
    entries = catalogue(None)
    assert {entry.name for entry in entries if entry.is_built_in} == BUILT_IN
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
    assert all(entry.summary.endswith(".") and not entry.fault and not entry.routes for entry in entries)
    assert set(built_in_handlers()) == BUILT_IN


def test_so_are_those_of_tables_and_those_that_routes_name(found: dict[str, CatalogueEntry]) -> None:
    assert set(found) == BUILT_IN | {"filed", "spare", "gone", "some_handlers:Simple", "some_handlers:plain"}
    assert found["filed"].place == "handlers.archive:Archive"
    assert found["filed"].is_built_in
    assert found["filed"].has_table
    assert found["filed"].own is not None
    assert not found["archive"].has_table
    assert (found["spare"].package, found["spare"].place) == (None, "some_handlers:plain")


def test_it_is_known_what_uses_each(found: dict[str, CatalogueEntry]) -> None:
    used = {name: (entry.routes, entry.takes_junk) for name, entry in found.items() if entry.routes or entry.takes_junk}
    assert used == {
        "filed": (("all",), False),
        "some_handlers:Simple": (("all",), False),
        "some_handlers:plain": ((), True),
    }


def test_one_that_cannot_be_imported_says_why(found: dict[str, CatalogueEntry]) -> None:
    assert "No module named 'no_such_module'" in found["gone"].fault
    assert (found["gone"].place, found["gone"].does, found["gone"].own) == ("no_such_module:x", "", None)


def test_one_that_is_no_handler_says_why(tmp_path: Path, calls: list[Any]) -> None:
    configured = settings(tmp_path, '["quarantine"]')
    assert "no __call__" in handler_named("some_handlers:NoCall", configured).fault
    assert handler_named("some_handlers:ready", configured).fault == ""


def test_a_handler_without_a_docstring_says_nothing(tmp_path: Path, calls: list[Any]) -> None:
    assert handler_named("some_handlers:plain", settings(tmp_path, '["quarantine"]')).does == ""
