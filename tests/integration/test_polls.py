"""What a poll costs, and what wakes it: the schedule always, IDLE where the server has it."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, letters
from tests.rig.ports import free_port
from tests.rig.proxy import Answer, Call, Hold, Inject, Proxy
from tests.rig.worker import Worker, eventually
from worker.observe.humanise import clock

MakeWorker = Callable[..., Worker]
MakeProxy = Callable[..., Proxy]


def poll(every: str, *, idle: bool) -> dict[str, dict[str, Any]]:
    return {"poll": {"every": every, "idle": idle, "reconnect": ["0.1s"]}}


def deliver(mailbox: Mailbox, *numbers: int) -> None:
    with mailbox.client() as person:
        for number in numbers:
            person.append("INBOX", letter(number))


# -- what it costs


def quiet_polls(proxy: Proxy, worker: Worker) -> list[str]:
    """The commands of a few polls in which nothing happens, after the first has settled down."""
    proxy.latency = 0.1  # what is sent together is on its way before the first answer comes
    with worker.running():
        eventually(lambda: proxy.commands.count("NOOP") >= 2)
        with proxy.measure() as used:
            before = proxy.commands.count("NOOP")
            eventually(lambda: proxy.commands.count("NOOP") >= before + 4)
        polls = used.commands.count("NOOP")
        assert used.bytes_down + used.bytes_up < 1000 * polls
        assert used.round_trips <= polls + 1
        return used.commands


@pytest.mark.parametrize("count", [0, 300])
def test_a_poll_with_nothing_new_is_one_round_trip(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, count: int
) -> None:
    dovecot.append_many("INBOX", letters(count))
    worker = make_worker(proxy, settings={**poll("100ms", idle=False), "settle": {"handled": "keep"}})

    commands = quiet_polls(proxy, worker)

    names = {command.split(" (")[0] for command in commands}
    assert names == {"NOOP", f'STATUS "{JUNK}"'}
    assert abs(commands.count("NOOP") - (len(commands) - commands.count("NOOP"))) <= 1
    assert len(worker.handed()) == count


def test_a_poll_logs_in_once_for_many(proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy, settings=poll("50ms", idle=False))

    with worker.running():
        eventually(lambda: proxy.commands.count("NOOP") >= 10)

    assert proxy.traffic.connections == 1
    assert sum(command.startswith("LOGIN") for command in proxy.commands) == 1


# -- what wakes it


def test_idle_wakes_the_poll_long_before_the_next(dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy) -> None:
    worker = make_worker(proxy, settings=poll("60s", idle=True))

    with worker.running(), dovecot.client() as person:
        for number in range(1, 4):
            eventually(lambda: proxy.commands and proxy.commands[-1] == "IDLE")
            person.append("INBOX", letter(number))
            eventually(lambda number=number: len(worker.handed()) == number)  # type: ignore[misc] # bound at once

    assert proxy.traffic.connections == 1


def test_mail_that_comes_just_before_idle_begins_is_not_slept_over(
    dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy
) -> None:
    proxy.on("^IDLE", Call(lambda: deliver(dovecot, 1)), when="before")
    worker = make_worker(proxy, settings=poll("60s", idle=True))

    with worker.running():
        eventually(lambda: len(worker.handed()) == 1)


def test_news_in_the_same_breath_as_the_answer_to_idle_is_not_slept_over(
    dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy
) -> None:
    """The server tells of it once, before its word that it idles, and not again until the folder is selected."""

    def come() -> None:
        dovecot.append_many("INBOX", [letter(2)])
        proxy.rewrite_answers(rb"^\* 2 EXISTS", b"* OK nothing")

    def selected() -> None:
        proxy.answers = ()

    dovecot.append_many("INBOX", [letter(1)])
    proxy.on("^IDLE", Call(come), Inject("* 2 EXISTS"), when="before")
    proxy.on("^SELECT", Call(selected), when="before", times=None)
    worker = make_worker(proxy, settings={**poll("60s", idle=True), "settle": {"handled": "keep"}})

    with worker.running():
        eventually(lambda: len(worker.handed()) == 2)


@pytest.mark.parametrize("idle", [True, False])
def test_mail_that_comes_while_another_folder_is_worked_on_is_seen_by_the_next_poll(
    dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy, *, idle: bool
) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    proxy.on(f'^SELECT "{JUNK}"', Call(lambda: deliver(dovecot, 2)), when="answered")
    worker = make_worker(proxy, settings=poll("300ms", idle=idle))

    with worker.running():
        eventually(lambda: len(worker.handed()) == 1)

    assert [call.number for call in worker.handed()] == [2]


@pytest.mark.parametrize("idle", [True, False])
def test_mail_that_comes_before_inbox_is_selected_again_is_seen(
    dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy, *, idle: bool
) -> None:
    """The server tells of it in the answer to SELECT alone, and never again."""
    dovecot.append_many("INBOX", [letter(1)])
    dovecot.append_many(JUNK, [letter(3)])  # which is selected for it, and INBOX is selected again after that
    again = proxy.on('^SELECT "INBOX"', Call(lambda: deliver(dovecot, 2)), when="before", skip=1)
    worker = make_worker(proxy, settings=poll("300ms", idle=idle))

    with worker.running():
        eventually(lambda: len(worker.handed()) == 2)
    assert again.hits == 1


def test_without_idle_the_schedule_does_the_job(dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy) -> None:
    proxy.without("IDLE")
    worker = make_worker(proxy, settings=poll("200ms", idle=True))

    with worker.running():
        eventually(lambda: proxy.commands.count("NOOP") > 1)
        deliver(dovecot, 1)
        eventually(lambda: worker.handed())

    assert "IDLE" not in proxy.commands


@pytest.mark.parametrize(("answer", "connections"), [("BAD Command Error. 10", 2), ("NO not here", 1)])
def test_an_idle_that_the_server_refuses_is_tried_once(
    dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy, answer: str, connections: int
) -> None:
    """After a BAD nothing is known of the connection, and a new one is made; then the schedule does the job."""
    proxy.on("^IDLE", Answer(f"{{tag}} {answer}"), times=None)
    worker = make_worker(proxy, settings=poll("100ms", idle=True))

    with worker.running():
        eventually(lambda: proxy.commands.count("NOOP") > 3)
        deliver(dovecot, 1)
        eventually(lambda: worker.handed())

    assert proxy.commands.count("IDLE") == 1
    assert proxy.traffic.connections == connections


def test_idle_that_dies_without_a_word_is_made_up_for_by_the_schedule(
    dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy
) -> None:
    """The line is dead: the next poll finds out after the read time-out, and connects anew."""
    silence = Hold(threading.Event())
    settings = {**poll("1s", idle=True), "account": {"read_timeout": "500ms"}}
    # on a busy machine an answer to a login may take longer than that as well
    worker = make_worker(proxy, settings={**settings, "lockout": {"waits": ["50ms"]}})

    with worker.running():
        eventually(lambda: proxy.commands and proxy.commands[-1] == "IDLE")
        proxy.on("^DONE|^IDLE", silence, when="sent")
        proxy.on(".*", silence, when="before")
        deliver(dovecot, 1)
        eventually(lambda: worker.handed())
        silence.until.set()

    assert len(worker.handed()) == 1


def test_a_poll_that_takes_longer_than_the_interval_is_no_trouble(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(settings=poll("50ms", idle=False))
    worker.hold.touch()

    with worker.running():
        eventually(lambda: worker.begun() == 1)
        time.sleep(0.5)
        worker.hold.unlink()
        eventually(worker.handed)
        deliver(dovecot, 2)
        eventually(lambda: len(worker.handed()) == 2)

    assert [event for event in worker.events() if event["event"].startswith("library.")] == []


# -- paused


def test_paused_nothing_is_handed_over_and_the_connection_stays(
    dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy
) -> None:
    worker = make_worker(proxy, settings=poll("100ms", idle=False))
    assert worker.command("pause").code == 0

    with worker.running():
        deliver(dovecot, 1)
        eventually(lambda: proxy.commands.count("NOOP") >= 5)
        assert worker.status()["paused"] is True
        assert worker.handed() == []
        assert worker.command("resume").code == 0
        eventually(lambda: worker.handed())

    assert worker.status()["paused"] is False
    assert proxy.traffic.connections == 1


@pytest.mark.parametrize("idle", [pytest.param(False, marks=pytest.mark.slow), True])
def test_what_comes_in_a_pause_is_counted_and_told_with_who_and_why(
    dovecot: Mailbox, make_worker: MakeWorker, idle: bool
) -> None:
    dovecot.append_many("INBOX", letters(3))
    listen = f"127.0.0.1:{free_port()}"
    worker = make_worker(
        settings={**poll("1s", idle=idle), "health": {"listen": listen}, "alerts": {"paused_for": "2s"}}
    )

    with worker.running():
        eventually(lambda: len(worker.handed()) == 3)
        assert worker.command("pause", "--reason", "the archive moves").code == 0
        deliver(dovecot, 4)
        dovecot.append_many(JUNK, letters(2, start=5))
        eventually(lambda: (worker.status()["pause"] or {})["arrived"] == 3)
        pause = worker.status()["pause"]
        assert pause["reason"] == "the archive moves"
        assert pause["since"] <= pause["counted_at"]
        said = worker.command("status").out
        assert f"By {pause['by']} since {clock(datetime.fromisoformat(pause['since']))}, for " in said
        assert "Why: “the archive moves”." in said
        eventually(lambda: "3 messages have arrived since the last poll" in httpx.get(f"http://{listen}/").text)
        assert "Why: “the archive moves”" in httpx.get(f"http://{listen}/").text
        eventually(lambda: "nhsmail_arrived_while_paused 3.0" in httpx.get(f"http://{listen}/metrics").text)
        eventually(lambda: worker.events("worker.still_paused"))
        told = worker.events("worker.paused")[0] | worker.events("worker.still_paused")[0]
        assert (told["words"], told["actor"]) == ("the archive moves", pause["by"].replace("@", "_"))
        assert len(worker.handed()) == 3
        assert worker.command("resume").code == 0
        eventually(lambda: sum(len(dovecot.stored(name)) for name in ("Processed", JUNK)) == 6)

    assert worker.status()["pause"] is None
    (trail,) = (worker.state / "audit").glob("*.jsonl")
    assert '"words":"the archive moves"' in trail.read_text()


@pytest.mark.slow
def test_started_while_paused_a_resume_is_seen_long_before_the_next_poll(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", [letter(1)])
    worker = make_worker(settings=poll("60s", idle=True))
    assert worker.command("pause").code == 0

    with worker.running():
        eventually(lambda: worker.events("login.succeeded"))
        time.sleep(0.5)
        assert worker.command("resume").code == 0
        eventually(lambda: worker.handed())


@pytest.mark.slow
def test_paused_with_tries_due_does_not_hurry(dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy) -> None:
    dovecot.append_many("INBOX", [letter(1)])
    route = {"name": "all", "handlers": ["failing"], "waits": ["300ms"]}
    failing = {"handler.failing": {"use": "tests.rig.handlers:Failing"}}
    worker = make_worker(proxy, routes=[route], settings={**poll("200ms", idle=True), **failing})

    with worker.running():
        eventually(lambda: worker.events("message.retry"))
        assert worker.command("pause").code == 0
        time.sleep(0.5)
        began = time.monotonic()
        with proxy.measure() as used:
            time.sleep(1)
        seconds = time.monotonic() - began

    assert used.commands.count("DONE") <= seconds / 0.2 + 1


def test_paused_once_hands_over_nothing(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [letter(1)])
    worker = make_worker()
    assert worker.command("pause").code == 0

    answer = worker.command("once")

    assert (answer.code, worker.handed()) == (75, [])
    assert "resume" in answer.err
    assert worker.command("resume").code == 0
    assert worker.once() == 0
    assert len(worker.handed()) == 1


@pytest.mark.slow
def test_a_pause_in_the_midst_of_a_backlog_holds(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(40, start=200))
    slow = {
        "handler.ledger": {"use": "tests.rig.handlers:Ledger", "seconds": 0.1},
        "work": {"threads": 1},
        "poll": {"batch_count": 5, "every": "1s"},
    }
    worker = make_worker(settings=slow)

    with worker.running():
        eventually(lambda: len(worker.handed()) > 3)
        assert worker.command("pause").code == 0
        time.sleep(2)
        handed, moved = len(worker.handed()), len(dovecot.stored("Processed"))
        time.sleep(2)
        assert (len(worker.handed()), len(dovecot.stored("Processed"))) == (handed, moved)
        assert handed < 40
        assert worker.status()["messages"]["handled"] == handed
        assert worker.command("resume").code == 0
        eventually(lambda: len(dovecot.stored("Processed")) == 40)

    assert sorted(call.number for call in worker.handed()) == list(range(200, 240))
    assert worker.events("handler.stuck") == []
    assert worker.reconcile()["handled"] == 40


@pytest.mark.slow
def test_a_stop_in_a_pause_moves_nothing_and_waits_for_nothing(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(10, start=200))
    slow = {
        "handler.ledger": {"use": "tests.rig.handlers:Ledger", "seconds": 0.3},
        "work": {"threads": 1, "grace": "20s"},
        "poll": {"every": "1s"},
    }
    worker = make_worker(settings=slow)

    with worker.running():
        eventually(worker.handed)
        assert worker.command("pause").code == 0
        time.sleep(2)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert dovecot.stored("Processed") == []
    assert worker.events("worker.left_in_hand") == []

    assert worker.command("resume").code == 0
    assert worker.once() == 0
    assert sorted(call.number for call in worker.handed()) == list(range(200, 210))
    assert worker.reconcile()["handled"] == 10


def test_what_people_ask_for_in_a_pause_waits_for_its_end(
    dovecot: Mailbox, make_worker: MakeWorker, proxy: Proxy
) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(proxy)
    assert worker.once() == 0
    (key,) = (row[0] for row in worker.rows("SELECT key FROM message"))
    assert worker.command("pause").code == 0
    connections = proxy.traffic.connections

    asked = worker.command("junk", "release", key, "--reason", "it is ours")

    assert asked.code == 0
    assert "resume" in asked.out
    assert proxy.traffic.connections == connections
    assert len(dovecot.stored(JUNK)) == 1
    assert worker.command("resume").code == 0
    assert worker.once() == 0
    assert [call.number for call in worker.handed()] == [1]


# -- refused by the server


@pytest.mark.parametrize("command", ["MOVE", "FETCH"])
def test_a_message_that_the_server_refuses_stops_no_other(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, command: str
) -> None:
    dovecot.append_many("INBOX", letters(5))
    second = r"(\S+,)?(1:|2\b)\S*"  # the second message, in whatever set of numbers it is named
    refused = proxy.on(
        rf"^UID {command} {second} .*(HEADER|Processed)", Answer("{tag} NO [CANNOT] Not this one."), times=None
    )
    worker = make_worker(proxy, settings=poll("200ms", idle=False))

    with worker.running():
        eventually(lambda: len(dovecot.stored("Processed")) == 4)
        deliver(dovecot, 6)
        eventually(lambda: len(dovecot.stored("Processed")) == 5)
    assert refused.hits
    assert [b"X-Number: 2\r\n" in raw for raw in dovecot.stored("INBOX")] == [True]
    assert proxy.traffic.connections == 1
    assert worker.events("worker.fault") == []

    refused.remove()
    assert worker.once() == 0
    assert dovecot.stored("INBOX") == []
    assert sorted(call.number for call in worker.handed()) == [1, 2, 3, 4, 5, 6]
    assert worker.reconcile()["handled"] == 6
