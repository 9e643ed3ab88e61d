"""The ledger on a real database: the same as the one in memory that the guard's other tests use, and durable."""

import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.journal import with_tables
from tests.unit.login.memory import MemoryLedger, Store
from tests.unit.login.world import World
from worker.journal.attempts import CONNECTION, DOUBT, RESET, SUCCEEDED, AttemptLedger, History, Overtaken, is_another
from worker.journal.database import Database, JournalUnavailable
from worker.login.refusals import NoAttempt
from worker.mailbox.errors import MailboxError
from worker.mailbox.login_failures import FailureClass


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield with_tables(found)
    found.close()


def begin(ledger: Any, after: int, **given_: Any) -> int:
    values: dict[str, Any] = {"floor": 0, "epoch": "e", "kind": "password", "credential": "password:a", "actor": "r"}
    return int(ledger.begin(after=after, at=1.0, jitter=0.5, **(values | given_)))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(st.sampled_from("bfrdcswpok"), st.integers(0, 7)), max_size=25))
def test_it_is_the_ledger_in_memory(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    database = with_tables(Database(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'j.sqlite'}"))
    real, memory = AttemptLedger(database), MemoryLedger(Store())
    outcomes = [SUCCEEDED, FailureClass.REJECTED, FailureClass.THROTTLED, FailureClass.LOCKED]
    for place, (step, choice) in enumerate(steps):
        for ledger in (real, memory):
            _step(ledger, step, choice, float(place), outcomes[choice % 4])
        assert real.history() == memory.history()
        assert list(real.credentials()) == list(memory.credentials())
    database.close()


def _step(ledger: Any, step: str, choice: int, at: float, outcome: str) -> None:
    head = ledger.history().head
    given_: dict[str, Any] = {"after": head, "floor": choice * 3, "epoch": f"e{choice % 2}", "actor": "r", "at": at}
    kind = ("password", "token")[choice % 2]
    match step:
        case "b":
            ledger.begin(kind=kind, credential=f"{kind}:{choice % 3}", jitter=0.25, note=f"way {choice}", **given_)
        case "f":
            ledger.finish(
                head - choice % 3, outcome=outcome, counts=choice % 2 == 0, at=at, retry_after=at or None, said="x"
            )
        case "r":
            ledger.append(kind=RESET, note="n", outcome=(None, kind)[choice // 4], **given_)
        case "d":
            ledger.append(kind=DOUBT, note="n", **given_)
        case "c":
            ledger.append(
                kind=CONNECTION, outcome=FailureClass.THROTTLED, retry_after=3.0, said="s", jitter=0.5, **given_
            )
        case "s":
            ledger.saw(f"password:{choice % 3}", at, password=True, refused=None if choice % 2 else "short")
        case "w":
            ledger.saw(f"token:{choice % 3}", at, password=False, way=f"way {choice % 2}")
        case "p":
            ledger.saw(f"password:{choice % 3}", at, password=True, sends=f"token:{choice % 2}", way="way 0")
        case "o":
            ledger.offers((None, "AUTH=PLAIN", "none", "")[choice % 4], f"way {choice // 4}")
        case _:
            ledger.cool_from([head, head - 1], at / 2)


def test_two_that_decided_on_the_same_ledger_dont_both_go(database: Database) -> None:
    one, other = AttemptLedger(database), AttemptLedger(database)
    begin(one, after=0)
    with pytest.raises(Overtaken, match=r"^another process made a login attempt at the same moment$"):
        begin(other, after=0)
    assert len(one.history().records) == 1


def test_an_attempt_is_on_the_disk_when_it_has_begun(database: Database, tmp_path: Path) -> None:
    seen: list[bool] = []

    class Watched(Database):
        def write(self, *, durable: bool = False) -> Any:
            seen.append(durable)
            return super().write(durable=durable)

    watched = Watched(database.url)
    ledger = AttemptLedger(watched)
    number = begin(ledger, after=0)
    ledger.finish(number, outcome=SUCCEEDED, counts=False, at=2.0)
    ledger.append(after=number, floor=0, epoch="e", kind=RESET, actor="a", at=3.0)
    watched.close()
    assert seen == [True, True, True]


def test_what_decides_is_what_came_after_the_last_success_of_its_kind(database: Database) -> None:
    ledger = AttemptLedger(database)
    given_: dict[str, Any] = {"floor": 0, "epoch": "e", "actor": "r", "at": 1.0}
    for number, (kind, outcome) in enumerate(
        [
            ("password", FailureClass.REJECTED),
            ("token", FailureClass.REJECTED),
            ("password", SUCCEEDED),
            ("password", FailureClass.REJECTED),
            ("token", FailureClass.REJECTED),
            (DOUBT, None),
            (CONNECTION, FailureClass.THROTTLED),
            ("token", SUCCEEDED),
            ("password", FailureClass.REJECTED),
            ("token", FailureClass.REJECTED),
            (DOUBT, None),
            (CONNECTION, FailureClass.THROTTLED),
        ]
    ):
        if kind in (DOUBT, CONNECTION):
            ledger.append(after=number, kind=kind, outcome=outcome, **given_)
        else:
            begin(ledger, after=number, kind=kind, credential=f"{kind}:a")
            ledger.finish(number + 1, outcome=str(outcome), counts=outcome is FailureClass.REJECTED, at=2.0)
    history = ledger.history()
    assert [record.number for record in history.records] == [4, 6, 9, 10, 11, 12]
    assert (history.head, history.settled) == (12, 8)
    assert history.records[0].said == ""


def test_what_is_known_of_the_credential_and_the_journal(database: Database) -> None:
    ledger = AttemptLedger(database)
    assert ledger.history() == History()
    ledger.saw("password:a", 1.0, password=True, refused="short", sends="token:b", way="way 1")
    begin(ledger, after=0, epoch="first")
    begin(ledger, after=1, epoch="second")
    history = ledger.history()
    assert (history.epoch, history.moved) == ("second", False)
    assert (history.current, history.password) == ("token:b", "password:a")
    assert (history.refused, history.way) == ("short", "way 1")
    ledger.saw("token:c", 2.0, password=False)
    history = ledger.history()
    assert (history.current, history.password, history.refused, history.way) == ("token:c", None, None, None)
    assert [known.fingerprint for known in ledger.credentials()] == ["password:a"]


def test_only_the_rows_that_are_named_cool_anew(database: Database) -> None:
    ledger = AttemptLedger(database)
    for number in range(3):
        begin(ledger, after=number)
    ledger.append(after=3, floor=0, epoch="e", kind=DOUBT, actor="a", at=1.0)
    ledger.cool_from([1, 3], 0.25)
    records = ledger.history().records
    assert [(record.cools_from, record.at) for record in records] == [(0.25, 1.0), (1.0, 1.0), (0.25, 1.0), (1.0, 1.0)]
    assert [(record.jitter, record.counts) for record in records] == [(0.5, True)] * 3 + [(0.0, False)]


def test_what_was_seen_before_is_not_written_again(database: Database) -> None:
    ledger = AttemptLedger(database)
    for fingerprint, password in (("password:a", True), ("token:a", False)):
        ledger.saw(fingerprint, 1.0, password=password, way="way 0")
        with database.write():  # to say so again takes no turn among the writers
            ledger.saw(fingerprint, 2.0, password=password, way="way 0")


def test_the_salt_is_made_once(database: Database) -> None:
    salt = AttemptLedger(database).salt()
    assert len(salt) >= 16
    with database.write():  # to read it takes no turn among the writers
        assert AttemptLedger(database).salt() == salt


def test_two_that_make_the_salt_at_the_same_moment_have_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, theirs = AttemptLedger(database), list[bytes]()
    write = database.write

    def overtaken(*, durable: bool = False) -> Any:
        monkeypatch.undo()
        theirs.append(AttemptLedger(database).salt())
        return write(durable=durable)

    monkeypatch.setattr(database, "write", overtaken)
    assert [ledger.salt()] == theirs


@pytest.mark.parametrize(
    ("first", "about", "proven"),
    [("password", "token", True), ("token", "password", False), ("token", None, False)],
)
def test_a_reset_is_proven_by_a_success_of_what_it_is_about(
    database: Database, first: str, about: str | None, proven: bool
) -> None:
    ledger = AttemptLedger(database)
    given_: dict[str, Any] = {"floor": 0, "epoch": "e", "kind": RESET, "actor": "a", "at": 1.0}
    ledger.append(after=0, outcome=first, **given_)
    assert ledger.history().reset_unproven
    ledger.append(after=1, outcome=about, **given_)
    assert ledger.history().reset_unproven
    number = begin(ledger, after=2, kind="token", credential="token:a")
    ledger.finish(number, outcome=SUCCEEDED, counts=False, at=2.0)
    assert ledger.history().reset_unproven == (not proven)
    number = begin(ledger, after=3)
    ledger.finish(number, outcome=SUCCEEDED, counts=False, at=3.0)
    assert not ledger.history().reset_unproven


def test_only_an_accepted_password_has_a_number(database: Database) -> None:
    ledger = AttemptLedger(database)
    for place, name in enumerate("zabc"):
        ledger.saw(f"password:{name}", float(place), password=True)
    for name in "ab":
        number = begin(ledger, after=ledger.history().head, credential=f"password:{name}")
        ledger.finish(number, outcome=SUCCEEDED, counts=False, at=2.0)
    number = begin(ledger, after=ledger.history().head, credential="password:c")
    ledger.finish(number, outcome=FailureClass.REJECTED, counts=True, at=2.0)
    assert [(one.fingerprint[-1], one.accepted, one.first_seen_at) for one in ledger.credentials()] == [
        ("b", 2, 2.0),
        ("a", 1, 1.0),
        ("z", None, 0.0),
        ("c", None, 3.0),
    ]


@pytest.mark.parametrize(
    ("stored", "now", "moved"),
    [
        (None, None, False),
        (None, "7 1", False),
        ("7 1", "7 1", False),
        ("7 1", "8 1", True),
        ("7 1", "7 2", True),
        ("- 1", "8 1", False),
        ("7 1", "- 1", False),
        ("- 1", "8 2", True),
        ("7 1", "- 2", True),
        ("7 1", None, False),
    ],
)
def test_rows_were_moved_where_what_is_known_of_both_databases_differs(
    stored: str | None, now: str | None, moved: bool
) -> None:
    assert is_another(stored, now) == moved


def test_compacting_keeps_what_decides(database: Database) -> None:
    ledger = AttemptLedger(database)
    for outcome in (FailureClass.REJECTED, SUCCEEDED, FailureClass.REJECTED, FailureClass.THROTTLED):
        number = begin(ledger, after=ledger.history().head)
        ledger.finish(number, outcome=outcome, counts=outcome == FailureClass.REJECTED, at=5.0)
    before = ledger.history()
    assert ledger.compact(before=5.0) == 0
    assert ledger.compact(before=6.0) == 1
    assert ledger.history() == before
    number = begin(ledger, after=before.head)
    ledger.finish(number, outcome=SUCCEEDED, counts=False, at=5.0)
    assert ledger.compact(before=6.0) == 3
    assert ledger.history().head == number


@pytest.mark.parametrize("order", list(permutations(["password", "token", "reset", "rejected"])), ids=" ".join)
def test_compacting_changes_no_decision_whatever_came_last(database: Database, order: tuple[str, ...]) -> None:
    ledger = AttemptLedger(database)
    for what in order:
        head = ledger.head()
        if what == "reset":
            ledger.append(after=head, floor=0, epoch="e", kind=RESET, actor="a", at=5.0)
            continue
        number = begin(ledger, after=head, kind="token" if what == "token" else "password")
        rejected = what == "rejected"
        outcome = FailureClass.REJECTED if rejected else SUCCEEDED
        ledger.finish(number, outcome=outcome, counts=rejected, at=5.0)
    before = ledger.history()
    at = {what: number for number, what in enumerate(order, 1)}
    assert ledger.head() == before.head == 4
    assert before.settled == max(at["password"], at["token"], at["reset"])
    assert before.reset_unproven == (at["reset"] > at["password"])
    counted = at["rejected"] > max(at["password"], at["reset"])
    assert [record.number for record in before.records] == ([at["rejected"]] if counted else [])
    ledger.compact(before=6.0)
    assert ledger.history() == before


def test_a_lost_database_is_no_journal(tmp_path: Path) -> None:
    ledger = AttemptLedger(Database(f"sqlite:///{tmp_path / 'none' / 'journal.sqlite'}"))
    with pytest.raises(JournalUnavailable):
        ledger.history()
    with pytest.raises(JournalUnavailable):
        begin(ledger, after=0)


@pytest.mark.parametrize("seed", range(8))
def test_the_guard_on_a_real_ledger(database: Database, seed: int) -> None:
    """The world of the state machine, shorter, on SQLite."""
    world = World(make_ledger=lambda process: _Stepped(AttemptLedger(database), process))
    choose = random.Random(seed)
    for _ in range(60):
        world.now += choose.choice([1.0, 100.0, 5_000.0, 100_000.0])
        world.configured = f"Right-Password-{choose.randrange(3)}"
        with suppress(NoAttempt, MailboxError, JournalUnavailable, RuntimeError):
            world.login(
                choose.randrange(2), choose.choice(["honest", "rejected", "kept silent", "throttled", "no server"])
            )
        assert world.server.worst <= world.lockout.budget
    assert world.server.sent > 4


class _Stepped:
    """A real ledger as one process sees it."""

    def __init__(self, ledger: AttemptLedger, process: Any) -> None:
        self._ledger = ledger
        self.shared = ledger.shared
        self._process = process

    def __getattr__(self, name: str) -> Any:
        return lambda *given_, **named: self._process.step(lambda: getattr(self._ledger, name)(*given_, **named))
