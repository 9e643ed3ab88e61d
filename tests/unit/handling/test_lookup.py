"""What a handler's name stands for, and what is said if it stands for nothing."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.handling.handler_modules import faults, only_fault


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("archiv", 'the nearest is "archive"'),
        ("no_such_module:x", "ModuleNotFoundError: No module named 'no_such_module'."),
        ("some_handlers:missing", 'has no "missing"'),
        ("some_handlers:", 'has no ""'),
        ("broken_handlers:x", "RuntimeError: no licence."),
        ("leaving_handlers:x", "SystemExit: 3."),
    ],
)
def test_a_name_that_leads_to_nothing_is_a_fault(tmp_path: Path, calls: list[Any], name: str, said: str) -> None:
    assert said in only_fault(tmp_path, name)


def test_only_a_handler_that_is_really_near_is_named(tmp_path: Path, calls: list[Any]) -> None:
    """A suggestion must not lead anybody to a handler that is nothing like what was meant."""
    (far,) = faults(tmp_path, '["pathology-filing"]')
    assert far == (
        '[handler.pathology-filing]: there is no handler "pathology-filing". Is its package installed where the worker '
        'runs? If not: pip install it there. Or name an installed handler, or use = "package.module:name".'
    )
    (near,) = faults(tmp_path, '["quarantin"]')
    assert 'the nearest is "quarantine"' in near


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        ("", "found_handlers:x", 'found_handlers has no "x". Correct the name, or write it there.'),
        (
            "class PathologyFiling: ...",
            "found_handlers:PathologyFilling",
            'the nearest is "PathologyFiling". Correct the',
        ),
        ("class One:\n    class Inner: ...", "found_handlers:One.Iner", 'One has no "Iner"; the nearest is "Inner".'),
        ("def f(:", "found_handlers:f", "(found_handlers.py, line 1). Correct the handler's code."),
        (
            "import no_such_library.part",
            "found_handlers:f",
            "The handler needs it: pip install it where the worker runs.",
        ),
        (
            "from json import no_such_name",
            "found_handlers:f",
            "found_handlers:1 raised it. Correct the handler's code.",
        ),
        ("raise AttributeError('own')", "found_handlers:f", "found_handlers:1 raised it. Correct the handler's code."),
        ("", "no_such_module.x:f", "Install it where the worker runs, or put it on PYTHONPATH."),
        ("", "found_handlers.x:f", "Install it where the worker runs, or put it on PYTHONPATH."),
    ],
)
def test_what_cant_be_imported_is_told_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[Any], code: str, name: str, said: str
) -> None:
    (tmp_path / "found_handlers.py").write_text(code)
    monkeypatch.delitem(sys.modules, "found_handlers", raising=False)
    importlib.invalidate_caches()
    (fault,) = faults(tmp_path, f'["{name}"]')
    assert said in fault
    assert "PYTHONPATH" not in fault or "PYTHONPATH" in said
    sys.modules.pop("found_handlers", None)
