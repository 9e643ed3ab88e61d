"""`alerts test`, and `check`, against every kind of peer: what a person is told, and what the account pays for it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.rig.bad_servers import ELSEWHERE
from tests.rig.https import Answer, HttpsServer
from tests.rig.smtp import SmtpServer
from tests.rig.tls import HOST, Authority
from tests.rig.token_endpoint import TokenEndpoint, refusal, tokens
from tests.rig.worker import Worker, eventually
from worker.logs.redaction import Secret
from worker.observe.bounded_channel import BoundedChannel
from worker.observe.channels import Relay, Webhook
from worker.observe.delivery import NotSent
from worker.observe.news import News
from worker.observe.send_failure import Why
from worker.observe.trial_alert import TrialAlert

MakeWorker = Callable[..., Worker]
TOKEN = "eyJ0eXAi.of-the-application.9f"
SENDING = "https://outlook.office.com/SMTP.Send"
READING = "https://outlook.office.com/IMAP.AccessAsUser.All"
PATH = "/hooks/s3cr3t-of-the-webhook/x7"


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(authority) as found:
        yield found


@pytest.fixture
def everybody_trusts(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    """Webhooks trust the system's authorities alone."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))


def by_oauth(worker: Worker, endpoint: TokenEndpoint, authority: Authority, flow: str = "oauth2-client") -> str:
    """Let the worker sign in by this flow. Returns the account's address."""
    oauth: dict[str, Any] = {"tenant": "tenant", "client_id": "client", "authority": endpoint.url}
    if flow == "oauth2-client":
        path = worker.folder / "client-secret"
        path.touch(mode=0o600)
        path.write_text("application-secret")
        oauth["client_secret_file"] = str(path)
    account: dict[str, Any] = {"auth": flow, "ca_file": str(authority.ca_file)}
    if flow != "oauth2-password":
        account["password_file"] = None
    worker.configure(**{"account": account, "account.oauth": oauth})
    return str(worker.settings["account"]["address"])


def submission(server: SmtpServer, authority: Authority) -> dict[str, dict[str, Any]]:
    table = {"host": HOST, "port": server.port, "to": ["duty.team@nhs.net"], "ca_file": str(authority.ca_file)}
    return {"alerts.submission": table}


def relay(server: SmtpServer, authority: Authority) -> dict[str, dict[str, Any]]:
    return {
        "alerts.relay": {
            "host": HOST,
            "port": server.port,
            "from": "nhsmail-worker@trust.nhs.uk",
            "to": ["duty.team@nhs.net"],
            "ca_file": str(authority.ca_file),
        }
    }


def webhooks(worker: Worker, server: HttpsServer, *forms: str) -> dict[str, dict[str, Any]]:
    table = {}
    for form in forms:
        path = worker.folder / f"{form}-url"
        path.touch(mode=0o600)
        path.write_text(f"https://{HOST}:{server.port}{PATH}")
        table[f"{form}_webhook_file"] = str(path)
    return {"alerts": table}


def sent(worker: Worker, code: int) -> dict[str, dict[str, Any]]:
    answer = worker.command("alerts", "test", "--json")
    assert answer.code == code, answer
    assert TOKEN not in answer.out + answer.err
    assert "s3cr3t" not in answer.out + answer.err
    return {one["channel"]: one for one in json.loads(answer.out)}


def attempts(worker: Worker) -> list[Any]:
    return worker.rows("SELECT * FROM attempt")


@pytest.mark.usefixtures("everybody_trusts")
def test_one_alert_goes_out_by_each_way_and_each_ones_words_come_back(
    make_worker: MakeWorker, endpoint: TokenEndpoint, authority: Authority
) -> None:
    worker = make_worker()
    address = by_oauth(worker, endpoint, authority)
    endpoint.answers = [tokens(TOKEN, refresh=None)]
    with ExitStack() as stack:
        hooks = stack.enter_context(HttpsServer(authority, after=Answer(202, body=b"1")))
        open_to_all = stack.enter_context(SmtpServer(authority.server_context()))
        server = stack.enter_context(SmtpServer(authority.server_context(), tokens=(TOKEN,), user=address))
        worker.configure(
            **webhooks(worker, hooks, "teams", "slack", "json"),
            **relay(open_to_all, authority),
            **submission(server, authority),
        )
        answer = worker.command("alerts", "test")
        assert answer.code == 0, answer
        assert answer.out.splitlines() == [
            *("teams-webhook: accepted", "  It said: HTTP 202 Accepted: 1"),
            *("slack-webhook: accepted", "  It said: HTTP 202 Accepted: 1"),
            *("json-webhook: accepted", "  It said: HTTP 202 Accepted: 1"),
            "relay: accepted",
            "  It said: 250 2.0.0 OK <1@smtp.example> [Hostname=SMTP.example] Queued mail for delivery",
            "submission: accepted",
            "  It said: 250 2.0.0 OK <1@smtp.example> [Hostname=SMTP.example] Queued mail for delivery",
        ]  # fmt: skip
    assert len(hooks.requests) == 3
    assert json.loads(hooks.requests[2].body)["rule"] == "trial"
    assert [taken.sender for taken in open_to_all.taken + server.taken] == ["nhsmail-worker@trust.nhs.uk", address]
    assert endpoint.forms[-1]["scope"].split()[0] == "https://outlook.office365.com/.default"
    assert attempts(worker) == [], "no attempt of the login"


