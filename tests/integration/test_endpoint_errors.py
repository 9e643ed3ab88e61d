"""Every error of the table, as the token endpoint answers it, and what a person is then told."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_oauth import ACCOUNT, Flow, authorise, source
from tests.rig.tls import Authority
from tests.rig.token_endpoint import DESCRIPTION, TokenEndpoint, tokens
from tests.unit.login.world import World
from worker.login.advice import Help
from worker.login.endpoint_errors import NAMED, NAMED_WITH_PASSWORD, NUMBERED, Row
from worker.login.oauth import OAuthSource
from worker.login.refusals import NoAttempt
from worker.login.sign_in_advice import not_signed_in
from worker.login.standing import State
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import HALTING, FailureClass

HELP = Help("the LA on 1234", "5678")
HOST = "login.example"
NUMBER = 12345


@pytest.fixture(scope="module")
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(authority) as found:
        yield found


def answer_of(row: Row, *, number: int | None = None) -> tuple[int, dict[str, Any]]:
    """A row as the endpoint answers it; number: another that stands in it."""
    shown = row.number if row.number is not None else number
    body: dict[str, Any] = {"error": row.error}
    if shown is not None:
        body |= {"error_description": DESCRIPTION.format(number=shown), "error_codes": [shown]}
    return 401 if row.error == "invalid_client" else 400, body


def told(found: OAuthSource, endpoint: TokenEndpoint, answer: tuple[int, dict[str, Any]]) -> tuple[LoginFailed, World]:
    """One attempt by a guard, whose `advice` says what a person is told."""
    world = World(help=HELP)
    world.processes[0][0].source = found
    endpoint.answers = [answer]
    with pytest.raises(LoginFailed) as caught, world.processes[0][1].attempt() as attempt:
        attempt.credential()
    return caught.value, world


def text_of(world: World) -> str:
    with suppress(NoAttempt), world.processes[0][1].attempt():
        pass
    return world.processes[0][1].advice()


def check_text(text: str, row: Row, number: int | None) -> None:
    assert text.startswith(row.meaning), text
    assert f"No mail of {ACCOUNT} is read meanwhile. It is safe in the mailbox." in text
    words = [row.error, *([f"AADSTS{number}"] if number is not None else [])]
    assert f"The sign-in service answered: {', '.join(words)}." in text
    assert "over IMAP" not in text
    assert "unclear" not in text
    unknown = number is not None and number != row.number
    assert (f"https://login.microsoftonline.com/error?code={NUMBER}" in text) is unknown
    halted = "The worker makes no further attempt on its own." in text
    assert halted is (row.cls in HALTING)
    if halted:
        assert text.rpartition("by itself.")[2].strip()  # what to do


def provoked(found: OAuthSource, endpoint: TokenEndpoint, row: Row, number: int | None) -> str:
    """What a person is told of a row that a flow is answered with."""
    failed, world = told(found, endpoint, answer_of(row, number=number))
    text = text_of(world)
    with_password = failed.failure.kind == "password"
    token = FailureClass.TOKEN_REJECTED if row.cls is FailureClass.REJECTED else row.cls
    assert failed.failure.cls is (row.cls if with_password else token)
    standing = world.processes[0][1].status().standing
    assert standing.failures == (1 if with_password and row.counts else 0)
    assert (standing.state is State.HALTED) is (failed.failure.cls in HALTING)
    return text


ROWS = [(row, row.number) for row in NUMBERED] + [(row, number) for row in NAMED for number in (None, NUMBER)]
BY_TOKEN = pytest.mark.parametrize(("row", "number"), ROWS, ids=lambda one: str(getattr(one, "error", one)))


@BY_TOKEN
def test_each_error_without_the_password(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, row: Row, number: int | None
) -> None:
    text = provoked(source(endpoint, authority, tmp_path), endpoint, row, number)
    check_text(text, row, number)


BY_PASSWORD = {row.error: row for row in [*NAMED, *NAMED_WITH_PASSWORD]}


@pytest.mark.slow
@BY_TOKEN
def test_each_error_to_the_password(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, row: Row, number: int | None
) -> None:
    meant = BY_PASSWORD[row.error] if row.number is None else row
    text = provoked(source(endpoint, authority, tmp_path, "oauth2-password"), endpoint, meant, number)
    check_text(text, meant, number)
    assert ("Left for the worker: 7" in text) is meant.counts


@pytest.mark.long
@BY_TOKEN
def test_each_error_to_a_kept_sign_in(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, row: Row, number: int | None
) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-device", refresh_ahead=7200.0)
    authorise(endpoint, found)
    text = provoked(found, endpoint, row, number)
    check_text(text, row, number)
    assert ("`nhsmail-worker login authorise`" in text) or row.cls is not FailureClass.SIGN_IN_AGAIN


@pytest.mark.long
@BY_TOKEN
def test_each_error_to_a_sign_in_by_a_person(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, row: Row, number: int | None
) -> None:
    if row.error in {"authorization_pending", "slow_down"}:
        endpoint.device = {"expires_in": 1, "interval": 1}
    text = refused_by_device(source(endpoint, authority, tmp_path, "oauth2-device"), endpoint, row, number)
    endpoint.device = {}
    assert "Nothing was kept, and no attempt was spent." in text
    assert "`nhsmail-worker login authorise`" in text
    assert "over IMAP" not in text


def refused_by_device(found: OAuthSource, endpoint: TokenEndpoint, row: Row, number: int | None) -> str:
    """What `login authorise` says where a sign-in by device code ends with a row."""
    endpoint.answers = [answer_of(row, number=number)] * 20
    with pytest.raises(LoginFailed) as caught:
        found.authorise(lambda _said: None)
    return not_signed_in(caught.value.failure, HELP, account=ACCOUNT, authority=HOST)


def test_an_error_that_nobody_knows_is_looked_up(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    answer = (400, {"error": "odd_thing", "error_codes": [NUMBER]})
    _, world = told(source(endpoint, authority, tmp_path), endpoint, answer)
    text = text_of(world)
    assert text.startswith("The sign-in service refused, and the reason isn't known. ")
    assert f"answered: AADSTS{NUMBER}." in text
    assert f"look it up at https://login.microsoftonline.com/error?code={NUMBER}." in text
    assert "and quote this message." in text
    assert "odd_thing" not in text


def test_an_answer_without_any_error_is_told_as_what_it_is(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    flows: tuple[tuple[Flow, str], ...] = (("oauth2-client", "a proxy answers"), ("oauth2-password", "it counts"))
    for flow, said in flows:
        _, world = told(source(endpoint, authority, tmp_path, flow), endpoint, (403, {}))
        text = text_of(world)
        assert text.startswith("The sign-in service's address answered without an OAuth error: HTTP 403.")
        assert said in text


@pytest.mark.parametrize("number", [NUMBER, 700082])
def test_a_sign_in_that_is_over_is_made_anew_by_the_password_whatever_its_number(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, number: int
) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-password")
    endpoint.answers = [tokens("access-1", user=ACCOUNT)]
    found.candidate().obtain(refresh=False)
    row = next(row for row in NAMED if row.error == "invalid_grant")
    world = World(help=HELP)
    world.processes[0][0].source = found
    endpoint.answers = [answer_of(row, number=number)]
    with pytest.raises(LoginFailed), world.processes[0][1].attempt():
        found.candidate().obtain(refresh=True)
    assert found.candidate().kind == "password"
    endpoint.answers = [tokens("access-2", user=ACCOUNT)]
    assert found.candidate().obtain(refresh=False).secret == "access-2"
