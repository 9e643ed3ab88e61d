"""Tokens that are renewed, rotated, and over in mid-session, at an authorisation server that nobody here wrote.

Its refresh tokens can serve once each: the second use of one ends the whole sign-in. Microsoft's serve again, so this
is the harder case: one request with a token that somebody else has used would show.
"""

import threading
import time

import pytest

from tests.acceptance.oidc.conftest import (
    BEGINS,
    SHORT,
    MakeSigned,
    application_of,
    login,
    refresh_token,
    refused,
    signed_in,
)
from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.nursery import Nursery
from tests.rig.oidc_provider import DEVICE, OidcProvider
from tests.rig.proxy import Proxy
from tests.rig.worker import eventually

pytestmark = pytest.mark.slow

ROUNDS = 4


# -- renewed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rotate", [False, True], ids=["serving again", "serving once"])
@pytest.mark.parametrize("flow", ["oauth2-device", "oauth2-password"])
def test_each_refresh_brings_the_next(oidc: OidcProvider, make_signed: MakeSigned, flow: str, *, rotate: bool) -> None:
    oidc.configure(access_lasts=SHORT, rotate=rotate)
    worker = signed_in(make_signed, oidc, flow)
    seen: set[str] = set()
    for _ in range(5):
        assert worker.once() == 0
        seen.add(refresh_token(worker))
    first = oidc.grants(application_of(worker)).count(BEGINS[flow])
    assert (first, refused(oidc, worker)) == (1, [])
    assert len(seen) == (5 if rotate else 1)
    assert login(worker) == ("ready", 0)


def test_a_token_that_lasts_is_used_again(oidc: OidcProvider, make_signed: MakeSigned) -> None:
    worker = signed_in(make_signed, oidc, "oauth2-device")
    assert [worker.once() for _ in range(4)] == [0, 0, 0, 0]
    assert oidc.grants(application_of(worker)) == [DEVICE]


# -- several processes at once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["oauth2-device", "oauth2-password"])
def test_three_processes_at_once_never_use_one_refresh_token_twice(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, flow: str
) -> None:
    """A worker that loses its connection again and again, and two people who look at the mailbox meanwhile.

    All sessions end whenever one of the two has seen it through: by a clock, none would on a busy machine.
    """
    oidc.configure(access_lasts=SHORT, rotate=True)
    worker = signed_in(make_signed, oidc, flow)
    assert worker.once() == 0
    codes: list[int] = []
    problems: list[BaseException] = []

    def again_and_again(*command: str) -> None:
        try:
            with Nursery(worker.config) as nursery:
                for _ in range(ROUNDS):
                    child = nursery.start(*command, "--config", str(worker.config), log=worker.folder / "children.log")
                    assert child.wait(60)
                    codes.append(child.kill())
                    if codes[-1] == 0:
                        dovecot.kill_sessions()
        except BaseException as error:  # noqa: BLE001 -- told by the thread that waits
            problems.append(error)

    with Nursery(worker.config) as nursery:
        run = nursery.start("run", "--config", str(worker.config), log=worker.folder / "run.log")
        commands = ("check", "--connect"), ("reconcile",)
        loops = [threading.Thread(target=again_and_again, args=command) for command in commands]
        for thread in loops:
            thread.start()
        for thread in loops:
            thread.join()
        assert (
            run.end() == 0
        )  # not killed: a refresh token that is being exchanged at that moment would be lost with it

    assert problems == []
    # a session may have been cut under a command as well: that is the server's absence, never a login's failure
    assert set(codes) <= {0, 69}, codes
    assert codes.count(0) >= ROUNDS
    grants = oidc.grants(application_of(worker))
    assert refused(oidc, worker) == []
    assert (grants.count(BEGINS[flow]), grants.count("refresh_token") > 2 * ROUNDS) == (1, True), grants
    assert worker.once() == 0
    assert login(worker) == ("ready", 0)
    assert dovecot.history == (["ok"] if flow == "oauth2-password" else [])


# -- in mid-session ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", list(BEGINS))
def test_a_token_that_expires_in_a_session(
    dovecot: Mailbox, proxy: Proxy, oidc: OidcProvider, make_signed: MakeSigned, flow: str
) -> None:
    """The token is truly over, and the mail server ends the session as Exchange does."""
    oidc.configure(access_lasts=3)
    worker = signed_in(make_signed, oidc, flow, proxy)
    with worker.running() as running:
        eventually(lambda: worker.events("login.succeeded"))
        asked = len(oidc.grants(application_of(worker)))
        time.sleep(3.5)
        oidc.configure()
        proxy.inject("* BYE Session invalidated - AccessTokenExpired")
        proxy.cut()
        eventually(lambda: len(worker.events("login.succeeded")) == 2)
        dovecot.append_many("INBOX", letters(2))
        eventually(lambda: len(worker.handed()) == 2)
        assert running.alive
    assert len(oidc.grants(application_of(worker))) == asked + 1, "a fresh token, at once"
    assert worker.events("login.rejected") == []
    assert login(worker) == ("ready", 0)
