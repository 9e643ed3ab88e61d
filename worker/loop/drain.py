"""`once`: poll until nothing more comes."""

from collections import Counter
from dataclasses import dataclass, field

from worker.message.outcome import State
from worker.pipeline.report import Report

MOST_PATIENCE = 2.0
"""`once` waits for a server that asks for a pause, unless it asks for more than so many of our longest waits."""


class LeaseHeld(Exception):
    """Another worker holds the work lease."""


class Paused(Exception):
    """A person has paused the worker."""


@dataclass
class Drained:
    """What a drain came to. due: messages that are to be tried again later."""

    new: int = 0
    outcomes: Counter[State] = field(default_factory=Counter)
    due: int = 0

    def add(self, report: Report) -> None:
        """Count what a poll came to."""
        self.new += report.new
        self.outcomes.update(report.outcomes)
        self.outcomes[State.GONE] += report.gone

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return bool(self.new or self.outcomes.total())
