"""Prints lists: for people as wide as their terminal, for programs as lines of cells, as CSV or as JSON.

On a terminal nothing is cut but the subject. Where a message doesn't fit on one line, it takes two or more.
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from itertools import zip_longest
from shutil import get_terminal_size

import click
import orjson

from worker.cli.cells import cells_of, cut, padded, wrapped
from worker.cli.wrapped import say
from worker.logs.printable import printable, printable_json
from worker.logs.redaction import rfc3339
from worker.logs.typed import as_typed

GAP = "  "
_LEAST_WHAT = 26
"""Cells that the last column has at least where all cells are beside one another."""
_LEAST_BELOW = 18
"""As above, where the last column has only the sender beside it."""
_LONGEST_KEY = 12
"""Cells that the column of keys takes where a message has two lines; the rare longer key moves what follows it."""
_FORMULA = tuple("=+-@＝＋－＠")
"""Spreadsheets take the wide forms for a formula as well."""


class Form(Enum):
    """How a list is printed."""

    TABLE = auto()
    """For a person at a terminal."""
    LINES = auto()
    """One line for each row, with a tab between two cells."""
    CSV = auto()
    """As LINES, with a header, for spreadsheets."""
    JSON = auto()
    """One JSON object on a line for each row."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a list: what a person sees of it, and all that a program gets, by the names of the columns."""

    time: str
    key: str
    why: str
    who: str
    what: str
    fields: Mapping[str, object]
    further: Mapping[str, object] = field(default_factory=dict)
    """What lines and CSV have beside the fields, as JSON has it in another form."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list to print. titles: of the five cells that a person sees. columns: of the fields that a program gets.

    whole: whether `what` is broken into lines, instead of cut, where it doesn't fit.
    """

    titles: tuple[str, str, str, str, str]
    columns: Sequence[str]
    rows: Iterable[Row]
    whole: bool = False


def form_of(*, as_json: bool, as_csv: bool) -> Form:
    """The form that the options ask for, or else the one that suits where the output goes."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv are two forms of the same list: give one of them.")
    if as_json:
        return Form.JSON
    if as_csv:
        return Form.CSV
    return Form.TABLE if sys.stdout.isatty() else Form.LINES


def print_rows(listing: Listing, form: Form) -> None:
    """Print the rows on standard output."""
    match form:
        case Form.TABLE:
            for line in terminal_lines(listing):
                click.echo(line)
        case Form.JSON:
            for row in listing.rows:
                click.echo(
                    printable_json(orjson.dumps(dict(row.fields), _time, orjson.OPT_PASSTHROUGH_DATETIME)).decode()
                )
        case Form.CSV:
            click.echo(_csv(listing.columns), nl=False)
            for row in listing.rows:
                click.echo(_csv(_cells(listing, row)), nl=False)
        case Form.LINES:
            for row in listing.rows:
                click.echo("\t".join(_cells(listing, row)))


def print_note(text: str, form: Form) -> None:
    """Tell a person something about the list. A program's input stays free of it."""
    lines = wrapped(as_typed(text), get_terminal_size().columns) if form is Form.TABLE else [text]
    for line in lines:
        say(line, err=form is not Form.TABLE)


def print_sample(listing: Listing) -> None:
    """Show a person a few rows on standard error, before a question."""
    for line in terminal_lines(listing):
        click.echo(line, err=True)


def day_and_time(at: datetime | None) -> str:
    """A time for a person, in UTC to the minute."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def terminal_lines(listing: Listing) -> Iterator[str]:
    """The lines of a list on the terminal that this process has."""
    return table(listing, get_terminal_size().columns)


def table(listing: Listing, width: int) -> Iterator[str]:
    """The lines of a list on a terminal of this width."""
    rows = list(listing.rows)
    if not rows:
        return
    cells = [listing.titles, *((row.time, row.key, row.why, row.who, row.what) for row in rows)]
    safe = [tuple(printable(cell) for cell in row) for row in cells]
    columns = list(zip(*safe, strict=True))
    widths = [max(map(cells_of, column)) for column in columns]
    beside = _beside_widths(columns, widths, width)
    for row in safe:
        lines = _below(row, widths, width, listing) if beside is None else _beside(row, beside, listing)
        yield from (line.rstrip() for line in lines)


def _beside_widths(columns: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> Sequence[int] | None:
    """The widths of the cells beside one another; None if they don't fit there without breaking a word."""
    time, key, why, who, _ = widths
    room = width - time - key - 4 * len(GAP)
    least_why, least_who = (max(map(_longest_word, column)) for column in columns[2:4])
    who = min(who, max(least_who, room - _LEAST_WHAT - why))
    why = min(why, max(least_why, room - _LEAST_WHAT - who))
    what = room - why - who
    return None if what < _LEAST_WHAT else (time, key, why, who, what)


def _longest_word(text: str) -> int:
    return max(map(cells_of, text.split(" ")))


def _beside(row: Sequence[str], widths: Sequence[int], listing: Listing) -> Iterator[str]:
    """All cells beside one another, each in its column."""
    time, key, why, who, what = row
    cells = [[time], [key], wrapped(why, widths[2]), wrapped(who, widths[3]), _fitted(what, widths[4], listing)]
    for line in zip_longest(*cells, fillvalue=""):
        yield GAP.join(padded(cell, size) for cell, size in zip(line, widths, strict=True))


def _below(row: Sequence[str], widths: Sequence[int], width: int, listing: Listing) -> Iterator[str]:
    """Time, key and why; sender and subject are set in below them."""
    time, key, why, who, what = row
    head = f"{padded(time, widths[0])}{GAP}{padded(key, min(widths[1], _LONGEST_KEY))}{GAP}"
    room, inner = width - cells_of(head), width - len(GAP)
    if _longest_word(why) <= room:
        first, *more = wrapped(why, room)
        yield head + first
        yield from (" " * cells_of(head) + line for line in more)
    else:
        yield head
        yield from (GAP + line for line in wrapped(why, inner))
    who_width = min(widths[3], inner * 3 // 5)
    if cells_of(who) > inner - len(GAP) - _LEAST_BELOW:
        yield from (GAP + line for line in wrapped(who, inner))
        yield from (GAP + line for line in _fitted(what, inner, listing) if line)
    else:
        start = f"{GAP}{padded(who, who_width)}{GAP}" if who_width else GAP
        for number, line in enumerate(_fitted(what, width - cells_of(start), listing)):
            if line or who:
                yield (" " * cells_of(start) if number else start) + line


def _fitted(text: str, width: int, listing: Listing) -> list[str]:
    return wrapped(text, width) if listing.whole else [cut(text, width)]


def _cells(listing: Listing, row: Row) -> list[str]:
    return [_cell(row.further.get(column, row.fields.get(column))) for column in listing.columns]


def _cell(value: object) -> str:
    """A value for a cell. Nothing in it ends the cell or the line, and no spreadsheet takes it for a formula."""
    match value:
        case None | False:
            return ""
        case True:
            return "yes"
        case datetime():
            return rfc3339(value)
        case int():
            return str(value)
        case list():
            return ", ".join(map(_cell, value))
        case _:
            safe = printable(str(value))
            return f"'{safe}" if safe.startswith(_FORMULA) else safe


def _csv(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _json(fields: Mapping[str, object]) -> str:
    return printable_json(orjson.dumps(dict(fields), _time, orjson.OPT_PASSTHROUGH_DATETIME)).decode()


def _time(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"a list has no {type(value).__name__}")
    return rfc3339(value)
