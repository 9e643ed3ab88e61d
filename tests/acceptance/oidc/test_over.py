"""A sign-in that is over: revoked, or not used for too long, at an authorisation server that nobody here wrote.

Its refusals have no number of Microsoft's: OAuth's own `invalid_grant` says it.
"""

from collections.abc import Callable

import pytest

from tests.acceptance.oidc.conftest import SHORT, MakeSigned, application_of, login, refresh_token, sign_in, signed_in
from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.oidc_provider import OidcProvider
from tests.rig.worker import Worker, eventually

pytestmark = pytest.mark.slow


def revoked(oidc: OidcProvider, worker: Worker) -> None:
    oidc.revoke(refresh_token(worker), application_of(worker))


def run_out(oidc: OidcProvider, worker: Worker) -> None:
    oidc.expire(refresh_token(worker))


@pytest.mark.parametrize("end", [revoked, run_out])
def test_a_sign_in_that_is_over_waits_for_a_person(
    dovecot: Mailbox,
    oidc: OidcProvider,
    make_signed: MakeSigned,
    end: Callable[[OidcProvider, Worker], None],
) -> None:
    oidc.configure(access_lasts=SHORT)
    worker = signed_in(make_signed, oidc, "oauth2-device")
    assert worker.once() == 0
    end(oidc, worker)
    with worker.running() as running:
        eventually(lambda: login(worker)[0] == "halted")
        assert running.alive
        asked = len(oidc.asked_by(application_of(worker)))
        assert "login authorise" in worker.command("login", "status").out
        assert worker.command("check", "--connect").code == 77
        assert len(oidc.asked_by(application_of(worker))) == asked, "halted: nothing is asked"
        oidc.configure()
        dovecot.append_many("INBOX", letters(2))
        assert sign_in(worker, oidc).code == 0
        eventually(lambda: len(worker.handed()) == 2)
    assert (login(worker), dovecot.history) == (("ready", 0), [])


@pytest.mark.parametrize("end", [revoked, run_out])
def test_a_sign_in_that_is_over_is_made_anew_with_the_password(
    dovecot: Mailbox,
    oidc: OidcProvider,
    make_signed: MakeSigned,
    end: Callable[[OidcProvider, Worker], None],
) -> None:
    oidc.configure(access_lasts=SHORT)
    worker = signed_in(make_signed, oidc, "oauth2-password")
    assert worker.once() == 0
    end(oidc, worker)
    oidc.configure()
    dovecot.append_many("INBOX", letters(2))
    with worker.running():
        eventually(lambda: len(worker.handed()) == 2)
    assert dovecot.history == ["ok", "ok"]
    assert login(worker) == ("ready", 0)
    assert worker.events("login.halted") == []
