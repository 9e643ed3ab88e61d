"""Lists as wide as the terminal, and for programs: one row stays one row, whatever a sender wrote."""

import csv
import io
import sys
from datetime import UTC, datetime

import click
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cli.cells import cells_of
from worker.cli.list_printing import Form, Listing, Row, day_and_time, form_of, print_note, print_rows, table

AT = datetime(2026, 11, 28, 10, 5, 30, tzinfo=UTC)
TITLES = ("received (UTC)", "key", "why", "from", "subject")
COLUMNS = ("received_at", "key", "from", "subject", "reason", "known", "tries", "routes")
SENDERS = ("Dr Jane Example <jane.example@surgery.example.nhs.uk>", "results@lab.example", "報告書 <x@example.jp>", "")
REASONS = (
    "pathology-archive:IntegrityError",
    "exchange SFV:SPM, exchange SCL:9, placement junk-folder, spamassassin Yes score=7.9 required=5",
    "oversize",
)
SUBJECT = "Your report of 28 November with the long title that nobody reads to its end on a terminal of any width"
ANY = st.text(st.characters(codec="utf-8"), max_size=40)


def row(number: int = 0, *, who: str = SENDERS[0], why: str = REASONS[0], what: str = SUBJECT, key: str = "") -> Row:
    fields = {
        "received_at": AT,
        "key": "a" * 26,
        "from": who,
        "subject": what,
        "reason": why,
        "known": number % 2 == 1,
        "tries": number,
        "routes": ["a", "b"],
    }
    return Row(day_and_time(AT), key or f"abcdefg{number % 10}", why, who, what, fields)


def rows() -> list[Row]:
    number = 0
    found = []
    for who in SENDERS:
        for why in REASONS:
            found.append(row(number, who=who, why=why))
            number += 1
    return found


def squeezed(text: str) -> str:
    """Without what lines are broken and set in with."""
    return "".join(text.split())


# -- a terminal


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_nothing_but_the_subject_is_cut_at_any_width(width: int) -> None:
    lines = list(table(Listing(TITLES, COLUMNS, rows()), width))
    assert all(cells_of(line) <= width for line in lines), "a terminal would wrap it to the margin"
    starts = [number for number, line in enumerate(lines) if line.startswith("2026-11-28 10:05  ")]
    assert len(starts) == len(rows())
    for item, start, end in zip(rows(), starts, [*starts[1:], len(lines)], strict=True):
        block = lines[start:end]
        assert block[0].startswith(f"2026-11-28 10:05  {item.key}"), "day, time and key"
        assert all(line.startswith(" ") for line in block[1:]), "what a sender wrote never reaches the margin"
        words = set(" ".join(block).split())
        assert set(item.why.split()) <= words, "the reason, no word broken"
        assert set(item.who.split()) <= words, "the sender, no word broken"
        assert "Your" in words


def test_a_message_takes_two_lines_on_60_columns_and_one_on_120() -> None:
    listing = Listing(TITLES, COLUMNS, [row(who="results@lab.example", why="archive:OSError", what="Report 17")])
    assert list(table(listing, 60)) == [
        "received (UTC)    key       why",
        "  from                 subject",
        "2026-11-28 10:05  abcdefg0  archive:OSError",
        "  results@lab.example  Report 17",
    ]
    assert list(table(listing, 80)) == list(table(listing, 60))
    assert list(table(listing, 120)) == [
        "received (UTC)    key       why              from                 subject",
        "2026-11-28 10:05  abcdefg0  archive:OSError  results@lab.example  Report 17",
    ]


def test_a_long_reason_and_a_long_sender_are_broken_between_words_on_60_columns() -> None:
    assert list(table(Listing(TITLES, COLUMNS, [row(why=REASONS[1])]), 60))[2:] == [
        "2026-11-28 10:05  abcdefg0  exchange SFV:SPM, exchange",
        "                            SCL:9, placement junk-folder,",
        "                            spamassassin Yes score=7.9",
        "                            required=5",
        "  Dr Jane Example <jane.example@surgery.example.nhs.uk>",
        "  Your report of 28 November with the long title that nobo…",
    ]
    assert list(table(Listing(TITLES, COLUMNS, [row(why=REASONS[0])]), 56))[2:4] == [
        "2026-11-28 10:05  abcdefg0",
        "  pathology-archive:IntegrityError",
    ]


def test_one_long_key_moves_its_own_row_alone() -> None:
    lines = list(table(Listing(TITLES, COLUMNS, [row(key="a" * 26, why="oversize"), row(1, why="oversize")]), 60))
    assert f"2026-11-28 10:05  {'a' * 26}  oversize" in lines
    assert "2026-11-28 10:05  abcdefg1      oversize" in lines


def test_what_must_be_whole_is_broken_into_lines() -> None:
    listing = Listing(TITLES, COLUMNS, [row(who="root", why="login.reset")], whole=True)
    for width in (60, 80, 120):
        assert squeezed(SUBJECT) in squeezed("".join(table(listing, width)))


