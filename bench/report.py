"""What the bench found: the one table of all its parts, and every single figure for programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table

MB = 1_000_000
console = Console(width=140)


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of all rounds."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Self:
        """Of the figures of all rounds."""
        return cls(median(figures), min(figures), max(figures))

    @classmethod
    def ratio(cls, figures: Sequence[float], to: Sequence[float]) -> Self:
        """Of each round's ratio. Both were measured in the same rounds, one after the other."""
        return cls.of([one / base for one, base in zip(figures, to, strict=True)])

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.least:.2f}–{self.most:.2f})"


@dataclass(frozen=True)
class Row:
    """A line of the table. part: which part of the bench measured it."""

    part: str
    name: str
    figure: str
    target: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """Whether the target was met, in words."""
        return "" if self.met is None else "met" if self.met else "NOT MET"


@dataclass
class Report:
    """All figures. part: the one that measures now."""

    rows: list[Row] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    part: str = ""

    def begin(self, part: str, circumstances: str) -> None:
        """What is said from now on belongs to this part. circumstances: what its figures depend on."""
        self.part = part
        self.say(part, circumstances)

    def say(self, name: str, figure: str, target: str = "", *, met: bool | None = None) -> None:
        """Add a line to the table."""
        self.rows.append(Row(self.part, name, figure, target, met))

    def print(self) -> None:
        """Print the table."""
        table = Table("", "measured", "target", "", title="What it costs")
        for number, row in enumerate(self.rows):
            if number and row.part != self.rows[number - 1].part:
                table.add_section()
            colour = "red" if row.met is False else "green"
            table.add_row(escape(row.name), escape(row.figure), escape(row.target), f"[{colour}]{row.verdict}[/]")
        console.print(table)


def trips(number: float) -> str:
    """`1 round trip`, `1.5 round trips`."""
    return f"{number:g} round trip{'' if number == 1 else 's'}"
