"""`oauth2-browser` at an authorisation server that nobody here wrote: its own pages, PKCE, and its redirect back."""

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.acceptance.oidc.conftest import SECRET, SHORT, MakeSigned, application_of, login, refresh_token, refused
from tests.rig.dovecot import Dovecot, Mailbox
from tests.rig.letters import letters
from tests.rig.oidc_provider import OidcProvider, Person
from tests.rig.worker import COMMAND, Answer, Worker, eventually

pytestmark = pytest.mark.slow

Act = Callable[[Person, str], str]
"""What the person does with the address that the command shows. Returns where the browser is sent back to."""


def authorise(worker: Worker, oidc: OidcProvider, act: Act, *arguments: str) -> tuple[Answer, str]:
    """Run the installed `login authorise` with a person beside it. Returns its answer, and the browser's last page."""
    with (
        oidc.person() as person,
        subprocess.Popen(
            [COMMAND, "login", "authorise", *arguments, "--config", str(worker.config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=worker.environment(PYTHONUNBUFFERED="1"),
            cwd=worker.folder,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            told, where = "", None
            while where is None:
                line = process.stdout.readline()
                assert line, (told, process.communicate(timeout=30))
                told += line
                where = re.search(r"https://\S+", line)
            location = act(person, where[0])
            if "--paste" in arguments:
                page = ""
                out, err = process.communicate(f"{location}\n", timeout=60)
            else:
                page = person.come_back(location)
                out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return Answer(process.returncode, told + out, err), page


def signs_in_as(address: str) -> Act:
    return lambda person, where: person.authorise(where, address)


@pytest.mark.parametrize(
    ("secret", "arguments"), [(None, ()), (SECRET, ("--paste",))], ids=["public, loopback", "confidential, pasted"]
)
def test_browser(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, secret: str | None, arguments: tuple[str, ...]
) -> None:
    """The package demands PKCE of a public client, and compares the redirect with the registration and the code."""
    oidc.configure(access_lasts=SHORT, rotate=True)
    worker = make_signed("oauth2-browser", secret=secret)
    answer, _ = authorise(worker, oidc, signs_in_as(dovecot.address), *arguments)
    assert answer.code == 0, answer
    first = refresh_token(worker)
    dovecot.append_many("INBOX", letters(3))
    with worker.running():
        eventually(lambda: len(worker.handed()) == 3, 60, refused(oidc, worker))
    assert worker.once() == 0
    assert refresh_token(worker) != first
    grants = oidc.grants(application_of(worker))
    assert (grants[0], set(grants[1:])) == ("authorization_code", {"refresh_token"})
    assert refused(oidc, worker) == []
    assert (login(worker), dovecot.history) == (("ready", 0), [])


def test_a_sign_in_that_is_declined(oidc: OidcProvider, make_signed: MakeSigned) -> None:
    worker = make_signed("oauth2-browser")
    answer, _ = authorise(worker, oidc, lambda person, where: person.decline(where))
    assert answer.code != 0
    assert "declined" in answer.err, answer
    assert not (worker.state / "oauth.json").exists()


def test_somebody_else_signs_in_with_the_browser(
    oidc_dovecot: Dovecot, oidc: OidcProvider, make_signed: MakeSigned
) -> None:
    other = oidc_dovecot.add_user("somebody.else@nhs.net", "Green-Harbour-41")
    worker = make_signed("oauth2-browser")
    answer, _ = authorise(worker, oidc, signs_in_as(other.address))
    assert answer.code != 0
    assert not (worker.state / "oauth.json").exists()
