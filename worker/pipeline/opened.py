"""What carrying out people's requests came to."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.journal.records import Place
from worker.pipeline.report import Report


@dataclass(frozen=True, slots=True)
class Opened:
    """What was reopened. places: where the messages lie now, by row id. absent: the keys of those that aren't there.

    waiting: the keys of those whose request waits until their present try, or their move, has ended, or until their
    folder is opened.
    """

    places: Mapping[int, Place]
    absent: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def report(self) -> Report:
        """What this adds to the poll's report."""
        return Report(opened=len(self.places))

    def __add__(self, other: "Opened") -> "Opened":
        return Opened({**self.places, **other.places}, self.absent + other.absent, self.waiting + other.waiting)
