"""The removal of handlers' old copies: the chore that does it, and what `check` says of it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from worker.commands.wiring.shared import Parts
from worker.handling.handler_set import Handlers
from worker.handling.retention import CopiesFailed, Retention
from worker.logs.counted import agreeing, counted
from worker.loop.go_ahead import GoAhead
from worker.loop.removal import AT_A_TIME, LOOKED_IN_ONE, RemoveCopies
from worker.message.copies import Look
from worker.observe.listener import Listener

_LOOKS = 10
"""Looks that a check takes at most."""


def removal_of(parts: Parts, handlers: Handlers, go_ahead: GoAhead, listener: Listener) -> RemoveCopies:
    """The chore. listener: keeps the record of what was removed."""
    return RemoveCopies(
        handlers.retentions,
        messages=parts.journal.messages,
        facts=parts.journal.facts,
        go_ahead=go_ahead,
        recorder=listener,
        clock=parts.clock,
        monotonic=parts.monotonic,
    )


def retention_lines(retentions: Mapping[str, Retention], now: float) -> list[str]:
    """What each handler would remove now, in a sentence. Only looks, and not for long. now: epoch s."""
    return [_line(name, retention, now) for name, retention in retentions.items()]


def _line(name: str, retention: Retention, now: float) -> str:
    days = retention.remove_after.total_seconds() / 86_400
    before = datetime.fromtimestamp(now - retention.remove_after.total_seconds(), UTC)
    setting = f"[handler.{name}] remove_after"
    old = looked = 0
    after: str | None = None
    try:
        for _ in range(_LOOKS):
            found = retention.copies.old_copies(Look(before, after, LOOKED_IN_ONE, AT_A_TIME, 1.0))
            old, looked, after = old + len(found.copies), looked + found.looked, found.after
            if after is None:
                break
    except CopiesFailed as failed:
        return f"{setting}: copies older than {days:g} d can't be read: {failed.kind}."
    least = "" if after is None else "at least "
    are = agreeing(old, "is", "are")
    return (
        f"{setting}: {least}{old:,} of {counted(looked, 'copy')} checked {are} older than {days:g} d. The worker "
        "removes these for good, unless a message isn't finished. A new or shorter remove_after, or another url, takes "
        "effect a day after the worker announces it."
    )
