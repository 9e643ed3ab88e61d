"""What comes of a fetch: contents, messages that couldn't be fetched, or an error that broke it off."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.journal.records import Record
from worker.mailbox.errors import CommandRefused, ConnectionLost, MailboxError, ProtocolFault
from worker.message.mime.headers import Headers


@dataclass(frozen=True, slots=True)
class Missing:
    """Messages that couldn't be fetched from where they should lie.

    records: those found nowhere. sought: how many had to be looked for elsewhere.
    look_again: a watched folder to list again. unopened: those in another folder, which isn't opened now.
    """

    records: tuple[Record, ...] = ()
    sought: int = 0
    look_again: str | None = None
    unopened: tuple[Record, ...] = ()


class BrokenOff(Exception):
    """An error of the mailbox ended the fetch.

    records: messages whose try was counted and whose content wasn't handed over. error: what ended the fetch.
    at_fetch: whether fetching one of these messages may have caused it.
    """

    def __init__(self, records: Sequence[Record], error: MailboxError) -> None:
        super().__init__(str(error))
        self.records = tuple(records)
        self.error = error
        self.at_fetch = isinstance(error, ConnectionLost | ProtocolFault | CommandRefused) and not error.earlier


@dataclass(frozen=True, slots=True)
class Fetched:
    """What lies at a message's place."""

    record: Record
    uid: int
    raw: bytes
    complete: bool
    headers: Headers
