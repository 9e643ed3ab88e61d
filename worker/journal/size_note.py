"""What is remembered of how full the mailbox is, and how full it was day by day."""

from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson

from worker.journal.facts import Facts

_NAME = "mailbox.size"


class Fullness(StrEnum):
    """Whether a person has to do something about the mailbox's size."""

    FINE = "fine"
    FILLING = "filling"
    FULL = "full"
    """It is full, or so nearly that it may be tomorrow."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How many bytes the mailbox held at a time (epoch s), by the server's quota or by estimate."""

    at: float
    used: int
    estimate: bool


@dataclass(frozen=True, slots=True)
class SizeNote:
    """What the worker last learned of the mailbox's size.

    at: when (epoch s). used, limit: bytes. estimate: `used` is the sum of the messages' sizes, not the server's word.
    told: the server told the limit; otherwise it is `[mailbox] size`. days_left: whole days until it is full at the
    present rate; None: it isn't growing, or that isn't known. samples: one a day, oldest first.
    """

    at: float
    used: int
    limit: int
    estimate: bool
    told: bool
    fullness: Fullness = Fullness.FINE
    days_left: int | None = None
    samples: tuple[Sample, ...] = ()

    @property
    def percent(self) -> int:
        """How full it is, in whole per cent, rounded down; over 100 where it holds more than the limit."""
        return self.used * 100 // self.limit


def read_size(facts: Facts) -> SizeNote | None:
    """What is remembered; None if nothing was learned yet. May raise `JournalUnavailable`."""
    try:
        noted = orjson.loads(facts.recall(_NAME) or "null")
        if noted is None:
            return None
        samples = tuple(Sample(**sample) for sample in noted.pop("samples"))
        return SizeNote(**noted | {"fullness": Fullness(noted["fullness"])}, samples=samples)
    except (TypeError, ValueError, KeyError, AttributeError):  # written by a program that knows other fields
        return None


def write_size(facts: Facts, note: SizeNote) -> None:
    """Remember this in place of what was remembered. May raise `JournalUnavailable`."""
    facts.remember(_NAME, orjson.dumps(asdict(note)).decode())
