"""The page for records managers names everything that is kept, and no setting or command that there isn't."""

import re
import tomllib
from pathlib import Path

import pytest

from handlers.archive import Archive
from tests.unit.project.test_docs import DOCS, ROOT
from worker.cli.main import commands
from worker.journal.schema import metadata
from worker.settings import Settings, load

PAGE = (DOCS / "records.md").read_text()


def test_each_table_of_the_journal_is_on_the_page() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| journal")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(metadata.tables)


def test_each_handler_that_comes_with_the_worker_is_on_the_page() -> None:
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert [name for name in entries["nhsmail_worker.handlers"] if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize(("table", "name"), sorted(set(re.findall(r"`\[([\w.]+)\] (\w+)`", PAGE))))
def test_each_setting_on_the_page_is_one(table: str, name: str) -> None:
    if table == "handler.archive":
        assert name in Archive.Settings.model_fields
        return
    annotation = Settings.model_fields[table].annotation
    assert annotation is not None
    assert name in annotation.model_fields


def test_the_time_that_a_row_is_kept_is_the_default(tmp_path: Path) -> None:
    (days,) = set(re.findall(r"`\[state\] keep` \((\d+) days\)", PAGE))
    assert Settings.model_fields["state"].annotation.model_fields["keep"].default.days == int(days)  # type: ignore[union-attr]  # it has one


def test_each_command_on_the_page_is_one() -> None:
    for group, command in (("failed", "list"), ("junk", "list"), ("audit", "show"), ("journal", "backup")):
        assert command in commands.commands[group].commands  # type: ignore[attr-defined]  # groups have commands
        assert f"{group} {command}" in PAGE


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "worker.toml"
    route = '[[route]]\nname = "all"\nhandlers = ["archive"]\n'
    path.write_text(f'[account]\naddress = "a@nhs.net"\n{route}{example}')
    loaded = load(path, {"NHSMAIL_ACCOUNT__PASSWORD": "Correct-Horse-7"}, [])
    assert loaded.settle.delete_handled_after is not None
