"""Which exceptions say that what a handler talks to is down, and which may be a message's own."""

import asyncio
import errno
import gzip
import http.client
import os
import socket
import ssl
import subprocess
import tarfile
import urllib.error
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from worker.handling.outage import ERRNOS, is_outage
from worker.message.outcome import Retry


class Away(Exception):
    """What a handler declares."""


class StillAway(Away): ...


def raised(do: Callable[[], object]) -> BaseException:
    try:
        do()
    except BaseException as error:  # noqa: BLE001 -- it is what we want
        return error
    raise AssertionError("nothing was raised")


def from_(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def while_handling(error: BaseException, other: BaseException) -> BaseException:
    error.__context__ = other
    return error


def silent_peer(use: Callable[[socket.socket], object]) -> Callable[[], object]:
    """What is raised by the use of a socket whose peer says nothing."""

    def do() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(0.01)
            use(ours)

    return do


def shake_hands(peer: socket.socket) -> None:
    ssl.create_default_context().wrap_socket(peer, server_hostname="example.org")


ADDRESS = httpx.Request("GET", "https://example.org")

OUTAGES: list[BaseException] = [
    ConnectionError(),
    ConnectionRefusedError(),
    BrokenPipeError(),
    http.client.RemoteDisconnected("x"),
    socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    ssl.SSLError(1, "handshake failure"),
    ssl.SSLCertVerificationError(1, "certificate verify failed"),
    *(OSError(number, os.strerror(number)) for number in sorted(ERRNOS)),
    raised(silent_peer(lambda peer: peer.recv(1))),
    raised(silent_peer(shake_hands)),
    Retry(),
    Retry("not now", after=timedelta(minutes=5)),
    Away(),
    StillAway(),
    httpx.ConnectError("x"),
    httpx.ReadTimeout("x"),
    httpx.RemoteProtocolError("x"),
    httpx.ProxyError("x"),
    requests.exceptions.ConnectionError(),
    requests.exceptions.ReadTimeout(),
    requests.exceptions.SSLError(),
    requests.exceptions.ChunkedEncodingError(),
    urllib3.exceptions.ProtocolError("x"),
    urllib3.exceptions.NameResolutionError("x", None, socket.gaierror()),  # type: ignore[arg-type] # never used
    urllib3.exceptions.ReadTimeoutError(None, None, "x"),  # type: ignore[arg-type] # never used
    urllib3.exceptions.MaxRetryError(None, "x"),  # type: ignore[arg-type] # never used
    urllib.error.URLError(ConnectionRefusedError()),
    from_(RuntimeError(), ConnectionResetError()),
    from_(ValueError(), from_(KeyError(), Away())),
    ExceptionGroup("x", [ConnectionRefusedError(), OSError(errno.ENETUNREACH, "x")]),
]

OWN: list[BaseException] = [
    ValueError(),
    KeyError(),
    UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
    MemoryError(),
    RecursionError(),
    SystemExit(),
    asyncio.CancelledError(),
    OSError(),
    OSError("no number"),
    raised(lambda: gzip.decompress(b"hostile")),
    raised(lambda: zlib.decompress(b"hostile")),
    raised(lambda: zipfile.ZipFile(Path(__file__))),
    raised(lambda: tarfile.TarFile(Path(__file__))),
    raised(lambda: Path("x" * 300).write_text("")),
    raised(lambda: Path("/nowhere/at/all").read_bytes()),
    raised(lambda: Path("a\0b").read_bytes()),
    raised(lambda: subprocess.run(["sleep", "9"], timeout=0.001, check=False)),
    raised(lambda: asyncio.run(asyncio.wait_for(asyncio.sleep(9), 0.001))),
    TimeoutError(),
    TimeoutError("the table took too long"),
    PermissionError(errno.EACCES, "x"),
    FileExistsError(errno.EEXIST, "x"),
    Retry("unscannable", this_message=True),
    from_(RuntimeError(), Retry(this_message=True)),
    httpx.LocalProtocolError("a subject as a header"),
    httpx.DecodingError("x", request=ADDRESS),
    httpx.HTTPStatusError("500", request=ADDRESS, response=httpx.Response(500)),
    requests.exceptions.InvalidHeader(),
    requests.exceptions.HTTPError(),
    urllib3.exceptions.LocationParseError("x"),
    urllib.error.URLError("unknown url type"),
    urllib.error.HTTPError("https://example.org", 500, "x", http.client.HTTPMessage(), None),
    while_handling(ValueError(), ConnectionResetError()),  # the connection was made anew; then the message was bad
    from_(ValueError(), gzip.BadGzipFile()),
    ExceptionGroup("x", [ConnectionRefusedError(), ValueError()]),
]


def _named(error: BaseException) -> str:
    """The same in each run: what a time-out says isn't."""
    return type(error).__name__


@pytest.mark.parametrize("error", OUTAGES, ids=_named)
def test_these_say_that_the_target_is_down(error: BaseException) -> None:
    assert is_outage(error, (Away,))


@pytest.mark.parametrize("error", OWN, ids=_named)
def test_these_may_be_the_messages_own(error: BaseException) -> None:
    assert not is_outage(error, (Away,))


def test_no_error_number_is_one_but_those_that_are_named() -> None:
    named = {errno.errorcode[number] for number in ERRNOS}
    for number, name in errno.errorcode.items():
        transport = isinstance(OSError(number, ""), ConnectionError)
        assert is_outage(OSError(number, "")) is (name in named or transport)
    assert not named & {"ENAMETOOLONG", "ENOENT", "EACCES", "EINVAL", "E2BIG", "EILSEQ", "EFBIG", "ENOMEM"}


def test_what_is_declared_counts_for_that_handler_alone() -> None:
    assert not is_outage(Away())
    assert is_outage(ValueError(), (ValueError,))


LEAVES = st.one_of(
    st.sampled_from([(kind, True) for kind in (ConnectionResetError, StillAway, ssl.SSLError)]),
    st.sampled_from([(kind, False) for kind in (ValueError, gzip.BadGzipFile, TimeoutError, OSError, MemoryError)]),
)


@st.composite
def chains(draw: st.DrawFn) -> tuple[BaseException, bool]:
    """An exception with causes, contexts and members of any depth, and whether it says that the target is down."""
    kind, outage = draw(LEAVES)
    error: BaseException = kind()
    for _ in range(draw(st.integers(0, 4))):
        wrapper, wrapper_says = draw(LEAVES)
        how = draw(st.sampled_from(["cause", "context", "hidden", "group", "own"]))
        around: BaseException = wrapper()
        if how == "cause":
            around.__cause__, outage = error, outage or wrapper_says
        elif how == "context":
            around.__context__, outage = error, wrapper_says
        elif how == "hidden":
            around.__context__, around.__suppress_context__, outage = error, True, wrapper_says
        elif how == "group":
            around, outage = BaseExceptionGroup("x", [error, around]), outage and wrapper_says
        else:
            around, outage = from_(Retry(this_message=True), error), False
        error = around
    return error, outage


@given(chains())
def test_a_chain_says_it_by_its_explicit_causes_and_a_group_by_all_its_members(
    chain: tuple[BaseException, bool],
) -> None:
    error, expected = chain
    assert is_outage(error, (Away,)) is expected


def test_chains_without_an_end_have_one() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert not is_outage(first)
    long: BaseException = ConnectionError()
    for _ in range(100_000):
        long = from_(ValueError(), long)
    assert not is_outage(long)
    wide = ExceptionGroup("x", [ConnectionError() for _ in range(1000)])
    with suppress(RecursionError):
        assert not is_outage(wide)
