"""The alert channels: what is sent, in whose name, and what becomes of refusals."""

import json
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import httpx
import pytest

from tests.rig.https import HttpsServer
from tests.rig.tls import ADDRESS, Authority
from tests.unit.conftest import Lines
from worker.logs.redaction import Secret
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.channels import Form, Relay, Webhook, relay_of
from worker.observe.delivery import NotSent
from worker.settings import Settings

ACCOUNT = "pathology.results@nhs.net"
SENDER = "nhsmail-worker@trust.nhs.uk"
FIRING = Alert(Rule.HALTED, Phase.FIRING, ACCOUNT, datetime(2026, 11, 23, 14, 5, tzinfo=UTC), 5)
OVER = Alert(Rule.HALTED, Phase.RESOLVED, ACCOUNT, datetime(2026, 11, 23, 15, 5, tzinfo=UTC))
URL = Secret("https://hooks.example/services/s3cr3t")


def posted(form: Form, alert: Alert = FIRING) -> Any:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202)

    hook = Webhook("hook", URL, form, transport=httpx.MockTransport(answer))
    hook.send(alert)
    hook.close()
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", URL.reveal())
    return json.loads(request.content)


def test_plain_json() -> None:
    assert posted("json") == {
        "rule": "halted",
        "state": "firing",
        "account": ACCOUNT,
        "at": "2026-11-23T14:05:00.000Z",
        "number": 5,
        "title": FIRING.title,
        "text": "After 5 failed logins the worker makes no more. Mail waits in the mailbox.",
        "do": FIRING.do,
        "handlers": [],
        "keys": [],
    }


def test_slack() -> None:
    assert posted("slack") == {"text": f"*{FIRING.title}* ({ACCOUNT})\n{FIRING.text}\n{FIRING.do}"}
    assert posted("slack", OVER) == {"text": f"*{OVER.title}* ({ACCOUNT})\n{OVER.text}"}


@pytest.mark.parametrize(("alert", "colour"), [(FIRING, "Attention"), (OVER, "Good")])
def test_teams(alert: Alert, colour: str) -> None:
    body = posted("teams", alert)
    (attachment,) = body["attachments"]
    assert (body["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["body"][0]["color"] == colour
    assert [block["text"] for block in card["body"]] == [
        text for text in (alert.title, alert.text, alert.do, ACCOUNT) if text
    ]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_what_goes_in_the_clear_goes_to_no_proxy(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with HttpsServer(authority, plain=True) as proxy, HttpsServer(authority, plain=True) as server:
        monkeypatch.setenv(name, f"http://{ADDRESS}:{proxy.port}")
        hook = Webhook("hook", Secret(f"http://{ADDRESS}:{server.port}/hook"))
        hook.send(FIRING)
        hook.close()
    assert (proxy.connections, len(server.requests)) == (0, 1)


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500])
def test_a_refusal_is_not_sent(status: int) -> None:
    answers = httpx.MockTransport(
        lambda _request: httpx.Response(status, headers={"Location": "https://other.example"})
    )
    with pytest.raises(NotSent) as caught:
        Webhook("hook", URL, transport=answers).send(FIRING)
    assert caught.value.status == status


def test_a_lost_connection_is_not_sent_and_does_not_name_the_url() -> None:
    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"no route to {request.url}", request=request)

    with pytest.raises(NotSent) as caught:
        Webhook("hook", URL, transport=httpx.MockTransport(lost)).send(FIRING)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "well"),
    [
        ("https://hooks.example/x", True),
        ("http://localhost:9/x", True),
        ("http://127.0.0.1/x", True),
        ("http://hooks.example/x", False),
        ("http://localhost.hooks.example/x", False),
        ("http://127.hooks.example/x", False),
        ("ftp://hooks.example/x", False),
        ("/x", False),
    ],
)
def test_a_webhook_is_https_beyond_this_machine(url: str, well: bool) -> None:
    if well:
        Webhook("hook", Secret(url)).close()
        return
    with pytest.raises(ValueError, match="https://"):
        Webhook("hook", Secret(url))


class FakeRelay:
    """As much of an SMTP connection as is used; a login is none of it."""

    def __init__(
        self, *, tls: bool = False, refuse: Exception | None = None, refused: dict[str, Any] | None = None
    ) -> None:
        self.tls = tls
        self.refuse = refuse
        self.refused = refused or {}
        self.did: list[str] = []
        self.mail: EmailMessage | None = None
        self.envelope: tuple[str, tuple[str, ...]] | None = None

    accepted = "250 2.0.0 queued"

    def quit(self) -> None:
        self.did.append("quit")

    def ehlo(self) -> tuple[int, bytes]:
        self.did.append("ehlo")
        return 250, b"relay.example"

    def close(self) -> None:
        """Nothing is left to be closed."""

    def has_extn(self, name: str) -> bool:
        return self.tls and name == "starttls"

    def starttls(self, *, context: ssl.SSLContext) -> None:
        assert context.verify_mode is ssl.CERT_REQUIRED
        self.did.append("starttls")

    def send_message(self, mail: EmailMessage, sender: str, to: tuple[str, ...]) -> dict[str, Any]:
        if self.refuse is not None:
            raise self.refuse
        self.did.append("send")
        self.mail, self.envelope = mail, (sender, to)
        return self.refused


