"""PostgreSQL as journal: all commands, people beside the worker, and replicas that follow one another by lease."""

import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

import worker.journal.lease as lease_module
from tests.rig.crossings import Point
from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, letters, spam
from tests.rig.postgres import Postgres
from tests.rig.worker import Worker, eventually
from worker.journal.database import Database, JournalUnavailable
from worker.journal.lease import DURATION, MARGIN, Lease, LeaseLost
from worker.journal.records import NewMessage, Place, Result
from worker.journal.store import Journal
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict

MakeWorker = Callable[..., Worker]
ROUTES = [
    {"name": "refused", "match": {"subject": "Report 9"}, "handlers": ["failing"]},
    {"name": "all", "handlers": ["archive", "ledger"]},
]
ADDRESS = "pathology.results@nhs.net"


@pytest.fixture
def make_replica(make_worker: MakeWorker, postgres_url: str) -> MakeWorker:
    """A worker with a state folder of its own, on the one journal."""

    def make(**options: Any) -> Worker:
        settings = dict(options.pop("settings", {}))
        replica = make_worker(
            routes=options.pop("routes", ROUTES),
            settings={"handler.failing": {"use": "tests.rig.handlers:Failing", "how": "reject"}, **settings},
            **options,
        )
        secret = replica.folder / "journal"
        secret.touch(mode=0o600)
        secret.write_text(postgres_url)
        replica.configure(state={"journal_file": str(secret)})
        return replica

    return make


def counts(replica: Worker) -> dict[str, int]:
    found = replica.reconcile()
    return {state: found[state] for state in ("handled", "junk", "failed", "gone", "pending")}


def keys(postgres_url: str, state: str) -> list[str]:
    database = Database(postgres_url)
    with database.read() as connection:
        found = connection.execute(text("SELECT key FROM message WHERE state = :state ORDER BY id"), {"state": state})
        listed = list(found.scalars())
    database.close()
    return listed


def journals(postgres_url: str, tmp_path: Path, number: int = 2) -> list[Journal]:
    found = [Journal(tmp_path, postgres_url, time.time) for _ in range(number)]
    for journal in found:
        journal.open(ADDRESS)
    return found


def lease_on(journal: Journal, tmp_path: Path) -> Lease:
    return Lease(journal.database, tmp_path, "host:1", clock=time.time, monotonic=time.monotonic)


def new(number: int) -> NewMessage:
    return NewMessage(f"{number:026}", Place("INBOX", 1, number), 100, 0.0, Verdict(MailPath.CLEAN))


# -- commands


@pytest.mark.slow
def test_every_command_works(dovecot: Mailbox, make_replica: MakeWorker, postgres_url: str) -> None:
    dovecot.append_many("INBOX", [*letters(3), letter(9), spam(4)])
    dovecot.append_many(JUNK, [letter(5)])
    replica = make_replica()
    assert replica.once() == 1
    assert counts(replica) == {"handled": 3, "junk": 2, "failed": 1, "gone": 0, "pending": 0}

    for listed in ("junk", "failed"):
        assert replica.command(listed, "list").code == 0
    junk = keys(postgres_url, "junk")[0]
    assert replica.command("junk", "show", junk).code == 0
    assert replica.command("junk", "release", junk, "--reason", "clean").code == 0
    assert replica.command("failed", "retry", *keys(postgres_url, "failed")).code == 0
    assert replica.command("pause").code == 0
    assert replica.once() == 75
    assert replica.command("resume").code == 0
    assert replica.once() == 1
    assert counts(replica) == {"handled": 4, "junk": 1, "failed": 1, "gone": 0, "pending": 0}
    assert replica.status()["messages"]["released"] == 1
    for command in (("journal", "compact"), ("journal", "rebuild"), ("login", "status"), ("audit", "verify")):
        answer = replica.command(*command)
        assert answer.code == 0, (command, answer)
    assert len(replica.archived()) == 4


