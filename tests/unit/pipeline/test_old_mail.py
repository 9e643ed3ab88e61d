"""How much mail lies in the watched folders, and since when."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, Server, mail
from worker.mailbox.session import ArrivalDays
from worker.pipeline.old_mail import EARLIEST, Backlog, OldMail, backlog

TODAY = date(2026, 11, 27)
DAYS = st.dates(EARLIEST, TODAY)
MIDNIGHT = datetime.min.time()


def arrived(day: date, second: int = 0) -> float:
    return datetime.combine(day, MIDNIGHT, UTC).timestamp() + second


def look(server: Server, *folders: str, since: date | None = None) -> Backlog:
    session: Any = server.session()
    return backlog(session, folders, TODAY, since)


@given(
    st.dictionaries(st.sampled_from([INBOX, JUNK, ELSEWHERE]), st.lists(st.tuples(DAYS, st.integers(0, 86_399)))),
    st.none() | DAYS,
)
def test_each_folder_has_its_count_and_its_oldest_day(
    lying: Mapping[str, list[tuple[date, int]]], since: date | None
) -> None:
    server = Server()
    for folder, mails in lying.items():
        for day, second in mails:
            server.deliver(mail("done"), folder, received_at=arrived(day, second))
    taken = {folder: [day for day, _ in mails if since is None or day >= since] for folder, mails in lying.items()}
    found = look(server, *lying, since=since)
    assert found.folders == tuple(OldMail(name, len(days), min(days)) for name, days in taken.items() if days)
    assert found.count == sum(map(len, taken.values()))
    assert found.oldest == min((day for days in taken.values() for day in days), default=None)


def test_mail_from_a_day_that_is_still_to_come_is_counted() -> None:
    server = Server()
    server.deliver(mail("done"), received_at=arrived(TODAY + timedelta(days=9)))
    assert look(server, INBOX) == Backlog((OldMail(INBOX, 1, TODAY),))
    begins = TODAY + timedelta(days=5)
    assert look(server, INBOX, since=begins) == Backlog((OldMail(INBOX, 1, begins),))


def test_a_search_that_leaves_messages_out_counts_them_all_the_same() -> None:
    server = Server()
    for age in range(5):
        server.deliver(mail("done"), received_at=arrived(TODAY - timedelta(days=age)), unsearched=age == 3)
    assert look(server, INBOX) == Backlog((OldMail(INBOX, 5, TODAY - timedelta(days=4)),))


def test_what_fetch_shows_in_no_way_is_counted_by_search() -> None:
    server = Server()
    server.deliver(mail("done"), received_at=arrived(TODAY))
    server.deliver(mail("done"), received_at=arrived(TODAY - timedelta(days=1)), unlisted=True)
    assert look(server, INBOX) == Backlog((OldMail(INBOX, 1, TODAY),))


@pytest.mark.parametrize("since", [None, TODAY - timedelta(days=2)])
def test_a_server_that_refuses_to_tell_the_days_is_counted_all_the_same(since: date | None) -> None:
    server = Server()
    for age in range(3):
        server.deliver(mail("done"), received_at=arrived(TODAY - timedelta(days=2 * age)))
    server.deliver(mail("done"), JUNK, received_at=arrived(TODAY))
    server.refusing.add(("days", INBOX))
    found = look(server, INBOX, JUNK, since=since)
    assert found.folders == (OldMail(INBOX, 3 if since is None else 2, None), OldMail(JUNK, 1, TODAY))


def test_mail_whose_day_cannot_be_read_is_counted() -> None:
    server = Server()
    session: Any = server.session()
    session.days = lambda _folders, **_states_of: {INBOX: ArrivalDays(3, {None: 2, TODAY: 1})}
    for since in (None, TODAY):
        assert backlog(session, [INBOX], TODAY, since) == Backlog((OldMail(INBOX, 3, TODAY),))


def test_no_header_and_no_body_is_read_and_a_folder_costs_two_commands() -> None:
    server = Server()
    for age in range(300):
        server.deliver(mail("done"), received_at=arrived(TODAY - timedelta(days=9 * age)))
    asked: list[str] = []
    server.before = asked.append
    look(server, INBOX, JUNK)
    assert asked == ["examine", "days"] * 2


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Backlog(), "The watched folders are empty."),
        (
            Backlog((OldMail("INBOX", 1460, date(2019, 3, 4)), OldMail("Junk\x1b Email", 1, date(2024, 1, 2)))),
            """The watched folders hold 1,461 messages, the oldest of 2019-03-04:
  INBOX        1,460 messages, the oldest of 2019-03-04
  Junk? Email  1 message of 2024-01-02""",
        ),
        (Backlog((OldMail("INBOX", 2, None),)), "The watched folders hold 2 messages:\n  INBOX  2 messages"),
    ],
)
def test_what_a_person_is_told(found: Backlog, text: str) -> None:
    assert found.text() == text
