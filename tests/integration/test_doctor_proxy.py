"""`login doctor` behind a proxy: which of the two refuses, the proxy or the server, and who mends it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.ports import free_port
from tests.rig.refusing_proxy import RefusingProxy, Script
from tests.rig.squid import FORBIDDEN, PASSWORD, USER, Squid
from tests.rig.tls import Authority
from tests.rig.token_endpoint import TokenEndpoint
from tests.rig.worker import Worker

MakeWorker = Callable[..., Worker]


@pytest.fixture(scope="module")
def squid(authority: Authority) -> Iterator[Squid]:
    with Squid(authority) as server:
        yield server


def behind(worker: Worker, url: str, password: str = PASSWORD, **more: Any) -> None:
    file = worker.folder / "proxy-password"
    file.touch(mode=0o600)
    file.write_text(password)
    worker.configure(proxy={"url": url, "username": USER, "password_file": str(file), "no_proxy": [], **more})


def steps(worker: Worker) -> tuple[int, dict[str, dict[str, Any]]]:
    answer = worker.command("login", "doctor", "--json")
    assert PASSWORD not in answer.out + answer.err
    return answer.code, {step["step"]: step for step in json.loads(answer.out)["steps"]}


def test_the_way_through_it(dovecot: Mailbox, make_worker: MakeWorker, squid: Squid) -> None:
    worker = make_worker()
    behind(worker, squid.url)
    code, found = steps(worker)
    assert code == 0
    assert list(found)[:3] == ["proxy", "mail-tls", "capabilities"]
    assert found["proxy"]["found"] == (f"The proxy 127.0.0.1:{squid.port} leads to localhost:{dovecot.port} ([proxy]).")


@pytest.mark.parametrize(
    ("change", "says", "who", "do"),
    [
        (
            {"password": "Not-The-Word-55"},
            "doesn't accept the user name and password of [proxy] (HTTP 407)",
            "account",
            "and restart the worker",
        ),
        (
            {"port": FORBIDDEN},
            "doesn't allow connections to localhost:9 (HTTP 403)",
            "it must allow this server",
            "Its rules must let",
        ),
        ({"port": None}, "can't reach localhost", "if it lasts for an hour", "Ask for its log to be checked"),
        ({"gone": True}, "can't be reached (Connection refused)", "your network team", "Compare [proxy] url"),
    ],
)
def test_it_is_the_proxy_that_refuses(
    dovecot: Mailbox, make_worker: MakeWorker, squid: Squid, change: dict[str, Any], says: str, who: str, do: str
) -> None:
    worker = make_worker()
    url = f"http://127.0.0.1:{free_port()}" if change.get("gone") else squid.url
    behind(worker, url, change.get("password", PASSWORD))
    if "port" in change:
        worker.configure(account={"port": change["port"] or free_port()})
    code, found = steps(worker)
    assert code == 69
    assert found["proxy"]["state"] == "wrong"
    assert says in found["proxy"]["found"]
    whose = (
        ("The fault is on the way to the proxy, or in the proxy itself")
        if "gone" in change
        else "The proxy gave this answer"
    )
    assert f"{whose}: localhost was never reached" in found["proxy"]["found"]
    assert who in found["proxy"]["who"]
    assert do in found["proxy"]["do"]
    assert [name for name, step in found.items() if step["state"] == "wrong"] == ["proxy"]
    assert dovecot.history == []


def test_it_is_the_server_that_refuses(dovecot: Mailbox, make_worker: MakeWorker, squid: Squid) -> None:
    dovecot.set_password("Another-Harbour-93")
    worker = make_worker()
    behind(worker, squid.url)
    code, found = steps(worker)
    assert code == 75
    assert found["proxy"]["state"] == "ok"
    assert [name for name, step in found.items() if step["state"] == "wrong"] == ["login"]


def test_the_way_to_the_sign_in_service(
    dovecot: Mailbox, authority: Authority, make_worker: MakeWorker, squid: Squid
) -> None:
    """The mail server by one way, the service by the other: the step that fails is the service's."""
    with TokenEndpoint(authority) as endpoint, RefusingProxy(Script([b"HTTP/1.1 403 No\r\n\r\n"])) as refusing:
        worker = make_worker()
        oauth = {"tenant": "t", "client_id": "c", "authority": endpoint.url}
        tables: dict[str, Any] = {"account": {"auth": "oauth2-device", "password_file": None}, "account.oauth": oauth}
        worker.configure(**tables)
        behind(worker, f"http://127.0.0.1:{refusing.port}", no_proxy=[f"localhost:{dovecot.port}"])
        code, found = steps(worker)
    assert code == 69
    assert (found["mail-dns"]["state"], found["mail-port"]["state"]) == ("ok", "ok")
    assert found["sign-in-proxy"]["state"] == "wrong"
    assert "proxy" not in found
    assert "sign-in-dns" not in found
    assert "(HTTP 403)" in found["sign-in-proxy"]["found"]


def test_people_read_whom_to_ask(make_worker: MakeWorker, squid: Squid) -> None:
    worker = make_worker()
    behind(worker, squid.url, "Not-The-Word-55")
    answer = worker.command("login", "doctor")
    assert "whoever runs the proxy, for the account that [proxy] names" in " ".join(answer.out.replace("`", "").split())


def test_a_name_that_is_looked_up_here_and_has_no_address(make_worker: MakeWorker) -> None:
    worker = make_worker()
    with RefusingProxy(Script([b"\x05\x00"])) as proxy:
        behind(worker, f"socks5://127.0.0.1:{proxy.port}")
        worker.configure(account={"host": "mail.invalid"})
        code, found = steps(worker)
    assert code == 69
    assert [name for name, step in found.items() if step["state"] == "wrong"] == ["proxy"]
    assert found["proxy"]["found"].startswith("The name mail.invalid can't be resolved here, ")
    assert "write socks5h:// in [proxy] url" in found["proxy"]["do"]


def test_no_command_that_goes_past_the_proxy_is_recommended(make_worker: MakeWorker, squid: Squid) -> None:
    worker = make_worker()
    behind(worker, squid.url)
    worker.configure(account={"ca_file": None})
    code, found = steps(worker)
    assert code == 69
    assert "isn't trusted" in found["mail-tls"]["found"]
    assert found["mail-tls"]["exactly"] == []
