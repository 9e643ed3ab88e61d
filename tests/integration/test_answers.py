"""What IMAPClient makes of each answer of a real socket, and what the session makes of that."""

import base64
import select
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.rig.scripted import ScriptedServer, Step, answer, close, expect, greeting, hang, no_handshake, send
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    LoginFailed,
    MailboxError,
    NotConnected,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.login_failures import FailureClass, LoginFailure
from worker.mailbox.sasl import XOAuth2
from worker.mailbox.session import Endpoint, Session

Scripted = Callable[..., ScriptedServer]
F = FailureClass
ACCOUNT = "pathology.results@nhs.net"
PASSWORD = "Bright-Harbour-92"
TOKEN = "eyJ0eXAiOiJKV1QifQ.e30.c2lnbmF0dXJl"
START = greeting("IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2")


def session_to(server: ScriptedServer, *, read: float = 5.0) -> Session:
    return Session(Endpoint(server.host, server.port, ca_file=server.ca_file, connect_timeout=5.0, read_timeout=read))


def login_by_password(scripted: Scripted, *after: Step, password: str = PASSWORD, read: float = 5.0) -> LoginFailure:
    server = scripted([*START, *after])
    session = session_to(server, read=read)
    session.connect()
    with pytest.raises(LoginFailed) as caught:
        session.login(ACCOUNT, password)
    session.close()
    assert password not in str(caught.value)
    assert password not in repr(caught.value.failure)
    assert caught.value.failure.kind == "password"
    return caught.value.failure


LOGIN = r"\w+ LOGIN .*"
ROWS: list[tuple[Sequence[Step], F, bool]] = [
    ([send("{tag} NO LOGIN failed."), close()], F.REJECTED, True),
    ([send("{tag} NO [AUTHENTICATIONFAILED] Authentication failed."), close()], F.REJECTED, True),
    ([send("{tag} NO [UNAVAILABLE] Temporary failure."), close()], F.UNAVAILABLE, False),
    ([send("{tag} NO Server Unavailable. 15"), close()], F.UNAVAILABLE, False),
    ([send("Server Unavailable. 15"), close()], F.UNAVAILABLE, False),
    ([send("{tag} NO [LIMIT] Too many connections"), close()], F.THROTTLED, False),
    ([send("{tag} BAD Request is throttled. Suggested Backoff Time: 2500 milliseconds"), close()], F.THROTTLED, False),
    ([send("{tag} NO Request is throttled. Suggested Backoff Time: 2500 milliseconds"), close()], F.THROTTLED, False),
    ([send("{tag} NO Basic authentication is disabled."), close()], F.CONFIGURATION, False),
    ([send('{tag} NO LOGIN failed. [Error="LogonDenied-BasicAuthBlocked"]'), close()], F.CONFIGURATION, False),
    ([send("{tag} NO Account is blocked. Login to your account via a web browser"), close()], F.LOCKED, True),
    ([send("* NO [ALERT] Account is blocked."), send("{tag} NO LOGIN failed."), close()], F.LOCKED, True),
    ([send("* NO [UNAVAILABLE] wait"), send("{tag} NO LOGIN failed."), close()], F.REJECTED, True),
    ([send("{tag} NO [CONTACTADMIN] x"), close()], F.DISABLED, True),
    ([send("{tag} NO [AUTHORIZATIONFAILED] x"), close()], F.DISABLED, True),
    ([send("{tag} NO [EXPIRED] x"), close()], F.EXPIRED, True),
    ([send("{tag} NO [PRIVACYREQUIRED] x"), close()], F.CONFIGURATION, False),
    ([send("{tag} BAD User is authenticated but not connected."), close()], F.AMBIGUOUS, True),
    ([send("{tag} BAD Command Argument Error. 11"), close()], F.PROTOCOL, False),
    ([send("{tag} BAD Command Error. 10"), close()], F.PROTOCOL, False),
    ([send("{tag} BAD Command received in Invalid state."), close()], F.PROTOCOL, False),
    ([send("{tag} NO whatever"), close()], F.AMBIGUOUS, True),
    ([send("{tag} BAD whatever"), close()], F.AMBIGUOUS, True),
    ([close()], F.LOST_AFTER_SENDING, True),
    ([close(reset=True)], F.LOST_AFTER_SENDING, True),
    ([send("* BYE Connection is closed. 13"), close()], F.LOST_AFTER_SENDING, True),
    ([send("* BYE Connection closed. 14"), close()], F.LOST_AFTER_SENDING, True),
    ([send("* BYE x"), send("{tag} NO LOGIN failed."), close()], F.LOST_AFTER_SENDING, True),
    ([send("* BYE Server Unavailable. 15"), close()], F.LOST_AFTER_SENDING, True),
    ([send("* BYE [UNAVAILABLE] x"), send("{tag} NO [UNAVAILABLE] x"), close()], F.LOST_AFTER_SENDING, True),
    ([send("* BYE Request is throttled."), close()], F.LOST_AFTER_SENDING, True),
    ([send("+ "), send("+ "), send("{tag} NO LOGIN failed."), close()], F.REJECTED, True),
    ([send(b"{tag} NO half a li"), close()], F.LOST_AFTER_SENDING, True),
    ([send(b"\xff\xfe\x00garbage\r\n"), close()], F.LOST_AFTER_SENDING, True),
    ([send("zz99 OK not yours"), close()], F.LOST_AFTER_SENDING, True),
]


