"""What a handler may do while it is tried out."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from worker.handling.found import Found
from worker.handling.lookup import ENTRY_POINTS
from worker.handling.trial import NeedsForReal, NoScratch, Trial

HARMLESS = {"clamav", "quarantine"}
"""They change nothing, wherever they are called."""


class Own(BaseModel):
    """The settings of a handler."""

    folder: Path


class Files:
    """Can be told to write elsewhere."""

    @staticmethod
    def scratch(settings: Own, folder: Path) -> Own:
        return settings.model_copy(update={"folder": folder})


class Sends:
    """Can't be undone."""

    real_effect = "rings a bell"


def plain(_message: object) -> None:
    """Has neither."""


def found(target: Any) -> Found:
    return Found("mine", [], target=target, own=Own(folder=Path("/real")))


def tried(target: Any, trial: Trial) -> Any:
    trial.check(found(target))
    return trial.own_settings(found(target)).folder


def test_every_handler_that_is_built_in_says_what_a_trial_does() -> None:
    """A new one is written where it does harm, or asked for with --for-real; or it belongs to the harmless ones."""
    built_in = [point for point in entry_points(group=ENTRY_POINTS) if point.module.startswith("handlers.")]
    assert len(built_in) >= 7
    for point in built_in:
        target = point.load()
        says = isinstance(getattr(target, "real_effect", None), str) or callable(getattr(target, "scratch", None))
        assert says != (point.name in HARMLESS), point.name


def test_what_has_a_scratch_writes_there(tmp_path: Path) -> None:
    trial = Trial(into=tmp_path / "a" / "b")
    assert tried(Files, trial) == trial.folder == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def test_without_a_name_the_folder_is_a_new_one_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folders = {tried(Files, Trial()) for _ in range(2)}
    assert len(folders) == 2
    assert all(folder.is_dir() and folder.parent == tmp_path for folder in folders)


def test_for_real_it_is_its_own_folder() -> None:
    trial = Trial(for_real=True)
    assert tried(Files, trial) == Path("/real")
    assert tried(Sends, trial) == Path("/real")
    assert trial.folder is None


def test_what_cannot_be_undone_is_not_done() -> None:
    with pytest.raises(NeedsForReal) as caught:
        tried(Sends, Trial())
    assert caught.value.effect == "rings a bell"


@pytest.mark.parametrize("target", [Sends, plain])
def test_a_folder_is_of_no_use_without_a_scratch(target: Any, tmp_path: Path) -> None:
    with pytest.raises(NoScratch):
        tried(target, Trial(into=tmp_path))


def test_what_has_neither_runs_as_its_table_says() -> None:
    assert tried(plain, Trial()) == Path("/real")
