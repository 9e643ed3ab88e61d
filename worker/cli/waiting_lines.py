"""What `status` says of messages that wait for another try: how many, why, until when, and how to see one of them."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from worker.journal.waiting_again import WaitingAgain
from worker.logs.counted import agreeing, counted
from worker.logs.redaction import rfc3339
from worker.logs.typed import as_typed
from worker.observe.humanise import clock, span
from worker.observe.reason_words import reason_words


def waiting_lines(waiting: Iterable[WaitingAgain], handlers: Collection[str], now: datetime) -> Iterator[str]:
    """A line for each reason. handlers: the names of today's handlers, with which a stored reason may begin."""
    for one in waiting:
        wait = f"{counted(one.messages, 'message')} {agreeing(one.messages, 'waits', 'wait')} for another try"
        oldest = "" if one.messages == 1 else "the oldest "
        wait += f", {oldest}for {span(max(0.0, now.timestamp() - one.since))}."
        why = "" if one.reason is None else f" {reason_words(one.reason, handlers).fact}"
        next_at = None if one.next_at is None else datetime.fromtimestamp(one.next_at, UTC)
        when = f" The next try is not before {clock(next_at)}." if next_at is not None and next_at > now else ""
        shows = "it" if one.messages == 1 else "the oldest"
        yield as_typed(f"{wait}{why}{when} `nhsmail-worker find --key {one.key}` shows {shows}.")


def waiting_json(waiting: Iterable[WaitingAgain], now: datetime) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "reason": one.reason,
            "messages": one.messages,
            "oldest_key": one.key,
            "oldest_seconds": int(max(0.0, now.timestamp() - one.since)),
            "next_try_at": None if one.next_at is None else rfc3339(datetime.fromtimestamp(one.next_at, UTC)),
        }
        for one in waiting
    ]
