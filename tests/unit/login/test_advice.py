"""What a person is told who changes, signs in or resets; what they are told of a standing is in `test_guard`."""

from datetime import timedelta

import pytest

from tests.unit.login.world import ACCOUNT
from worker.commands.failures import sign_in_code
from worker.login.advice import DECLINED, RAN_OUT, Help, last_attempt, not_signed_in, refusal, reset_again
from worker.login.standing import Standing, State
from worker.mailbox.login_failures import FailureClass, LoginFailure, failure

F = FailureClass
HOST = "login.example"
AGAIN = "Nothing was kept, and no attempt was spent. Run it again: `nhsmail-worker login authorise`"


def token(cls: F, said: str = "", wait: float | None = None) -> LoginFailure:
    return failure(cls, "token", said=said, retry_after=None if wait is None else timedelta(seconds=wait))


@pytest.mark.parametrize(
    ("found", "code", "said", "unsaid"),
    [
        (
            token(F.AMBIGUOUS, DECLINED),
            75,
            ("The sign-in was declined in the browser.", f"{AGAIN}, and sign in as {ACCOUNT}."),
            "code ran out",
        ),
        (
            token(F.AMBIGUOUS, RAN_OUT),
            75,
            ("The sign-in didn't come before its code ran out.", f"{AGAIN}, and sign in as {ACCOUNT}."),
            "declined",
        ),
        *(
            (
                token(cls, "HTTP 503"),
                69,
                (f"{HOST} can't be reached, or gave no answer (HTTP 503).", "`authority`"),
                "ask",
            )
            for cls in (F.LOST_BEFORE_SENDING, F.LOST_AFTER_SENDING, F.UNAVAILABLE)
        ),
        (token(F.LOST_BEFORE_SENDING), 69, ("or gave no answer. Nothing", "the network. Run it again", "later."), "("),
        (token(F.THROTTLED, wait=300), 75, (f"{HOST} asks for a pause of 300 s.", f"{AGAIN} after that."), "ask Z"),
        (token(F.THROTTLED), 75, ("a pause of 0 s.",), "("),
        (
            token(F.CONFIGURATION, "tenant"),
            78,
            (
                f"{HOST} doesn't let this application sign anybody in (tenant).",
                "spent. Check the application's tenant, client id and authority under `[account.oauth]`. Run it again",
                "`nhsmail-worker login authorise` once that is done.",
            ),
            "the LA",
        ),
        (
            token(F.CONFIGURATION, "AADSTS65001"),
            78,
            ("(AADSTS65001)", "ask the LA on 1234 to have it put right. Run it again", "once that is done."),
            "client id",
        ),
        (
            token(F.LOCKED, "AADSTS50053"),
            75,
            (
                f"The account is locked. The sign-in service {HOST} said so (AADSTS50053).",
                f"{AGAIN}; if it ends so again, ask the LA on 1234 about the account.",
            ),
            "pause",
        ),
        (token(F.AMBIGUOUS, "HTTP 400"), 75, ("no password was sent.", f"{HOST} said so (HTTP 400)."), "counts"),
    ],
)
def test_why_nobody_has_signed_in_and_what_to_do(
    found: LoginFailure, code: int, said: tuple[str, ...], unsaid: str
) -> None:
    text = not_signed_in(found, Help("the LA on 1234", "5678"), account=ACCOUNT, authority=HOST)
    assert sign_in_code(found) == code
    assert [part for part in said if part not in text] == []
    assert unsaid not in text


@pytest.mark.parametrize(
    ("restart", "where"), [(True, "the worker's environment and restart it"), (False, "the password file")]
)
def test_a_password_against_the_policy(where: str, *, restart: bool) -> None:
    text = refusal(["too short", "a known one"], ACCOUNT, needs_restart=restart)
    assert "it can't be right: too short; a known one. No mail of " in text
    assert f"No attempt was spent. Put the right password in {where}" in text
    assert text.endswith(". If the policy of this account is another one, set `policy` under `[password]`.")


def test_the_last_attempt_isnt_a_commands() -> None:
    text = last_attempt(Standing(State.READY, 4, 4, 1))
    assert text.startswith("Only 1 attempt is left ")
    assert text.endswith(
        "and this command doesn't use it up. Find out first why logins fail; `login status` says more."
    )


def test_a_reset_again_may_lock_the_account() -> None:
    text = reset_again()
    assert text.startswith(
        "The login was reset before, and hasn't succeeded since. Each reset lets the worker use its "
    )
    assert "attempts anew, and the server may not have forgotten" in text
    assert "the account could be locked. If it is known to be unlocked, and the password to be right, " in text
    assert text.endswith("repeat the command with --again.")
