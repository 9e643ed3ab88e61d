"""A name that can't be resolved and a port that doesn't speak TLS are said as such: mail server and sign-in."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.rig.worker import Worker
from worker.login.registration import OAuthConfig
from worker.login.token_endpoint import Conversation
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass

MakeWorker = Callable[..., Worker]


@pytest.fixture
def plain() -> Iterator[int]:
    """A port that greets in clear text, as 143 does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        connection.sendall(b"* OK IMAP4rev1 ready\r\n")
                        connection.recv(1000)

        threading.Thread(target=greet, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_plain_port_of_the_mail_server(make_worker: MakeWorker, plain: int) -> None:
    worker = make_worker()
    worker.configure(account={"host": "localhost", "port": plain})
    answer = worker.command("check", "--connect")
    assert answer.code == 69
    assert "localhost answers, but this port doesn't speak TLS." in answer.err
    (step,) = [line for line in worker.command("login", "doctor").out.splitlines() if "doesn't speak TLS" in line]
    assert f"localhost:{plain}" in step


def test_a_name_of_the_mail_server_that_nobody_knows(make_worker: MakeWorker) -> None:
    worker = make_worker()
    worker.configure(account={"host": "mail.invalid"}, poll={"reconnect": ["10ms"]})
    answer = worker.command("once")
    assert answer.code == 69
    assert answer.err.endswith("`getent hosts mail.invalid`.\n")
    assert {line["errno"] for line in worker.events("connection.lost")} == {"the name can't be resolved"}


@pytest.mark.parametrize("which", ["a name", "a port"])
def test_the_sign_in_service_likewise(which: str, plain: int) -> None:
    authority = "https://sign-in.invalid" if which == "a name" else f"https://localhost:{plain}"
    config = OAuthConfig("tenant", "client", authority)
    with pytest.raises(LoginFailed) as caught, Conversation(config, "token", None):
        pass
    failure = caught.value.failure
    words = {"a name": "the name can't be resolved", "a port": "this port doesn't speak TLS"}[which]
    assert (failure.cls, failure.said) == (FailureClass.LOST_BEFORE_SENDING, f"unreached: {words}")
