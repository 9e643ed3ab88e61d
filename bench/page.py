"""Writes the table into a page of the documentation, between two marks. Rows of parts not measured now stay."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.report import Row

BEGIN, END = "<!-- table of python -m bench -->", "<!-- end of the table -->"
HEAD = ("| part | | measured | target | |", "|---|---|---|---|---|")


def write(page: Path, rows: Iterable[Row], parts: Sequence[str]) -> None:
    """Replace the rows of the parts that were measured. parts: all there are, in the order of the table.

    Raises ValueError if the page has no table.
    """
    before, begin, rest = page.read_text().partition(f"{BEGIN}\n")
    table, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no line {BEGIN} with {END} below it")
    kept: dict[str, list[str]] = {}
    for line in table.splitlines()[len(HEAD) + 1 :]:
        if line:
            kept.setdefault(line.split("|")[1].strip(), []).append(line)
    measured: dict[str, list[str]] = {}
    for row in rows:
        measured.setdefault(row.part, []).append(_line(row))
    shown = [line for part in parts for line in (kept | measured).get(part, [])]
    page.write_text("\n".join([before + BEGIN, "", *HEAD, *shown, "", END + after]))


def _line(row: Row) -> str:
    cells = (row.part, row.name.strip(), row.figure, row.target, row.verdict)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
