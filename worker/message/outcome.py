"""The outcome of a try at a message, and the two exceptions by which a handler decides it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from worker.message.literals import as_slug, calling_frame, is_literal

LONGEST_AFTER = timedelta(days=7)
"""The longest wait that a handler may ask for. A message that nobody hears of for longer is as good as lost."""


class Retry(Exception):
    """Raised by a handler to have the message tried again later, with the same key.

    after: the shortest wait before the next try, at most seven days; a longer one counts as seven. None leaves it to
    the route's backoff.

    this_message: the reason is this message, not the system that the handler talks to. Without it, a run of messages
    that end this way pauses the handler, because others would most likely fare the same.

    Raises:
        TypeError: `after` isn't a timedelta, or was given as a positional argument. The try then counts as failed,
            because the wait that the handler meant would otherwise be ignored silently.
    """

    after: timedelta | None = None
    this_message: bool = False

    def __init__(self, reason: str = "", *, after: timedelta | None = None, this_message: bool = False) -> None:
        if isinstance(reason, timedelta | int | float):
            raise TypeError("the wait has a name: write Retry(after=timedelta(minutes=5))")
        if not isinstance(after, timedelta | None):
            raise TypeError(
                f"after is a timedelta, not {type(after).__name__}: write Retry(after=timedelta(minutes=5))"
            )
        super().__init__(reason)
        self.after = after
        self.this_message = this_message


class Reject(Exception):
    """Raised by a handler to make the message a dead letter at once. It is kept whole and shown to people.

    `raise Reject("no report number")` shows people `HANDLER:Reject:no-report-number`. The text must be a literal of the
    function that raises it. Any other text, such as an f-string, may quote the message: it isn't stored, and people see
    `HANDLER:Reject`. Of a class of your own below `Reject` people see the name, as in `HANDLER:NoReportNumber`.
    """

    slug: str = ""
    """The text as one word, if it is a literal of the code that made the exception; else empty."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        if type(self) is Reject and len(args) == 1 and isinstance(args[0], str):
            self.slug = as_slug(args[0]) if is_literal(args[0], calling_frame()) else ""


class KeyTaken(Reject):
    """Raised by a handler that already has other content under the message's key: the message is a dead letter.

    What is there isn't overwritten. The dead letter's reason is HANDLER:key-taken.
    """


class State(StrEnum):
    """The state of a message in the journal. Each message has exactly one."""

    PENDING = "pending"
    """Seen but not done: new, being handled, or waiting for its next try."""
    HANDLED = "handled"
    """Clean; every handler of its route returned."""
    JUNK = "junk"
    """Junk; every junk handler returned."""
    FAILED = "failed"
    """A dead letter: given up on, kept whole and shown to people."""
    GONE = "gone"
    """Removed by somebody else before it was done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one try at one message.

    state: PENDING asks for another try, no sooner than `after` from now (None: the backoff decides).
    done: the handlers that returned in this try, so that they aren't called again.
    failed_handler: the handler that didn't return.
    failed_as: the reason of its failure, also where the message waits for another one, as a paused handler's does.
    where: the line of the handler's own code at which it failed, as module:line; None: it can't be told.
    reason: one of our own words, such as `oversize`, or HANDLER:EXCEPTION-CLASS, followed by what the operating system
        says (`archive:OSError:ENOSPC`); never text from the message.
    route: the route that named the failed handler, or else the first that took the message; None if none did.
    content: a mark of the content that was compared or handed over; None: there was none.
    held: the next handler is paused, or it isn't the message's turn. The message waits for `after`, and the try isn't
        counted. With a failed handler: it was called, and failed because the paused handler's target is down.
    """

    state: State
    done: tuple[str, ...] = ()
    reason: str | None = None
    after: timedelta | None = None
    failed_handler: str | None = None
    route: str | None = None
    held: bool = False
    content: str | None = None
    failed_as: str | None = None
    where: str | None = None

    @property
    def was_called(self) -> bool:
        """Whether the paused handler was called with the message, as for a trial, and failed."""
        return self.held and self.failed_handler is not None
