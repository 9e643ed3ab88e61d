"""What people are told of passwords and Exchange Online."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.login.world import ACCOUNT
from worker.login.advice import Help, advise
from worker.login.backoff import Lockout
from worker.login.credential import Auth
from worker.login.exchange_advice import FAILED, finding, is_its_refusal, not_sent
from worker.login.standing import Reason, Standing, State
from worker.logs.fields import FIELDS
from worker.mailbox.login_answers import classify_login_failure
from worker.mailbox.login_failures import FailureClass, Kind, Phase

HOST = "outlook.office365.com"
WHO = "your Local Administrator"


def said(answer: str) -> str:
    """The server's words as they are kept."""
    return classify_login_failure(kind="password", phase=Phase.SENT, status="NO", text=answer).said


def standing(reason: str, words: str = "LOGIN failed.", kind: Kind = "password") -> Standing:
    return Standing(State.COOLING, 1, 7, 4, 1_800_000_060.0, reason, kind=kind, said=said(words))


def halted(reason: str) -> Standing:
    return replace(standing(reason), state=State.HALTED, next_at=None, failures=8, remaining=0)


def told(found: Standing, *, exchange_online: bool = True, auth: Auth = "password") -> str:
    return advise(found, Lockout(), Help(), account=ACCOUNT, auth=auth, exchange_online=exchange_online)


@pytest.mark.parametrize("reason", [FailureClass.REJECTED, Reason.CREDENTIAL, Reason.BUDGET])
@pytest.mark.parametrize("words", ["LOGIN failed.", "AUTHENTICATE failed."])
def test_its_words_for_any_refused_password_are_told_for_what_they_most_likely_mean(reason: str, words: str) -> None:
    text = told(standing(reason, words))
    assert text.startswith(FAILED)
    assert "Set `auth` to an OAuth flow" in text
    assert f"Ask {WHO} whether IMAP is on" in text
    assert "correct the password" in text
    assert "Failed attempts that count: 1" in text


@pytest.mark.parametrize(
    ("found", "given"),
    [
        (standing(FailureClass.REJECTED), {"exchange_online": False}),
        (standing(FailureClass.REJECTED, "[AUTHENTICATIONFAILED] Authentication failed."), {}),
        (standing(FailureClass.LOCKED), {}),
        (standing(FailureClass.LOST_AFTER_SENDING), {}),
        (standing(FailureClass.TOKEN_REJECTED, "AUTHENTICATE failed.", "token"), {"auth": "oauth2-client"}),
        (standing(FailureClass.REJECTED), {"auth": "oauth2-password"}),
    ],
)
def test_other_words_other_servers_and_tokens_are_told_as_ever(found: Standing, given: dict[str, Any]) -> None:
    assert FAILED not in told(found, **given)


def test_a_token_is_no_password() -> None:
    assert not is_its_refusal(standing(FailureClass.REJECTED, kind="token"))


@pytest.mark.parametrize("reason", [Reason.CREDENTIAL, Reason.BUDGET])
def test_a_halt_by_a_limit_names_what_ends_it(reason: str) -> None:
    """The budget is spent whatever the password is, and the right one was tried as often while IMAP was off."""
    assert told(halted(reason)).endswith(
        f"ask {WHO} whether IMAP is on, then run `nhsmail-worker login reset --reason …`."
    )
    assert "login reset" not in told(standing(FailureClass.REJECTED))


def test_it_fits_into_a_line_of_the_log() -> None:
    account, host, pattern = f"{'a' * 40}@nhs.net", f"{'a' * 30}.outlook.com", FIELDS["advice"][0]
    texts = [not_sent(host, account, WHO)]
    texts += [
        advise(found, Lockout(), Help(), account=account, exchange_online=True)
        for found in (standing(FailureClass.REJECTED), halted(Reason.CREDENTIAL), halted(Reason.BUDGET))
    ]
    for text in texts:
        assert pattern.fullmatch(text), (len(text), text)  # type: ignore[union-attr] # a pattern


def test_what_is_not_sent_is_told_with_its_reason_and_what_to_do() -> None:
    text = not_sent(HOST, ACCOUNT, "the desk, 0100")
    assert text.startswith(f"No password was sent. {finding(HOST)} No attempt was spent.")
    assert f'auth = "password" at {HOST}, which is Exchange Online.' in text
    assert "`auth` to an OAuth flow (the desk, 0100 has the application registered)" in text
    assert "`nhsmail-worker login reset` doesn't help" in text
    assert "since May 2023" in text
    assert "allow_password = true" in text
