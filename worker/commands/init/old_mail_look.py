"""Looks how much mail lies in the folders, with one login through the guard, as `check --connect` makes it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from worker.commands.check import before_connecting
from worker.commands.context import Context
from worker.commands.exits import Failure
from worker.pipeline.old_mail import Backlog, backlog


class Tells(Protocol):
    """Shows a text to whoever runs the command."""

    def tell(self, text: str) -> None:
        """Show it."""


def look(context: Callable[[], Context], now: datetime, person: Tells) -> Backlog | None:
    """Count the mail, reading no header and no body; None: it couldn't be looked at, and the person knows why."""
    try:
        with context() as opened:
            if said := before_connecting(opened):
                person.tell(said)
            with opened.visit() as (session, _):
                return backlog(session, opened.parts.layout.watched, now.astimezone(UTC).date())
    except Failure as failure:
        person.tell(f"The worker couldn't look at the mailbox. {failure}")
        return None
