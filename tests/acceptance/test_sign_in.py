"""Signing in with a browser and for a shared mailbox, the whole command, before a Dovecot that checks the tokens."""

import html
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.browser import Browser, signed_in
from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.tls import Authority
from tests.rig.token_endpoint import TokenEndpoint, refusal, tokens
from tests.rig.worker import COMMAND, Worker, eventually
from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.login import login_authorise

MakeWorker = Callable[..., Worker]
PERSON = "jo.bloggs@nhs.net"
SECRET = "application-secret-7Q~"


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(authority) as found:
        yield found


@pytest.fixture
def make_signed(make_worker: MakeWorker, endpoint: TokenEndpoint) -> Callable[..., Worker]:
    """A worker whose user signs in with a browser."""

    def make(auth: str = "oauth2-browser", *, confidential: bool = False, **account: str) -> Worker:
        worker = make_worker(settings={"lockout": {"waits": ["10ms"], "jitter": 0.0}, "poll": {"every": "100ms"}})
        oauth: dict[str, Any] = {"tenant": "tenant", "client_id": "client", "authority": endpoint.url}
        if confidential:
            path = worker.folder / "client-secret"
            path.touch(mode=0o600)
            path.write_text(SECRET)
            oauth["client_secret_file"] = str(path)
        worker.configure(**{"account": {"auth": auth, "password_file": None, **account}, "account.oauth": oauth})
        return worker

    return make


MakeSigned = Callable[..., Worker]


def authorise(worker: Worker, authority: Authority, *arguments: str) -> tuple[int, str, str, str]:
    """Run `login authorise` in its own process, beside a person with a browser."""
    command = [str(COMMAND), "login", "authorise", *arguments, "--config", str(worker.config)]
    return signed_in(command, authority.ca_file, paste="--paste" in arguments)


def authorise_here(worker: Worker, browser: Browser) -> None:
    """Sign in by the same command in this process, which is quicker. Raises `Failure`, with its exit code and text."""
    try:
        with Context.from_files(worker.config, {}) as context:
            login_authorise(context, browser, paste=browser.pastes)
    finally:
        browser.close()


def audit(worker: Worker, kind: str) -> list[dict[str, Any]]:
    texts = [path.read_text() for path in (worker.state / "audit").glob("*.jsonl")]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    return [line for line in lines if line["kind"] == kind]


def grants(endpoint: TokenEndpoint) -> list[str]:
    return [form["grant_type"] for form in endpoint.forms if "grant_type" in form]


@pytest.mark.parametrize("confidential", [True, False])
def test_sign_in_with_a_browser(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, authority: Authority, *, confidential: bool
) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_signed(confidential=confidential)
    answer = worker.command("once")
    assert (answer.code, "login authorise" in answer.err) == (78, True)
    endpoint.answers = [tokens(dovecot.token(number=1), user=dovecot.address, expires_in=1)]
    endpoint.answers.append(tokens(dovecot.token(number=2), refresh="refresh-2", user=dovecot.address))
    code, out, err, page = authorise(worker, authority)
    assert code == 0, err
    assert "Signed in. The worker uses the sign-in at its next poll." in out
    assert f"Signed in as {dovecot.address}." in page
    warned = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in warned] == ([] if confidential else ["login.public_client"])
    if not confidential:
        assert f"ends when the password of {dovecot.address} is changed" in warned[0]["advice"]
    with worker.running():
        eventually(lambda: len(worker.handed()) == 3)
    assert grants(endpoint) == ["authorization_code", "refresh_token"]
    assert [form.get("client_secret") for form in endpoint.forms] == [SECRET if confidential else None] * 2
    assert worker.status()["login"]["state"] == "ready"
    assert dovecot.history == []  # no password was checked
    assert [line["method"] for line in audit(worker, "login.authorised")] == ["browser"]
    assert "warnings" not in err.lower()


def test_sign_in_with_a_browser_that_is_elsewhere(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, authority: Authority
) -> None:
    dovecot.append_many("INBOX", letters(2))
    worker = make_signed(confidential=True)
    endpoint.answers = [tokens(dovecot.token(), user=dovecot.address)]
    code, out, err, _ = authorise(worker, authority, "--paste", "--port", "8400")
    assert (code, err) == (0, "")
    assert endpoint.forms[0]["redirect_uri"] == "http://localhost:8400"
    assert "where nothing answers" in out
    assert worker.once() == 0
    assert len(worker.handed()) == 2
    assert [line["method"] for line in audit(worker, "login.authorised")] == ["pasted"]