@pytest.mark.parametrize(("steps", "cls", "counts"), ROWS)
def test_a_password_and_its_answer(scripted: Scripted, steps: Sequence[Step], cls: F, *, counts: bool) -> None:
    found = login_by_password(scripted, expect(LOGIN), *steps)
    assert (found.cls, found.counts) == (cls, counts)


def test_throttling_says_how_long(scripted: Scripted) -> None:
    text = "{tag} NO Request is throttled. Suggested Backoff Time: 2500 milliseconds"
    found = login_by_password(scripted, expect(LOGIN), send(text), close())
    assert found.retry_after == timedelta(seconds=2.5)


def test_silence_after_the_password_counts(scripted: Scripted) -> None:
    found = login_by_password(scripted, expect(LOGIN), hang(), read=1.0)  # the greeting has no longer, either
    assert (found.cls, found.counts) == (F.LOST_AFTER_SENDING, True)


def test_an_answer_that_quotes_the_password_isnt_quoted(scripted: Scripted) -> None:
    encoded = base64.b64encode(f"\0{ACCOUNT}\0{PASSWORD}".encode()).decode()
    text = f"{{tag}} NO LOGIN failed for {ACCOUNT} {PASSWORD} {encoded}"
    found = login_by_password(scripted, expect(LOGIN), send(text), close())
    assert found.said == "login failed for …"


def test_a_password_beyond_ascii_goes_by_plain(scripted: Scripted) -> None:
    secret = "Blåbær-Grød-92"
    sent = base64.b64encode(f"\0{ACCOUNT}\0{secret}".encode()).decode()
    steps = [*answer(r"\w+ AUTHENTICATE PLAIN", "+ "), *answer(sent.replace("+", r"\+"), "{tag} NO LOGIN failed.")]
    found = login_by_password(scripted, *steps, close(), password=secret)
    assert found.cls is F.REJECTED


PLAIN = base64.b64encode(f"\0{ACCOUNT}\0{PASSWORD}".encode()).decode()
DISABLED = greeting("IMAP4rev1 LOGINDISABLED AUTH=PLAIN")


def login_without_login(scripted: Scripted, *after: Step) -> tuple[LoginFailure, list[str]]:
    """By AUTHENTICATE PLAIN, and what the client said."""
    server = scripted([*DISABLED, expect(r"\w+ AUTHENTICATE PLAIN"), *after])
    session = session_to(server)
    session.connect()
    with pytest.raises(LoginFailed) as caught:
        session.login(ACCOUNT, PASSWORD)
    session.close()
    assert PASSWORD not in str(caught.value)
    return caught.value.failure, server.commands[2:]


def test_an_attempt_sends_the_password_once_however_often_the_server_asks(scripted: Scripted) -> None:
    asked: list[Step] = [
        send("+ "),
        expect(PLAIN.replace("+", r"\+")),
        send("+ "),
        expect(""),
        send("+ YWdhaW4="),
        expect(""),
    ]
    found, sent = login_without_login(scripted, *asked, send("{tag} NO AUTHENTICATE failed."), close())
    assert (found.cls, found.counts) == (F.REJECTED, True)
    assert sent == [PLAIN, "", ""]


