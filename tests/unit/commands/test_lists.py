"""What the lists hold, of a journal and of a mailbox in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.mailbox import FAILED, JUNK, Server
from tests.unit.commands.configured import ADDRESS, configured
from worker.commands import lists
from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.lists import SHORT, Choice, expected, retryable, review
from worker.commands.review import NEVER_AGAIN
from worker.journal.records import NewMessage, Place, Result
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.pipeline.preview import Foreseen

SPAM = Evidence("exchange", "X-Forefront-Antispam-Report", "SFV:SPM", "spam", True)
PLACED = Evidence("placement", None, "junk-folder", "it lies in the junk folder", True)


class Mailbox:
    """A worker whose mailbox is in memory: 30 dead letters, and 3 messages in junk, the newest last."""

    def __init__(self, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
        self.context = context
        self.server = Server()
        self.server.create(FAILED)
        self.commands: list[str] = []
        self.server.before = self.commands.append
        monkeypatch.setattr(context, "visit", self.visit)
        context.parts.journal.open(ADDRESS)
        for number in range(30):
            handler, error = ("archive", "OSError") if number % 3 else ("notify", "TimeoutError")
            self.add(FAILED, number, Result(0, State.FAILED, f"{handler}:{error}", failed_handler=handler))
        for number in range(3):
            verdict = Verdict(MailPath.JUNK, (SPAM,) if number else (PLACED,))
            self.add(JUNK, number, Result(0, State.JUNK, path=MailPath.JUNK), verdict)

    @contextmanager
    def visit(self) -> Iterator[Any]:
        with self.context.opened():
            yield self.server.session(), None

    def add(self, folder: str, number: int, result: Result, verdict: Verdict | None = None) -> str:
        raw = f"From: Dr {number % 5} <dr{number % 5}@x.example>\r\nSubject: Report {number}\r\n\r\nhello".encode()
        mail = self.server.deliver(raw, folder)
        _, uid = self.server.find(mail) or ("", 0)
        place = Place(folder, self.server.folders[folder].uidvalidity, uid)
        mark = f"{folder[0].lower()}{number:025}".translate(str.maketrans("0189", "abcd"))
        journal = self.context.parts.journal
        (row,) = journal.messages.add(
            [NewMessage(mark, place, len(raw), 1_000.0 * number, verdict or Verdict(MailPath.CLEAN))], 1.0
        )
        fields = {name: getattr(result, name) for name in ("state", "reason", "failed_handler", "path")}
        journal.tries.record([Result(row.id, **fields)], 2.0)
        return row.key

    def listed(self, state: State = State.FAILED, limit: int = 100, **choice: Any) -> list[str]:
        """The subjects' numbers."""
        found = review(self.context, state, Choice(**choice), limit=limit)
        return [(item.subject or "").removeprefix("Report ") for item in found.items]


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with configured(tmp_path) as context:
        yield Mailbox(context, monkeypatch)


def test_what_the_journal_knows_narrows_a_list_before_anything_is_read(mailbox: Mailbox) -> None:
    assert mailbox.listed(limit=3) == ["29", "28", "27"]
    assert mailbox.listed(handler="notify", limit=2) == ["27", "24"]
    assert mailbox.listed(reason="TIMEOUT", since=20_500.0) == ["27", "24", "21"]
    assert mailbox.listed(State.JUNK, reason="sfv") == ["2", "1"]
    assert mailbox.listed(State.JUNK, evidence="placement") == ["0"]
    assert mailbox.listed(State.JUNK, known=True) == []
    mailbox.commands.clear()
    assert mailbox.listed(handler="quarantine") == []
    assert mailbox.commands == []


def test_sender_subject_and_route_are_asked_of_the_mailbox(mailbox: Mailbox) -> None:
    assert mailbox.listed(sender="DR 4") == ["29", "24", "19", "14", "9", "4"]
    assert mailbox.listed(sender="dr4@x", handler="notify") == ["24", "9"]
    assert mailbox.listed(subject="report 1", limit=3) == ["19", "18", "17"]
    assert mailbox.listed(sender="dr4", subject="9", route="all") == ["29", "19", "9"]
    assert mailbox.listed(route="junk") == []
    for command in (
        lambda: mailbox.listed(route="nope"),
        lambda: retryable(mailbox.context, Choice(route="nope")),
        lambda: expected(mailbox.context, Choice(route="nope")),
    ):
        with pytest.raises(
            Failure, match=r"There is no route 'nope'\. Nothing was done\. The routes are all, junk\."
        ) as no:
            command()
        assert no.value.code is ExitCode.USAGE


