"""SEARCH as it goes to the server, and the newest messages by their numbers."""

from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from typing import Any

import pytest

from worker.mailbox.errors import CommandRefused, ConnectionLost
from worker.mailbox.imap_client import Client
from worker.mailbox.message_searcher import AT_ONCE, Arrived, MessageSearcher, Terms, can_be_searched
from worker.mailbox.wire import ImapError

AT = datetime(2026, 1, 5, 10, 5, tzinfo=UTC)


class Scripted:
    """A connection, and the client on it. fails: what every command raises."""

    def __init__(self, messages: int = 0, fails: Exception | None = None) -> None:
        self.client = self
        self.asked: list[str] = []
        self._messages = messages
        self._fails = fails

    @contextmanager
    def translated(self) -> Any:
        with nullcontext():
            yield

    def search_by(self, criteria: Sequence[str]) -> set[int]:
        self._command(" ".join(criteria))
        return {3, 5}

    def fetch_by_number(self, which: str, items: Sequence[str]) -> dict[int, dict[bytes, object]]:
        self._command(f"{which} {' '.join(items)}")
        first, _, last = which.partition(":")
        numbers = range(int(first), (self._messages if last == "*" else int(last)) + 1)
        return {number * 10: {b"INTERNALDATE": AT} for number in numbers}

    def _command(self, text: str) -> None:
        self.asked.append(text)
        if self._fails is not None:
            raise self._fails


def searcher(scripted: Scripted) -> MessageSearcher:
    given: Any = scripted
    return MessageSearcher(given)


def test_every_text_is_quoted_and_days_are_english() -> None:
    terms = Terms(
        sender=('a "b"', "c\\d"),
        subject=("{5}",),
        either=("NOT",),
        message_id="1@x",
        since=date(2026, 3, 2),
        before=date(2026, 12, 31),
    )
    scripted = Scripted()
    assert searcher(scripted).search(terms) == {3, 5}
    texts = 'FROM "a \\"b\\"" FROM "c\\\\d" SUBJECT "{5}" OR FROM "NOT" SUBJECT "NOT" HEADER Message-ID "1@x"'
    assert scripted.asked == [f"{texts} SINCE 02-Mar-2026 BEFORE 31-Dec-2026"]


@pytest.mark.parametrize("text", ["", "é", "a\r\nb", "a\0b", "\x7f"])
def test_what_a_quoted_string_cannot_hold_is_not_searched_for(text: str) -> None:
    assert not can_be_searched(text)


def test_nothing_to_search_for() -> None:
    assert not Terms().anything
    assert Terms(since=date(2026, 1, 1)).anything


def test_the_newest_come_first_and_so_many_at_once() -> None:
    scripted = Scripted(messages=5_000)
    found = list(searcher(scripted).newest(4_500, 5_000))
    assert [one.uid for one in found] == [number * 10 for number in range(5_000, 500, -1)]
    assert found[0] == Arrived(50_000, AT.timestamp())
    assert scripted.asked == [
        f"{5_000 - AT_ONCE + 1}:* UID INTERNALDATE",
        "1001:3000 UID INTERNALDATE",
        "501:1000 UID INTERNALDATE",
    ]


@pytest.mark.parametrize(("count", "messages", "asked"), [(9, 3, ["1:* UID INTERNALDATE"]), (9, 0, []), (0, 3, [])])
def test_no_more_than_there_are(count: int, messages: int, asked: list[str]) -> None:
    scripted = Scripted(messages)
    assert len(list(searcher(scripted).newest(count, messages))) == min(count, messages)
    assert scripted.asked == asked


@pytest.mark.parametrize("said", ["BAD [b'Command Error. 10']", "BAD [b'Command Argument Error. 11']"])
def test_a_server_that_does_not_understand_refuses_and_the_connection_stays(said: str) -> None:
    for ask in (lambda one: one.search(Terms(sender=("x",))), lambda one: list(one.newest(1, 1))):
        with pytest.raises(CommandRefused):
            ask(searcher(Scripted(1, ImapError(f"SEARCH command error: {said}"))))


def test_any_other_trouble_is_for_the_connection_to_tell() -> None:
    for problem in (Client.AbortError("socket error: EOF"), ConnectionLost("not connected")):
        with pytest.raises(type(problem)):
            searcher(Scripted(1, problem)).search(Terms(sender=("x",)))