@pytest.mark.parametrize("mechanism", ["PLAIN", "XOAUTH2"])
def test_a_server_that_asks_for_ever_is_left(scripted: Scripted, mechanism: str) -> None:
    asking: list[Step] = [send(b"+ \r\n" * 100), hang()]
    if mechanism == "PLAIN":
        found, _ = login_without_login(scripted, *asking)
    else:
        found, _ = login_by_token(scripted, BEGIN[0], *asking)
    assert (found.cls, found.counts) == (F.LOST_AFTER_SENDING, mechanism == "PLAIN")


NOT_SENT: list[tuple[str, F]] = [
    ("{tag} NO AUTHENTICATE failed.", F.LOST_BEFORE_SENDING),
    ("{tag} NO [AUTHENTICATIONFAILED] x", F.LOST_BEFORE_SENDING),
    ("{tag} NO Account is blocked.", F.LOST_BEFORE_SENDING),
    ("{tag} NO [UNAVAILABLE] x", F.UNAVAILABLE),
    ("* BYE Basic authentication is disabled.", F.LOST_BEFORE_SENDING),
    ("{tag} NO Basic authentication is disabled.", F.CONFIGURATION),
    ("{tag} BAD Command Argument Error. 12", F.PROTOCOL),
]


@pytest.mark.parametrize(("line", "cls"), NOT_SENT)
def test_a_mechanism_that_is_refused_before_the_password_spends_nothing(scripted: Scripted, line: str, cls: F) -> None:
    found, sent = login_without_login(scripted, send(line), close())
    assert (found.cls, found.counts, sent) == (cls, False, [])


def login_by_token(scripted: Scripted, *after: Step) -> tuple[LoginFailure, XOAuth2]:
    server = scripted([*START, *after])
    session, mechanism = session_to(server), XOAuth2(ACCOUNT, TOKEN)
    session.connect()
    with pytest.raises(LoginFailed) as caught:
        session.login_token(mechanism)
    session.close()
    assert TOKEN not in str(caught.value)
    assert caught.value.failure.kind == "token"
    return caught.value.failure, mechanism


BEARER = base64.b64encode(f"user={ACCOUNT}\x01auth=Bearer {TOKEN}\x01\x01".encode()).decode()
REFUSAL = base64.b64encode(b'{"status":"401","schemes":"bearer","scope":"https://outlook.office.com/"}').decode()
BEGIN: list[Step] = [expect(r"\w+ AUTHENTICATE XOAUTH2"), send("+ ")]
SEND: list[Step] = [*BEGIN, expect(BEARER.replace("+", r"\+"))]
TOKEN_ROWS: list[tuple[Sequence[Step], F, bool]] = [
    ([*SEND, send("{tag} NO AUTHENTICATE failed."), close()], F.TOKEN_REJECTED, True),
    ([*SEND, send(f"+ {REFUSAL}"), expect(""), send("{tag} NO AUTHENTICATE failed."), close()], F.TOKEN_REJECTED, True),
    ([*SEND, send(f"+ {REFUSAL}"), expect(""), send("{tag} NO nothing known"), close()], F.TOKEN_REJECTED, True),
    ([*SEND, send("{tag} NO nothing known"), close()], F.AMBIGUOUS, True),
    ([*SEND, send("* BYE Session invalidated - AccessTokenExpired"), close()], F.TOKEN_EXPIRED, False),
    ([*SEND, send("{tag} NO Server Unavailable. 15"), close()], F.UNAVAILABLE, False),
    ([*SEND, close()], F.LOST_AFTER_SENDING, False),
    ([BEGIN[0], close()], F.LOST_BEFORE_SENDING, False),
    ([BEGIN[0], send("{tag} NO AUTHENTICATE failed."), close()], F.LOST_BEFORE_SENDING, False),
]


@pytest.mark.parametrize(("steps", "cls", "counts"), TOKEN_ROWS)
def test_a_token_and_its_answer(scripted: Scripted, steps: Sequence[Step], cls: F, *, counts: bool) -> None:
    found, _ = login_by_token(scripted, *steps)
    assert (found.cls, found.counts) == (cls, counts)


def test_the_servers_refusal_is_read_from_its_challenge(scripted: Scripted) -> None:
    _, mechanism = login_by_token(
        scripted, *SEND, send(f"+ {REFUSAL}"), expect(""), send("{tag} NO AUTHENTICATE failed."), close()
    )
    assert mechanism.sent
    assert mechanism.refusal == "401"


# -- connecting, and commands on a session -----------------------------------------------------------------------------

