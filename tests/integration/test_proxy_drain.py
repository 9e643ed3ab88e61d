"""A mailbox is drained through a real proxy, killed twice meanwhile: nothing lost, nothing double.

Each message is sent on through it as well.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.https import Answer, HttpsServer
from tests.rig.letters import letters
from tests.rig.microsocks import Microsocks
from tests.rig.squid import PASSWORD, USER, Squid
from tests.rig.tls import Authority
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
Server = Squid | Microsocks
KINDS = ("http", "https", "socks5h")


@pytest.fixture
def make_server(authority: Authority) -> Iterator[Callable[[str], Server]]:
    with ExitStack() as servers:

        def make(kind: str) -> Server:
            server = Microsocks() if kind == "socks5h" else Squid(authority)
            servers.enter_context(server)
            return server

        yield make


def through(worker: Worker, server: Server, kind: str, authority: Authority) -> None:
    file = worker.folder / "proxy-password"
    file.touch(mode=0o600)
    file.write_text(PASSWORD)
    url = server.tls_url if kind == "https" and isinstance(server, Squid) else server.url
    table: dict[str, Any] = {"url": url, "username": USER, "password_file": str(file), "no_proxy": []}
    worker.configure(proxy=table | ({"ca_file": str(authority.ca_file)} if kind == "https" else {}))


def drained(
    count: int, kind: str, box: Mailbox, authority: Authority, make_worker: MakeWorker, server: Server
) -> dict[str, Any]:
    """Drain so many messages, with two deaths of the proxy in between, and prove that all came through once."""
    box.append_many("INBOX", letters(count))
    with HttpsServer(authority, after=Answer(delay=min(0.15, 10 / count))) as far_end:
        worker = make_worker(
            routes=[{"name": "all", "handlers": ["ledger", "out"]}],
            settings={
                "poll": {"every": "1s", "batch_count": max(count // 10, 5), "reconnect": ["0.1s", "0.5s"]},
                "work": {"threads": 2},
                "handler.out": {"use": "webhook", "url": far_end.url, "ca_file": str(authority.ca_file)},
            },
        )
        through(worker, server, kind, authority)
        worker.routes[0] |= {"waits": ["0.2s"], "tries": 50}
        worker.settings["handler.out"] |= {"pauses": ["0.2s"]}
        worker.write()
        started = time.monotonic()
        with worker.running():
            for part in (0.3, 0.6):
                enough = int(count * part)
                eventually(lambda enough=enough: len(worker.handed()) >= enough, 240)  # type: ignore[misc]
                before = len(troubles(worker))
                server.stop(abruptly=True)
                eventually(lambda before=before: len(troubles(worker)) > before, 60)  # type: ignore[misc]
                server.start()
            eventually(lambda: len(box.stored("Processed")) == count, 240)
        took = time.monotonic() - started
        sent = [request.headers["idempotency-key"] for request in far_end.requests]
    handed = worker.handed()
    moved, left = box.stored("Processed"), box.stored("INBOX")
    status = worker.status()
    assert worker.reconcile()["unaccounted"] == 0
    assert (len(moved), len(set(moved)), left, box.stored("Failed")) == (count, count, [], [])
    assert len({one.key for one in handed}) == count
    assert set(sent) == {one.key for one in handed}
    assert (status["messages"]["handled"], status["login"]["failures"]) == (count, 0)
    assert "fail" not in box.history
    theirs = server.everything_logged
    ours = worker.folder.parent.joinpath("events.log").read_text()
    for secret in (PASSWORD, box.password, box.address, "Subject", "Message-ID"):
        assert secret not in theirs
    assert PASSWORD not in ours
    return {
        "messages": count,
        "kind": kind,
        "seconds": round(took, 1),
        "handed": len(handed),
        "posted": len(sent),
        "logins": len(box.history),
        "troubles": sorted(set(troubles(worker))),
        "log lines of the proxy": theirs.count("\n"),
    }


def troubles(worker: Worker) -> list[str]:
    """What the worker has warned of: the mail server, or the far end of the webhook."""
    return [str(event["event"]) for event in worker.events() if event["level"] in ("warning", "error")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["https", "socks5h"])
def test_thirty_messages(
    dovecot: Mailbox,
    authority: Authority,
    make_worker: MakeWorker,
    make_server: Callable[[str], Server],
    kind: str,
) -> None:
    drained(30, kind, dovecot, authority, make_worker, make_server(kind))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_five_hundred_messages(
    dovecot: Mailbox,
    authority: Authority,
    make_worker: MakeWorker,
    make_server: Callable[[str], Server],
    kind: str,
) -> None:
    figures = drained(500, kind, dovecot, authority, make_worker, make_server(kind))
    sys.stdout.write(f"{json.dumps(figures)}\n")  # shown with -s
