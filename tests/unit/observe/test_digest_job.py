"""The digest: when it is due, what is in it, that it goes out once, and that nothing else ever does."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.journal import with_tables
from worker.journal.database import Database
from worker.journal.facts import Facts
from worker.journal.junk_review import (
    Waiting,
    in_junk,
    likely_mistake_keys,
    likely_mistakes,
    released_since,
    reviewed,
)
from worker.journal.messages import Messages
from worker.journal.records import NewMessage, Place, Record, Result
from worker.journal.schema import lease
from worker.journal.tries import Tries
from worker.logs.redaction import Secret
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.observe.channels import Relay, Webhook
from worker.observe.delivery import NotSent
from worker.observe.digest import AGES, MOST_KEYS, Digest
from worker.observe.digest_job import DigestJob, digest, latest_due, zone_named

ACCOUNT = "pathology.results@nhs.net"
LONDON = ZoneInfo("Europe/London")
DAY = 86_400.0
NOON = datetime(2026, 6, 3, 12, tzinfo=UTC)  # a Wednesday


def key(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "a" * 24 + letters[number // 26 % 26] + letters[number % 26]


# -- when


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        ("weekdays 07:00", "2026-06-03T12:00Z", "2026-06-03T06:00Z"),  # summer time
        ("weekdays 07:00", "2026-06-03T05:59Z", "2026-06-02T06:00Z"),
        ("weekdays 07:00", "2026-06-03T06:00Z", "2026-06-03T06:00Z"),
        ("weekdays 07:00", "2026-06-07T12:00Z", "2026-06-05T06:00Z"),  # on a Sunday: Friday's
        ("weekdays 07:00", "2026-01-05T06:59Z", "2026-01-02T07:00Z"),  # early on a Monday, in winter
        ("daily 07:00", "2026-06-07T12:00Z", "2026-06-07T06:00Z"),
        ("monday 07:00", "2026-06-07T12:00Z", "2026-06-01T06:00Z"),
        ("wednesday 23:59", "2026-06-03T12:00Z", "2026-05-27T22:59Z"),
        ("daily 01:30", "2026-03-29T12:00Z", "2026-03-29T01:30Z"),  # an hour that isn't there that day
        ("daily 01:30", "2026-10-25T12:00Z", "2026-10-25T00:30Z"),  # an hour that comes twice
    ],
)
def test_a_digest_is_due_at_its_time_in_its_zone(schedule: str, now: str, expected: str) -> None:
    assert latest_due(schedule, LONDON, datetime.fromisoformat(now)) == datetime.fromisoformat(expected)


def test_off_is_never() -> None:
    assert latest_due("off", LONDON, NOON) is None


_times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds are naive
_schedules = st.builds(
    "{} {:02}:{:02}".format,
    st.sampled_from(["daily", "weekdays", "monday", "sunday"]),
    st.integers(0, 23),
    st.integers(0, 59),
)


@given(_schedules, _times, st.sampled_from(["Europe/London", "UTC", "Pacific/Apia"]))
def test_there_is_always_one_within_eight_days_and_none_comes_twice(schedule: str, now: datetime, zone: str) -> None:
    due = latest_due(schedule, ZoneInfo(zone), now)
    assert due is not None
    assert now - timedelta(days=8, hours=2) <= due <= now
    assert latest_due(schedule, ZoneInfo(zone), due) == due


def test_an_unknown_zone_is_utc() -> None:
    assert zone_named("Europe/Atlantis") is UTC
    assert str(zone_named("Europe/London")) == "Europe/London"


# -- what


def waiting(number: int, age: float = 0.0, *sources: str, known: bool = False, reviewed: bool = False) -> Waiting:
    return Waiting(key(number), NOON.timestamp() - age, sources or ("placement",), known, reviewed)


def told(*messages: Waiting, released: int = 0, since: float = DAY) -> Digest:
    now = NOON.timestamp()
    return digest(messages, account=ACCOUNT, now=now, since=now - since, released=released)


def test_it_counts_by_source_and_age_and_puts_likely_mistakes_first() -> None:
    found = told(
        waiting(1, 60, "exchange", "placement"),
        waiting(2, 2 * DAY, known=True),
        waiting(3, 8 * DAY, "trend", known=True, reviewed=True),
        waiting(4, 40 * DAY, known=True),
        released=3,
    )
    assert (found.junk, found.new, found.released) == (4, 1, 3)
    assert found.by_source == (("placement", 3), ("exchange", 1), ("trend", 1))
    assert found.by_age == tuple((age, 1) for age in AGES)
    assert found.known == (key(2), key(4))
    assert found.text.startswith("2 messages that nobody has looked at come from known senders.")
    assert found.title == "Junk: 2 messages likely there by mistake"
    assert key(2) in found.do


def test_of_many_known_senders_the_newest_are_named_and_all_counted() -> None:
    found = told(*[waiting(number, number, known=True) for number in range(50)])
    assert found.known == tuple(key(number) for number in range(MOST_KEYS))
    assert found.known_count == 50
    assert "and 30 more" in found.do
    assert "`nhsmail-worker junk release KEY --reason TEXT`" in found.do, "it can be typed as it stands"


def test_nothing_in_junk_is_nothing_to_tell() -> None:
    assert told().is_empty
    assert not told(released=1).is_empty
    assert told(released=1).do == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"known": ("Report on a patient",)},
        {"known": ("someone@lab.nhs.uk",)},
        {"known": (key(1),) * (MOST_KEYS + 1)},
        {"by_source": (("a name", 1),)},
        {"by_age": (("yesterday", 1),)},
        {"junk": "many"},
        {"released": True},
        {"account": "nobody"},
        {"at": "now"},
    ],
)
def test_there_is_no_place_for_content(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"account": ACCOUNT, "at": NOON, "junk": 1, "new": 1, "released": 0, "known_count": 1}
    given |= {"by_source": (), "by_age": (), "known": (key(1),)}
    assert Digest(**given).junk == 1
    with pytest.raises(TypeError):
        Digest(**{**given, **wrong})


# -- the journal


@pytest.fixture
def database() -> Database:
    return with_tables(Database("sqlite://"))


JUNK = Verdict(
    MailPath.JUNK, (Evidence("trend", "X", "Yes", "r", True), Evidence("exchange", "X", "SCL:1", "r", False))
)


def add(
    database: Database, number: int, sender: str | None, state: State, *, at: float | None = None, **more: Any
) -> Record:
    messages = Messages(database)
    verdict = JUNK if state is State.JUNK else Verdict(MailPath.CLEAN)
    new = NewMessage(key(number), Place("INBOX", 1, number), 1, number if at is None else at, verdict, sender, **more)
    (record,) = messages.add([new], 0.0)
    Tries(database).record([Result(record.id, state, path=verdict.path)], 5.0)
    return record


def test_a_sender_is_known_once_mail_of_his_was_handled_as_clean(database: Database) -> None:
    add(database, 1, "mark-a", State.JUNK)
    add(database, 2, "mark-b", State.JUNK)
    add(database, 3, None, State.JUNK)
    add(database, 4, "mark-c", State.JUNK, sender_listed=True)
    add(database, 5, None, State.HANDLED)
    assert likely_mistakes(database) == len(likely_mistake_keys(database, 5)) == 1
    add(database, 6, "mark-a", State.HANDLED)
    add(database, 7, "mark-b", State.FAILED)

    assert [(item.key, item.known) for item in in_junk(database)] == [
        (key(4), True),
        (key(3), False),
        (key(2), False),
        (key(1), True),
    ]
    assert in_junk(database)[0].sources == ("trend",)
    assert likely_mistakes(database) == len(likely_mistake_keys(database, 5)) == 2
    assert likely_mistake_keys(database, 1) == likely_mistake_keys(database, 5)[:1]
    reviewed(database, key(1), 9.0)
    assert likely_mistakes(database) == len(likely_mistake_keys(database, 5)) == 1
    assert [item.reviewed for item in in_junk(database)] == [False, False, False, True]


def test_of_what_lies_in_junk_the_newest_is_first(database: Database) -> None:
    for number, at in ((1, 30.0), (2, 50.0), (3, 40.0), (4, 40.0)):
        add(database, number, None, State.JUNK, at=at)
    found = [(item.key, item.received_at) for item in in_junk(database)]
    assert found == [(key(2), 50.0), (key(4), 40.0), (key(3), 40.0), (key(1), 30.0)]


def test_releases_since_a_time(database: Database) -> None:
    for number, at in ((1, 10.0), (2, 20.0), (3, 30.0)):
        record = add(database, number, None, State.JUNK)
        Messages(database).reopen(record.id, verdict=Verdict(MailPath.CLEAN), released_at=at)
    assert released_since(database, 20.0) == 2


# -- once


class Box:
    """A channel that keeps what it is sent, and fails on request."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fails = False
        self.sent: list[Digest] = []

    def send(self, news: Digest, /) -> None:
        if self.fails:
            raise NotSent(503)
        self.sent.append(news)