def test_nothing_of_a_sign_in_is_written_but_to_the_token_cache(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, authority: Authority
) -> None:
    worker = make_signed(confidential=True)
    endpoint.answers = [tokens(dovecot.token(), refresh="refresh-mark", user=dovecot.address)]
    code, out, err, page = authorise(worker, authority)
    assert code == 0
    form = endpoint.forms[0]
    secrets = [form["code"], form["code_verifier"], SECRET, "refresh-mark", dovecot.token()[-40:]]
    kept = {"oauth.json", "client-secret"}
    files = {path.name: path.read_bytes() for path in worker.folder.rglob("*") if path.is_file()}
    assert b"refresh-mark" in files["oauth.json"], "the search finds what is there"
    written = b"".join(content for name, content in files.items() if name not in kept)
    written += f"{out}{err}{page}".encode()
    assert [secret for secret in secrets if secret.encode() in written] == []
    assert form["code"].encode() not in files["oauth.json"]


@pytest.mark.parametrize(
    ("paste", "back", "code", "said"),
    [
        (False, {"error": "access_denied"}, 75, "was declined in the browser"),
        (
            True,
            {"error": "consent_required", "error_description": "AADSTS65001: Jo Bloggs needs consent."},
            78,
            "AADSTS65001",
        ),
        (False, {"error": "server_error"}, 69, "The sign-in service has a fault"),
    ],
)
def test_a_sign_in_that_is_refused_says_why_in_both_places(
    endpoint: TokenEndpoint,
    make_signed: MakeSigned,
    authority: Authority,
    back: dict[str, str],
    code: int,
    said: str,
    *,
    paste: bool,
) -> None:
    worker = make_signed()
    endpoint.sends_back = back
    browser = Browser(authority.ca_file, pasted=[None] if paste else None)
    with pytest.raises(Failure) as refused:
        authorise_here(worker, browser)
    text = str(refused.value)
    assert (refused.value.code, said in text, "Nothing was kept" in text) == (code, True, True)
    assert (text in html.unescape(browser.page)) is not paste
    assert "Jo Bloggs" not in "".join((text, *browser.said))
    assert not (worker.state / "oauth.json").exists()
    assert audit(worker, "login.authorised") == []


@pytest.mark.parametrize("auth", ["oauth2-browser", "oauth2-device"])
def test_a_person_who_stops_the_command_has_not_signed_in(
    make_signed: MakeSigned, authority: Authority, auth: str
) -> None:
    class Stopping(Browser):
        """Presses Ctrl-C where they should go to the browser."""

        def tell(self, text: str) -> None:
            raise KeyboardInterrupt

    worker = make_signed(auth)
    with pytest.raises(Failure, match=r"The sign-in wasn't finished\. Nothing was kept") as stopped:
        authorise_here(worker, Stopping(authority.ca_file))
    assert stopped.value.code == 75
    assert not (worker.state / "oauth.json").exists()


def test_a_new_secret_of_a_confidential_client_is_tried_at_once(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, authority: Authority
) -> None:
    worker = make_signed(confidential=True)
    endpoint.answers = [tokens(dovecot.token(), user=dovecot.address, expires_in=1)]
    authorise_here(worker, Browser(authority.ca_file))
    endpoint.answers = [refusal(7000222, "invalid_client", 401)]
    answer = worker.command("once")
    assert (answer.code, "client secret has expired" in answer.err, "login reset" in answer.err) == (77, True, False)
    assert worker.once() == 77
    (worker.folder / "client-secret").write_text("another-secret-8R~")
    endpoint.answers = [tokens(dovecot.token(), user=dovecot.address)]
    assert worker.once() == 0
    assert endpoint.forms[-1]["client_secret"] == "another-secret-8R~"


def test_after_the_password_was_changed_a_public_clients_user_signs_in_again(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, authority: Authority
) -> None:
    worker = make_signed()
    endpoint.answers = [tokens(dovecot.token(), user=dovecot.address, expires_in=1)]
    authorise_here(worker, Browser(authority.ca_file))
    endpoint.answers = [refusal(50173)]
    answer = worker.command("once")
    again = f"`nhsmail-worker login authorise --config {worker.config}`"
    assert (answer.code, again in answer.err) == (77, True), answer
    assert worker.once() == 77
    endpoint.answers = [tokens(dovecot.token(), user=dovecot.address)]
    authorise_here(worker, Browser(authority.ca_file))
    assert worker.once() == 0
    assert worker.status()["login"]["failures"] == 0
    assert dovecot.history == []


