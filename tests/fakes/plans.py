"""What the database does for each statement: whether it looks rows up, or reads through all of them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event

from worker.journal.database import Database

SMALL = ("message_unsettled", "message_released", "message_unreviewed")
"""Indexes of a few rows only, which may be read from one end to the other."""
_READS = re.compile(r"(?P<how>SCAN|SEARCH) (message|earlier)\b(?! AS)")
_INDEX = re.compile(r"INDEX (?P<name>\w+)(?: \((?P<by>.*)\))?")


@dataclass(frozen=True)
class Statement:
    """A statement as the driver got it, with the parameters of its first row."""

    text: str
    parameters: Any

    @property
    def reads_messages(self) -> bool:
        return re.search(r"\bmessage\b", self.text) is not None and not self.text.startswith("INSERT")

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple(self.parameters.values() if isinstance(self.parameters, dict) else self.parameters)


@contextmanager
def statements() -> Iterator[list[Statement]]:
    """Everything that any database of this process is told meanwhile, each text once."""
    found: dict[str, Statement] = {}

    def note(_connection: Connection, _cursor: object, text: str, given: Any, _context: object, many: bool) -> None:
        found.setdefault(text, Statement(text, given[0] if many else given))

    event.listen(Engine, "before_cursor_execute", note)
    noted: list[Statement] = []
    try:
        yield noted
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        noted += [one for one in found.values() if one.reads_messages]


def plans(database: Database, asked: list[Statement]) -> dict[str, str]:
    """How the database carries out each of these, by its text."""
    prefix = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    with database.write() as connection:
        return {
            one.text: "\n".join(str(row[-1]) for row in connection.exec_driver_sql(prefix + one.text, one.parameters))
            for one in asked
        }


def growing(database: Database, asked: list[Statement], allowed: Mapping[str, str]) -> list[str]:
    """Those whose cost grows with the settled mail, each with its plan. allowed: beginnings of texts, with why."""
    told = plans(database, asked)
    grows = _grows_in_sqlite if database.is_sqlite else _grows_in_postgres
    return [
        f"{one.text}\n{one.parameters}\n{told[one.text]}"
        for one in asked
        if any(grows(step, one) for step in told[one.text].splitlines()) and not one.text.startswith(tuple(allowed))
    ]


def _grows_in_sqlite(step: str, one: Statement) -> bool:
    reads, index = _READS.match(step), _INDEX.search(step)
    if reads is None or "INTEGER PRIMARY KEY" in step or (index is not None and index["name"] in SMALL):
        return False
    if reads["how"] == "SCAN" or index is None:
        return True
    if index["by"] == "state=?":
        return "pending" not in one.values and not (index["name"] == "message_outcome" and "LIMIT" in one.text)
    return index["by"] in ("folder=?", "folder=? AND uidvalidity=?")


def _grows_in_postgres(step: str, _one: Statement) -> bool:
    return "Seq Scan on message" in step
