"""Decides what is recorded of a try's outcome. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from worker.handling.in_hand import Finished
from worker.journal.records import Record, Result
from worker.logs.system_words import fault_words
from worker.mailbox.folders import KEEP, Layout
from worker.message.outcome import Outcome, State

NOT_READY_LIMIT = timedelta(hours=1)
"""How long to wait while the server shows no content or only a placeholder; then the message is a dead letter."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the settings send each outcome: a folder, or `keep`. junk may be `auto`: the junk folder."""

    handled: str
    failed: str
    junk: str

    def of(self, state: State, junk_folder: str) -> str | None:
        """The folder for an outcome; None: the message stays where it is."""
        named = {State.HANDLED: self.handled, State.FAILED: self.failed, State.JUNK: self.junk}.get(state, KEEP)
        if named == "auto":
            return junk_folder
        return None if named == KEEP else named


class Backoff(Protocol):
    """Decides how often and when a message is tried again."""

    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        """The wait before the next try; None: that was the last try."""


Handlers = Mapping[str, tuple[bool, int]]
"""For one message, by handler: whether it is done, and how often it has failed."""


class Results:
    """Decides what is recorded of an outcome: the state, the time of the next try, and where the message goes."""

    def __init__(self, *, targets: Targets, layout: Layout, backoff: Backoff) -> None:
        self._targets = targets
        self._layout = layout
        self._backoff = backoff

    def of(self, item: Finished, handlers: Handlers, now: float) -> Result:
        """What to record of a message that came back. handlers: from the tries before this one. now: epoch s."""
        outcome, record = item.outcome, item.record
        state, next_at, reason = outcome.state, None, outcome.reason
        if state in (State.HANDLED, State.JUNK) and (missed := _not_called(record, outcome, handlers)) is not None:
            state, reason = State.FAILED, f"not-in-route:{missed}"
        if state is State.PENDING:
            wait = self._wait(outcome, record, handlers, now)
            if wait is None:
                state = State.FAILED
            else:
                next_at = now + wait.total_seconds()
        settle_to = self._settle_to(state, record)
        return Result(
            id=record.id,
            state=state,
            reason=reason,
            next_at=next_at,
            settle_to=settle_to,
            done=outcome.done,
            failed_handler=outcome.failed_handler,
            failed_as=outcome.failed_as,
            where=outcome.where,
            waiting=state is State.PENDING and _waits_for_content(outcome),
            untried=outcome.held or _waits_for_content(outcome),
            path=record.verdict.path,
            route=outcome.route,
            in_place=settle_to == record.place.folder,
        )

    def _wait(self, outcome: Outcome, record: Record, handlers: Handlers, now: float) -> timedelta | None:
        """How long until the next try; None: there is none."""
        if outcome.held:
            return outcome.after or timedelta(0)
        if _waits_for_content(outcome):
            since = now if record.waiting_since is None else min(record.waiting_since, now)  # if the clock was set back
            return None if now - since >= NOT_READY_LIMIT.total_seconds() else outcome.after
        failures = handlers.get(outcome.failed_handler or "", (False, 0))[1] + 1
        if outcome.failed_handler is None:
            failures = record.tries + 1
        backoff = self._backoff.after_failure(outcome.route, failures)
        return None if backoff is None else max(backoff, outcome.after or timedelta(0))

    def _settle_to(self, state: State, record: Record) -> str | None:
        """Where the message goes; junk that lies in the junk folder stays there.

        A message that is handled again lies in its target already, and still counts as moved there: mail that somebody
        takes out of it is moved back, and is deleted when its time has come.
        """
        if state is State.JUNK and record.place.folder == self._layout.junk:
            return None
        target = self._targets.of(state, self._layout.junk)
        target = None if target is None else self._layout.actual(target)
        return None if target == record.place.folder and not record.redelivery else target


def _not_called(record: Record, outcome: Outcome, handlers: Handlers) -> str | None:
    """The one handler that was to get the message again and wasn't called: no route of the message names it now."""
    only = record.only_handler
    if only is None or only in outcome.done or handlers.get(only, (False, 0))[0]:
        return None
    return only


def _waits_for_content(outcome: Outcome) -> bool:
    """Whether the server may give the message later: it shows nothing yet, or a placeholder, or
    ended the connection while the message was fetched.
    """
    return outcome.failed_handler is None and outcome.after is not None and not outcome.held


def named_failure(result: Result) -> dict[str, str]:
    """For the log: the handler that failed, the line, and what the operating system said. Empty if none failed."""
    if result.failed_handler is None:
        return {}
    words = fault_words((result.failed_as or "").rpartition(":")[2])
    given = {"handler": result.failed_handler, "where": result.where, "errno": words}
    return {name: text for name, text in given.items() if text}
