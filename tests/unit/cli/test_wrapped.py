"""Text for people is wrapped to their terminal, and what they copy stays whole."""

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
