"""Text for people is wrapped to their terminal, and what they copy stays whole."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cli.wrapped import echo, wrapped


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