def relay(fake: FakeRelay, host: str = "relay.example", *, allow_clear: bool = False) -> Relay:
    return Relay(
        "relay",
        host,
        sender=SENDER,
        to=["ops@nhs.net", "desk@nhs.net"],
        allow_clear=allow_clear,
        connect=lambda _host, _port: fake,  # type: ignore[arg-type, return-value]  # as much as is used
    )


def test_mail_goes_out_in_the_name_of_the_organisations_own_address_without_a_login() -> None:
    fake = FakeRelay(tls=True)
    relay(fake).send(FIRING)
    assert fake.did == ["ehlo", "starttls", "ehlo", "send", "quit"]
    assert fake.envelope == (SENDER, ("ops@nhs.net", "desk@nhs.net"))
    assert fake.mail is not None
    assert fake.mail["From"] == SENDER
    assert fake.mail["To"] == "ops@nhs.net, desk@nhs.net"
    assert fake.mail["Subject"] == "nhsmail-worker: Halted: no more logins"
    assert fake.mail["Date"] == "Mon, 23 Nov 2026 14:05:00 +0000"
    assert fake.mail["Message-ID"].endswith("@trust.nhs.uk>")
    assert fake.mail["Auto-Submitted"] == "auto-generated"
    assert fake.mail.get_content() == f"{FIRING.text}\n\n{FIRING.do}\n\nMailbox: {ACCOUNT}\n"


def test_mail_goes_out_in_the_settings_name_whoever_signs_in_for_the_mailbox() -> None:
    account = {"address": ACCOUNT, "auth": "oauth2-browser", "sign_in": "jo.bloggs@nhs.net"}
    alerts = {"relay": {"host": "relay.example", "from": SENDER, "to": ["ops@nhs.net"]}}
    mail = relay_of(Settings.model_validate({"account": account, "alerts": alerts}), "relay.example").mail(FIRING)
    assert mail["From"] == SENDER
    assert "jo.bloggs" not in mail.as_string()


def test_a_relay_without_tls_is_sent_nothing_and_the_log_says_what_to_do(lines: Lines) -> None:
    fake = FakeRelay()
    with pytest.raises(NotSent):
        relay(fake).send(FIRING)
    assert fake.did == ["ehlo", "quit"]
    assert (lines.one["event"], lines.one["sender"]) == ("alert.not_encrypted", "relay")


@pytest.mark.parametrize(("host", "allow_clear"), [("localhost", False), ("127.0.0.1", False), ("relay.example", True)])
def test_clear_text_goes_to_this_machine_and_where_it_is_accepted(host: str, allow_clear: bool) -> None:
    fake = FakeRelay()
    relay(fake, host, allow_clear=allow_clear).send(OVER)
    assert fake.did == ["ehlo", "send", "quit"]


@pytest.mark.parametrize("allow_clear", [False, True])
def test_tls_is_used_where_it_is_offered(allow_clear: bool) -> None:
    fake = FakeRelay(tls=True)
    relay(fake, allow_clear=allow_clear).send(OVER)
    assert fake.did == ["ehlo", "starttls", "ehlo", "send", "quit"]


@pytest.mark.parametrize(
    ("fake", "status"),
    [
        (FakeRelay(tls=True, refuse=smtplib.SMTPSenderRefused(550, b"not registered", SENDER)), 550),
        (FakeRelay(tls=True, refuse=smtplib.SMTPServerDisconnected("gone")), None),
        (FakeRelay(tls=True, refuse=OSError("unreachable")), None),
        (FakeRelay(tls=True, refuse=smtplib.SMTPRecipientsRefused({"desk@nhs.net": (551, b"unknown")})), 551),
    ],
)
def test_what_the_relay_refuses_is_not_sent(fake: FakeRelay, status: int | None) -> None:
    with pytest.raises(NotSent) as caught:
        relay(fake).send(FIRING)
    assert caught.value.status == status


def test_what_some_were_sent_is_sent_and_the_log_counts_the_others(lines: Lines) -> None:
    relay(FakeRelay(tls=True, refused={"desk@nhs.net": (551, b"unknown")})).send(FIRING)
    line = lines.one
    assert (line["event"], line["sender"], line["count"], line["status"]) == ("alert.partly_refused", "relay", 1, 551)
    assert "desk" not in lines.raw


@pytest.mark.parametrize(
    ("host", "to"), [("relay..nhs.uk", "a@nhs.net"), ("a" * 70 + ".nhs.uk", "a@nhs.net"), ("127.0.0.1", "jürgen@y.z")]
)
def test_a_relay_that_can_not_be_named_is_not_sent(host: str, to: str) -> None:
    with pytest.raises(NotSent):
        Relay("relay", host, 1, sender=ACCOUNT, to=[to]).send(FIRING)


@pytest.mark.parametrize("url", ["https://x..y/z", "https://" + "a" * 70 + ".example/x", "https://exa mple.invalid/x"])
def test_a_webhook_that_can_not_be_named_is_not_sent(url: str) -> None:
    with pytest.raises(NotSent):
        Webhook("hook", Secret(url)).send(FIRING)
