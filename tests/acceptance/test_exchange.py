"""The whole command on a server that behaves as Exchange is known to, scenario by scenario."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import JUNK, Dovecot, Mailbox
from tests.rig.exchange.hard_time import ROUTES, SETTINGS, HardTime, digest, in_waves
from tests.rig.exchange.imitation import Exchange
from tests.rig.exchange.rules import Rules
from tests.rig.forks import Forks
from tests.rig.letters import letter, letters, spam
from tests.rig.mixed_mail import mixed
from tests.rig.tls import Authority
from tests.rig.token_endpoint import TokenEndpoint, tokens
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
MakeExchange = Callable[[str], tuple[Exchange, Mailbox]]
LEDGER = {"junk": {"handlers": ["ledger"]}}
PECULIAR = ("nothing", "empty", "bodiless", "conversion", "scan", "unlisted", "copyuid", "estimate")
ADDRESS, PASSWORD = "pathology.results@nhs.net", "Bright-Harbour-92"


@pytest.fixture
def make_exchange(make_dovecot: Callable[..., Dovecot]) -> MakeExchange:
    """A server by a scenario's rules, and the mailbox on it."""

    def make(scenario: str) -> tuple[Exchange, Mailbox]:
        exchange = Exchange(Rules.of(scenario))
        return exchange, make_dovecot(users={ADDRESS: PASSWORD}, manners=exchange).mailbox(ADDRESS)

    return make


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Forks]:
    with Forks(tmp_path) as forks:
        yield forks


# -- everything at once ------------------------------------------------------------------------------------------------


def bad_days(
    make_exchange: MakeExchange,
    make_worker: MakeWorker,
    forks: Forks,
    *,
    messages: int,
    waves: int,
    seed: int,
    kills: bool,
) -> None:
    """Mixed mail, every peculiarity and trouble, and restarts: each message comes once.

    kills: every second process is killed. Its handlers may then be called again, with the same key.
    """
    exchange, mailbox = make_exchange("everything")
    worker = make_worker(mailbox=mailbox, routes=ROUTES, settings=SETTINGS)
    sent = mixed(messages)
    parts = in_waves(sent, waves)
    hard = HardTime(worker, mailbox, forks, seed, kills)
    hard.live_through(parts)
    exchange.forget()
    balance = worker.reconcile()
    never = worker.rows("SELECT reason FROM message WHERE state = 'failed'")
    twice = sum(calls > 1 for calls in hard.calls().values())
    print(  # noqa: T201 -- the figures
        f"\n{messages} messages in {waves} waves; {hard.seconds:.0f} s, and by the worker's clock "
        f"{hard.ahead / 3600:.1f} h; ends {dict(hard.ends)}; shown {dict(exchange.hits)}; {balance}; "
        f"handed over more than once: {twice}; given up: {Counter(never)}"
    )

    assert kills or twice == 0
    stored = [one for folder in ("Processed", "Failed", JUNK) for one in mailbox.stored(folder)]
    assert Counter(stored) == Counter(sent)  # none lost, none twice
    assert mailbox.stored("INBOX") == []
    assert (balance["seen"], balance["unaccounted"], balance["pending"], balance["gone"]) == (messages, 0, 0, 0)

    given_up = {digest(one) for one in mailbox.stored("Failed")}
    assert all(reason.startswith(("stand-in:retrieval-failed", "unparsed:")) for (reason,) in never)
    assert len(given_up) == len(never) == balance["failed"]
    assert set(hard.calls()) == {digest(one) for one in sent} - given_up
    assert sorted(worker.archived()) == sorted(one for one in sent if digest(one) not in given_up)
    keys = {call.sha256: call.key for call in worker.handed()}
    assert len({call.key for call in worker.handed()}) == len(keys) == len(hard.calls())

    junk = {digest(one) for one in sent[4::5]} | {digest(one) for _, some in parts for one in some}
    assert not [content for content, path in hard.paths() if content in junk and path != "junk"]
    taken_as_junk = {content for content, path in hard.paths() if path == "junk"}
    assert {digest(one) for one in mailbox.stored(JUNK)} == taken_as_junk

    assert exchange.misuse == []
    assert set(PECULIAR) <= set(exchange.hits)
    assert sum(hits for said, hits in exchange.hits.items() if said[0] in "{*S") >= waves


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_few_bad_days(make_exchange: MakeExchange, make_worker: MakeWorker, forks: Forks) -> None:
    bad_days(make_exchange, make_worker, forks, messages=60, waves=3, seed=1, kills=True)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("seed", "kills"), [(1, False), (1, True), (2, True)])
