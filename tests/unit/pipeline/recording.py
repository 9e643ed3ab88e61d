"""A recorder with a journal, and what it tells others of."""

from datetime import timedelta
from typing import Any, cast

from worker.handling.in_hand import Finished
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.records import NewMessage, Place, Record, Result
from worker.journal.schema import metadata
from worker.journal.tries import Tries
from worker.mailbox.folders import Layout
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.observer import Observer
from worker.pipeline.record import Results, Targets
from worker.pipeline.recorder import Recorder

HANDLED = Outcome(State.HANDLED, done=("archive",))


LATER = Place("INBOX", 15, 9)


class Hands(dict[int, Record]):
    """What is in hand, by row."""

    def rows(self) -> list[int]:
        return list(self)


class Backoff:
    """Notes what it is asked, and waits for a minute a failure, five times."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, int]] = []

    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        self.asked.append((route, failures))
        return None if failures > 5 else timedelta(minutes=failures)


class Told(Observer):
    """Notes each outcome that it is told of."""

    def __init__(self, told: list[tuple[str, State]]) -> None:
        self._told = told

    def outcome(self, record: Record, result: Result) -> None:
        self._told.append((record.key, result.state))


class Room:
    """A recorder with a journal."""

    def __init__(self, targets: Targets | None = None) -> None:
        self.database = Database("sqlite://")
        with self.database.write() as connection:
            metadata.create_all(connection)
        self.messages = Messages(self.database)
        self.tries = Tries(self.database)
        self.hands = Hands()
        self.backoff = Backoff()
        self.targets = targets or Targets("Processed", "Failed", "auto")
        self.told: list[tuple[str, State]] = []
        self.fails = False
        self.layout = Layout(("INBOX",), "Junk Email")
        self.recorder = self.recorder_of(self.hands)

    def recorder_of(self, hands: Hands) -> Recorder:
        """A recorder of what comes back from these hands."""
        return Recorder(
            messages=self.messages,
            tries=self.tries,
            pool=cast("Any", hands),
            results=Results(targets=self.targets, layout=self.layout, backoff=self.backoff),
            handlers=self,
            observer=Told(self.told),
            clock=lambda: 100.0,
        )

    def flush(self) -> None:
        if self.fails:
            raise OSError("full")

    def add(self, *uids: int, path: MailPath = MailPath.CLEAN) -> list[Record]:
        """Messages that are in hand."""
        new = [NewMessage(chr(96 + uid) * 26, Place("INBOX", 14, uid), 10, 5.0, Verdict(path)) for uid in uids]
        records = self.messages.add(new, 1.0)
        self.hands |= {record.id: record for record in records}
        return records

    def finish(self, record: Record, outcome: Outcome = HANDLED) -> None:
        del self.hands[record.id]
        self.recorder.add([Finished(record, outcome)])
