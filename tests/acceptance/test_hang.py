"""A handler that hangs: it is reported, its message isn't settled, others go on; all threads stuck, liveness fails."""

import signal
from collections.abc import Callable

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letter, letters
from tests.rig.ports import free_port
from tests.rig.watch import Window
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]


def hanging(number: int) -> bytes:
    return letter(number, extra=b"X-Poison: hang\r\n")


@pytest.mark.slow
def test_a_handler_that_hangs(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [hanging(1), *letters(3, start=10)])
    window = Window(free_port())
    worker = make_worker(
        routes=[{"name": "all", "handlers": ["poison", "archive", "ledger"]}],
        settings={
            "poll": {"every": "0.5s"},
            "work": {"threads": 2, "grace": "200ms"},
            "health": {"listen": f"127.0.0.1:{window.port}", "stuck_after": "1s"},
            "handler.poison": {"use": "tests.rig.handlers:Poison"},
        },
    )
    process = worker.process("run")
    try:
        eventually(lambda: len(dovecot.stored("Processed")) == 3)
        eventually(lambda: '"handler.stuck"' in worker.process_log)
        assert dovecot.stored("INBOX") == [hanging(1)]
        assert worker.status()["messages"]["pending"] == 1

        dovecot.append_many("INBOX", letters(2, start=20))
        eventually(lambda: len(dovecot.stored("Processed")) == 5)
        assert window.code("/livez") == 200

        dovecot.append_many("INBOX", [hanging(2)])
        eventually(lambda: window.code("/livez") == 503)
        assert "pool-stuck" in window.ask("/livez").text
        assert sorted(dovecot.stored("INBOX")) == sorted([hanging(1), hanging(2)])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0

    account = worker.reconcile()
    assert (account["handled"], account["pending"], account["unaccounted"]) == (5, 2, 0)
    assert sorted(call.number for call in worker.handed()) == [10, 11, 12, 20, 21]
