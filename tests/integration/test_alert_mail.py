"""Alerts by mail to a real SMTP server that refuses in each way: what a person is told, and what is never done."""

import ssl
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.sending import Sending
from tests.rig.bad_servers import ELSEWHERE
from tests.rig.smtp import DROP, SLOW, SmtpServer
from tests.rig.tls import ADDRESS, HOST, Authority
from worker.login.sending import FACT
from worker.observe import smtp_conversation
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.channels import Relay
from worker.observe.delivery import NotSent
from worker.observe.send_advice import possible
from worker.observe.send_failure import Why
from worker.observe.submission import Submission

ACCOUNT = "pathology.results@nhs.net"
SENDER = "nhsmail-worker@trust.nhs.uk"
TO = ("duty.team@nhs.net", "desk@nhs.net")
TOKEN = "eyJ0eXAi.token-of-the-account.9f"
ALERT = Alert(Rule.HALTED, Phase.FIRING, ACCOUNT, datetime(2026, 11, 23, 14, 5, tzinfo=UTC), 5)
SERVER = "[LO4P265CA0001.GBRP265.PROD.OUTLOOK.COM 2026-11-27T22:00:00.000Z 08DE2D]"
AUTH_OFF_TENANT = (
    "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit "
    f"https://aka.ms/smtp_auth_disabled for more information. {SERVER}"
)
AUTH_OFF_MAILBOX = AUTH_OFF_TENANT.replace("Tenant", "Mailbox")
BLOCKED = (
    "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. "
    f"Contact your administrator. {SERVER}"
)
SEND_AS = (
    f"550 5.7.60 SMTP; Client does not have permissions to send as this sender {SERVER}",
    "554 5.2.252 SendAsDenied; pathology.results@nhs.net not allowed to send as other@nhs.net; STOREDRV.Submission",
)
AFTER_SIGN_IN = {
    ("MAIL", f"530 5.7.57 Client not authenticated to send mail. {SERVER}"): Why.NOT_AUTHENTICATED,
    ("DATA", f"530 5.7.57 Client not authenticated to send mail. {SERVER}"): Why.NOT_AUTHENTICATED,
    ("DATA", SEND_AS[0]): Why.SEND_AS_DENIED,
    ("DATA", SEND_AS[1]): Why.SEND_AS_DENIED,
    ("MAIL", SEND_AS[0]): Why.SEND_AS_DENIED,
    ("MAIL", "550 5.1.8 Access denied, bad outbound sender"): Why.SENDER_REFUSED,
    ("DATA", "550 5.7.1 sender denied"): Why.SENDER_REFUSED,
    ("RCPT", "550 5.1.1 mailbox unavailable"): Why.RECIPIENTS_REFUSED,
    ("RCPT", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"): Why.RELAYING_DENIED,
    ("MAIL", "450 4.7.1 throttled, try later"): Why.THROTTLED,
    ("RCPT", "451 4.7.500 Server busy. Please try again later"): Why.THROTTLED,
    ("DATA", "432 4.3.2 Concurrent connections limit exceeded"): Why.THROTTLED,
    ("MAIL", "421 4.7.0 closing"): Why.THROTTLED,
    ("MAIL", "452 4.3.1 Insufficient system resources"): Why.NO_ROOM,
    ("RCPT", "552 5.2.2 mailbox full"): Why.NO_ROOM,
    ("DATA", "552 5.2.2 storage exceeded"): Why.NO_ROOM,
    ("DATA", "554 5.6.0 no"): Why.OTHER,
    ("GREETING", "554 5.7.1 no SMTP service for you"): Why.CLIENT_REFUSED,
    ("GREETING", "421 4.3.2 Service not available"): Why.THROTTLED,
    ("EHLO", "421 4.3.2 Service not available"): Why.THROTTLED,
    ("EHLO", "550 5.7.1 no SMTP service for you"): Why.CLIENT_REFUSED,
    ("EHLO after TLS", "550 5.7.1 no SMTP service for you"): Why.CLIENT_REFUSED,
}
LOST = {
    ("GREETING", DROP): Why.DROPPED,
    ("MAIL", DROP): Why.DROPPED,
    ("RCPT", DROP): Why.DROPPED,
    ("DATA", DROP): Why.DROPPED,
    ("GREETING", SLOW): Why.SLOW,
    ("MAIL", SLOW): Why.SLOW,
    ("DATA", SLOW): Why.SLOW,
}
AT_SIGN_IN = {
    AUTH_OFF_TENANT: Why.SMTP_AUTH_OFF,
    AUTH_OFF_MAILBOX: Why.SMTP_AUTH_OFF,
    BLOCKED: Why.SIGN_IN_BLOCKED,
    f"535 5.7.3 Authentication unsuccessful {SERVER}": Why.TOKEN_NOT_TAKEN,
    "504 5.7.4 Unrecognized authentication type": Why.NO_XOAUTH2,
    "530 5.7.0 Authentication required": Why.NOT_AUTHENTICATED,
    "454 4.7.0 Temporary authentication failure": Why.THROTTLED,
    DROP: Why.DROPPED,
    SLOW: Why.SLOW,
}
SPARED = ("454 4.7.0 Temporary authentication failure", DROP, SLOW)


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon given up on is only what never comes: on a busy machine anything may take a while."""
    case = getattr(request.node, "callspec", None)  # of a test with parameters
    if case is not None and SLOW in case.params.values():
        monkeypatch.setattr(smtp_conversation, "TIMEOUT", 1.0)


def submission(server: SmtpServer, authority: Authority, sending: Sending, *, host: str = HOST) -> Submission:
    return Submission(
        "submission",
        host,
        server.port,
        account=ACCOUNT,
        to=TO,
        sign_in=sending.sign_in(by_person=True),
        ca_file=authority.ca_file,
    )


def relay(server: SmtpServer, authority: Authority, *, host: str = HOST) -> Relay:
    return Relay("relay", host, server.port, sender=SENDER, to=TO, ca_file=authority.ca_file)


def exchange(authority: Authority, **more: object) -> SmtpServer:
    """A server that takes the account's token."""
    return SmtpServer(authority.server_context(), tokens=(TOKEN,), user=ACCOUNT, **more)  # type: ignore[arg-type]


@pytest.fixture
def sending() -> Sending:
    return Sending(ACCOUNT, TOKEN)


def refused(channel: Submission | Relay) -> NotSent:
    with pytest.raises(NotSent) as caught:
        channel.send(ALERT)
    assert TOKEN not in str(caught.value) + caught.value.said
    return caught.value


def test_an_alert_goes_out_from_the_account_by_a_token(authority: Authority, sending: Sending) -> None:
    with exchange(authority) as server:
        said = submission(server, authority, sending).send(ALERT)
    assert said.startswith("250 2.0.0 OK <1@smtp.example>")
    [taken] = server.taken
    assert (taken.sender, taken.to, taken.as_user) == (ACCOUNT, TO, ACCOUNT)
    assert (taken.mail["From"], taken.mail["Subject"]) == (ACCOUNT, f"nhsmail-worker: {ALERT.title}")
    assert server.signed_in == [f"user={ACCOUNT}\x01auth=Bearer {TOKEN}\x01\x01"]
    assert sending.facts[FACT] == "[0, 0.0]"


def test_an_alert_goes_out_in_the_organisations_own_name_without_a_sign_in(authority: Authority) -> None:
    with SmtpServer(authority.server_context()) as server:
        said = relay(server, authority).send(ALERT)
    assert said.startswith("250 2.0.0 OK")
    [taken] = server.taken
    assert (taken.sender, taken.to, taken.as_user) == (SENDER, TO, "")
    assert taken.mail["From"] == SENDER


@pytest.mark.parametrize(("step", "said"), AFTER_SIGN_IN)
def test_a_refused_mail_is_told(authority: Authority, sending: Sending, step: str, said: str) -> None:
    why = AFTER_SIGN_IN[step, said]
    with exchange(authority, answers={step: said}) as server:
        found = refused(submission(server, authority, sending))
    assert (found.why, found.status, server.taken) == (why, int(said[:3]), [])
    assert found.said == said
    assert why in possible("submission")
    assert sending.facts.get(FACT, "[0, 0.0]") == "[0, 0.0]", "the token was taken, or never sent"


@pytest.mark.parametrize(("step", "said"), AFTER_SIGN_IN)
def test_a_mail_that_the_relay_refuses_is_told(authority: Authority, step: str, said: str) -> None:
    why = AFTER_SIGN_IN[step, said]
    with SmtpServer(authority.server_context(), answers={step: said}) as server:
        found = refused(relay(server, authority))
    assert (found.why, found.said, server.taken) == (why, said, [])
    assert why in possible("relay")


@pytest.mark.parametrize(("step", "said"), LOST)
def test_a_lost_connection_is_told(authority: Authority, sending: Sending, step: str, said: str) -> None:
    with exchange(authority, answers={step: said}) as server:
        assert refused(submission(server, authority, sending)).why is LOST[step, said]
    with SmtpServer(authority.server_context(), answers={step: said}) as server:
        assert refused(relay(server, authority)).why is LOST[step, said]
    assert sending.facts.get(FACT, "[0, 0.0]") == "[0, 0.0]"


@pytest.mark.parametrize("challenges", [False, True])
@pytest.mark.parametrize("said", AT_SIGN_IN)
def test_a_refused_sign_in_is_told_and_counted(
    authority: Authority, sending: Sending, said: str, *, challenges: bool
) -> None:
    with exchange(authority, answers={"AUTH": said}, challenges=challenges) as server:
        found = refused(submission(server, authority, sending))
    assert (found.why, server.taken) == (AT_SIGN_IN[said], [])
    assert found.why in possible("submission")
    assert sending.facts[FACT] == ("[0, 0.0]" if said in SPARED else f"[1, {sending.now}]")
    assert server.signed_in == [f"user={ACCOUNT}\x01auth=Bearer {TOKEN}\x01\x01"], "sent once, and nothing else"


def test_a_token_that_the_server_quotes_is_shown_to_nobody(authority: Authority, sending: Sending) -> None:
    with exchange(authority, answers={"AUTH": f"535 5.7.3 no: {TOKEN}\x1b[2J"}) as server:
        assert refused(submission(server, authority, sending)).said == "535 5.7.3 no: …\\u001b[2J"
    coded = b64encode(f"user={ACCOUNT}\x01auth=Bearer {TOKEN}\x01\x01".encode()).decode()
    with exchange(authority, answers={"AUTH": f"535 5.7.3 no: {coded} again"}) as server:
        assert refused(submission(server, authority, sending)).said == "535 5.7.3 no: … again"


def test_a_long_token_that_the_server_quotes_in_part_is_shown_to_nobody(authority: Authority, sending: Sending) -> None:
    sending.token = "eyJ0eXAi" + "q7." * 700
    coded = b64encode(f"user={ACCOUNT}\x01auth=Bearer {sending.token}\x01\x01".encode()).decode()
    for quoted in (sending.token, sending.token[5:380], coded, coded[:300], coded[7:200]):
        with exchange(authority, answers={"AUTH": f"535 5.7.3 no <{quoted}>"}) as server:
            assert refused(submission(server, authority, sending)).said == "535 5.7.3 no <…>"
    with SmtpServer(authority.server_context(), tokens=(sending.token,), user=ACCOUNT) as server:
        assert submission(server, authority, sending).send(ALERT)


@pytest.mark.parametrize(
    ("context", "why"),
    [("none", Why.NO_STARTTLS), ("self-signed", Why.NOT_TRUSTED), ("another's name", Why.WRONG_NAME)],
)
def test_no_token_and_no_mail_goes_to_a_server_that_is_not_proved(
    authority: Authority, tmp_path: Path, sending: Sending, context: str, why: Why
) -> None:
    contexts: dict[str, ssl.SSLContext | None] = {
        "none": None,
        "self-signed": Authority(tmp_path / "stranger").server_context(ELSEWHERE, HOST),
        "another's name": authority.server_context("other.example"),
    }
    with SmtpServer(contexts[context], tokens=(TOKEN,), user=ACCOUNT) as server:
        for host in (HOST, ELSEWHERE):  # clear text isn't even for this machine
            assert refused(submission(server, authority, sending, host=host)).why is why
    with SmtpServer(contexts[context]) as open_to_all:
        assert refused(relay(open_to_all, authority, host=ELSEWHERE)).why is why
    assert (server.signed_in, server.taken, open_to_all.taken) == ([], [], [])
    assert (sending.facts, sending.asked) == ({}, []), "no token was even asked for"


def test_an_expired_certificate_is_told(authority: Authority, sending: Sending) -> None:
    context = authority.server_context(not_after=datetime(2020, 1, 1, tzinfo=UTC))
    with SmtpServer(context, tokens=(TOKEN,), user=ACCOUNT) as server:
        assert refused(submission(server, authority, sending)).why is Why.CERTIFICATE_EXPIRED


def test_a_server_that_offers_no_sign_in_by_token_is_sent_none(authority: Authority, sending: Sending) -> None:
    with exchange(authority, offers=False) as server:
        assert refused(submission(server, authority, sending)).why is Why.NO_XOAUTH2
    assert (sending.facts, sending.asked) == ({}, [])


def test_a_server_that_is_not_there_is_told(authority: Authority, sending: Sending) -> None:
    with exchange(authority) as server:
        pass
    assert refused(submission(server, authority, sending)).why is Why.UNREACHABLE
    assert refused(submission(server, authority, sending, host="smtp.invalid")).why is Why.NO_SUCH_HOST
    assert refused(relay(server, authority, host="relay..invalid")).why is Why.NO_SUCH_HOST
    assert sending.asked == []


@pytest.mark.parametrize("said", ["421 4.4.2 closing", "550 no", DROP, SLOW])
def test_what_was_taken_is_sent_whatever_the_goodbye_is_answered(
    authority: Authority, sending: Sending, said: str
) -> None:
    with exchange(authority, answers={"QUIT": said}) as server:
        assert submission(server, authority, sending).send(ALERT)
    with SmtpServer(authority.server_context(), answers={"QUIT": said}) as other:
        assert relay(other, authority).send(ALERT)
    assert (len(server.taken), len(other.taken)) == (1, 1)


def test_what_some_are_refused_is_sent_to_the_others_once(authority: Authority, sending: Sending) -> None:
    with exchange(authority, answers={f"RCPT {TO[0]}": "550 5.1.1 gone"}) as server:
        assert submission(server, authority, sending).send(ALERT)
    assert [taken.to for taken in server.taken] == [TO[1:]]


def test_a_relay_that_knows_no_ehlo_gets_mail_where_clear_text_is_accepted(authority: Authority) -> None:
    with SmtpServer(None, answers={"EHLO": "502 5.5.2 no such command"}) as server:
        assert relay(server, authority, host=ADDRESS).send(ALERT)
        assert refused(relay(server, authority, host=ELSEWHERE)).why is Why.NO_STARTTLS
    assert len(server.taken) == 1


def test_a_greeting_signs_in_nowhere(authority: Authority, sending: Sending) -> None:
    with exchange(authority) as server:
        submission(server, authority, sending).greet()
    assert (server.signed_in, sending.asked, server.connections) == ([], [], 1)
