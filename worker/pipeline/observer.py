"""The named events that others may listen to: one object with a method for each, instead of callbacks.

Listeners never raise. They are called in the thread that owns the connection, unless an event says otherwise.
"""

from collections.abc import Sequence

from worker.journal.records import Record, Result


class Observer:
    """Receives every event and ignores it. A listener overrides the methods for the events that it wants."""

    def beat(self) -> None:
        """The thread that owns the connection is making progress."""

    def polled(self, outcome: str, seconds: float) -> None:
        """A run ended. outcome: `good`, or one word for what stopped the run."""

    def lease(self, *, held: bool) -> None:
        """This replica works on the mailbox from now on, or no longer does."""

    def new(self, count: int) -> None:
        """So many new messages have their rows."""

    def known_by_headers(self, count: int) -> None:
        """So many done messages were known again by headers and size alone, because nobody knows their content."""

    def moved_out(self, record: Record) -> None:
        """Junk was moved out of the junk folder, which the settings count as a release."""

    def outcome(self, record: Record, result: Result) -> None:
        """A try had this result, and the journal holds it."""

    def recorded(self) -> None:
        """All outcomes of a batch have been reported."""

    def gone(self, records: Sequence[Record]) -> None:
        """Messages that weren't done were taken away by somebody else."""


class Observers(Observer):
    """Passes every event on to several listeners, in their order."""

    def __init__(self, *listeners: Observer) -> None:
        self._listeners = listeners

    def beat(self) -> None:
        for listener in self._listeners:
            listener.beat()

    def polled(self, outcome: str, seconds: float) -> None:
        for listener in self._listeners:
            listener.polled(outcome, seconds)

    def lease(self, *, held: bool) -> None:
        for listener in self._listeners:
            listener.lease(held=held)

    def new(self, count: int) -> None:
        for listener in self._listeners:
            listener.new(count)

    def known_by_headers(self, count: int) -> None:
        for listener in self._listeners:
            listener.known_by_headers(count)

    def moved_out(self, record: Record) -> None:
        for listener in self._listeners:
            listener.moved_out(record)

    def outcome(self, record: Record, result: Result) -> None:
        for listener in self._listeners:
            listener.outcome(record, result)

    def recorded(self) -> None:
        for listener in self._listeners:
            listener.recorded()

    def gone(self, records: Sequence[Record]) -> None:
        for listener in self._listeners:
            listener.gone(records)
