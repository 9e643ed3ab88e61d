"""The options of `python -m bench`. Each part of the bench is given all of them."""

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench import mail


@dataclass(frozen=True)
class Distance:
    """How far away the mailbox is, and how many messages it has. round_trip: seconds; rate: bits a second."""

    round_trip: float
    rate: float
    messages: int

    @classmethod
    def parsed(cls, text: str) -> Self:
        """From milliseconds, Mbit/s and messages, as in `30:200:1000`."""
        milliseconds, megabits, messages = text.split(":")
        return cls(float(milliseconds) / 1e3, float(megabits) * 1e6, int(messages))

    def __str__(self) -> str:
        return f"{self.round_trip * 1e3:g} ms and {self.rate / 1e6:g} Mbit/s, {self.messages:,} messages"


@dataclass(frozen=True)
class Options:
    """What to measure, and how long. Each field is an option of the same name."""

    rounds: int = 5
    messages: int = mail.COUNT
    link: tuple[Distance, ...] = (Distance(0.03, 200e6, 1_000), Distance(0.1, 200e6, 5_000))
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    rows: tuple[int, ...] = (1_000, 1_000_000)
    only: tuple[str, ...] = ()
    json: Path | None = None
    page: Path | None = None

    def wants(self, part: str) -> bool:
        """Whether to measure this part."""
        return not self.only or part in self.only


def parse(arguments: Sequence[str], parts: Collection[str], description: str | None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=description)
    given = Options()
    parser.add_argument("--rounds", type=int, default=given.rounds, help="rounds of each comparison (default: 5)")
    parser.add_argument(
        "--messages", type=int, default=given.messages, help="messages in the mailbox of the drains (default: 2,000)"
    )
    parser.add_argument(
        "--only", action="append", default=[], choices=list(parts), help="this part alone; may be given again"
    )
    parser.add_argument(
        "--link",
        action="append",
        type=Distance.parsed,
        metavar="MS:MBIT:MESSAGES",
        help="a link and a mailbox behind it; may be given again (default: 30:200:1000 and 100:200:5000)",
    )
    parser.add_argument("--sizes", type=_numbers, default=given.sizes, help="of growth: messages in the mailboxes")
    parser.add_argument("--rows", type=_numbers, default=given.rows, help="of growth: settled rows in the journals")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure there, too")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write the table into this page, such as docs/performance.md"
    )
    found = vars(parser.parse_args(arguments))
    return Options(**found | {"only": tuple(found["only"]), "link": tuple(found["link"] or given.link)})


def _numbers(given: str) -> tuple[int, ...]:
    """Read `1000,100000`."""
    return tuple(int(number) for number in given.split(","))
