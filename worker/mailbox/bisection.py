"""A command on many messages that the server refuses because of one: on halves of them, until it is known which."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from worker.mailbox.errors import CommandRefused
from worker.mailbox.session import Head, Session

MOST_REFUSED = 8
"""Messages refused one by one, in a row, after which it isn't about the messages: no more are tried."""
T = TypeVar("T")


def bisect(command: Callable[[Sequence[T]], None], items: Sequence[T]) -> list[T]:
    """Give a command on these; where the server refuses it, on each half of them. Returns those that it refuses.

    What isn't tried any more, after too many in a row, counts as refused.
    """
    parts: list[Sequence[T]] = [items]
    refused: list[T] = []
    in_a_row = 0
    while parts and in_a_row < MOST_REFUSED:
        part = parts.pop()
        try:
            command(part)
            in_a_row = 0
        except CommandRefused:
            if len(part) > 1:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
            else:
                refused += part
                in_a_row += 1
    return refused + [item for part in reversed(parts) for item in part]


def shown_heads(session: Session, wanted: Iterable[int]) -> list[Head]:
    """As `Session.heads`, and those are left out, too, of which the server refuses to show one.

    Raises:
        CommandRefused: it shows none at all of many, so it isn't about the messages.
    """
    shown: list[Head] = []
    refused = bisect(lambda uids: shown.extend(session.heads(uids)), sorted(wanted))
    if len(refused) >= MOST_REFUSED and not shown:
        raise CommandRefused("the mail server shows no headers")
    return shown