@pytest.mark.slow
def test_each_host_verifies_its_own_audit_trail(dovecot: Mailbox, make_replica: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    one, two = make_replica(), make_replica()
    assert one.once() == 0
    assert two.once() == 0
    for replica in (one, two):
        answer = replica.command("audit", "verify")
        assert (answer.code, "not in this folder" in answer.out) == (0, True), answer
    assert one.command("audit", "verify", "--all").code == 1
    (trail,) = (one.state / "audit").glob("*.jsonl")
    trail.unlink()
    assert one.command("audit", "verify").code == 1
    assert two.command("audit", "verify").code == 0


@pytest.mark.slow
def test_people_beside_a_busy_worker_never_collide(
    dovecot: Mailbox, make_replica: MakeWorker, postgres_url: str
) -> None:
    dovecot.append_many("INBOX", letters(60, start=200))
    dovecot.append_many(JUNK, [letter(number) for number in range(100, 110)])
    replica = make_replica(settings={"handler.ledger": {"seconds": 0.02}, "poll": {"batch_count": 10, "every": "0.5s"}})
    with replica.running():
        eventually(lambda: replica.status()["messages"]["junk"] == 10)
        for key in keys(postgres_url, "junk"):
            for command in (("junk", "release", key, "--reason", "clean"), ("pause",), ("resume",)):
                answer = replica.command(*command)
                assert answer.code == 0, answer
        assert replica.command("reconcile", "--json").code == 0
        eventually(lambda: replica.status()["messages"]["handled"] == 70)
    assert not replica.events("journal.unavailable")
    assert counts(replica) == {"handled": 70, "junk": 0, "failed": 0, "gone": 0, "pending": 0}


def test_two_that_change_one_row_do_so_one_after_the_other(postgres_url: str, tmp_path: Path) -> None:
    one, two = journals(postgres_url, tmp_path)
    [record] = one.messages.add([new(1)], 0.0)
    one.tries.begin_tries([record.id], "run", alone=False)
    stop = threading.Event()
    errors: list[BaseException] = []

    def review() -> None:
        try:
            while not stop.is_set():
                two.tries.not_alone([record.id])
                two.facts.pause("somebody", 1.0)
                two.facts.resume()
        except BaseException as error:  # noqa: BLE001 -- told below
            errors.append(error)

    thread = threading.Thread(target=review)
    thread.start()
    for number in range(100):
        one.tries.record([Result(record.id, State.PENDING, next_at=1.0, failed_handler="x")], float(number))
        one.facts.paused()
    stop.set()
    thread.join()
    assert not errors
    assert one.tries.done_handlers([record.id]) == {record.id: {"x": (False, 100)}}
    for journal in (one, two):
        journal.close()


def test_a_look_is_one_view_of_the_journal_and_changes_nothing(postgres_url: str, tmp_path: Path) -> None:
    [journal] = journals(postgres_url, tmp_path, 1)
    count = text("SELECT count(*) FROM message")
    with journal.database.read() as connection:
        assert connection.execute(count).scalar() == 0
        journal.messages.add([new(1)], 0.0)
        assert connection.execute(count).scalar() == 0
    with pytest.raises(JournalUnavailable, match="read-only"), journal.database.read() as connection:
        connection.execute(text("DELETE FROM message"))
    assert len(journal.messages.everything()) == 1
    journal.close()


def test_writes_see_what_others_commit_whatever_the_server_is_set_to(postgres_url: str, tmp_path: Path) -> None:
    [journal] = journals(f"{postgres_url}?options=-cdefault_transaction_isolation%3Dserializable", tmp_path, 1)
    isolation = text("SHOW transaction_isolation")
    with journal.database.write() as connection:
        assert connection.execute(isolation).scalar() == "read committed"
    with journal.database.read() as connection:
        assert connection.execute(isolation).scalar() == "repeatable read"
    journal.close()


def test_a_session_that_the_server_ended_is_made_anew(
    postgres_url: str, postgres_server: Postgres, tmp_path: Path
) -> None:
    [journal] = journals(postgres_url, tmp_path, 1)
    assert postgres_server.kill_sessions() > 0
    assert journal.messages.everything() == []
    journal.close()


def test_a_server_that_doesnt_answer_is_waited_for_as_long_as_its_url_says() -> None:
    for query, timeout in (("", 5), ("?connect_timeout=3", "3")):
        database = Database(f"postgresql+psycopg://worker:x@127.0.0.1:1/none{query}")
        asked: dict[str, Any] = {}

        @event.listens_for(database._engine, "do_connect")
        def connect(_dialect: Any, _record: Any, _args: Any, given: Any, asked: dict[str, Any] = asked) -> None:
            asked.update(given)
            raise psycopg.OperationalError("no answer")

        with pytest.raises(JournalUnavailable), database.read():
            pass
        patience = {name: asked.get(name) for name in ("connect_timeout", "tcp_user_timeout", "keepalives_idle")}
        assert patience == {"connect_timeout": timeout, "tcp_user_timeout": 10_000, "keepalives_idle": 10}


def test_replicas_that_start_together_make_one_journal(postgres_url: str, tmp_path: Path) -> None:
    found = [Journal(tmp_path, postgres_url, time.time) for _ in range(4)]
    errors: list[BaseException] = []

    def begin(journal: Journal) -> None:
        try:
            journal.open(ADDRESS)
        except BaseException as error:  # noqa: BLE001 -- told below
            errors.append(error)

    threads = [threading.Thread(target=begin, args=[journal]) for journal in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for journal in found:
        journal.close()


# -- the lease


def test_two_with_one_name_are_told_apart(postgres_url: str, tmp_path: Path) -> None:
    one, two = journals(postgres_url, tmp_path)
    first, second = lease_on(one, tmp_path), lease_on(two, tmp_path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    for journal in (one, two):
        journal.close()


def test_a_renewal_holds_and_is_its_holders_alone(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = journals(postgres_url, tmp_path)
    first, second = lease_on(one, tmp_path), lease_on(two, tmp_path)
    assert first.acquire()
    first.renew()
    assert not second.acquire()
    monkeypatch.setattr(lease_module, "DURATION", 0.0)
    first.renew()
    monkeypatch.setattr(lease_module, "DURATION", DURATION)
    assert second.acquire()
    first.renew()
    assert not first.is_held()
    assert not first.acquire()
    for journal in (one, two):
        journal.close()


def test_what_a_former_holder_writes_is_refused(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = journals(postgres_url, tmp_path)
    first, second = lease_on(one, tmp_path), lease_on(two, tmp_path)
    one.fenced_by(first.fence)
    two.fenced_by(second.fence)
    monkeypatch.setattr(lease_module, "DURATION", 0.2)
    assert first.acquire()
    [record] = one.messages.add([new(1)], 0.0)
    time.sleep(0.3)
    assert second.acquire()

    with pytest.raises(LeaseLost, match=r"^another worker has taken over$"):
        one.tries.record([Result(record.id, State.HANDLED, settle_to="Processed")], 1.0)
    with pytest.raises(LeaseLost):
        one.tries.begin_tries([record.id], "run", alone=False)
    assert [row.state for row in two.messages.everything()] == [State.PENDING]

    term = first.term
    second.release()
    first.renew()
    assert not first.is_held(), "it was another's in between"
    assert first.acquire()
    assert first.term == term + 1
    for journal in (one, two):
        journal.close()


def test_an_expired_lease_that_nobody_took_is_still_ours(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [journal] = journals(postgres_url, tmp_path, 1)
    monkeypatch.setattr(lease_module, "DURATION", 0.1)
    lease = lease_on(journal, tmp_path)
    assert lease.acquire()
    time.sleep(0.2)
    lease.renew()
    monkeypatch.setattr(lease_module, "DURATION", DURATION)
    assert lease.acquire()
    assert lease.is_held()
    assert lease.term == 1
    journal.close()


def test_a_lease_is_relied_on_until_shortly_before_its_end(postgres_url: str, tmp_path: Path) -> None:
    [journal] = journals(postgres_url, tmp_path, 1)
    now = [1000.0]
    lease = Lease(journal.database, tmp_path, "host:1", clock=time.time, monotonic=lambda: now[0])
    assert lease.acquire()
    now[0] += DURATION - MARGIN - 0.1
    assert lease.is_held()
    now[0] += 0.1
    assert not lease.is_held()
    assert lease.acquire()
    assert lease.is_held(), "renewed by then"
    journal.close()


@pytest.mark.slow
def test_a_holder_that_stops_in_the_midst_of_a_write_keeps_nobody_waiting(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = journals(postgres_url, tmp_path)
    first, second = lease_on(one, tmp_path), lease_on(two, tmp_path)
    monkeypatch.setattr(lease_module, "DURATION", 0.2)
    assert first.acquire()
    [record] = one.messages.add([new(1)], 0.0)

    def write() -> None:
        with one.database.write(durable=True) as connection:
            first.fence(connection)
            connection.execute(text("UPDATE message SET state = 'handled'"))
            time.sleep(0.3)
            began = time.monotonic()
            assert second.acquire()
            assert 3 < time.monotonic() - began < 30  # the writer itself would never end

    with pytest.raises(JournalUnavailable):
        write()
    assert [(row.id, row.state) for row in two.messages.everything()] == [(record.id, State.PENDING)]
    for journal in (one, two):
        journal.close()


# -- the database comes and goes


def test_while_the_database_is_gone_nothing_is_done_that_cant_be_recorded(
    dovecot: Mailbox, make_replica: MakeWorker, postgres_url: str
) -> None:
    with Postgres() as server:
        replica = make_replica()
        Path(replica.settings["state"]["journal_file"]).write_text(server.fresh_url())
        dovecot.append_many("INBOX", letters(2))
        replica.configure(poll={"every": "0.5s"})
        with replica.running():
            eventually(lambda: len(replica.handed()) == 2)
            eventually(lambda: not dovecot.stored("INBOX"))
            server.stop(abruptly=True)
            logins, begun = len(dovecot.history), replica.begun()
            dovecot.append_many("INBOX", letters(3, start=10))
            eventually(lambda: replica.events("journal.unavailable"))
            assert replica.events("journal.unavailable")[0]["reason"] == "server-away"
            assert (len(dovecot.history), replica.begun()) == (logins, begun)
            assert len(dovecot.stored("INBOX")) == 3
            server.start()
            eventually(lambda: len(dovecot.stored("Processed")) == 5)
        assert counts(replica) == {"handled": 5, "junk": 0, "failed": 0, "gone": 0, "pending": 0}
        assert Counter(call.number for call in replica.handed()) == Counter([1, 2, 10, 11, 12])


def test_without_a_database_there_is_no_login(dovecot: Mailbox, make_replica: MakeWorker) -> None:
    replica = make_replica()
    Path(replica.settings["state"]["journal_file"]).write_text("postgresql+psycopg://worker:x@127.0.0.1:1/none")
    answer = replica.command("once")
    assert answer.code == 78, answer
    assert "journal" in answer.err
    assert dovecot.history == []


def test_sessions_that_an_administrator_ends_cost_no_message(
    dovecot: Mailbox, make_replica: MakeWorker, postgres_server: Postgres
) -> None:
    dovecot.append_many("INBOX", letters(40, start=200))
    replica = make_replica(settings={"handler.ledger": {"seconds": 0.02}, "poll": {"batch_count": 5, "every": "0.5s"}})
    with replica.running():
        for done in (5, 15, 25):
            eventually(lambda done=done: len(replica.handed()) >= done)  # type: ignore[misc]
            postgres_server.kill_sessions()
        eventually(lambda: len(dovecot.stored("Processed")) == 40, 60)
    assert counts(replica) == {"handled": 40, "junk": 0, "failed": 0, "gone": 0, "pending": 0}
    assert len(replica.archived()) == 40


# -- replicas


def both(make_replica: MakeWorker, **ledger: Any) -> tuple[Worker, Worker]:
    """Two replicas with a state folder each, one archive and one ledger."""
    settings = {"poll": {"every": "1s"}, "work": {"threads": 4}, "handler.ledger": ledger}
    first, second = (make_replica(settings=settings) for _ in range(2))
    second.configure(
        **{
            "handler.archive": {"url": first.archive.as_uri()},
            "handler.ledger": {"file": str(first.ledger), "hold": str(first.hold)},
        }
    )
    return first, second


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("stopped", [False, True], ids=["killed", "stopped and continued"])
def test_another_follows_and_nothing_is_lost_or_done_twice(
    dovecot: Mailbox, make_replica: MakeWorker, postgres_url: str, stopped: bool
) -> None:
    sent = letters(60, start=200)
    dovecot.append_many("INBOX", sent)
    first, second = both(make_replica, seconds=0.2)
    holder = first.process("run")
    eventually(lambda: len(first.handed()) > 8)
    follower = second.process("run")
    try:
        eventually(lambda: "lease.held_elsewhere" in second.process_log or follower.poll() is not None)
        holder.send_signal(signal.SIGSTOP if stopped else signal.SIGKILL)
        began = time.monotonic()
        eventually(lambda: "lease.taken" in second.process_log, 60)
        followed_after = time.monotonic() - began
        eventually(lambda: len(dovecot.stored("Processed")) == 60, 60)
        if stopped:
            holder.send_signal(signal.SIGCONT)
            eventually(lambda: "lease.held_elsewhere" in first.process_log)
            dovecot.append_many("INBOX", [letter(100)])
            eventually(lambda: len(dovecot.stored("Processed")) == 61)
            sent.append(letter(100))
            assert holder.poll() is None
    finally:
        for process in (holder, follower):
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(30)

    print(f"\nfollowed after {followed_after:.1f} s")  # noqa: T201 -- the figure
    assert followed_after < 30
    assert Counter(dovecot.stored("Processed")) == Counter(sent)
    assert Counter(first.archived()) == Counter(sent)
    calls = Counter(call.number for call in first.handed())
    assert max(calls.values()) <= 2
    assert sum(calls.values()) <= len(sent) + 10, "only what was in hand, or not recorded yet, is handed over again"
    assert counts(second) == {"handled": len(sent), "junk": 0, "failed": 0, "gone": 0, "pending": 0}
    assert len(keys(postgres_url, "handled")) == len(sent)


STOPS: list[Point] = [
    ("journal Tries.record", "before", 0),
    ("journal Tries.record", "after", 0),
    ("imap UID MOVE", "before", 0),
    ("imap UID MOVE", "sent", 0),
    ("imap UID MOVE", "after", 0),
    ("journal Places.settled", "before", 0),
]
"""Between the handler's return and the record, the record and the move, the move and what is written of it."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "point",
    [
        pytest.param(point, id=" ".join(point[:2]), marks=pytest.mark.long if number % 3 else pytest.mark.slow)
        for number, point in enumerate(STOPS)
    ],
)
def test_a_holder_that_was_stopped_at_a_point_goes_on_beside_its_follower(
    dovecot: Mailbox, make_replica: MakeWorker, postgres_url: str, point: Point
) -> None:
    sent = letters(6, start=200)
    dovecot.append_many("INBOX", sent)
    first, second = both(make_replica)
    halting = (sys.executable, "-m", "tests.rig.halting")
    holder = first.process("run", program=(*halting, json.dumps(point)), RIG_LEASE="6")
    try:
        eventually(lambda: stopped(holder.pid), what=f"{point}")
        moved = Counter(dovecot.stored("Processed"))
        recorded = {key for state in ("handled", "junk") for key in keys(postgres_url, state)}
        assert moved.total() <= len(recorded), "moved before it was recorded"
        follower = second.process("run", program=(*halting, "null"), RIG_LEASE="6")
        try:
            eventually(lambda: "lease.taken" in second.process_log, 90)
            eventually(lambda: Counter(dovecot.stored("Processed")) == Counter(sent))
            holder.send_signal(signal.SIGCONT)
            eventually(lambda: "lease.held_elsewhere" in first.process_log)
            dovecot.append_many("INBOX", [letter(100)])
            sent.append(letter(100))
            eventually(lambda: Counter(dovecot.stored("Processed")) == Counter(sent))
            assert holder.poll() is None
        finally:
            follower.terminate()
            follower.wait(30)
    finally:
        holder.send_signal(signal.SIGCONT)
        holder.terminate()
        holder.wait(30)

    assert Counter(dovecot.stored("Processed")) == Counter(sent)
    assert dovecot.stored("INBOX") == []
    assert Counter(first.archived()) == Counter(sent)
    assert max(Counter(call.number for call in first.handed()).values()) <= 2
    assert counts(second) == {"handled": len(sent), "junk": 0, "failed": 0, "gone": 0, "pending": 0}
    assert second.reconcile()["missing"] == 0


def stopped(pid: int) -> bool:
    """Whether the process is stopped, as Linux has it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
