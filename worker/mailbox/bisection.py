"""When the server refuses a command on many messages because of one of them, bisection finds which one."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from worker.mailbox.errors import CommandRefused
from worker.mailbox.session import Head, Session

MOST_REFUSED = 8
"""After this many single messages refused in a row, the cause isn't the messages, and no more are tried."""
T = TypeVar("T")


def bisect(command: Callable[[Sequence[T]], None], items: Sequence[T]) -> list[T]:
    """Run a command on these items, and on each half of them where the server refuses. Returns the refused items.

    After `MOST_REFUSED` refusals in a row the rest isn't tried and counts as refused.
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
    """Like `Session.heads`, but also leaves out messages whose header the server refuses to show.

    Raises:
        CommandRefused: the server showed none of many headers, so the messages aren't the cause.
    """
    shown: list[Head] = []
    refused = bisect(lambda uids: shown.extend(session.heads(uids)), sorted(wanted))
    if len(refused) >= MOST_REFUSED and not shown:
        raise CommandRefused("the mail server shows no headers")
    return shown
