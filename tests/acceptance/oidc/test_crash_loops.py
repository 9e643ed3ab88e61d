"""Two replicas that are killed forty times each, with tokens of an authorisation server that nobody here wrote.

Nothing is lost or settled twice, the sign-in stays, and a password is never tried a ninth time.
"""

import random
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.acceptance.oidc.conftest import BEGINS, SHORT, MakeSigned, application_of, login, refused, signed_in
from tests.acceptance.test_kill import check_all_in_the_archive_once
from tests.acceptance.test_lockout import ROUNDS, SHORT_LEASE
from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.nursery import Child, Nursery, all_at_once
from tests.rig.oidc_provider import Fault, OidcProvider
from tests.rig.proxy import Proxy
from tests.rig.worker import Worker, eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

BUDGET = 8
RIGHT = "Bright-Harbour-92"
WRONG = "Grey-Harbour-17"
SLOW = Fault("slow", delay=0.3)
"""Long enough for many a kill to come between a credential and its answer."""
AT_REST = re.compile(r'"login\.(?!attempt)|not_ready|held_elsewhere')
"""What a worker says when it has got in, or has found out that it may not try."""


def await_work(child: Child, log: Path, oidc: OidcProvider, heard: int) -> None:
    """Wait until it has ended, the server has heard more than `heard` requests, or there is nothing for it to ask."""
    eventually(lambda: child.wait(0.0) or len(oidc.asked) > heard or AT_REST.search(log.read_text()), 60)


def crash_loops(workers: Sequence[Worker], oidc: OidcProvider, prelude: str = "") -> None:
    """A loop for each worker, all at once: each is killed at any time, or soon after the server has heard of it."""

    def one(worker: Worker, seed: int) -> None:
        choose = random.Random(seed)
        log = worker.folder / f"children-{seed}.log"
        with Nursery(worker.config, prelude) as nursery:
            for _ in range(ROUNDS):
                log.write_bytes(b"")
                heard = len(oidc.asked)
                child = nursery.start("run", "--config", str(worker.config), log=log)
                if choose.random() < 0.8:
                    await_work(child, log, oidc, heard)
                child.wait(choose.uniform(0.0, 0.6))
                child.kill()

    all_at_once(one, workers)


