"""A message in the pool, and what comes back of it."""

from collections.abc import Collection
from dataclasses import dataclass, field

from worker.handling.content_check import Doubt
from worker.handling.gate import Slots
from worker.handling.line import Sender
from worker.journal.records import Record
from worker.message.message import Message
from worker.message.outcome import Outcome


@dataclass(slots=True, eq=False)
class InHand:
    """A message that has been handed over and whose outcome hasn't been collected yet.

    message: None if it needs no handler, or none any more. already_done: handlers that finished in an earlier try.
    size: bytes held in memory for it. doubt: what its content is compared with first; None: nothing. headers_alone: it
    has no body here. done: handlers that finished in this try, before the message was laid aside. waits_for: the slots
    that it was laid aside for. is_slow: its call has taken long, see `worker.handling.line`.
    """

    record: Record
    message: Message | None
    already_done: Collection[str]
    size: int
    doubt: Doubt | None = None
    headers_alone: bool = False
    done: list[str] = field(default_factory=list)
    waits_for: Slots | None = None
    is_slow: bool = False

    @property
    def sender(self) -> Sender:
        """Who sent it."""
        return sender_of(self.record)

    def wait_for(self, slots: Slots, done: Collection[str]) -> None:
        """It is laid aside for these slots. done: the handlers that have finished with it since it began."""
        self.done.extend(done)
        self.waits_for = slots

    def lasts(self) -> None:
        """Its call takes long."""
        self.is_slow = True

    def ended(self) -> bool:
        """Its call is over. Returns whether it took long."""
        slow, self.is_slow = self.is_slow, False
        return slow

    def release(self) -> None:
        """Its handlers are finished: drop the content, which may have been unpacked to many times its size."""
        self.message = None


def sender_of(record: Record) -> Sender:
    """Who sent this message, as the line tells senders apart."""
    return record.sender, record.sender_confirmed


@dataclass(frozen=True, slots=True)
class Finished:
    """A message whose handling ended, and its outcome."""

    record: Record
    outcome: Outcome
