"""What a poll came to, and the exception that stops it."""

from collections import Counter
from dataclasses import dataclass, field

from worker.message.outcome import State


@dataclass
class Report:
    """What a poll came to. unread: messages of which the server showed no header yet."""

    new: int = 0
    gone: int = 0
    missed: int = 0
    moved_back: int = 0
    opened: int = 0
    unread: int = 0
    outcomes: Counter[State] = field(default_factory=Counter)

    @property
    def anything(self) -> bool:
        """Whether another poll right away may find more to do."""
        return bool(self.new or self.gone or self.missed or self.moved_back or self.opened or self.outcomes)


class Stop(Exception):
    """Stop before the next command: the lease is lost, a person has paused, or the process was asked to end."""
