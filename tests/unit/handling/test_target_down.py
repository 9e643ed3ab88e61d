"""What a handler's constructor raises says whether it is worth trying again, or a person must change something."""

import errno
import socket
import sqlite3
import ssl
from datetime import timedelta
from urllib.error import HTTPError, URLError

import httpx
import kombu.exceptions
import psycopg
import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st

from worker.handling.target_down import NotThereYet, asked_wait, is_down, kind_of
from worker.message.outcome import LONGEST_AFTER, Reject, Retry

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
DOWN: list[BaseException] = [
    Retry("not yet"),
    NotThereYet("OperationalError", "", None),
    REFUSED,
    ConnectionResetError(),
    BrokenPipeError(),
    TimeoutError(),
    socket.gaierror(socket.EAI_AGAIN, "no such host"),
    OSError(errno.EHOSTUNREACH, "no route"),
    OSError(errno.ENETUNREACH, "no network"),
    OSError(errno.ESTALE, "stale"),
    ssl.SSLEOFError(8, "eof"),
    URLError(REFUSED),
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("too long"),
    kombu.exceptions.OperationalError("refused"),
    psycopg.OperationalError("starting up"),
    sqlalchemy.exc.OperationalError("", {}, psycopg.OperationalError("starting up")),
]
CONFIGURATION: list[BaseException] = [
    ValueError("no"),
    KeyError("no"),
    ImportError("no driver"),
    PermissionError(errno.EACCES, "no"),
    FileNotFoundError(errno.ENOENT, "no"),
    NotADirectoryError(errno.ENOTDIR, "no"),
    OSError("bare"),
    OSError(errno.ENAMETOOLONG, "no"),
    ssl.SSLError(1, "no such certificate"),
    ssl.SSLCertVerificationError(1, "not trusted"),
    ssl.SSLError(errno.ETIMEDOUT, "a number of the TLS library, not of the system"),
    URLError("unknown scheme"),
    HTTPError("http://x", 403, "no", None, None),  # type: ignore[arg-type]  # it takes no headers as well
    Reject("no"),
    psycopg.ProgrammingError("no such table"),
    sqlalchemy.exc.ArgumentError("no such URL"),
    sqlalchemy.exc.OperationalError("", {}, sqlite3.OperationalError("unable to open database file")),
    SystemExit(1),
]


class Own(Exception):
    """A handler's own exception."""


def wrapped(error: BaseException, times: int) -> BaseException:
    """The error as a handler's author may raise it: from another one."""
    for _ in range(times):
        outer = Own("can't begin")
        outer.__cause__ = error
        error = outer
    return error


@pytest.mark.parametrize("error", DOWN, ids=lambda error: f"{type(error).__name__}")
def test_what_isnt_there_yet_may_come(error: BaseException) -> None:
    assert is_down(error)


@pytest.mark.parametrize("error", CONFIGURATION, ids=lambda error: f"{type(error).__name__}")
def test_what_a_person_must_change_is_configuration(error: BaseException) -> None:
    assert not is_down(error)


@given(
    st.sampled_from([*((error, True) for error in DOWN), *((error, False) for error in CONFIGURATION)]),
    st.integers(0, 5),
)
def test_what_it_was_raised_from_decides(case: tuple[BaseException, bool], times: int) -> None:
    error, down = case
    assert is_down(wrapped(error, times)) is down


@given(st.one_of(st.none(), st.timedeltas(), st.integers(), st.text()))
def test_a_wait_that_was_asked_for_is_bounded(after: object) -> None:
    retry = Retry("later")
    retry.after = after  # type: ignore[assignment]  # a handler may set it to anything
    wait = asked_wait(retry)
    assert wait is None or timedelta(0) <= wait <= LONGEST_AFTER
    assert (wait is None) == (not isinstance(after, timedelta))


def test_of_an_error_in_a_child_process_the_class_is_known() -> None:
    assert kind_of(NotThereYet("OperationalError", "starting up", timedelta(seconds=5))) == "OperationalError"
    assert asked_wait(NotThereYet("Retry", "", timedelta(seconds=5))) == timedelta(seconds=5)
    assert kind_of(REFUSED) == "ConnectionRefusedError"
    assert asked_wait(REFUSED) is None


def test_a_chain_in_a_circle_ends() -> None:
    first, second = Own(), Own()
    first.__cause__, second.__cause__ = second, first
    assert not is_down(first)