def test_many_bad_days(
    make_exchange: MakeExchange, make_worker: MakeWorker, forks: Forks, seed: int, kills: bool
) -> None:
    bad_days(make_exchange, make_worker, forks, messages=400, waves=10, seed=seed, kills=kills)


# -- one thing at a time -----------------------------------------------------------------------------------------------


def test_a_usual_day(make_exchange: MakeExchange, make_worker: MakeWorker) -> None:
    exchange, mailbox = make_exchange("usual")
    mailbox.append_many("INBOX", [*letters(20), spam(21)])
    mailbox.append_many(JUNK, letters(2, start=22))
    worker = make_worker(mailbox=mailbox, settings=LEDGER)

    assert worker.once() == 0

    assert sorted(call.number for call in worker.handed()) == list(range(1, 24))
    assert (len(mailbox.stored("Processed")), len(mailbox.stored(JUNK))) == (20, 3)
    assert worker.reconcile()["handled"] == 20
    assert exchange.hits["copyuid"]
    assert exchange.misuse == []


def test_a_place_that_no_message_can_have_keeps_no_later_mail_back(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    """Earlier versions recorded the 0 that Exchange can give as the UID of a moved message."""
    dovecot.append_many("INBOX", [letter(1)])
    worker = make_worker()
    assert worker.once() == 0
    with closing(sqlite3.connect(worker.state / "journal.sqlite")) as journal, journal:
        journal.execute("UPDATE message SET uid = 0")
    dovecot.append_many("INBOX", [letter(1)])

    said = worker.command("once")

    assert (said.code, "1 handled" in said.err) == (0, True), said
    assert worker.reconcile()["handled"] == 2


def test_a_junk_folder_in_another_language_must_be_named(make_exchange: MakeExchange, make_worker: MakeWorker) -> None:
    _, mailbox = make_exchange("french")
    mailbox.append_many("INBOX", [*letters(3), spam(4)])
    worker = make_worker(mailbox=mailbox, settings=LEDGER)

    said = worker.command("once")
    assert said.code == 78, said
    assert "name it in [junk] folder" in said.err
    assert "Courrier indésirable" in worker.command("check", "--connect").err
    assert worker.handed() == []

    worker.configure(junk={"folder": "Courrier indésirable"})
    assert worker.once() == 0
    assert {call.number: call.path for call in worker.handed()} == {1: "clean", 2: "clean", 3: "clean", 4: "junk"}
    assert len(mailbox.stored(JUNK)) == 1


def test_a_server_without_login_that_offers_imap4rev2(
    make_exchange: MakeExchange, make_worker: MakeWorker, authority: Authority
) -> None:
    """Nothing is enabled, under which SEARCH would fail, and no password is sent; the token of OAuth gets in."""
    exchange, mailbox = make_exchange("tenant-2026")
    mailbox.append_many("INBOX", letters(3))
    with TokenEndpoint(authority) as endpoint:
        endpoint.answers = [tokens(mailbox.token(), refresh=None)]
        worker = make_worker(mailbox=mailbox)
        assert worker.command("once").code == 77  # there is no way in for a password

        secret = worker.folder / "client-secret"
        secret.touch(mode=0o600)
        secret.write_text("application-secret-7Q~")
        oauth = {
            "tenant": "tenant",
            "client_id": "client",
            "authority": endpoint.url,
            "client_secret_file": str(secret),
        }
        account: dict[str, Any] = {"auth": "oauth2-client", "password_file": None}
        worker.configure(**{"account": account, "account.oauth": oauth})
        answer = worker.command("once")

    assert answer.code == 0, answer
    assert len(worker.handed()) == 3
    assert mailbox.history == []  # no password was checked
    assert exchange.misuse == []


def test_new_mail_that_no_listing_shows_at_first_is_handled_at_the_next_looks(
    make_exchange: MakeExchange, make_worker: MakeWorker
) -> None:
    """After EXISTS, neither SEARCH nor FETCH shows what has come, and nothing else comes that would make us look."""
    exchange, mailbox = make_exchange("unlisted")
    mailbox.append_many("INBOX", letters(2))
    worker = make_worker(mailbox=mailbox, settings={"poll": {"every": "300ms", "reconnect": ["50ms"]}})
    with worker.running():
        eventually(lambda: len(worker.handed()) == 2)
        mailbox.append_many("INBOX", letters(1, start=3))
        eventually(lambda: len(worker.handed()) == 3)
    assert exchange.hits["unlisted"] >= 2
    assert worker.events("connection.lost") == []
