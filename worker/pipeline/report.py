"""The result of a poll."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Self

from worker.message.outcome import State


@dataclass
class Report:
    """The result of a poll or of a part of one. unread: messages whose header the server doesn't show yet.

    compared: messages of which the content had to show whether they are known; see `worker.pipeline.recognition`.
    arrived: messages that came to the selected folder after it was listed, and that IDLE won't report.
    """

    new: int = 0
    gone: int = 0
    missed: int = 0
    moved_back: int = 0
    opened: int = 0
    compared: int = 0
    unread: int = 0
    arrived: int = 0
    outcomes: Counter[State] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many tries have an outcome."""
        return self.outcomes.total()

    @property
    def anything(self) -> bool:
        """Whether another poll right away may find more to do."""
        return bool(
            self.new or self.gone or self.missed or self.moved_back or self.opened or self.compared or self.outcomes
        )

    def __iadd__(self, other: "Report") -> Self:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        return self
