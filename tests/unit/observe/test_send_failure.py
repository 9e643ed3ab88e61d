"""Why a connection failed, whichever library says so."""

import smtplib
import socket
import ssl

import httpx
import pytest

from worker.observe.send_failure import Why, why_lost


def untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    return error


def behind(outer: Exception, inner: BaseException) -> Exception:
    outer.__cause__ = inner
    return outer


def plain_answer() -> ssl.SSLError:
    error = ssl.SSLError(1, "wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (untrusted(18), Why.NOT_TRUSTED),
        (untrusted(20), Why.NOT_TRUSTED),
        (untrusted(62), Why.WRONG_NAME),
        (untrusted(64), Why.WRONG_NAME),
        (untrusted(10), Why.CERTIFICATE_EXPIRED),
        (behind(httpx.ConnectError("no"), untrusted(62)), Why.WRONG_NAME),
        (ssl.SSLError(1, "wrong version number"), Why.TLS_FAILED),
        (plain_answer(), Why.NOT_TLS),
        (behind(httpx.ConnectError("no"), plain_answer()), Why.NOT_TLS),
        (ssl.SSLEOFError(8, "EOF"), Why.DROPPED),
        (behind(httpx.ConnectError("no"), socket.gaierror(-2, "unknown")), Why.NO_SUCH_HOST),
        (UnicodeError("label too long"), Why.NO_SUCH_HOST),
        (behind(httpx.ReadTimeout("no"), TimeoutError()), Why.SLOW),
        (ConnectionRefusedError(), Why.UNREACHABLE),
        (OSError(113, "no route"), Why.UNREACHABLE),
        (ConnectionResetError(), Why.DROPPED),
        (behind(smtplib.SMTPServerDisconnected("closed"), TimeoutError()), Why.SLOW),
        (smtplib.SMTPServerDisconnected("closed"), Why.DROPPED),
        (httpx.RemoteProtocolError("no"), Why.DROPPED),
    ],
)
def test_it_is_told_by_what_stands_behind(error: BaseException, why: Why) -> None:
    assert why_lost(error) is why


def test_errors_in_a_circle_end() -> None:
    one, two = ValueError(), KeyError()
    one.__context__, two.__context__ = two, one
    assert why_lost(one) is Why.DROPPED