class Office:
    """A worker with its lease and its clock, and a job that may be made anew."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOON.timestamp()
        self.channels = [Box("teams-webhook"), Box("relay")]
        self.hold("here")

    def hold(self, name: str) -> None:
        with self.database.write() as connection:
            connection.execute(lease.delete())
            connection.execute(lease.insert().values(name="work", holder=name, expires_at=self.now + 100 * DAY))

    def check(self) -> None:
        """By a job that remembers nothing itself: as after a restart."""
        DigestJob(
            self.database,
            self.channels,
            schedule="daily 07:00",
            zone=LONDON,
            account=ACCOUNT,
            replica="here",
            clock=lambda: self.now,
        ).check()

    @property
    def sent(self) -> list[int]:
        return [len(channel.sent) for channel in self.channels]


@pytest.fixture
def place(database: Database) -> Office:
    add(database, 1, "mark", State.JUNK)
    return Office(database)


def test_each_is_sent_once_and_the_first_start_sends_none(place: Office) -> None:
    for _ in range(3):
        place.check()
    assert place.sent == [0, 0]
    for day in range(1, 4):
        place.now += DAY
        place.check()
        place.check()
        assert place.sent == [day, day]
    assert [found.at.day for found in place.channels[0].sent] == [4, 5, 6]


def test_one_that_fell_due_while_nobody_ran_is_told_late_and_only_once(place: Office) -> None:
    place.check()
    place.now += 3 * DAY + 3600
    place.check()
    assert place.sent == [1, 1]


def test_a_channel_that_fails_is_tried_again_and_the_others_are_not(place: Office) -> None:
    place.check()
    place.now += DAY
    place.channels[0].fails = True
    place.check()
    place.check()
    assert place.sent == [0, 1]
    place.channels[0].fails = False
    place.check()
    place.check()
    assert place.sent == [1, 1]


def test_a_replica_that_stands_by_tells_nothing(place: Office) -> None:
    place.check()
    place.now += DAY
    place.hold("elsewhere")
    place.check()
    assert place.sent == [0, 0]
    place.hold("here")
    place.check()
    assert place.sent == [1, 1]


def test_releases_since_the_last_digest_are_counted(place: Office) -> None:
    place.check()
    messages = Messages(place.database)
    (record,) = messages.in_state(State.JUNK)
    for _ in range(3):
        place.now += DAY
        messages.reopen(record.id, verdict=Verdict(MailPath.CLEAN), released_at=NOON.timestamp() + DAY - 60)
        place.check()
    assert [found.released for found in place.channels[0].sent] == [1]  # the others had nothing to tell


def test_what_can_not_be_read_of_the_last_one_counts_as_none(place: Office) -> None:
    Facts(place.database).remember("digest", "{broken")
    place.check()
    place.now += DAY
    place.check()
    assert place.sent == [1, 1]


# -- the channels


@pytest.mark.parametrize("form", ["teams", "slack", "json"])
def test_a_webhook_takes_it(form: Any) -> None:
    posted: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        posted.append(json.loads(request.content))
        return httpx.Response(200)

    hook = Webhook("hook", Secret("https://hooks.example/x"), form, transport=httpx.MockTransport(answer))
    hook.send(told(waiting(1, known=True)))
    hook.close()
    text = json.dumps(posted)
    assert key(1) in text
    assert "likely there by mistake" in text


def test_the_relay_takes_it() -> None:
    mail = Relay("relay", "relay.example", sender=ACCOUNT, to=["team@nhs.net"]).mail(told(waiting(1, known=True)))
    assert mail["Subject"] == "nhsmail-worker: Junk: 1 message likely there by mistake"
    assert key(1) in mail.get_content()
