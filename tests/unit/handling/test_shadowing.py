"""Somebody's own package may be called as one of ours: what is said names both, and what to do."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

import worker
from worker.handling.lookup import NotFound, imported_at
from worker.handling.shadowing import collision
from worker.settings.units import parse_duration

ROOT = Path(worker.__file__).parents[1]
START = parse_duration("20s")


def other(folder: Path, name: str, shape: str) -> Path:
    """Somebody's own package, module, or folder without an `__init__.py`."""
    if shape == "module":
        place = folder / f"{name}.py"
        place.write_text("def mine(message): ...\n")
        return place
    (folder / name).mkdir()
    (folder / name / "mine.py").write_text("def mine(message): ...\n")
    if shape == "folder":
        return folder / name
    (folder / name / "__init__.py").touch()
    return folder / name / "__init__.py"


@pytest.mark.parametrize("comes", ["first", "last"])
@pytest.mark.parametrize("shape", ["package", "module", "folder"])
@pytest.mark.parametrize("name", ["worker", "handlers"])
def test_both_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shape: str, comes: str) -> None:
    place = other(tmp_path, name, shape)
    if comes == "first":
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    else:
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    said = collision(name)
    assert f"Two packages here are named '{name}'" in said
    assert str(place) in said
    assert str(ROOT / name / "__init__.py") in said
    assert f"'my_{name}'" in said


@pytest.mark.parametrize("name", ["worker", "handlers"])
def test_a_folder_of_other_files_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "notes.txt").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert collision(name) == ""


def test_a_handler_of_theirs_that_ours_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = other(tmp_path, "handlers", "package")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with pytest.raises(NotFound) as caught:
        imported_at("handlers.mine:mine", START)
    ours = ROOT / "handlers" / "__init__.py"
    assert f"{ours} comes first on Python's path and hides {place}" in str(caught.value)


@pytest.mark.parametrize("target", ["handlers.archive:Archive", "handlers.mine:Archive"])
def test_a_built_in_handler_that_theirs_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    place = other(tmp_path, "handlers", "package")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    kept: dict[str, ModuleType] = {name: sys.modules[name] for name in list(sys.modules) if name.startswith("handlers")}
    for name in kept:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    try:
        with pytest.raises(NotFound) as caught:
            imported_at(target, START)
        ours = ROOT / "handlers" / "__init__.py"
        assert f"{place} comes first on Python's path and hides {ours}" in str(caught.value)
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "handlers"]:
            del sys.modules[name]


@pytest.mark.parametrize("target", ["handlers.mine:f", "worker.mine:f"])
def test_a_name_of_ours_for_a_package_that_is_nowhere(target: str) -> None:
    with pytest.raises(NotFound, match="is the worker's own package") as caught:
        imported_at(target, START)
    assert "PYTHONPATH" not in str(caught.value), "that would only make one hide the other"
