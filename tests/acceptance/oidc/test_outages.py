"""An authorisation server that is busy, broken or away: what befalls a token spends nothing, a password is counted.

The faults are ours; what is answered before and after them is the package's.
"""

import time
from typing import Any

import pytest

from tests.acceptance.oidc.conftest import SHORT, MakeSigned, application_of, login, refused, signed_in
from tests.rig.dovecot import Dovecot, Mailbox
from tests.rig.letters import letters
from tests.rig.oidc_provider import Fault, OidcProvider
from tests.rig.worker import Worker, eventually

SLOW, LONG = pytest.mark.slow, pytest.mark.long

BUSY = Fault(status=429, headers={"Retry-After": "1"})
BUSY_FOR_LONG = Fault(status=429, headers={"Retry-After": "3600"})
DOWN = Fault(status=503, body="<html>Service Unavailable</html>")
PAGE = Fault(status=200, body="<html>Sign in to the guest network</html>", headers={"Content-Type": "text/html"})
GARBAGE = Fault("garbage")
UNHEARD = Fault("unheard")
UNANSWERED = Fault("unanswered")
FAULTS = {
    "429": BUSY,
    "503": DOWN,
    "a page": PAGE,
    "garbage": GARBAGE,
    "unheard": UNHEARD,
    "unanswered": UNANSWERED,
}


FREE = (BUSY, DOWN)
"""What a service says before it has looked at a password."""


def faults(*slow: str, without: str = "") -> list[Any]:
    """All faults but `without`. The named ones run with the slow tests, the others with the long ones."""
    return [
        pytest.param(fault, id=name, marks=SLOW if name in slow else LONG)
        for name, fault in FAULTS.items()
        if name != without
    ]


def comes_back(worker: Worker, mailbox: Mailbox) -> None:
    """It handles what is there, without anybody's help."""
    mailbox.append_many("INBOX", letters(2))
    with worker.running() as running:
        eventually(lambda: len(worker.handed()) == 2, 60)
        assert running.alive
    assert login(worker) == ("ready", 0)
    assert worker.reconcile()["unaccounted"] == 0


# -- a fault in front of the token endpoint ----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", faults("429", "unanswered"))
def test_an_applications_token(dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, fault: Fault) -> None:
    worker = make_signed("oauth2-client")
    before = len(oidc.asked)
    oidc.fault(fault)
    comes_back(worker, dovecot)
    assert [one.fault for one in oidc.asked[before:] if one.fault] == [fault.how]
    assert worker.events("login.halted") == []
    assert dovecot.history == []


@pytest.mark.parametrize("fault", faults("a page", "unanswered"))
def test_a_refresh(dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, fault: Fault) -> None:
    """Refresh tokens serve again here, as Microsoft's do: an answer that was lost costs nothing."""
    oidc.configure(access_lasts=SHORT)
    worker = signed_in(make_signed, oidc, "oauth2-password")
    assert worker.once() == 0
    oidc.fault(fault, fault)
    comes_back(worker, dovecot)
    assert oidc.grants(application_of(worker)).count("password") == 1
    assert worker.events("login.halted") == []
    assert dovecot.history == ["ok"]


@SLOW
@pytest.mark.parametrize("fault", list(FAULTS.values()), ids=list(FAULTS))
def test_the_accounts_password(dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, fault: Fault) -> None:
    """Whatever may have been checked is counted, and only what surely wasn't is free."""
    worker = make_signed("oauth2-password")
    oidc.fault(fault)
    assert worker.once() in {69, 75}
    assert login(worker)[1] == (0 if fault in FREE else 1)
    comes_back(worker, dovecot)
    assert dovecot.history == (["ok", "ok"] if fault is UNANSWERED else ["ok"])


@SLOW
def test_outages_of_every_kind_never_spend_more_than_the_budget(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned
) -> None:
    """A password whose answers are always lost: the server has checked it, and we can't know."""
    worker = make_signed("oauth2-password", lockout={"per_credential": 8, "waits": ["10ms"], "jitter": 0.0})
    oidc.fault(*[UNANSWERED] * 12)
    for _ in range(10):
        assert worker.once() in {69, 75, 77}
    assert login(worker) == ("halted", 8)
    assert len(dovecot.history) == 8
    assert not dovecot.locked


@SLOW
def test_a_pause_that_is_asked_for_is_kept_by_every_process(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-client")
    oidc.fault(BUSY_FOR_LONG)
    assert worker.once() == 75
    before = len(oidc.asked)
    assert [worker.once(), worker.command("check", "--connect").code, worker.once()] == [75, 75, 75]
    assert len(oidc.asked) == before
    assert login(worker) == ("cooling", 0)


@pytest.mark.parametrize("fault", faults("a page", without="unanswered"))
def test_discovery(dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, fault: Fault) -> None:
    """Before the password has gone anywhere, nothing is counted."""
    worker = make_signed("oauth2-password")
    oidc.fault(fault, at="discovery")
    assert worker.once() in {69, 75}
    assert login(worker)[1] == 0
    assert dovecot.history == []
    comes_back(worker, dovecot)


# -- restarts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flow",
    [
        pytest.param("oauth2-client", marks=LONG),
        pytest.param("oauth2-device", marks=LONG),
        pytest.param("oauth2-password", marks=SLOW),
    ],
)
def test_restarts_of_everything(
    oidc_dovecot: Dovecot, dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, flow: str
) -> None:
    """The authorisation server, the mail server, the worker: each goes away and comes back, and the sign-in stays."""
    oidc.configure(access_lasts=SHORT, rotate=True)
    worker = signed_in(make_signed, oidc, flow)

    def handles_more() -> None:
        before = len(worker.handed())
        dovecot.append_many("INBOX", letters(2, start=before + 1))
        eventually(lambda: len(worker.handed()) == before + 2, 60)

    with worker.running() as running:
        handles_more()
        oidc.stop(abruptly=True)
        handles_more()  # a session that is open needs no token
        dovecot.kill_sessions(politely=True)
        eventually(lambda: worker.events("login.rejected") or login(worker)[0] == "cooling")
        time.sleep(1)
        oidc.start()
        handles_more()
        oidc_dovecot.stop()
        time.sleep(1)
        oidc_dovecot.start()
        handles_more()
        assert running.alive
    oidc.stop()
    oidc.start()
    with worker.running():
        handles_more()
    assert refused(oidc, worker) == []
    begun = [grant for grant in oidc.grants(application_of(worker)) if grant != "refresh_token"]
    assert flow == "oauth2-client" or len(begun) == 1, "one sign-in for all of it"
    assert worker.events("login.halted") == []
    assert worker.reconcile()["unaccounted"] == 0
    assert login(worker) == ("ready", 0)
    assert dovecot.history == (["ok"] if flow == "oauth2-password" else [])