CONNECTING: list[tuple[Sequence[Step], type[MailboxError]]] = [
    ([send("* BYE Server Unavailable. 15"), close()], ServerUnavailable),
    ([send("* BYE Connection is closed. 13"), close()], ServerUnavailable),
    ([send("* BYE Request is throttled. Suggested Backoff Time: 9000 milliseconds"), close()], Throttled),
    ([close()], ConnectionLost),
    ([close(reset=True)], ConnectionLost),
    ([send("* OK hello"), *answer(r"\w+ CAPABILITY", "* CAPABILITY IMAP2", "{tag} OK done"), close()], ProtocolFault),
]


@pytest.mark.parametrize(("steps", "error"), CONNECTING)
def test_connecting(scripted: Scripted, steps: Sequence[Step], error: type[MailboxError]) -> None:
    with pytest.raises(error):
        session_to(scripted(list(steps))).connect()


def test_throttling_in_place_of_the_greeting_says_how_long(scripted: Scripted) -> None:
    server = scripted([send("* BYE Request is throttled. Suggested Backoff Time: 9000 milliseconds"), close()])
    with pytest.raises(Throttled) as caught:
        session_to(server).connect()
    assert caught.value.after == timedelta(seconds=9)


def test_an_unknown_authority_is_refused(scripted: Scripted) -> None:
    server = scripted([no_handshake()])
    with pytest.raises(TlsRefused, match="CERTIFICATE_VERIFY_FAILED"):
        Session(Endpoint(server.host, server.port, connect_timeout=5.0)).connect()


def test_nobody_listens(scripted: Scripted) -> None:
    server = scripted()
    port = server.port
    server.__exit__(None, None, None)
    with pytest.raises(ServerUnavailable):
        Session(Endpoint("127.0.0.1", port, ca_file=server.ca_file, connect_timeout=2.0)).connect()


OPEN = [*START, *answer(LOGIN, "{tag} OK done")]
COMMANDS: list[tuple[Sequence[Step], type[MailboxError]]] = [
    ([send("{tag} BAD User is authenticated but not connected."), close()], NotConnected),
    ([send("{tag} BAD Request is throttled. Suggested Backoff Time: 1500 milliseconds"), close()], Throttled),
    ([send("{tag} NO Request is throttled. Suggested Backoff Time: 1500 milliseconds"), close()], Throttled),
    ([send("{tag} NO Server Unavailable. 15"), close()], ServerUnavailable),
    ([send("Server Unavailable. 15"), close()], ServerUnavailable),
    ([send("* BYE Session invalidated - AccessTokenExpired"), close()], TokenExpired),
    ([send("* BYE Connection is closed. 13"), close()], ConnectionLost),
    ([send("* BYE Connection closed. 14"), close()], ConnectionLost),
    ([close()], ConnectionLost),
    ([send("{tag} BAD Command Argument Error. 11"), close()], ProtocolFault),
    ([send("{tag} BAD Command received in Invalid state."), close()], ProtocolFault),
    ([send("{tag} NO STATUS failed"), expect(r"\w+ LOGOUT.*"), close()], CommandRefused),
]


@pytest.mark.parametrize(("steps", "error"), COMMANDS)
def test_the_first_command(scripted: Scripted, steps: Sequence[Step], error: type[MailboxError]) -> None:
    server = scripted([*OPEN, expect(r"\w+ STATUS .*"), *steps])
    session = session_to(server)
    session.connect()
    session.login(ACCOUNT, PASSWORD)
    with pytest.raises(error) as caught:
        session.status("INBOX")
    session.close()
    details: dict[type[MailboxError], Any] = {Throttled: timedelta(seconds=1.5), ProtocolFault: True}
    found = {Throttled: getattr(caught.value, "after", None), ProtocolFault: getattr(caught.value, "by_server", None)}
    assert found.get(error) == details.get(error)


def test_why_the_server_ended_the_connection_is_heard_even_if_the_next_command_cannot_be_sent(
    scripted: Scripted,
) -> None:
    server = scripted([*OPEN, send("* BYE Session invalidated - AccessTokenExpired"), close(reset=True)])
    session = session_to(server)
    session.connect()
    session.login(ACCOUNT, PASSWORD)
    reset = select.poll()
    reset.register(session.fileno(), 0)  # wakes for a connection that is gone, and for nothing else
    assert reset.poll(5000)
    with pytest.raises(TokenExpired):
        session.noop()
