"""What is said before the first poll of an empty journal, when a person is asked, and that later runs ask nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.mailbox import INBOX, JUNK, Server, mail
from tests.unit.conftest import NOW, Lines
from worker.loop.first_mail import MANY, FirstMail, NotAgreed
from worker.mailbox.errors import ConnectionLost
from worker.mailbox.folders import Layout
from worker.mailbox.session import ArrivalDays
from worker.message.outcome import State
from worker.pipeline.old_mail import Backlog


@dataclass
class Somebody:
    """Whoever started the command."""

    answer: bool = True
    decides: bool = True
    heard: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def hears(self, found: Backlog) -> None:
        self.heard.append(found.count)

    def agrees(self, found: Backlog) -> bool:
        self.asked.append(found.count)
        return self.answer


@dataclass
class Journal:
    """Messages and places in one."""

    known: int = 0
    looks: dict[str, Any] = field(default_factory=dict)

    @property
    def by_state(self) -> Counter[State]:
        return Counter({State.HANDLED: self.known, State.JUNK: 0})

    def counts(self) -> "Journal":
        return self

    def last_looks(self) -> dict[str, Any]:
        return self.looks


def chore(
    journal: Journal,
    person: Somebody | None,
    *,
    since: datetime | None = None,
    chosen: bool = False,
    handled: str | None = "Processed",
) -> FirstMail:
    given: Any = journal
    layout = Layout((INBOX,), JUNK, names={"Processed": "INBOX.Processed"})
    return FirstMail(
        given, given, layout, handled=handled, since=since, chosen=chosen, person=person, clock=lambda: NOW
    )


@cache
def mailbox(count: int) -> Server:
    """Nothing that is done here changes it."""
    server = Server()
    for _ in range(count):
        server.deliver(mail("done"))
    return server


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.sampled_from([0, 1, MANY, MANY + 1, MANY + 500]),
    known=st.integers(0, 1),
    looked=st.booleans(),
    chosen=st.booleans(),
    person=st.none() | st.builds(Somebody, answer=st.booleans(), decides=st.booleans()),
)
def test_who_is_told_and_who_is_asked(
    lines: Lines, count: int, known: int, looked: bool, chosen: bool, person: Somebody | None
) -> None:
    lines.configure()
    server, begun = mailbox(count), bool(known or looked)
    first = chore(Journal(known, {INBOX: 1} if looked else {}), person, chosen=chosen)
    asked: list[str] = []
    server.before = asked.append
    session: Any = server.session()
    is_much = count > MANY and not chosen and not begun
    is_asked = is_much and person is not None and person.decides
    if is_asked and person is not None and not person.answer:
        with pytest.raises(NotAgreed, match="Nothing was handed over"):
            first.do(session)
    else:
        first.do(session)
        again = len(asked)
        first.do(session)
        assert len(asked) == again, "it is said once"
    if person is not None:
        assert person.heard == ([] if begun else [count])
        assert person.asked == ([count] if is_asked else [])
    if begun:
        assert asked == [], "a later run costs no command"
        assert lines.all == []
        return
    event = "mailbox.much_old_mail" if is_much and not is_asked else "mailbox.first_mail"
    assert [(line["event"], line["count"]) for line in lines.all] == [(event, count)]
    if count:
        assert lines.one["since"] == "2023-11-14T00:00:00.000Z"


def test_what_is_older_than_since_isnt_counted() -> None:
    server, person = Server(), Somebody()
    server.deliver(mail("done"))
    server.deliver(mail("done"), received_at=NOW - 60)
    server.deliver(mail("done"), JUNK, received_at=NOW - 60)
    session: Any = server.session()
    chore(Journal(), person, since=datetime(2026, 11, 1, tzinfo=UTC), chosen=True).do(session)
    assert person.heard == [2]


@pytest.mark.parametrize(("handled", "states"), [("Processed", ["INBOX.Processed"]), (None, [])])
def test_the_state_of_the_folder_of_handled_mail_is_asked_for_with_the_days(
    handled: str | None, states: list[str]
) -> None:
    session: Any = Server().session()
    asked: list[Sequence[str]] = []
    days = session.days

    def ask(folders: Sequence[str], *, states_of: Sequence[str]) -> dict[str, ArrivalDays]:
        asked.append(states_of)
        return dict(days(folders))

    session.days = ask
    chore(Journal(), None, handled=handled).do(session)
    assert asked == [states]


def test_a_connection_that_is_lost_after_the_answer_asks_no_second_time() -> None:
    server, person = mailbox(MANY + 1), Somebody()
    first = chore(Journal(), person)
    session: Any = server.session()
    first.do(session)
    other: Any = server.session()
    first.do(other)
    assert person.asked == [MANY + 1]


def test_a_connection_that_is_lost_before_the_answer_leaves_the_question_open() -> None:
    server, person = mailbox(MANY + 1), Somebody()

    def lose(name: str) -> None:
        if name == "days":
            raise ConnectionLost("reset")

    first = chore(Journal(), person)
    server.before = lose
    session: Any = server.session()
    with pytest.raises(ConnectionLost):
        first.do(session)
    server.before = lambda _name: None
    again: Any = server.session()
    first.do(again)
    assert (person.heard, person.asked) == ([MANY + 1], [MANY + 1])
