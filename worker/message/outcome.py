"""What a try at a message came to, and the two words that a handler may raise to decide it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

LONGEST_AFTER = timedelta(days=7)
"""The longest wait that a handler may ask for: a message that nobody hears of for longer is as good as lost."""


class Retry(Exception):
    """Raised by a handler: not now. The message is tried again later, with backoff, as the same message.

    after: the soonest that another try makes sense; None leaves it to the route's backoff. More than seven days count
    as seven.

    Raises:
        TypeError: `after` is no timedelta, or the wait was given without its name. The handler has failed, then: a wait
            that nobody can read would be forgotten in silence.
    """

    def __init__(self, reason: str = "", *, after: timedelta | None = None) -> None:
        if isinstance(reason, timedelta | int | float):
            raise TypeError("the wait has a name: write Retry(after=timedelta(minutes=5))")
        if not isinstance(after, timedelta | None):
            raise TypeError(
                f"after is a timedelta, not {type(after).__name__}: write Retry(after=timedelta(minutes=5))"
            )
        super().__init__(reason)
        self.after = after


class Reject(Exception):
    """Raised by a handler: never. The message becomes a dead letter now, kept whole and shown to people.

    The reason is for the handler's own tests: only the exception's class and the handler's name are stored, since a
    reason may quote the message.
    """


class State(StrEnum):
    """Where a message stands in the account of messages; each has exactly one."""

    PENDING = "pending"
    """Seen, and not yet done: new, in hand, or waiting for its next try."""
    HANDLED = "handled"
    """Clean, and every handler of its route returned."""
    JUNK = "junk"
    """On the junk path, and every junk handler returned."""
    FAILED = "failed"
    """A dead letter: given up on, kept whole, shown to people."""
    GONE = "gone"
    """Taken away by somebody else before it was done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try at one message came to.

    state: PENDING asks for another try, not before `after` from now (None: the backoff decides).
    done: the handlers that returned in this try, so that they aren't called again.
    failed_handler: the one that did not.
    reason: a word of ours, such as `oversize`, or HANDLER:EXCEPTION-CLASS; never text of the message.
    route: the rule that named the handler that failed, else the first that took the message; None where none did.
    held: the next handler wasn't called, as it isn't its turn: it waits for `after`, and no try is spent.
    """

    state: State
    done: tuple[str, ...] = ()
    reason: str | None = None
    after: timedelta | None = None
    failed_handler: str | None = None
    route: str | None = None
    held: bool = False