@pytest.mark.parametrize(
    ("auth", "arguments", "code", "said"),
    [
        ("oauth2-client", (), 78, 'belongs to auth = "oauth2-browser" and "oauth2-device"'),
        ("oauth2-device", ("--paste",), 64, "leave out --paste and --port"),
        ("oauth2-device", ("--port", "8400"), 64, "leave out --paste and --port"),
        ("oauth2-browser", ("--port", "0"), 64, "--port"),
    ],
)
def test_what_doesnt_go_together(
    make_signed: MakeSigned, auth: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    worker = make_signed(auth, confidential=auth == "oauth2-client")
    answer = worker.command("login", "authorise", *arguments)
    assert (answer.code, said in answer.err) == (code, True), answer


# -- shared mailboxes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["oauth2-browser", "oauth2-device"])
def test_another_user_signs_in_for_the_mailbox_that_is_already_served(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, authority: Authority, auth: str
) -> None:
    """The token opens the mailbox, as Exchange's for a user with full access; Dovecot takes it for that user= alone."""
    dovecot.append_many("INBOX", letters(2))
    worker = make_signed(auth)

    def sign_in(user: str) -> None:
        endpoint.answers = [tokens(dovecot.token(), user=user)]
        if auth == "oauth2-browser":
            authorise_here(worker, Browser(authority.ca_file))
        elif (answer := worker.command("login", "authorise")).code:
            raise Failure(ExitCode(answer.code), answer.err)

    sign_in(dovecot.address)
    assert worker.once() == 0
    assert len(worker.handed()) == 2

    worker.configure(account={"sign_in": PERSON})
    dovecot.append_many("INBOX", letters(5)[2:])
    answer = worker.command("once")
    assert (answer.code, "another user" in answer.err, PERSON in answer.err) == (78, True, True)
    with pytest.raises(Failure, match=f"isn't {PERSON}") as refused:
        sign_in(dovecot.address)
    assert refused.value.code == 78
    assert len(worker.handed()) == 2, "nobody else's sign-in is used meanwhile"
    sign_in(PERSON)
    assert worker.once() == 0
    assert len(worker.handed()) == 5
    assert worker.reconcile()["unaccounted"] == 0
    assert [line["setting"] for line in audit(worker, "configuration.changed")] == ["account.sign_in"]
    assert len(audit(worker, "login.authorised")) == 2
    assert json.loads((worker.state / "oauth.json").read_text())["user"] == PERSON
    assert worker.command("audit", "verify").code == 0


def test_a_token_for_another_mailbox_doesnt_open_this_one(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, authority: Authority
) -> None:
    worker = make_signed(sign_in=PERSON)
    endpoint.answers = [tokens(dovecot.token(upn=PERSON, number=number), user=PERSON) for number in range(3)]
    authorise_here(worker, Browser(authority.ca_file))
    assert worker.once() == 75
    rejected = worker.events("login.rejected")
    assert [line["outcome"] for line in rejected] == ["token_rejected"]
    assert worker.status()["login"]["failures"] == 0


@pytest.mark.parametrize("auth", ["password", "oauth2-password"])
def test_nobody_else_signs_in_with_a_password(make_signed: MakeSigned, auth: str) -> None:
    worker = make_signed(auth, sign_in=PERSON)
    password = worker.folder / "password"
    worker.configure(account={"password_file": str(password)})
    for command in (("check",), ("once",), ("login", "authorise")):
        answer = worker.command(*command)
        assert (answer.code, "would use that account's attempts twice" in answer.err) == (78, True), answer


def test_check_says_how_the_sign_in_ends_and_what_has_no_effect(make_signed: MakeSigned, tmp_path: Path) -> None:
    ends = f"ends when the password of {PERSON} is changed"
    public = make_signed(sign_in=PERSON).command("check")
    assert (public.code, ends in public.out) == (0, True), public
    device = make_signed("oauth2-device", sign_in=PERSON).command("check")
    assert (device.code, ends in device.out) == (0, True), device
    confidential = make_signed(confidential=True, sign_in=PERSON).command("check")
    assert (confidential.code, ends in confidential.out) == (0, False), confidential
    client = make_signed("oauth2-client", confidential=True, sign_in=PERSON).command("check")
    assert (client.code, "sign_in has no effect" in client.out) == (1, True), client
