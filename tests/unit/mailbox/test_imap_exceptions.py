"""What an error of TLS or of the socket means, by its kind and by the moment in which it comes."""

import socket
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imapclient.exceptions import InvalidCriteriaError

from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    HandshakeFailed,
    MailboxError,
    NotConnected,
    ProtocolFault,
    ServerUnavailable,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.handshake import HandshakeError
from worker.mailbox.imap_exceptions import login_failure, session_error
from worker.mailbox.login_failures import FailureClass
from worker.mailbox.wire import ImapError

REASONS = ("WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "SSLV3_ALERT_HANDSHAKE_FAILURE", "NO_PROTOCOLS_AVAILABLE")
ENDED = ("unknown error", None, "")


def tls(kind: type[ssl.SSLError], reason: str | None, library: str | None) -> ssl.SSLError:
    error = kind(1, f"[{library}] {reason} (_ssl.c:2580)")
    given: Any = error
    given.reason, given.library = reason, library
    return error


kinds = st.sampled_from([ssl.SSLError, ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError])
tls_errors = st.one_of(
    st.builds(tls, kinds, st.sampled_from(REASONS), st.just("SSL")),
    st.builds(tls, kinds, st.sampled_from(ENDED), st.sampled_from(["SYS", None])),
)
unverified = st.builds(tls, st.just(ssl.SSLCertVerificationError), st.just("CERTIFICATE_VERIFY_FAILED"), st.just("SSL"))
lost = st.sampled_from(
    [ConnectionResetError, ConnectionAbortedError, BrokenPipeError, TimeoutError, OSError, InterruptedError]
).map(lambda kind: kind())
unreachable = st.sampled_from([ConnectionRefusedError(), socket.gaierror(-2, "unknown"), socket.herror(1, "x")])


@given(error=st.one_of(tls_errors, unverified, lost))
def test_in_mid_run_whatever_tls_or_the_socket_says_is_a_lost_connection(error: OSError) -> None:
    assert type(session_error(error, {})) is ConnectionLost


@given(error=st.one_of(tls_errors, lost))
def test_what_the_server_said_before_the_connection_was_lost_counts(error: OSError) -> None:
    said = {"BYE": [b"Session invalidated - AccessTokenExpired"]}
    assert type(session_error(error, said)) is TokenExpired


@given(error=unverified)
def test_only_a_failed_verification_in_the_handshake_is_about_the_certificate(error: ssl.SSLError) -> None:
    found = session_error(HandshakeError(error), {})
    assert type(found) is TlsRefused
    assert "CERTIFICATE_VERIFY_FAILED" in str(found)


@given(error=tls_errors)
def test_what_else_fails_in_the_handshake_is_said_as_what_it_is(error: ssl.SSLError) -> None:
    found = session_error(HandshakeError(error), {})
    ended = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError) or error.library != "SSL"
    assert type(found) is (ConnectionLost if ended else HandshakeFailed)
    assert ended or str(error.reason) in str(found)


@given(error=unreachable)
def test_a_server_that_cant_be_reached(error: OSError) -> None:
    assert type(session_error(error, {})) is ServerUnavailable


@given(error=st.one_of(tls_errors, unverified, lost), kind=st.sampled_from(["password", "token"]))
def test_in_a_login_it_is_no_answer(error: OSError, kind: Any) -> None:
    """A password that was sent counts, whatever ended the connection; it isn't a rejected one."""
    found = login_failure(error, {}, kind=kind).failure
    assert (found.cls, found.counts) == (FailureClass.LOST_AFTER_SENDING, kind == "password")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("no CAPABILITY response from server", ProtocolFault),
        ("server not IMAP4 compliant", ProtocolFault),
        ("command LIST illegal in state NONAUTH", ProtocolFault),
    ],
)
def test_a_server_that_cant_do_what_we_need(text: str, error: type[MailboxError]) -> None:
    assert type(session_error(ImapError(text), {})) is error


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ("[SERVERBUG] Internal error occurred.", CommandRefused, "[SERVERBUG] internal error …"),
        ("Error in IMAP command UID SEARCH", CommandRefused, "error in imap command …"),
        ("User is authenticated but not connected.", NotConnected, "user is authenticated but not connected"),
    ],
)
def test_a_search_that_is_answered_bad_is_a_refusal_in_the_server_s_own_words(
    said: str, error: type[MailboxError], text: str
) -> None:
    """IMAPClient adds the criteria, which a person may have typed, and where to read about them."""
    found = session_error(
        InvalidCriteriaError(f"{said.encode()!r}\n\nThis error may have been caused by: ['TEXT']"), {}
    )
    assert (type(found), str(found)) == (error, f"the mail server said: {text}")


def test_a_name_that_cannot_be_resolved_and_a_port_without_tls_are_said_in_words() -> None:
    unknown = session_error(socket.gaierror(-2, "secret words"), {})
    assert (str(unknown), unknown.fault) == (
        "the mail server can't be reached (the name can't be resolved)",
        "NAME_NOT_RESOLVED",
    )
    error = ssl.SSLError(1, "secret words")
    error.reason, error.library = "WRONG_VERSION_NUMBER", "SSL"
    plain = session_error(HandshakeError(error), {})
    assert "this port doesn't speak TLS" in str(plain)
    assert (type(plain), plain.fault) == (HandshakeFailed, "NOT_TLS")
    refused = session_error(ConnectionRefusedError(111, "secret words"), {})
    assert (str(refused), refused.fault) == ("the mail server can't be reached (connection refused)", "ECONNREFUSED")
    assert session_error(ConnectionRefusedError(), {}).fault is None
