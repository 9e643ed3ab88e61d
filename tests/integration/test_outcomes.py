"""What tries come to: later with backoff, given up on, refused, too large, not on the disk."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import JUNK, Mailbox, Seed
from tests.rig.letters import letter, letters, spam
from tests.rig.proxy import Proxy
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
FAILING = "tests.rig.handlers:Failing"
SMALL = {"limits": {"message": "50kB", "header_bytes": "20kB"}}


def route(*handlers: str, **more: Any) -> dict[str, Any]:
    return {"name": "all", "handlers": list(handlers), "waits": ["100ms", "200ms"], **more}


def failing(**settings: Any) -> dict[str, dict[str, Any]]:
    return {"handler.failing": {"use": FAILING, **settings}}


def counts(worker: Worker) -> dict[str, int]:
    messages = worker.status()["messages"]
    return {state: messages[state] for state in ("pending", "handled", "junk", "failed", "gone")}


# -- tries


def test_a_failing_handler_is_tried_again_with_backoff_and_those_before_it_are_not(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(routes=[route("ledger", "failing")], settings=failing(times=2))

    assert worker.once() == 75
    assert counts(worker) == {"pending": 1, "handled": 0, "junk": 0, "failed": 0, "gone": 0}
    assert len(dovecot.stored("INBOX")) == 1
    began = time.monotonic()
    with worker.running():
        eventually(lambda: counts(worker)["handled"] == 1)

    assert len(worker.events("message.retry")) == 3
    assert time.monotonic() - began > 0.4
    assert len(worker.handed()) == 1
    assert len(dovecot.stored("Processed")) == 1


def test_while_one_waits_the_others_go_on_and_run_takes_it_up_when_it_is_due(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(5))
    worker = make_worker(routes=[route("failing", "ledger")], settings=failing(times=2))

    with worker.running():
        eventually(lambda: len(worker.handed()) == 5)

    assert counts(worker)["handled"] == 5
    assert Counter(call.number for call in worker.handed()) == dict.fromkeys(range(1, 6), 1)


@pytest.mark.parametrize("how", ["error", "retry", "exit"])
def test_what_always_fails_is_a_dead_letter_after_so_many_tries(
    dovecot: Mailbox, make_worker: MakeWorker, how: str
) -> None:
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker(routes=[route("failing", tries=3)], settings=failing(how=how))

    with worker.running():
        eventually(lambda: counts(worker)["failed"] == 2)
        eventually(lambda: len(dovecot.stored("Failed")) == 2)

    assert len(worker.events("message.retry")) == 4
    assert len(worker.events("message.dead_letter")) == 2
    assert sorted(dovecot.stored("Failed")) == sorted(letters(2))
    assert dovecot.stored("INBOX") == []
    assert worker.reconcile()["failed"] == 2


def test_once_says_that_it_dead_lettered_something(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(routes=[route("failing", tries=1)], settings=failing())

    answer = worker.command("once")

    assert answer.code == 1
    assert "'Failed'" in answer.err
    assert worker.once() == 0


def test_reject_is_a_dead_letter_at_once(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(routes=[route("failing", "ledger")], settings=failing(how="reject"))

    assert worker.once() == 1

    assert worker.events("message.retry") == []
    assert worker.handed() == []
    assert dovecot.stored("Failed") == letters(1)


def test_retry_after_is_the_soonest(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(
        routes=[route("failing", "ledger", waits=["10ms"])], settings=failing(how="retry", times=1, after=1.0)
    )

    with worker.running():
        eventually(lambda: worker.events("message.done"))

    (asked,), (done,) = worker.events("message.retry"), worker.events("message.done")
    assert datetime.fromisoformat(done["at"]) - datetime.fromisoformat(asked["at"]) > timedelta(seconds=0.9)


def test_junk_has_tries_of_its_own(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, letters(1))
    worker = make_worker(
        routes=[route("ledger", tries=1)],
        settings={**failing(times=2), "junk": {"handlers": ["failing"], "tries": 5, "waits": ["50ms"]}},
    )

    with worker.running():
        eventually(lambda: counts(worker)["junk"] == 1)

    assert len(worker.events("message.retry")) == 2


@pytest.mark.slow
def test_a_handler_that_hangs_holds_up_nobody_else(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(
        settings={
            "poll": {"every": "300ms", "idle": False},
            "work": {"grace": "100ms"},
            "health": {"stuck_after": "4s"},
        }
    )
    worker.hold.touch()

    with worker.running():
        eventually(lambda: worker.begun() == 1)
        dovecot.append_many(JUNK, letters(3, start=2))
        eventually(lambda: counts(worker)["junk"] == 3)
        eventually(lambda: worker.events("handler.stuck"))
        (attempt,), (stuck,) = worker.events("login.attempt"), worker.events("handler.stuck")
        waited = datetime.fromisoformat(stuck["at"]) - datetime.fromisoformat(attempt["at"])
        assert waited > timedelta(seconds=4), "longer than [poll] every is not yet stuck"
        assert counts(worker)["pending"] == 1
        assert dovecot.stored("INBOX") == letters(1)


# -- what handlers wrote is on the disk before the mailbox shows it


def test_what_could_not_be_written_is_not_settled(dovecot: Mailbox, make_worker: MakeWorker, tmp_path: Path) -> None:
    dovecot.append_many("INBOX", letters(3))
    written = tmp_path / "written"
    worker = make_worker(
        routes=[route("unflushable")],
        settings={"handler.unflushable": {"use": "tests.rig.handlers:Unflushable", "file": str(written)}},
    )

    assert worker.once() == 75
    assert len(dovecot.stored("INBOX")) == 3
    with worker.running():
        eventually(lambda: counts(worker)["handled"] == 3)

    assert len(set(written.read_text().split())) == 3


# -- too large


def test_a_message_over_the_limit_is_a_dead_letter_and_never_fetched(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    large = letter(2, size=60_000)
    dovecot.append_many("INBOX", [letter(1), large, letter(3)])
    worker = make_worker(proxy, settings=SMALL)

    assert worker.once() == 1

    assert [call.number for call in sorted(worker.handed(), key=lambda call: call.number)] == [1, 3]
    assert dovecot.stored("Failed") == [large]
    fetched = [command for command in proxy.commands if "BODY.PEEK[]" in command]
    assert len(fetched) == 1
    assert " 1,3 " in fetched[0]
    assert proxy.traffic.bytes_down < 20_000
    assert worker.events("message.oversize")
    assert worker.reconcile()["failed"] == 1


def test_a_server_that_understates_sizes_meets_the_hard_cap(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    large = letter(2, size=400_000)
    dovecot.append_many("INBOX", [letter(1), large, letter(3)])
    proxy.rewrite_answers(rb"RFC822\.SIZE \d+", b"RFC822.SIZE 700")
    worker = make_worker(proxy, settings=SMALL)

    assert worker.once() == 1

    assert sorted(call.number for call in worker.handed()) == [1, 3]
    assert dovecot.stored("Failed") == [large]
    assert proxy.traffic.bytes_down < 80_000


def test_a_server_that_overstates_sizes_costs_nothing(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [letter(1), spam(2), letter(3)])
    proxy.rewrite_answers(rb"RFC822\.SIZE (\d+)", rb"RFC822.SIZE 9\1")
    worker = make_worker(proxy)

    assert worker.once() == 0

    assert counts(worker) == {"pending": 0, "handled": 2, "junk": 1, "failed": 0, "gone": 0}


# -- where it goes


def test_handled_mail_can_stay_where_it_is(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker(settings={"settle": {"handled": "keep"}})

    assert (worker.once(), worker.once()) == (0, 0)

    assert len(worker.handed()) == 3
    assert dovecot.stored("INBOX") == letters(3)
    assert worker.reconcile()["handled"] == 3


def test_older_mail_is_left_alone_with_since(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    old = Seed(letter(1), received_at=datetime(2025, 6, 1, 12, tzinfo=UTC))
    new = Seed(letter(2), received_at=datetime(2026, 6, 1, 12, tzinfo=UTC))
    dovecot.append_many("INBOX", [old, new])
    worker = make_worker(settings={"poll": {"since": "2026-01-01"}})

    assert worker.once() == 0

    assert [call.number for call in worker.handed()] == [2]
    assert dovecot.stored("INBOX") == [letter(1)]
    assert worker.reconcile()["seen"] == 1


def test_a_dry_run_changes_nothing(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [letter(1), spam(2)])
    worker = make_worker(proxy)

    answer = worker.command("once", "--dry-run")

    assert answer.code == 0
    assert ("ledger" in answer.out, "quarantine" in answer.out) == (True, True)
    assert worker.handed() == []
    assert len(dovecot.stored("INBOX")) == 2
    verbs = {" ".join(command.split()[:2]).upper() for command in proxy.commands}
    assert not verbs & {"UID MOVE", "UID STORE", "UID COPY", "EXPUNGE"}
    assert not any(verb.startswith("CREATE") for verb in verbs)
    assert worker.once() == 0
    assert len(worker.handed()) == 1
