"""The days on which messages arrived, as the server shows them: read from answers to FETCH, of which there may be many.

The day is what SEARCH goes by: that of INTERNALDATE as it is written, whatever its time and its zone are (RFC 3501,
6.4.4).
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.mailbox.fetch_answers import MONTHS, answers

_DAY: Final = re.compile(rb'\bINTERNALDATE "([ 0-9][0-9]-[A-Za-z]{3}-[0-9]{4}) ', re.IGNORECASE)
_DATED: Final = re.compile(rb"\bINTERNALDATE\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ArrivalDays:
    """When the messages of a folder arrived.

    messages: how many it has by the answer to EXAMINE. by_day: how many of those that the server shows arrived on each
    day, and under None those whose day can't be read. No mapping at all: the server refuses to show any.
    """

    messages: int
    by_day: Mapping[date | None, int] | None


def days_in(lines: Sequence[object]) -> Iterator[bytes]:
    """The day of each message in these answers, as it is written; empty if it can't be read.

    Answers without a date are left out: the server sends such a one unasked when somebody else changes a flag.

    lines: the answers as imaplib gives them.
    """
    for answer in answers(lines):
        line = b"".join(part for part in answer if isinstance(part, bytes))
        if found := _DAY.search(line):
            yield found[1].strip().lower()
        elif _DATED.search(line):
            yield b""


def by_day(written: Mapping[bytes, int]) -> Mapping[date | None, int]:
    """How many messages arrived on each day, by the days as the server writes them; None: there is no such day."""
    days: Counter[date | None] = Counter()
    for day, count in written.items():
        days[_day(day)] += count
    return days


def _day(written: bytes) -> date | None:
    try:
        day, month, year = written.decode("ascii").split("-")
        return date(int(year), MONTHS.index(month.title()) + 1, int(day))
    except ValueError:
        return None