def test_a_list_says_how_many_more_there_are(mailbox: Mailbox) -> None:
    def more(limit: int, **choice: Any) -> tuple[int, int]:
        found = review(mailbox.context, State.FAILED, Choice(**choice), limit=limit)
        return found.older, found.unread

    assert more(100) == (0, 0)
    assert more(30) == (0, 0)
    assert more(29) == (1, 0)
    assert more(4, handler="notify") == (6, 0)
    assert more(2, sender="dr4") == (0, 24), "29 and 24 were found: the 24 older ones weren't looked at"


def test_a_handler_that_is_nowhere_is_refused_with_those_that_there_are(mailbox: Mailbox) -> None:
    for ask in (
        lambda choice: review(mailbox.context, State.FAILED, choice, limit=9),
        lambda c: retryable(mailbox.context, c),
    ):
        with pytest.raises(
            Failure, match=r"There is no handler 'brokn'\. Nothing was done\. The handlers are .*notify"
        ) as no:
            ask(Choice(handler="brokn"))
        assert no.value.code is ExitCode.USAGE


def test_keys_are_short_and_each_dead_letter_has_its_handler(mailbox: Mailbox) -> None:
    twin = mailbox.add(FAILED, 29, Result(0, State.FAILED, "oversize"))
    found = review(mailbox.context, State.FAILED, Choice(), limit=3)
    assert twin == f"{found.items[1].key}-2"
    assert [len(found.short[item.key]) for item in found.items] == [len(twin), 26, 26]
    assert [found.handlers.get(item.key) for item in found.items] == [None, "archive", "archive"]
    assert review(mailbox.context, State.JUNK, Choice(), limit=3).handlers == {}


def test_dead_letters_to_try_again_are_counted_without_the_mailbox_where_that_suffices(mailbox: Mailbox) -> None:
    found = retryable(mailbox.context, Choice(handler="notify"))
    assert (len(found.items), found.left_out) == (10, 0)
    assert {item.reason for item in found.items} == {"notify:TimeoutError"}
    assert mailbox.commands == []
    by_sender = retryable(mailbox.context, Choice(handler="notify", sender="dr4"))
    assert [item.subject for item in by_sender.items] == ["Report 24", "Report 9"]


@pytest.mark.parametrize("reason", NEVER_AGAIN)
def test_what_can_t_be_tried_again_is_left_out_and_counted(mailbox: Mailbox, reason: str) -> None:
    mailbox.add(FAILED, 31, Result(0, State.FAILED, reason))
    found = retryable(mailbox.context, Choice(since=28_500.0))
    assert ([item.received_at.timestamp() for item in found.items], found.left_out) == ([29_000.0], 1)


def test_a_dry_run_is_narrowed_and_its_texts_are_safe(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    foreseen = [
        Foreseen(
            "a" * 26, MailPath.CLEAN, "route 'lab': archive", 1_000.0, "lab\x1b[2J", "Report", ("lab",), ("archive",)
        ),
        Foreseen("b" * 26, MailPath.CLEAN, "dead letter: over [limits] message", 2_000.0, "dr@x.example", "Scan"),
        Foreseen("", None, "nothing yet: the server shows no header"),
    ]
    monkeypatch.setattr(lists, "preview", lambda _context: foreseen)

    def numbers(**choice: Any) -> list[int]:
        return [foreseen.index(one.foreseen) for one in expected(mailbox.context, Choice(**choice))[0]]

    assert numbers() == [0, 1, 2]
    assert numbers(since=1_500.0) == [1]
    assert numbers(sender="LAB") == [0]
    assert numbers(subject="scan") == [1]
    assert numbers(reason="dead letter") == [1]
    assert numbers(handler="archive") == [0]
    assert numbers(route="all") == []
    found, short = expected(mailbox.context, Choice())
    assert [one.sender for one in found] == ["lab [2J", "dr@x.example", ""]
    assert short == {"a" * 26: "a" * SHORT, "b" * 26: "b" * SHORT}
