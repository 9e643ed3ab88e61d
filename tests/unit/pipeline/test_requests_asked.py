"""Requests by themselves: what is written down at once, what is moved, and when a request is done."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from sqlalchemy import select

from tests.fakes.checks import Logged, fields
from tests.fakes.journal import with_tables
from worker.journal.database import Database
from worker.journal.intents import Intents, Kind
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import NewMessage, Place, Record, Result
from worker.journal.schema import intent
from worker.journal.tries import Tries
from worker.mailbox.folders import Layout
from worker.message.key import Fingerprints
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.pipeline.opened import Opened
from worker.pipeline.redelivery import Redelivery
from worker.pipeline.report import Report
from worker.pipeline.requests import RELEASED, Requests
from worker.pipeline.whereabouts import Whereabouts

EVIDENCE = (Evidence("placement", None, "junk-folder", "it lies in the junk folder", counts=True),)


class Settle:
    """Moves nothing, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], str]] = []
        self.absent: list[Record] = []

    def bring_back(self, _session: Any, records: Sequence[Record], folder: str) -> list[Record]:
        self.asked.append(([record.id for record in records], folder))
        return self.absent


class Desk:
    """Requests with a journal."""

    def __init__(self) -> None:
        self.database = database = with_tables(Database("sqlite://"))
        self.messages, self.tries, self.intents = Messages(database), Tries(database), Intents(database)
        self.settle = Settle()
        self.now = 500.0
        self.requests = Requests(
            self.intents,
            self.messages,
            cast("Any", self.settle),
            Layout(("INBOX", "Results"), "Junk Email"),
            Redelivery(
                intents=self.intents,
                messages=self.messages,
                whereabouts=Whereabouts(self.messages, Places(database), Fingerprints("a@nhs.net")),
                clock=self.clock,
            ),
            self.clock,
        )
        self.session: Any = object()

    def clock(self) -> float:
        return self.now

    def add(self, uid: int, state: State, path: MailPath = MailPath.CLEAN) -> Record:
        verdict = Verdict(path, EVIDENCE if path is MailPath.JUNK else ())
        (record,) = self.messages.add([NewMessage(chr(96 + uid) * 26, Place("Failed", 14, uid), 10, 5.0, verdict)], 1.0)
        if state is not State.PENDING:
            self.tries.record([Result(record.id, state, "archive:Reject", path=path)], 2.0)
        return record

    def ask(self, kind: Kind, *records: Record, keys: Sequence[str] = ()) -> None:
        wanted = [*(record.key for record in records), *keys]
        self.intents.ask(kind, wanted, reason="why", actor="a person@host", now=self.now)

    def intents_kept(self) -> list[float]:
        """When those that are still kept were done."""
        with self.database.read() as connection:
            return list(connection.execute(select(intent.c.done_at)).scalars())

    def row(self, record: Record) -> Record:
        (found,) = self.messages.with_keys([record.key])
        return found


@pytest.fixture
def desk() -> Desk:
    """Requests with a journal."""
    return Desk()


def test_without_a_request_nothing_is_asked_of_the_mailbox(desk: Desk) -> None:
    desk.add(1, State.FAILED)
    assert desk.requests.bring_back(desk.session) == Opened({})
    assert list(desk.requests.reopen()) == []
    assert desk.requests.carry_out(desk.session) == Opened({})
    assert desk.settle.asked == []


def test_what_is_reopened_is_moved_to_the_first_folder_and_then_done(desk: Desk) -> None:
    dead, junk, other = desk.add(1, State.FAILED), desk.add(2, State.JUNK, MailPath.JUNK), desk.add(3, State.FAILED)
    desk.ask(Kind.RETRY, dead)
    desk.ask(Kind.RELEASE, junk)
    assert list(desk.requests.reopen()) == [dead.id, junk.id]
    assert [desk.row(one).state for one in (dead, junk, other)] == [State.PENDING, State.PENDING, State.FAILED]
    assert len(desk.intents.open()) == 2
    opened = desk.requests.bring_back(desk.session)
    assert opened == Opened({dead.id: dead.place, junk.id: junk.place})
    assert opened.report == Report(opened=2)
    assert desk.settle.asked == [([dead.id, junk.id], "INBOX")]
    assert desk.intents.open() == []
    assert desk.requests.bring_back(desk.session) == Opened({})
    assert len(desk.settle.asked) == 1


def test_a_request_is_done_at_the_time_of_its_end(desk: Desk) -> None:
    """So that it is forgotten long after that."""
    dead = desk.add(1, State.FAILED)
    desk.ask(Kind.RETRY, dead)
    list(desk.requests.reopen())
    desk.now = 900.0
    desk.requests.bring_back(desk.session)
    desk.intents.forget(900.0)
    assert desk.intents_kept() == [900.0]
    desk.intents.forget(901.0)
    assert desk.intents_kept() == []


def test_messages_that_are_not_where_they_should_lie_are_named(desk: Desk) -> None:
    dead, gone = desk.add(1, State.FAILED), desk.add(2, State.FAILED)
    desk.ask(Kind.RETRY, dead, gone)
    desk.settle.absent = [gone]
    assert desk.requests.carry_out(desk.session).absent == (gone.key,)
    assert desk.intents.open() == []


def test_a_release_makes_it_clean_and_keeps_the_evidence(desk: Desk, logged: Logged) -> None:
    junk = desk.add(1, State.JUNK, MailPath.JUNK)
    desk.ask(Kind.RELEASE, junk)
    list(desk.requests.reopen())
    row = desk.row(junk)
    assert (row.verdict, row.released, row.state) == (
        Verdict(MailPath.CLEAN, (*EVIDENCE, RELEASED)),
        True,
        State.PENDING,
    )
    assert fields(logged, "message.released") == [{"key": junk.key, "actor": "a_person_host"}]
    assert [line["log_level"] for line in logged("message.released")] == ["info"]


def test_a_retry_keeps_the_path_and_is_no_release(desk: Desk, logged: Logged) -> None:
    dead = desk.add(1, State.FAILED, MailPath.JUNK)
    desk.ask(Kind.RETRY, dead)
    list(desk.requests.reopen())
    row = desk.row(dead)
    assert (row.verdict, row.released) == (Verdict(MailPath.JUNK, EVIDENCE), False)
    assert fields(logged, "message.retried") == [{"key": dead.key, "actor": "a_person_host"}]
    assert [line["log_level"] for line in logged("message.retried")] == ["info"]


@pytest.mark.parametrize(
    ("kind", "state", "path"),
    [
        (Kind.RELEASE, State.HANDLED, MailPath.CLEAN),
        (Kind.RELEASE, State.HANDLED, MailPath.JUNK),
        (Kind.RELEASE, State.FAILED, MailPath.CLEAN),
        (Kind.RETRY, State.HANDLED, MailPath.CLEAN),
        (Kind.RETRY, State.JUNK, MailPath.JUNK),
        (Kind.RETRY, State.PENDING, MailPath.CLEAN),
    ],
)
def test_a_request_that_does_not_apply_changes_nothing_and_is_done(
    desk: Desk, kind: Kind, state: State, path: MailPath
) -> None:
    one = desk.add(1, state, path)
    before = desk.row(one)
    desk.ask(kind, one, keys=["z" * 26])
    assert list(desk.requests.reopen()) == []
    assert desk.row(one) == before
    opened = desk.requests.bring_back(desk.session)
    assert opened.places == ({one.id: one.place} if state is State.PENDING else {})
    assert desk.intents.open() == []