@given(ANY, ANY, ANY, st.integers(40, 150))
def test_no_text_commands_the_terminal_or_reaches_the_margin(who: str, what: str, why: str, width: int) -> None:
    lines = list(table(Listing(TITLES, COLUMNS, [row(who=who, what=what, why=why)]), width))
    starts = [line for line in lines if not line.startswith(" ")]
    assert len(starts) == 2, "the titles, and the one row"
    assert all(line.isprintable() for line in lines)
    assert all(cells_of(line) <= width for line in lines)


def test_an_empty_list_has_no_titles() -> None:
    assert list(table(Listing(TITLES, COLUMNS, []), 80)) == []


# -- programs


def printed(form: Form, *given: Row) -> str:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        print_rows(Listing(TITLES, COLUMNS, given), form)
    return out.getvalue()


def is_escaped(cell: str, text: str) -> bool:
    """Whether a cell holds the text, but for what doesn't print, and for the mark before a formula."""
    if text[:1] in tuple("=+-@＝＋－＠"):
        assert cell.startswith("'"), cell
        cell = cell[1:]
    kept = "".join(character for character in text if character.isprintable())
    remaining = iter(cell)
    return all(character in remaining for character in kept)


@given(ANY, ANY)
def test_one_row_is_one_line_of_cells_whatever_a_sender_wrote(who: str, what: str) -> None:
    said = printed(Form.LINES, row(1, who=who, what=what), row(2))
    assert said.count("\n") == 2
    first, second = said.splitlines()
    cells = first.split("\t")
    assert len(cells) == len(second.split("\t")) == len(COLUMNS)
    assert cells[:2] == ["2026-11-28T10:05:30.000Z", "a" * 26]
    assert cells[4:] == [REASONS[0], "yes", "1", "a, b"]
    assert is_escaped(cells[2], who)
    assert is_escaped(cells[3], what)
    assert first.isprintable() or set(first) - set("\t") == {c for c in first if c.isprintable()}


@given(ANY, ANY)
def test_csv_reads_back_as_what_the_lines_hold(who: str, what: str) -> None:
    given_rows = (row(1, who=who, what=what), row(2, who=what, what=who))
    header, *read = csv.reader(io.StringIO(printed(Form.CSV, *given_rows)))
    assert header == list(COLUMNS)
    assert read == [line.split("\t") for line in printed(Form.LINES, *given_rows).splitlines()]


@given(ANY, ANY)
def test_json_holds_the_texts_as_they_are(who: str, what: str) -> None:
    said = printed(Form.JSON, row(1, who=who, what=what))
    assert said.count("\n") == 1
    assert said[:-1].isprintable()
    assert orjson.loads(said) == {
        "received_at": "2026-11-28T10:05:30.000Z",
        "key": "a" * 26,
        "from": who,
        "subject": what,
        "reason": REASONS[0],
        "known": True,
        "tries": 1,
        "routes": ["a", "b"],
    }


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)", "＝1"])
def test_no_spreadsheet_takes_a_subject_for_a_formula(text: str) -> None:
    for form in (Form.CSV, Form.LINES):
        assert f"'{text}" in printed(form, row(what=text))
    assert f"'{text}" not in printed(Form.JSON, row(what=text))


def test_what_isn_t_there_is_an_empty_cell() -> None:
    empty = Row("", "", "", "", "", {"received_at": None, "known": False, "tries": 0})
    assert printed(Form.LINES, empty) == "\t\t\t\t\t\t0\t\n"
    assert printed(Form.CSV) == ",".join(COLUMNS) + "\n"


def test_what_json_can_t_hold_is_a_bug() -> None:
    with pytest.raises(TypeError):
        printed(Form.JSON, Row("", "", "", "", "", {"key": object()}))


# -- which form


def test_a_list_is_a_table_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert form_of(as_json=False, as_csv=False) is Form.LINES
    monkeypatch.setattr(out, "isatty", lambda: True)
    assert form_of(as_json=False, as_csv=False) is Form.TABLE
    assert form_of(as_json=True, as_csv=False) is Form.JSON
    assert form_of(as_json=False, as_csv=True) is Form.CSV
    with pytest.raises(click.UsageError):
        form_of(as_json=True, as_csv=True)


def test_a_note_never_gets_into_a_program_s_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    print_note("3 messages. 40 older messages aren't shown.", Form.TABLE)
    print_note("40 older messages aren't shown.", Form.CSV)
    said = capsys.readouterr()
    assert said.out == "3 messages. 40 older\nmessages aren't\nshown.\n"
    assert said.err == "40 older messages aren't shown.\n"


def test_a_table_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for width in (60, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        print_rows(Listing(TITLES, COLUMNS, rows()), Form.TABLE)
        assert capsys.readouterr().out.splitlines() == list(table(Listing(TITLES, COLUMNS, rows()), width))
