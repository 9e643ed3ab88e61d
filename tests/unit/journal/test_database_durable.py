"""What must survive a crash of the machine is on the disk before anything relies on it."""

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import pytest

from tests.fakes.journal import with_tables
from worker.journal.attempts import RESET, SUCCEEDED, AttemptLedger
from worker.journal.audit_anchors import Anchor, Head, JournalAnchors
from worker.journal.database import Database
from worker.journal.facts import Facts
from worker.journal.intents import Intents, Kind
from worker.journal.messages import Messages
from worker.journal.migrate import migrate
from worker.journal.records import NewMessage, Place, Result
from worker.journal.tries import Tries
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict

NEW = NewMessage("a" * 26, Place("INBOX", 1, 1), 1, 1.0, Verdict(MailPath.CLEAN))
SINCE: dict[str, Any] = {"after": 0, "floor": 0, "epoch": "e", "actor": "a", "at": 1.0}


class Watched(Database):
    """Remembers which writes were to wait for the disk."""

    waited: list[bool]

    def write(self, *, durable: bool = False) -> Any:
        self.waited.append(durable)
        return super().write(durable=durable)


@pytest.fixture
def database() -> Watched:
    found = Watched("sqlite://")
    found.waited = []
    with_tables(found)
    Messages(found).add([NEW], 1.0)
    found.waited.clear()
    return found


WRITES: dict[str, Callable[[Database], object]] = {
    "begin": lambda database: AttemptLedger(database).begin(kind="token", credential=None, jitter=0.0, **SINCE),
    "append": lambda database: AttemptLedger(database).append(kind=RESET, **SINCE),
    "finish": lambda database: AttemptLedger(database).finish(1, outcome=SUCCEEDED, counts=False, at=1.0),
    "cool": lambda database: AttemptLedger(database).cool_from([1], 1.0),
    "salt": lambda database: AttemptLedger(database).salt(),
    "anchor": lambda database: JournalAnchors(database).store("chain", Anchor(Head(1, "mac"))),
    "resume": lambda database: Facts(database).resume(),
    "ask": lambda database: Intents(database).ask(Kind.RETRY, ["a"], reason="r", actor="a", now=1.0),
    "done": lambda database: Intents(database).done([1], 1.0),
    "record": lambda database: Tries(database).record([Result(1, State.HANDLED)], 1.0),
    "reopen": lambda database: Messages(database).reopen(1),
    "rebuild": lambda database: Messages(database).add_settled([(NEW, State.HANDLED)], 1.0),
    "compact": lambda database: Messages(database).compact([1], missed=0),
}


@pytest.mark.parametrize("name", WRITES)
def test_it_waits_for_the_disk(database: Watched, name: str) -> None:
    WRITES[name](database)
    assert database.waited == [True]


def test_a_new_schema_waits_for_the_disk(tmp_path: FilePath) -> None:
    database = Watched(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    database.waited = []
    migrate(database)
    assert database.waited == [True]
    database.close()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_only_a_durable_write_waits_for_the_disk(tmp_path: FilePath, durable: bool, synchronous: int) -> None:
    database = Database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    for given in (not durable, durable):
        with database.write(durable=given) as connection:
            found = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    assert found == synchronous
    database.close()
