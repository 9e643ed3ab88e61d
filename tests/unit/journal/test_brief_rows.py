"""Rows in brief say what the whole records say, and all of them as they are at one moment."""

import pytest

from tests.unit.journal.world import JUNK, new
from worker.journal import brief_rows as module
from worker.journal.brief_rows import BriefRow, brief_rows
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Place
from worker.message.outcome import State

ALIKE = ("id", "key", "fingerprint", "state", "place", "missed", "reason", "content", "doubtful")
SAID = ("is_lost", "may_be_another", "is_deleted")


def test_a_brief_row_says_what_the_record_says(messages: Messages, places: Places, database: Database) -> None:
    one, two, three, four = messages.add(
        [new(uid=1), new("b" * 26, 2, verdict=JUNK), new("c" * 26, 3), new("d" * 26, 4)], 1.0
    )
    places.settled([(two.id, Place("Processed", 15, 7))], 2.0)
    messages.deleted([two.id])
    places.missed([three.id], gone_after=2, now=3.0)
    with database.write() as connection:  # as an earlier version did, which stored the 0 that Exchange may give
        connection.exec_driver_sql("UPDATE message SET uid = 0, content = 'x', doubtful = 1 WHERE uid = 4")
    whole = messages.everything()
    assert [record.id for record in whole] == [one.id, two.id, three.id, four.id]
    assert whole[3].is_lost
    for record, row in zip(whole, brief_rows(database), strict=True):
        for name in (*ALIKE, *SAID):
            assert getattr(row, name) == getattr(record, name), name
        assert (row.settled_at is not None) is record.settled


@pytest.mark.parametrize("at_once", [1, 2, 3, 4, 5, 6])
def test_every_row_comes_once_as_it_was_when_the_first_was_read(
    on_file: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    messages = Messages(on_file)
    added = messages.add([new(letter * 26, uid) for uid, letter in enumerate("abcde", start=1)], 1.0)
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    rows = messages.in_brief()
    found: list[BriefRow] = [next(rows)]
    messages.add([new("f" * 26, 6)], 2.0)
    Places(on_file).missed([row.id for row in added], gone_after=1, now=2.0)
    found += rows
    assert [(row.id, row.state) for row in found] == [(row.id, State.PENDING) for row in added]
    assert [row.state for row in messages.in_brief()] == [State.GONE] * 5 + [State.PENDING]
