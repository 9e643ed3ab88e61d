"""What the system says of an error, in words from a fixed list."""

import errno
import socket
import ssl
import urllib.error

import pytest

from worker.logs.exceptions import described
from worker.logs.fields import FIELDS
from worker.logs.redaction import REFUSED, passed
from worker.logs.system_words import FAULT_WORDS, NO_SUCH_NAME, NOT_TLS, fault_words, system_fault, system_words


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "secret words")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "fault", "words"),
    [
        (OSError(errno.ENOSPC, "secret words"), "ENOSPC", "no space left on device"),
        (BrokenPipeError(errno.EPIPE, "secret words"), "EPIPE", "broken pipe"),
        (OSError(errno.EIO, "secret words"), "EIO", "input/output error"),
        (OSError(errno.EXDEV, "secret words"), "EXDEV", "invalid cross-device link"),
        (socket.gaierror(socket.EAI_NONAME, "secret words"), NO_SUCH_NAME, "the name can't be resolved"),
        (socket.gaierror(socket.EAI_AGAIN, "secret words"), NO_SUCH_NAME, "the name can't be resolved"),
        (ssl_error("WRONG_VERSION_NUMBER"), NOT_TLS, "this port doesn't speak TLS"),
        (ssl_error("TLSV1_ALERT_UNKNOWN_CA"), None, ""),
        (OSError("secret words"), None, ""),
        (OSError(10_000, "secret words"), None, ""),
        (urllib.error.URLError(socket.gaierror(-2, "secret words")), NO_SUCH_NAME, "the name can't be resolved"),
        (ValueError(errno.ENOSPC), None, ""),
    ],
)
def test_the_fault_is_named(error: BaseException, fault: str | None, words: str) -> None:
    assert (system_fault(error), system_words(error)) == (fault, words)


def test_another_error_that_came_up_meanwhile_says_nothing() -> None:
    error = ValueError("secret words")
    error.__context__ = OSError(errno.ENOSPC, "secret words")
    assert system_fault(error) is None


def test_a_chain_without_an_end_ends() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert system_fault(one) is None


def test_what_is_no_name_of_a_fault_has_no_words() -> None:
    assert fault_words("SECRET") == ""


def test_the_log_has_the_words_and_no_others() -> None:
    assert described(OSError(errno.ENOSPC, "secret words"))["errno"] == "no space left on device"
    assert "errno" not in described(ValueError("secret words"))
    assert FIELDS["errno"][0] is FAULT_WORDS
    assert passed("errno", "no space left on device") == "no space left on device"
    assert passed("errno", "secret words") == REFUSED