def test_without_a_way_nothing_can_be_tested(make_worker: MakeWorker) -> None:
    answer = make_worker().command("alerts", "test")
    assert (answer.code, answer.out) == (78, "")
    assert answer.err.startswith("No way for alerts is set, so nobody gets an alert when the worker stops.")


@pytest.mark.usefixtures("everybody_trusts")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(400, body=b"invalid_payload at /hooks/s3cr3t-of-the-webhook/x7"), Why.BAD_REQUEST),
        (Answer(401), Why.FORBIDDEN),
        (Answer(403, body=b"invalid_token"), Why.FORBIDDEN),
        (Answer(404, body=b"no_service"), Why.GONE),
        (Answer(410, body=b"channel_is_archived"), Why.GONE),
        (Answer(429, headers={"Retry-After": "30"}), Why.THROTTLED),
        (Answer(500, body=b"\x1b[2Jrollback_error"), Why.SERVER_FAULT),
        (Answer(302, headers={"Location": "https://login.example/s3cr3t"}), Why.REDIRECTED),
        (Answer(reset_after=True), Why.DROPPED),
        (Answer(garbage=True), Why.DROPPED),
    ],
)
def test_what_a_webhook_refuses_is_told(
    make_worker: MakeWorker, authority: Authority, answer: Answer, why: Why
) -> None:
    worker = make_worker()
    with HttpsServer(authority, after=answer) as server:
        worker.configure(**webhooks(worker, server, "teams"))
        found = sent(worker, 1)["teams-webhook"]
    assert found["cause"] == why
    assert (found["status"] is None) is (why is Why.DROPPED)
    assert found["happened"].startswith("The webhook of [alerts] teams_webhook ")
    assert found["means"]
    assert found["do"]
    if why is Why.SERVER_FAULT:
        assert found["said"] == "HTTP 500 Internal Server Error: \\u001b[2Jrollback_error"
    if why is Why.BAD_REQUEST:
        assert found["said"] == "HTTP 400 Bad Request: invalid_payload at …"


