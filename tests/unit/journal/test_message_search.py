"""Messages that the journal names for a person who asks."""

import pytest

from tests.unit.journal.world import new
from worker.journal.database import Database
from worker.journal.message_search import MessageSearch
from worker.journal.messages import Messages
from worker.journal.records import NewMessage, Place, Record, Result
from worker.journal.tries import Tries
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict

EVER = (float("-inf"), float("inf"))


@pytest.fixture
def search(database: Database) -> MessageSearch:
    return MessageSearch(database)


def message(
    key: str, at: float, *, sender: str | None = None, folder: str = "INBOX", uid: int | None = None
) -> NewMessage:
    return NewMessage(key * 26, Place(folder, 14, uid), 100, at, Verdict(MailPath.CLEAN), sender=sender)


def keys(records: list[Record]) -> list[str]:
    return [record.key[0] for record in records]


def test_by_sender_newest_first_within_the_time(messages: Messages, search: MessageSearch) -> None:
    messages.add([message("a", 1.0, sender="s"), message("b", 3.0, sender="s"), message("c", 2.0, sender="t")], 0.0)
    messages.add([message("d", 2.0, sender="s"), message("e", 2.0)], 0.0)
    assert keys(search.by_sender("s", *EVER, most=9)) == ["b", "d", "a"]
    assert keys(search.by_sender("s", *EVER, most=2)) == ["b", "d"]
    assert keys(search.by_sender("s", 2.0, 3.0, most=9)) == ["d"]  # the end doesn't belong to it
    assert (search.without_sender(*EVER), search.without_sender(3.0, 4.0)) == (1, 0)


def test_by_the_beginning_of_a_key_and_nothing_else_in_it(messages: Messages, search: MessageSearch) -> None:
    messages.add([new("a" * 26, 1), new("a" * 26, 2), new("ab" * 13, 3)], 0.0)
    assert [record.key for record in search.by_key("aaa", most=9)] == ["a" * 26 + "-2", "a" * 26]
    assert len(search.by_key("ab", most=9)) == 1
    assert search.by_key("_", most=9) == search.by_key("%", most=9) == []


def test_in_a_folder_with_a_place_and_not_gone(messages: Messages, tries: Tries, search: MessageSearch) -> None:
    rows = messages.add(
        [
            message("a", 1.0, uid=1),
            message("b", 2.0, uid=2),
            message("c", 3.0),
            message("d", 4.0, uid=4),
            message("e", 5.0, uid=5, folder="Junk Email"),
        ],
        0.0,
    )
    tries.record([Result(rows[3].id, State.GONE)], 1.0)
    assert keys(search.received_in("INBOX", *EVER, most=9)) == ["b", "a"]
    here = search.lying_at("INBOX", Place("INBOX", 14, None), [1, 2, 3, 4, 5])
    assert {uid: record.key[0] for uid, record in here.items()} == {1: "a", 2: "b"}
    assert search.lying_at("INBOX", Place("INBOX", 15, None), [1, 2]) == {}
