"""The man page and the shells' scripts in `share/` are what the commands are."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from tests.unit.cli.test_main import every_command
from worker.cli.main import commands
from worker.cli.man_page import MAN_PAGE, files, main, man_page
from worker.commands.exits import EXIT_CODES, ExitCode

SHARE = Path(__file__).parents[3] / "share"
PAGE = man_page()


@pytest.mark.parametrize("place", files())
def test_the_committed_files_are_up_to_date(place: str) -> None:
    assert (SHARE / place).read_text() == files()[place], "run: python -m worker.cli.man_page share"


def test_nothing_else_is_in_that_folder() -> None:
    assert {path.relative_to(SHARE).as_posix() for path in SHARE.rglob("*") if path.is_file()} == set(files())


def test_all_are_written_below_a_folder(tmp_path: Path) -> None:
    main(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == set(files())


@pytest.mark.parametrize("path", [path for path, _ in every_command(commands)], ids=" ".join)
def test_every_command_is_on_the_page_with_its_options(path: tuple[str, ...]) -> None:
    (command,) = [command for found, command in every_command(commands) if found == path]
    heading = f".SS nhsmail-worker {' '.join(path)}\n".replace("-", r"\-")
    assert PAGE.count(heading) == 1
    section = PAGE.partition(heading)[2].partition("\n.S")[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.opts[0].replace("-", r"\-") in section


def test_every_exit_code_is_on_the_page() -> None:
    status = PAGE.partition(".SH EXIT STATUS")[2].partition(".SH")[0]
    assert set(EXIT_CODES) == set(ExitCode)
    assert [line for line in status.splitlines() if line.startswith(".B ")] == [f".B {int(code)}" for code in ExitCode]


def test_lines_that_stay_as_they_are_do() -> None:
    assert "\n.nf\nbash  ~/.local/share" in PAGE


@pytest.mark.skipif(
    shutil.which("mandoc") is None and not os.environ.get("CI"),  # in CI a missing part fails
    reason="mandoc isn't installed: scripts/bootstrap system test",
)
def test_mandoc_finds_nothing_wrong_but_that_it_has_no_date() -> None:
    """The page is the same from the same commands, whenever it is written: so it has no date."""
    found = subprocess.run(
        ["mandoc", "-T", "lint", SHARE / MAN_PAGE], capture_output=True, text=True, check=False, timeout=30
    )
    assert [line.partition(": ")[2].partition(":1:")[2] for line in found.stdout.splitlines()] == [
        '22: WARNING: missing date, using "": TH'
    ]
    shown = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=80", SHARE / MAN_PAGE], capture_output=True, check=True, timeout=30
    )
    assert b"EXIT STATUS" in re.sub(rb".\x08", b"", shown.stdout)
