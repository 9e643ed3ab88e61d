"""Four servers and an imitation of Exchange, each started once for each file of tests, and a worker for an account."""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.rig.courier import Courier
from tests.rig.cyrus import Cyrus
from tests.rig.exchange.imitation import Exchange
from tests.rig.exchange.rules import Rules
from tests.rig.imap_server import Account, ImapServer, OnDovecot
from tests.rig.tls import Authority
from tests.rig.worker import Worker, keep_logs_apart, worker_for

MAKERS: Mapping[str, Callable[[Authority], Any]] = {
    "dovecot": OnDovecot,
    "exchange": lambda authority: OnDovecot(authority, Exchange(Rules.of("usual"))),
    "cyrus-alternative": lambda authority: Cyrus(authority, "alternative"),
    "cyrus-inbox": lambda authority: Cyrus(authority, "inbox"),
    "courier": Courier,
}
_serial = count(1)


@pytest.fixture(scope="session", params=MAKERS)
def imap_server(request: pytest.FixtureRequest, authority: Authority) -> Iterator[ImapServer]:
    """One server of each kind for the whole run. A test that stops it starts it again."""
    server = MAKERS[request.param](authority)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def account(imap_server: ImapServer) -> Account:
    """A fresh account with a junk folder."""
    imap_server.start()
    return imap_server.account(next(_serial))


@pytest.fixture
def make_worker(tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Worker]]:
    """Configure a worker for the account. Clean mail and junk both go to the `ledger` handler."""
    numbers = count(1)

    def make(**settings: Mapping[str, Any]) -> Worker:
        folder = tmp_path / f"worker-{next(numbers)}"
        folder.mkdir()
        routes = [{"name": "all", "handlers": ["ledger"]}]
        return worker_for(folder, account, account, routes, {"junk": {"handlers": ["ledger"]}, **settings})

    with keep_logs_apart(monkeypatch, tmp_path):
        yield make
