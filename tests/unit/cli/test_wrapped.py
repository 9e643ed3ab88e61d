"""Text for people is wrapped to their terminal, and what they copy stays whole."""

import ast
import io
import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import worker
from worker.cli.wrapped import echo, say, wrapped
from worker.logs.typed import VARIABLE


def test_lines_are_wrapped_at_blanks_and_keep_their_indent() -> None:
    assert wrapped("  one two three four", 12) == "  one two\n  three four"
    assert wrapped("one two\n\nthree", 80) == "one two\n\nthree"


def test_a_command_stays_whole() -> None:
    command = "nhsmail-worker failed retry abcd --reason x"
    assert wrapped(f"Then run `{command}` at once.", 20) == f"Then run\n`{command}`\nat once."
    assert wrapped(f"    {command}", 20) == f"    {command}"


def test_a_backtick_alone_hides_nothing() -> None:
    assert wrapped("one ` two three", 9) == "one ` two\nthree"


@given(st.text(alphabet="ab `\n", max_size=80), st.integers(5, 40))
def test_no_word_is_lost(text: str, width: int) -> None:
    assert wrapped(text, width).split() == text.split()


def test_what_a_program_reads_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = "word " * 100
    echo(text)
    echo(text, err=True)
    assert capsys.readouterr() == (f"{text}\n", f"{text}\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("columns", "width"), [(60, 60), (80, 80), (200, 100), (5, 20)])
def test_on_a_terminal_it_is_wrapped_to_its_width(monkeypatch: pytest.MonkeyPatch, columns: int, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    echo("word " * 100, err=True)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) in range(width - 5, width + 1)


# -- commands as they are typed here


def test_both_ways_to_print_a_text_name_commands_as_they_are_typed_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "nhsmail-worker demo")
    for way in (echo, say):
        way("Run `nhsmail-worker failed list`.")
        assert capsys.readouterr() == ("Run `nhsmail-worker demo failed list`.\n", "")
        way("Run `nhsmail-worker demo status`.", err=True)
        assert capsys.readouterr() == ("", "Run `nhsmail-worker demo status`.\n")


PRINT_DATA: Final = frozenset(
    f"{name}.py"
    for name in (
        "completion",
        "configuration",
        "find",
        "handler_catalogue",
        "list_printing",
        "options",
        "tables",
        "wrapped",
    )
)
"""Modules that print what others wrote, or what a program reads, so nothing in it may be changed."""
ECHO: Final = re.compile(r"click\.s?echo|print")


def test_what_a_person_is_told_goes_through_a_door_that_names_commands() -> None:
    """Whoever adds `click.echo` prints the demo's and `--config`'s commands wrongly: use `say` or `echo`."""
    rooms = [Path(worker.__file__).parent / room for room in ("cli", "commands")]
    files = [path for room in rooms for path in room.rglob("*.py")]
    assert len(files) > 60
    found = [
        f"{path.name}:{node.lineno}"
        for path in files
        if path.name not in PRINT_DATA
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ECHO.fullmatch(ast.unparse(node.func))
    ]
    assert found == []


def test_what_prints_data_names_no_command_in_it() -> None:
    """A command that is named there must be made with `typed`, or said by `say`."""
    folder = Path(worker.__file__).parent / "cli"
    found = [
        f"{name}:{part.lineno}"
        for name in PRINT_DATA
        for node in ast.walk(ast.parse((folder / name).read_text()))
        if isinstance(node, ast.Call) and ECHO.fullmatch(ast.unparse(node.func))
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and "nhsmail-worker" in str(part.value)
    ]
    assert found == []