@pytest.mark.parametrize("flow", list(BEGINS))
def test_xoauth2_in_a_crash_loop(
    dovecot: Mailbox,
    proxy: Proxy,
    oidc: OidcProvider,
    make_signed: MakeSigned,
    flow: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each start asks for a new token, mail comes in all the time, and the workers are killed anywhere."""
    oidc.configure(access_lasts=SHORT)
    worker = signed_in(make_signed, oidc, flow, proxy)
    worker.configure(limits={"deaths": 1000}, junk={"handlers": ["archive"]})
    worker.routes = [{"name": "all", "handlers": ["ledger", "archive"]}]
    worker.write()
    assert worker.once() == 0
    asked = len(oidc.grants(application_of(worker)))
    oidc.fault(*[SLOW] * ROUNDS)
    sent = letters(3 * ROUNDS)
    done = threading.Event()

    def deliver() -> None:
        for number in range(0, len(sent), 3):
            dovecot.append_many("INBOX", sent[number : number + 3])
            if done.wait(0.5):
                return

    post = threading.Thread(target=deliver)
    post.start()
    crash_loops([worker, worker], oidc)
    post.join()
    done.set()
    oidc.mend()
    eventually(lambda: worker.once() == 0, 60)

    check_all_in_the_archive_once(dovecot, worker, sent)
    grants = oidc.grants(application_of(worker))
    assert refused(oidc, worker) == []
    assert flow == "oauth2-client" or grants.count(BEGINS[flow]) == 1, "one sign-in for all of it"
    assert dovecot.history == (["ok"] if flow == "oauth2-password" else [])
    assert login(worker) == ("ready", 0)
    with capsys.disabled():
        print(  # noqa: T201 -- the figures
            f"\n{flow}: 2 x {ROUNDS} kills: {len(sent)} messages, 0 lost, 0 double, handed over {len(worker.handed())} "
            f"times; {len(grants) - asked} tokens, password checked {len(dovecot.history)} times"
        )


def test_refresh_tokens_that_serve_once_in_a_crash_loop(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kill between the service's answer and our disk loses the sign-in. The password then makes a new one."""
    oidc.configure(access_lasts=SHORT, rotate=True)
    worker = signed_in(make_signed, oidc, "oauth2-password")
    assert worker.once() == 0
    oidc.fault(*[SLOW] * ROUNDS)

    crash_loops([worker, worker], oidc)

    counted = login(worker)[1]
    assert set(dovecot.history) == {"ok"}
    assert counted <= BUDGET
    oidc.mend()
    if counted == BUDGET:
        assert worker.command("login", "reset", "--reason", "unlocked").code == 0
    dovecot.append_many("INBOX", letters(2))
    eventually(lambda: worker.once() == 0, 60)
    assert len(worker.handed()) == 2
    assert login(worker) == ("ready", 0)
    with capsys.disabled():
        print(  # noqa: T201 -- the figures
            f"\noauth2-password, rotation: 2 x {ROUNDS} kills: {len(refused(oidc, worker))} refresh tokens lost, "
            f"password checked {len(dovecot.history)} times, {counted} counted in between, locked: {dovecot.locked}"
        )


@pytest.mark.parametrize("password", [WRONG, RIGHT], ids=["wrong", "right"])
@pytest.mark.parametrize("hosts", [1, 2])
def test_the_accounts_password_in_a_crash_loop(
    dovecot: Mailbox,
    oidc: OidcProvider,
    make_signed: MakeSigned,
    request: pytest.FixtureRequest,
    password: str,
    hosts: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Killed while the password is under way, on one host or on two with one database."""
    lockout = {"waits": ["10ms"], "jitter": 0.0, "per_credential": BUDGET}
    workers = [make_signed("oauth2-password", lockout=lockout, poll={"every": "50ms"}) for _ in range(hosts)]
    if hosts == 2:
        url: str = request.getfixturevalue("postgres_url")
        for worker in workers:
            secret = worker.folder / "journal-url"
            secret.touch(mode=0o600)
            secret.write_text(url)
            worker.configure(state={"journal_file": str(secret)})
    for worker in workers:
        (worker.folder / "password").write_text(password)
    oidc.fault(*[SLOW] * 4 * ROUNDS)
    prelude = SHORT_LEASE if hosts == 2 else ""

    crash_loops(workers * (2 // hosts), oidc, prelude)

    worker = workers[0]
    checked = list(dovecot.history)
    counted = login(worker)[1]
    assert set(checked) == {"fail" if password == WRONG else "ok"}
    assert not dovecot.locked
    assert counted <= BUDGET
    if password == WRONG:
        assert 1 <= len(checked) <= counted
    with capsys.disabled():
        print(  # noqa: T201 -- the figures
            f"\n{'wrong' if password == WRONG else 'right'} password, {hosts} host(s): 2 x {ROUNDS} kills: "
            f"checked {len(checked)} times, {counted} counted, locked: {dovecot.locked}"
        )
    oidc.mend()
    use_up(workers)
    assert dovecot.history.count("fail") <= BUDGET
    assert not dovecot.locked
    for one in workers:
        (one.folder / "password").write_text(RIGHT)
    if login(worker)[1] == BUDGET:
        assert worker.once() == 77
        assert worker.command("login", "reset", "--reason", "unlocked").code == 0
    eventually(lambda: worker.once() == 0, 60)
    assert login(worker) == ("ready", 0)


def use_up(workers: list[Worker]) -> None:
    """Whatever is left of the budget."""
    for _ in range(BUDGET + 2):
        for worker in workers:
            assert worker.once() in {0, 75, 77}
