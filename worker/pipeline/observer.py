"""What the worker tells of its work as it goes: nobody listens unless somebody is given. Listeners never raise."""

from collections.abc import Sequence

from worker.journal.records import Record, Result


class Watching:
    """Told by the cycle and the pipeline of what has happened. This one does nothing with it."""

    def beat(self) -> None:
        """The thread that owns the connection gets on."""

    def polled(self, outcome: str, seconds: float) -> None:
        """A run ended: `good`, or a word for what kept it from its work."""

    def lease(self, *, held: bool) -> None:
        """This replica works on the mailbox from now on, or doesn't any more."""

    def outcome(self, record: Record, result: Result) -> None:
        """A try came to this, and the journal holds it."""

    def recorded(self) -> None:
        """All outcomes of a batch were told."""

    def gone(self, records: Sequence[Record]) -> None:
        """Messages that weren't done were taken away by somebody else."""
