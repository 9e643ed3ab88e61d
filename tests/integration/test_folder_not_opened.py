"""A folder that a real server lists, and refuses to open for a while: its messages wait, and other mail doesn't."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letter
from tests.rig.proxy import Answer, Proxy
from tests.rig.worker import Worker, balance
from worker.pipeline import dispatch

MakeWorker = Callable[..., Worker]
DONE, FINDING, NOT_NOW = 0, 1, 75
ROUTES: list[dict[str, Any]] = [
    {"name": "bad", "match": {"subject": "Refused*"}, "handlers": ["failing"], "waits": ["1ms"]},
    {"name": "all", "handlers": ["ledger"], "waits": ["1ms"]},
]


@pytest.mark.parametrize("said", ["NO Command failed.", "NO [INUSE] Mailbox is in use."])
@pytest.mark.parametrize("without", [(), ("MOVE",)], ids=["move", "no move"])
def test_a_dead_letter_that_is_tried_again_waits_until_its_folder_is_opened(
    dovecot: Mailbox,
    proxy: Proxy,
    make_worker: MakeWorker,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    without: tuple[str, ...],
) -> None:
    monkeypatch.setattr(dispatch, "UNOPENED_WAIT", 0.0)
    proxy.without(*without)
    failing = {"use": "tests.rig.handlers:Failing", "how": "reject"}
    worker = make_worker(proxy, routes=ROUTES, settings={"handler.failing": failing})
    dovecot.append_many("INBOX", [letter(1).replace(b"Subject: Report", b"Subject: Refused")])
    assert worker.once() == FINDING
    ((key,),) = worker.rows("SELECT key FROM message")
    worker.configure(**{"handler.failing": {"times": 0}})

    refused = proxy.on("^SELECT .?Failed", Answer(f"{{tag}} {said}"), times=None)
    assert worker.command("failed", "retry", key, "--reason", "it is corrected").code == DONE
    for number in range(2, 5):
        dovecot.append_many("INBOX", [letter(number)])
        assert worker.once() == NOT_NOW
        assert worker.rows("SELECT state, missed, tries FROM message WHERE id = 1") == [("pending", 0, 0)]
        assert worker.status()["messages"]["handled"] == number - 1
    refused.remove()
    assert worker.once() == DONE
    assert worker.reconcile() == balance(handled=4, junk=0)
    assert dovecot.stored("Failed") == []