def test_a_webhook_that_is_not_there_or_not_trusted_is_told(
    make_worker: MakeWorker, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_worker()
    with HttpsServer(authority, names=("other.example",)) as server:
        worker.configure(**webhooks(worker, server, "json"))
        assert sent(worker, 1)["json-webhook"]["cause"] == Why.NOT_TRUSTED
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        assert sent(worker, 1)["json-webhook"]["cause"] == Why.WRONG_NAME
    assert sent(worker, 1)["json-webhook"]["cause"] == Why.UNREACHABLE
    assert server.requests == []


@pytest.mark.usefixtures("everybody_trusts")
def test_one_way_that_fails_keeps_nothing_from_the_others(
    make_worker: MakeWorker, endpoint: TokenEndpoint, authority: Authority
) -> None:
    worker = make_worker()
    address = by_oauth(worker, endpoint, authority)
    endpoint.answers = [refusal(65001), tokens(TOKEN, refresh=None)]
    with ExitStack() as stack:
        hooks = stack.enter_context(HttpsServer(authority, after=Answer(403)))
        server = stack.enter_context(SmtpServer(authority.server_context(), tokens=(TOKEN,), user=address))
        open_to_all = stack.enter_context(SmtpServer(authority.server_context()))
        worker.configure(
            **webhooks(worker, hooks, "slack"), **submission(server, authority), **relay(open_to_all, authority)
        )
        found = sent(worker, 1)
        assert {name: one["cause"] for name, one in found.items()} == {
            "slack-webhook": Why.FORBIDDEN,
            "relay": "",
            "submission": Why.TOKEN_REFUSED,
        }
        assert "invalid_grant, AADSTS65001" in found["submission"]["said"]
        assert "SMTP.SendAsApp" in found["submission"]["do"]
        found = sent(worker, 1)  # a person waits for nothing
        assert found["submission"]["accepted"]
    assert attempts(worker) == []


def test_a_halted_login_sends_nothing_and_asks_for_no_token(
    make_worker: MakeWorker, endpoint: TokenEndpoint, authority: Authority
) -> None:
    worker = make_worker()
    address = by_oauth(worker, endpoint, authority)
    endpoint.answers = [refusal(7000215, "invalid_client", 401)]
    with SmtpServer(authority.server_context(), tokens=(TOKEN,), user=address) as server:
        worker.configure(**submission(server, authority))
        assert worker.command("check", "--connect").code == 77
        before = (attempts(worker), len(endpoint.forms))
        found = sent(worker, 1)["submission"]
    assert found["cause"] == Why.LOGIN_HALTED
    assert "login status" in found["do"]
    assert (attempts(worker), len(endpoint.forms)) == before
    assert (server.signed_in, server.taken) == ([], [])


@pytest.mark.parametrize("said", ["535 5.7.139 SmtpClientAuthentication is disabled for the Tenant.", "535 5.7.3 no"])
def test_a_refused_token_leaves_the_login_as_it_was(
    make_worker: MakeWorker, endpoint: TokenEndpoint, authority: Authority, said: str
) -> None:
    worker = make_worker()
    address = by_oauth(worker, endpoint, authority)
    endpoint.answers = [tokens(TOKEN, refresh=None) for _ in range(3)]
    with SmtpServer(authority.server_context(), tokens=(TOKEN,), user=address, answers={"AUTH": said}) as server:
        worker.configure(**submission(server, authority))
        before = worker.status()["login"]
        for _ in range(3):
            found = sent(worker, 1)["submission"]
            assert found["status"] == 535
        assert worker.status()["login"] == before
    assert attempts(worker) == []
    assert worker.rows("SELECT value FROM fact WHERE name = 'kept.alerts.submission'")[0][0].startswith("[3, ")
    assert address in found["do"]


def device_sign_in(worker: Worker, endpoint: TokenEndpoint, address: str) -> None:
    endpoint.answers = [tokens("access-1", user=address)]
    answer = worker.command("login", "authorise")
    assert answer.code == 0, answer


def test_a_sign_in_asks_for_sending_and_an_older_one_is_told_to_sign_in_again(
    make_worker: MakeWorker, endpoint: TokenEndpoint, authority: Authority
) -> None:
    worker = make_worker()
    address = by_oauth(worker, endpoint, authority, "oauth2-device")
    device_sign_in(worker, endpoint, address)
    assert SENDING not in endpoint.forms[0]["scope"]
    with SmtpServer(authority.server_context(), tokens=("access-2",), user=address) as server:
        worker.configure(**submission(server, authority))
        asked = len(endpoint.forms)
        found = sent(worker, 1)["submission"]
        assert found["cause"] == Why.NO_SIGN_IN
        assert "allows only reading" in found["said"]
        assert "login authorise" in found["do"]
        answer = worker.command("check")
        assert answer.code == 1
        assert "[alerts.submission] can send nothing yet: The stored sign-in allows only reading." in answer.out
        assert len(endpoint.forms) == asked, "the sign-in service isn't asked in vain"
        device_sign_in(worker, endpoint, address)
        assert {READING, SENDING} <= set(endpoint.forms[asked]["scope"].split())
        endpoint.answers = [tokens("access-2", refresh="refresh-2", user=address)]
        worker.command("alerts", "test")  # it may use the sign-in's own token, which this server doesn't know
        sent(worker, 0)
        assert "can send nothing yet" not in worker.command("check").out
    assert server.taken[-1].as_user == address
    assert attempts(worker) == []


def test_a_refused_sign_in_says_that_it_asked_for_sending_too(
    make_worker: MakeWorker, endpoint: TokenEndpoint, authority: Authority
) -> None:
    worker = make_worker()
    by_oauth(worker, endpoint, authority, "oauth2-device")
    with SmtpServer(authority.server_context()) as server:
        for also in (False, True):
            worker.configure(**(submission(server, authority) if also else {}))
            endpoint.answers = [refusal(65001)]
            answer = worker.command("login", "authorise")
            assert answer.code == 78, answer
            assert ("The sign-in also asked for SMTP.Send" in answer.err) is also


class Once(dict[str, str]):
    """Answers that are given once."""

    def get(self, step: str, default: Any = None) -> Any:
        return self.pop(step, default)


@pytest.mark.usefixtures("everybody_trusts")
def test_a_running_worker_tells_by_one_way_at_once_and_by_the_other_once_it_is_back(
    make_worker: MakeWorker, authority: Authority
) -> None:
    worker = make_worker()
    once = Once(MAIL="451 4.7.1 try later")
    with HttpsServer(authority) as hooks, SmtpServer(authority.server_context(), answers=once) as server:
        worker.configure(**webhooks(worker, hooks, "json"), **relay(server, authority))
        worker.configure(alerts={"every": "0.2s", "paused_for": "0.5s"})
        running = worker.process("run")
        try:
            eventually(lambda: "worker.started" in worker.process_log)
            assert worker.command("pause", "--reason", "a new archive").code == 0
            eventually(lambda: server.taken)
            assert worker.command("resume").code == 0
            eventually(lambda: len(hooks.requests) == 2 and len(server.taken) == 2)
        finally:
            running.terminate()
            running.wait(30)
    told = [json.loads(request.body) for request in hooks.requests]
    assert [(one["rule"], one["state"]) for one in told] == [("paused", "firing"), ("paused", "resolved")]
    lines = [json.loads(line) for line in worker.process_log.splitlines()]
    [failed] = [line for line in lines if line["event"] == "alert.not_sent"]
    assert (failed["sender"], failed["status"], failed["cause"]) == ("relay", 451, "throttled")


@pytest.mark.usefixtures("everybody_trusts")
def test_a_webhook_that_never_ends_its_answer_holds_nothing_else(authority: Authority) -> None:
    news = TrialAlert("pathology.results@nhs.net", datetime(2026, 11, 27, 22, 0, tzinfo=UTC))
    with HttpsServer(authority, after=Answer(drip="head")) as hooks, SmtpServer(authority.server_context()) as server:
        hook = Webhook("json-webhook", Secret(f"https://{HOST}:{hooks.port}{PATH}"))
        mail = Relay(
            "relay",
            HOST,
            server.port,
            sender="nhsmail-worker@trust.nhs.uk",
            to=["duty.team@nhs.net"],
            ca_file=authority.ca_file,
        )
        slow, well = BoundedChannel[News](hook, patience=0.5), BoundedChannel[News](mail, patience=30)
        for why in (Why.SLOW, Why.STILL_SENDING):
            with pytest.raises(NotSent) as caught:
                slow.send(news)
            assert caught.value.why is why
            assert well.send(news)
    for thread in threading.enumerate():
        if thread.name == "alert-json-webhook":
            thread.join(10)
    hook.close()
    assert (len(hooks.requests), len(server.taken)) == (1, 2)


def test_the_accounts_password_is_never_sent_to_be_able_to_send(
    make_worker: MakeWorker, endpoint: TokenEndpoint, authority: Authority
) -> None:
    worker = make_worker()
    address = by_oauth(worker, endpoint, authority, "oauth2-password")
    with SmtpServer(authority.server_context(), tokens=(TOKEN,), user=address) as server:
        worker.configure(**submission(server, authority))
        assert sent(worker, 1)["submission"]["cause"] == Why.NO_SIGN_IN
    assert (endpoint.forms, server.signed_in, attempts(worker)) == ([], [], [])


@pytest.mark.parametrize("more", [False, True])
def test_check_warns_where_a_halted_login_would_silence_every_alert(
    make_worker: MakeWorker, endpoint: TokenEndpoint, authority: Authority, *, more: bool
) -> None:
    worker = make_worker()
    by_oauth(worker, endpoint, authority)
    with SmtpServer(authority.server_context(), tokens=(TOKEN,)) as server:
        worker.configure(**submission(server, authority), **(relay(server, authority) if more else {}))
        answer = worker.command("check")
    assert answer.code == (0 if more else 1), answer
    assert ("[alerts.submission] is the only way for alerts" in answer.out) is not more


@pytest.mark.parametrize("offers", [True, False])
def test_check_greets_the_server_and_signs_in_nowhere(
    make_worker: MakeWorker, endpoint: TokenEndpoint, authority: Authority, *, offers: bool
) -> None:
    worker = make_worker()
    by_oauth(worker, endpoint, authority)
    endpoint.answers = [refusal(90033, "temporarily_unavailable", 503)]
    with SmtpServer(authority.server_context(), tokens=(TOKEN,), offers=offers) as server:
        worker.configure(**submission(server, authority))
        answer = worker.command("check", "--connect")
    said = "can be used for alerts. The sign-in wasn't tried" if offers else "offers no sign-in by token (XOAUTH2)"
    assert said in answer.out
    assert (server.signed_in, server.connections) == ([], 1)


def test_a_relay_in_clear_text_is_told(make_worker: MakeWorker, authority: Authority) -> None:
    worker = make_worker()
    with SmtpServer(None) as server:
        table = relay(server, authority)["alerts.relay"]
        worker.configure(**{"alerts.relay": {**table, "host": ELSEWHERE}})
        found = sent(worker, 1)["relay"]
    assert found["cause"] == Why.NO_STARTTLS
    assert found["do"].endswith("add this line to [alerts.relay]: allow_clear = true")
    assert server.taken == []
