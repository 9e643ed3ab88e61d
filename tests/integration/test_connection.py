"""The connection is lost, and servers can do less than others: nothing lost, nothing twice, no login beyond need."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox, Seed
from tests.rig.letters import letter, letters
from tests.rig.proxy import Action, Answer, Cut, Hold, Inject, Proxy, When
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]

PATIENT = {
    "poll": {"every": "300ms", "reconnect": ["50ms"], "batch_count": 5},
    "lockout": {"waits": ["50ms"], "threshold": 50, "per_credential": 40},
}


@pytest.fixture
def dovecot(elsewhere: Mailbox) -> Mailbox:
    """These tests lose more logins in a row than the guard allows for an account of NHSmail."""
    return elsewhere


def logged_at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["at"])


def all_handled_once(mailbox: Mailbox, worker: Worker, count: int) -> None:
    calls = Counter(call.number for call in worker.handed())
    assert calls == dict.fromkeys(range(1, count + 1), 1)
    assert mailbox.stored("INBOX") == []
    assert sorted(numbers(mailbox, "Processed")) == list(range(1, count + 1))
    account = worker.reconcile()
    assert (account["seen"], account["handled"], account["unaccounted"], account["missing"]) == (count, count, 0, 0)


def numbers(mailbox: Mailbox, folder: str) -> list[int]:
    return [int(raw.partition(b"X-Number: ")[2].split()[0]) for raw in mailbox.stored(folder)]


def settled(worker: Worker, count: int) -> bool:
    return len(worker.handed()) == count and worker.rows("select count(*) from message where settled_at is null") == [
        (0,)
    ]


HEADS, BODIES = r"^UID FETCH .*HEADER", r"^UID FETCH .*BODY\.PEEK\[\]"
CONNECTING: list[tuple[str, When]] = [
    ("^CREATE", "answered"),
    ("^CAPABILITY", "before"),
    ("^LIST", "answered"),
    ("^SELECT", "before"),
    ("^SELECT", "answered"),
]
WORKING: list[tuple[str, When]] = [
    ("^UID SEARCH", "sent"),
    (HEADS, "sent"),
    (HEADS, "literal"),
    (HEADS, "answered"),
    (BODIES, "before"),
    (BODIES, "literal"),
    (BODIES, "answered"),
    ("^STATUS", "answered"),
    ("^IDLE", "before"),
    ("^IDLE", "answered"),
]
MOVING: list[tuple[str, When]] = [("^UID MOVE", "before"), ("^UID MOVE", "sent"), ("^UID MOVE", "answered")]
COPYING: list[tuple[str, When]] = [
    ("^UID COPY", "before"),
    ("^UID COPY", "answered"),
    ("^UID STORE", "before"),
    ("^UID STORE", "answered"),
    ("^UID EXPUNGE", "before"),
    ("^UID EXPUNGE", "answered"),
]


def lose_connections(mailbox: Mailbox, proxy: Proxy, worker: Worker, points: list[tuple[str, When]]) -> None:
    """Cut one connection at each point, with mail to handle, and see that each message is handled once."""
    count = 0
    proxy.on(points[0][0], Cut(), when=points[0][1])
    with worker.running():
        for pattern, when in points:
            point = f"{pattern} {when}"
            rule = proxy.on(pattern, Cut(), when=when, offset=40 if when == "literal" else 0) if count else None
            if (pattern, when) in CONNECTING:
                proxy.cut()
            mailbox.append_many("INBOX", letters(3, start=count + 1))
            count += 3
            if rule is not None:
                eventually(rule.hit.is_set, what=f"the cut at {point}")
            eventually(lambda count=count: settled(worker, count), what=f"all after the cut at {point}")  # type: ignore[misc] # bound at once
    all_handled_once(mailbox, worker, count)
    # at each point one login more, and one for `reconcile` on the server itself
    assert len(mailbox.history) <= 2 + len(points) + sum(point in CONNECTING for point in points)
    assert set(mailbox.history) == {"ok"}


@pytest.mark.parametrize("points", [CONNECTING, WORKING, MOVING], ids=["connecting", "working", "moving"])
def test_a_connection_lost_at_any_point_loses_nothing(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, points: list[tuple[str, When]]
) -> None:
    lose_connections(dovecot, proxy, make_worker(proxy, settings=PATIENT), points)


@pytest.mark.slow
def test_without_move_a_lost_connection_leaves_no_second_copy(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    proxy.without("MOVE")
    lose_connections(dovecot, proxy, make_worker(proxy, settings=PATIENT), COPYING)


@pytest.mark.slow
def test_cut_again_and_again_at_any_byte(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    chance = random.Random(7)
    worker = make_worker(proxy, settings=PATIENT)
    count = 0

    with worker.running():
        for _ in range(12):
            proxy.cut_after(down=chance.randint(1, 6_000))
            dovecot.append_many("INBOX", letters(4, start=count + 1, size=600))
            count += 4
            eventually(lambda count=count: settled(worker, count))  # type: ignore[misc] # bound at once
        proxy.clear()

    all_handled_once(dovecot, worker, count)
    assert proxy.traffic.connections > 6


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_cut_again_and_again_at_any_byte_for_long(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, seed: int
) -> None:
    chance = random.Random(seed)
    if seed % 2:
        proxy.without("MOVE")
    worker = make_worker(proxy, settings=PATIENT)
    count = 0

    with worker.running():
        for _ in range(20):
            proxy.clear()  # one cut at a time: a message that ends two connections by itself is put off for minutes
            direction = chance.choice(["up", "down"])
            proxy.cut_after(**{direction: chance.randint(1, 5_000 if direction == "down" else 900)})
            more = chance.randint(1, 8)
            dovecot.append_many("INBOX", letters(more, start=count + 1, size=chance.choice([0, 3000])))
            count += more
            eventually(lambda count=count: settled(worker, count), 60)  # type: ignore[misc] # bound at once
        proxy.clear()

    all_handled_once(dovecot, worker, count)


# -- reconnecting


def test_while_the_server_is_away_waits_grow_and_no_login_is_spent(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    waits = {"poll": {"every": "60s", "reconnect": ["50ms", "200ms", "400ms"]}}
    worker = make_worker(proxy, settings=waits)

    with worker.running() as running:
        eventually(lambda: worker.events("login.succeeded"))
        proxy.refuse()
        eventually(lambda: len(worker.events("connection.lost")) >= 5)
        assert running.alive
        proxy.accept()
        dovecot.append_many("INBOX", letters(1))
        eventually(worker.handed)

    lost = [event["wait"] for event in worker.events("connection.lost")]
    assert lost[:4] == [0.05, 0.2, 0.4, 0.4]
    assert dovecot.history == ["ok", "ok"]


@pytest.mark.parametrize(
    "goodbye",
    [
        [Inject("* BYE Connection is closed. 13"), Cut()],
        [Inject("* BYE Session invalidated - AccessTokenExpired"), Cut()],
        [Cut(reset=True)],
        [Inject("complete nonsense {"), Cut()],
    ],
)
def test_however_the_server_says_goodbye(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, goodbye: list[Action]
) -> None:
    rule = proxy.on("^NOOP|^STATUS", *goodbye, when="sent")
    worker = make_worker(proxy, settings={"poll": {**PATIENT["poll"], "idle": False}})

    with worker.running():
        eventually(rule.hit.is_set)
        dovecot.append_many("INBOX", letters(2))
        eventually(lambda: settled(worker, 2))

    assert len(dovecot.history) == 2


def test_throttled_it_waits_as_long_as_it_was_asked_to(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    proxy.on("^SELECT", Answer("{tag} NO Request is throttled. Suggested Backoff Time: 1500 milliseconds"))
    worker = make_worker(proxy, settings={"poll": {"reconnect": ["10ms"]}})

    with worker.running():
        eventually(worker.handed)

    (lost,), attempts = worker.events("connection.lost"), worker.events("login.attempt")
    assert logged_at(attempts[-1]) - logged_at(lost) > timedelta(seconds=1.3)
    assert dovecot.history == ["ok", "ok"]


def test_a_silent_server_is_given_up_after_the_read_time_out(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(3))
    silence = Hold(threading.Event())
    proxy.on(BODIES, silence, when="sent")
    worker = make_worker(proxy, settings={**PATIENT, "account": {"read_timeout": "700ms"}})

    with worker.running():
        eventually(lambda: settled(worker, 3))
        silence.until.set()

    worker.configure(account={"read_timeout": "20s"})  # `reconcile` looks at the end, when nothing is silent any more
    all_handled_once(dovecot, worker, 3)


def test_idle_on_a_dead_line_it_stops_at_once(proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy)

    with worker.running() as running:
        eventually(lambda: proxy.commands[-1:] == ["IDLE"])
        proxy.latency = 60
        began = time.monotonic()
        running.stop()
        assert time.monotonic() - began < 15  # seconds, on a busy machine; the grace period is longer


def test_waiting_for_an_answer_that_doesn_t_come_it_stops_within_the_grace_period(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(3))
    silence = Hold(threading.Event())
    rule = proxy.on(BODIES, silence, when="sent")
    worker = make_worker(proxy, settings={"work": {"grace": "1s"}})

    with worker.running() as running:
        eventually(rule.hit.is_set)
        began = time.monotonic()
        running.stop()
        assert 0.9 < time.monotonic() - began < 15  # the answer would be given up after 20
        silence.until.set()

    assert worker.once() == 0
    all_handled_once(dovecot, worker, 3)


# -- once


@pytest.mark.parametrize("goodbye", [[Cut()], [Inject("* BYE Session invalidated - AccessTokenExpired"), Cut()]])
@pytest.mark.parametrize("point", [BODIES, "^UID MOVE"])
def test_once_goes_on_after_a_lost_connection(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, goodbye: list[Action], point: str
) -> None:
    dovecot.append_many("INBOX", letters(12))
    rule = proxy.on(point, *goodbye, when="sent")
    worker = make_worker(proxy, settings=PATIENT)

    answer = worker.command("once")

    assert rule.hit.is_set()
    assert (answer.code, "12 handled" in answer.err) == (0, True), answer
    assert dovecot.history == ["ok", "ok"]
    assert worker.status()["last_poll"]["ok"] is True
    all_handled_once(dovecot, worker, 12)


def test_once_gives_up_on_a_server_that_stays_away_and_says_what_it_did(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(6))
    waits = {"poll": {"reconnect": ["300ms", "300ms"]}}
    worker = make_worker(proxy, settings=waits)
    moved = proxy.on("^UID MOVE", Hold(), when="answered")  # by then, nobody could connect anew before it is away

    def leave() -> None:
        moved.hit.wait(30)
        proxy.refuse()

    leaving = threading.Thread(target=leave)
    leaving.start()
    answer = worker.command("once")
    leaving.join()

    assert answer.code == 69, answer
    assert "can't be reached" in answer.err
    assert "6 new; 6 handled, 0 junk, 0 failed, 0 gone." in answer.err
    assert dovecot.history == ["ok"]
    last = worker.status()["last_poll"]
    assert (last["ok"], last["new"]) == (False, 6)
    proxy.accept()
    eventually(lambda: worker.once() == 0)
    all_handled_once(dovecot, worker, 6)


def test_once_that_never_reaches_the_server_says_so_after_its_last_wait(
    proxy: Proxy, dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    worker = make_worker(proxy, settings={"poll": {"reconnect": ["50ms", "50ms"]}})
    assert worker.once() == 0
    assert worker.status()["last_poll"]["ok"] is True
    proxy.refuse()

    answer = worker.command("once")

    assert answer.code == 69
    assert len(worker.events("connection.lost")) == 2
    assert "new;" not in answer.err
    assert worker.status()["last_poll"]["ok"] is False


@pytest.mark.slow
def test_once_stops_while_it_waits_for_the_server(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    proxy.on(BODIES, Cut(), when="sent")
    worker = make_worker(proxy, settings={"poll": {"reconnect": ["60s"]}})
    process = worker.process("once")
    eventually(lambda: "connection.lost" in worker.process_log)

    process.terminate()

    assert process.wait(10) == 75
    assert worker.once() == 0


# -- what the server can't do


def test_without_move_mail_is_copied_and_only_ours_is_expunged(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    old = Seed(letter(99), flags="T", received_at=datetime(2025, 6, 1, 12, tzinfo=UTC))  # somebody's, marked deleted
    dovecot.append_many("INBOX", [old, *letters(6)])
    proxy.without("MOVE")
    worker = make_worker(proxy, settings={"poll": {"since": "2026-01-01"}})

    assert worker.once() == 0

    assert dovecot.stored("INBOX") == [letter(99)]
    assert sorted(numbers(dovecot, "Processed")) == [1, 2, 3, 4, 5, 6]
    commands = [" ".join(command.split()[:2]) for command in proxy.commands]
    assert (commands.count("UID COPY"), commands.count("UID EXPUNGE"), commands.count("EXPUNGE")) == (1, 1, 0)
    assert "UID MOVE" not in commands
    assert worker.reconcile()["handled"] == 6


def test_without_move_and_uidplus_it_refuses_at_the_start(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", [Seed(letter(1), flags="T"), letter(2)])
    proxy.without("MOVE", "UIDPLUS")
    worker = make_worker(proxy)

    answer = worker.command("once")

    assert answer.code == 78
    assert ("MOVE" in answer.err, "UIDPLUS" in answer.err, "EXPUNGE" in answer.err) == (True, True, True)
    assert worker.handed() == []
    assert len(dovecot.stored("INBOX")) == 2
    verbs = {command.split()[0] for command in proxy.commands}
    assert verbs <= {"CAPABILITY", "LOGIN", "LIST", "NAMESPACE", "LOGOUT"}
    assert dovecot.history == ["ok"]


def test_run_without_move_and_uidplus_stays_alive_and_says_so(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(1))
    proxy.without("MOVE", "UIDPLUS")
    worker = make_worker(proxy, settings={"poll": {"reconnect": ["200ms", "60s"]}})

    with worker.running() as running:
        eventually(lambda: len(dovecot.history) == 2)
        time.sleep(0.5)
        assert running.alive

    told = worker.events("worker.not_ready")
    assert len(told) == 1
    assert "MOVE" in told[0]["advice"]
    assert worker.events("connection.lost") == []
    assert dovecot.history == ["ok", "ok"]
    assert worker.handed() == []


def test_move_that_is_only_announced_after_the_login_is_used(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(2))
    proxy.rewrite_answers(rb"^(\* OK \[CAPABILITY [^\]]*)\]", rb"\1]")
    worker = make_worker(proxy)

    assert worker.once() == 0

    assert any(command.startswith("UID MOVE") for command in proxy.commands)


def test_a_target_folder_that_somebody_deleted_is_made_again(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker(settings=PATIENT)
    dovecot.append_many("INBOX", letters(1))

    with worker.running():
        eventually(lambda: settled(worker, 1))
        with dovecot.client() as person:
            person.delete_folder("Processed")
        dovecot.append_many("INBOX", letters(1, start=2))
        eventually(lambda: settled(worker, 2))

    assert numbers(dovecot, "Processed") == [2]
