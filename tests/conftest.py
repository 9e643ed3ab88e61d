"""Fixtures for every room's tests, hypothesis profiles, and the rule that tests stay on this machine."""

import functools
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.rig.dovecot import Dovecot, Mailbox
from tests.rig.exchange.imitation import Exchange
from tests.rig.exchange.rules import Rules
from tests.rig.moto import Moto
from tests.rig.postgres import Postgres
from tests.rig.proxy import Proxy
from tests.rig.scripted import ScriptedServer, Step
from tests.rig.tls import Authority
from tests.rig.worker import Server, Worker, keep_logs_apart, worker_for
from worker.journal.database import Database

# The same examples each time, so that a change is judged by what it changed; `make soak` draws others, and many more.
settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, max_examples=60
)
settings.register_profile("brief", settings.get_profile("default"), max_examples=15)  # on the other Pythons
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000, derandomize=False)
settings.register_profile("soak", settings.get_profile("thorough"), max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

PASSWORD = "Bright-Harbour-92"  # as the password policy wants it
_serial = count(1)
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _stay_here(address: Any) -> None:
    """Refuse every address that is not on this machine, before a packet leaves it."""
    host = address[0] if isinstance(address, tuple) else None
    if host is None or host in {"localhost", ""}:
        return
    try:
        found = ipaddress.ip_address(host)
        local = found.is_loopback or found.is_unspecified  # Linux takes 0.0.0.0 to loopback
    except ValueError:
        local = False
    if not local:
        # not an OSError: the code under test must not take it for an outage
        raise AssertionError(f"A test tried to reach {host!r}: tests use loopback only.")


def pytest_configure() -> None:
    """Guard from before the first import of a test module until the end of the run."""

    def connect(sock: socket.socket, address: Any) -> None:
        _stay_here(address)
        _connect(sock, address)

    def connect_ex(sock: socket.socket, address: Any) -> int:
        _stay_here(address)
        return _connect_ex(sock, address)

    socket.socket.connect = connect  # type: ignore[method-assign,assignment] # the guard
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign,assignment] # the guard


def pytest_unconfigure() -> None:
    socket.socket.connect = _connect  # type: ignore[method-assign] # as it was
    socket.socket.connect_ex = _connect_ex  # type: ignore[method-assign] # as it was


@pytest.fixture(autouse=True)
def _connections_end_with_the_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A simulated death closes nothing, and from 3.13 on Python warns of a connection that nobody closed."""
    begin, end = Database.__init__, Database.close
    open_ones: set[Database] = set()

    @functools.wraps(begin)
    def noted(self: Database, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        open_ones.add(self)

    @functools.wraps(end)
    def closed(self: Database) -> None:
        end(self)
        open_ones.discard(self)

    monkeypatch.setattr(Database, "__init__", noted)
    monkeypatch.setattr(Database, "close", closed)
    yield
    for database in open_ones.copy():
        database.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The private CA that signs for every server of this run."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def dovecot_server(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Dovecot]:
    """One Dovecot for the whole run. Don't stop it or change it: `make_dovecot` gives one of your own.

    A test with a parameter for it gets another one, which looks to clients as that scenario says.
    """
    scenario: str | None = getattr(request, "param", None)
    manners = None if scenario is None else Exchange(Rules.of(scenario))
    with Dovecot(authority=authority, manners=manners) as server:
        yield server
    assert manners is None or manners.misuse == [], "Exchange would refuse what the worker sent"


@pytest.fixture
def dovecot(dovecot_server: Dovecot) -> Mailbox:
    """A fresh, empty mailbox on the shared server, with the folders of an Exchange mailbox; locks after 12 failures."""
    return dovecot_server.add_user(f"pathology.results{next(_serial)}@nhs.net", PASSWORD)


@pytest.fixture
def elsewhere(dovecot_server: Dovecot) -> Mailbox:
    """As `dovecot`, but of a service that isn't NHSmail: its threshold may be higher than the policy text's."""
    return dovecot_server.add_user(f"results{next(_serial)}@mail.example.org", PASSWORD, lock_after=50)


@pytest.fixture
def make_dovecot(authority: Authority) -> Iterator[Callable[..., Dovecot]]:
    """Start a Dovecot of the test's own, with the options of `tests.rig.dovecot.Dovecot`; ended with the test."""
    with ExitStack() as servers:

        def make(**options: Any) -> Dovecot:
            options.setdefault("users", {"pathology.results@nhs.net": PASSWORD})
            server = Dovecot(authority=authority, **options)
            servers.callback(server.close)
            server.start()
            return server

        yield make


@pytest.fixture
def proxy(authority: Authority, dovecot: Mailbox) -> Iterator[Proxy]:
    """A proxy before the test's mailbox on the shared Dovecot."""
    with Proxy(authority, (dovecot.host, dovecot.port)) as proxy:
        yield proxy


@pytest.fixture
def make_proxy(authority: Authority) -> Iterator[Callable[..., Proxy]]:
    """Put a proxy before any server (`host` and `port` are read from it); ended with the test."""
    with ExitStack() as proxies:

        def make(server: Dovecot | Mailbox | Proxy | ScriptedServer) -> Proxy:
            return proxies.enter_context(Proxy(authority, (server.host, server.port)))

        yield make


@pytest.fixture
def scripted(authority: Authority) -> Iterator[Callable[..., ScriptedServer]]:
    """Start a scripted server: one script for each connection. What did not go by the script fails the test."""
    with ExitStack() as servers:

        def make(*sessions: Sequence[Step], **options: Any) -> ScriptedServer:
            return servers.enter_context(ScriptedServer(authority, *sessions, **options))

        yield make


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for the whole run. Don't stop it: start a `Postgres` of your own for that."""
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> str:
    """The SQLAlchemy URL of a new, empty database on the shared server."""
    return postgres_server.fresh_url()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    """One S3-compatible server and SQS for the whole run."""
    with Moto() as server:
        yield server


@pytest.fixture
def moto(moto_server: Moto) -> Moto:
    """The same with a bucket of the test's own, `bucket`."""
    moto_server.bucket = f"bucket-{next(_serial)}"
    moto_server.make_bucket(moto_server.bucket)
    return moto_server


@pytest.fixture
def make_worker(tmp_path: Path, dovecot: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Worker]]:
    """Configure a worker for the test's mailbox, or another's, on its server or behind a proxy.

    Its one route goes to the `ledger` handler, unless `routes` says otherwise; `settings` are tables and keys.
    """
    for name in [name for name in os.environ if name.startswith("NHSMAIL_")]:
        monkeypatch.delenv(name)
    numbers = count(1)

    def make(
        server: Server | None = None,
        *,
        mailbox: Mailbox | None = None,
        routes: Sequence[Mapping[str, Any]] = ({"name": "all", "handlers": ["ledger"]},),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Worker:
        folder = tmp_path / f"worker-{next(numbers)}"
        folder.mkdir()
        box = mailbox or dovecot
        return worker_for(folder, server or box, box, [dict(route) for route in routes], settings or {})

    with keep_logs_apart(monkeypatch, tmp_path):
        yield make
