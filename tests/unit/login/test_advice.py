"""What a person is told: of a standing, of a password that breaks the policy, of a sign-in, of a reset."""

import time
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.login.world import ACCOUNT
from worker.commands.failures import sign_in_code
from worker.login.advice import Help, advise, last_attempt, moment, refusal, reset_again, what_happened
from worker.login.backoff import Lockout
from worker.login.sign_in_advice import RAN_OUT, UNFINISHED, not_signed_in
from worker.login.standing import Reason, Standing, State
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
            token(F.AMBIGUOUS, UNFINISHED),
            75,
            ("The sign-in wasn't finished.", f"{AGAIN}, and sign in as {ACCOUNT}."),
            "code ran out",
        ),
        (
            token(F.AMBIGUOUS, "authorization_declined"),
            75,
            ("The sign-in was declined in the browser.", f"{AGAIN}, and sign in as {ACCOUNT}."),
            "code ran out",
        ),
        (
            token(F.AMBIGUOUS, RAN_OUT),
            75,
            ("Nobody signed in before the code expired.", f"{AGAIN}, and sign in as {ACCOUNT}."),
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
        (token(F.LOST_BEFORE_SENDING), 69, ("or gave no answer. Nothing", "the network. Then run it again"), "("),
        (
            token(F.THROTTLED, wait=300),
            75,
            (f"{HOST} asks for a pause of 300 s.", "Wait that long. Then run it again"),
            "ask Z",
        ),
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
            (
                f"Nobody has consented to the application. The sign-in service {HOST} answered: AADSTS65001. Nothing ",
                "spent. Ask the LA on 1234, who had the application registered, to arrange this: grant ",
                "`az ad app permission admin-consent --id CLIENT_ID`). Run it again: `nhsmail-worker login authorise` ",
                "once that is done.",
            ),
            "client id",
        ),
        (
            token(F.LOCKED, "invalid_grant AADSTS50053"),
            75,
            (
                "The account is locked. ",
                f"The sign-in service {HOST} answered: invalid_grant, AADSTS50053. Nothing was kept",
                "spent. Ask the LA on 1234 to unlock the account. Run it again: `nhsmail-worker login authorise` once ",
            ),
            "pause",
        ),
        (token(F.AMBIGUOUS, "HTTP 400"), 75, ("No password was sent.", f"{HOST} said so (HTTP 400)."), "counts"),
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
    ("restart", "where"), [(True, "the worker's environment and restart the worker"), (False, "the password file")]
)
def test_a_password_against_the_policy(where: str, *, restart: bool) -> None:
    text = refusal("too short; a known one", ACCOUNT, needs_restart=restart)
    assert "it can't be right: too short; a known one. No mail of " in text
    assert f"No attempt was spent. Put the right password in {where}" in text
    assert text.endswith(". If another policy applies, set `policy` under `[password]`.")


def test_the_last_attempt_isnt_a_commands() -> None:
    text = last_attempt(Standing(State.READY, 4, 4, 1))
    assert text.startswith("Only 1 attempt is left ")
    assert text.endswith(
        "and this command leaves it unused. First find out why logins fail: run `nhsmail-worker login status`."
    )


def test_a_reset_again_may_lock_the_account() -> None:
    text = reset_again()
    assert text.startswith(
        "The login was reset before, and no login has succeeded since. Each reset allows the worker all "
    )
    assert "its attempts again. The server may still count the earlier ones" in text
    assert "could lock the account. If you know that the account is unlocked and the password is right, " in text
    assert text.endswith("repeat the command with --again.")


# -- of a standing -----------------------------------------------------------------------------------------------------


REASONS = [*Reason, *F]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_its_sentence(reason: str) -> None:
    assert what_happened(reason) != what_happened(None) == "The login hasn't succeeded yet."


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        (Reason.BUDGET, "login reset"),
        (Reason.JOURNAL, "login reset"),
        (Reason.CREDENTIAL, "Put the right password"),
        (Reason.UNANSWERED, "Put the right password"),
        (F.AMBIGUOUS, "Put the right password"),
        (F.LOCKED, "Ask the LA on 1234 to unlock"),
        (F.DISABLED, "Ask the LA on 1234 to unlock or enable"),
        (F.EXPIRED, "Change the password."),
        (F.CONFIGURATION, "NHSmail's mailboxes need OAuth 2.0"),
        (F.PROTOCOL, "ring 5678|5678 answers questions about the connection"),
        (F.LOST_AFTER_SENDING, "ring 5678 about the connection"),
        (Reason.TOKEN, "may read this mailbox"),
        (F.TOKEN_REJECTED, "may read this mailbox"),
        (F.SIGN_IN_AGAIN, "login authorise"),
    ],
)
def test_each_halt_says_whom_to_ask(reason: str, part: str) -> None:
    halted = Standing(State.HALTED, 0, 8, 5, None, reason)
    text = advise(halted, Lockout(), Help("the LA on 1234", "5678"), account=ACCOUNT)
    assert any(one in text for one in part.split("|"))
    assert "The worker makes no further attempt on its own." in text
    assert "Failed attempts" not in text


RESET = "login reset"
RUN = "run `nhsmail-worker login reset --reason …`."
AUTHORISE = "login authorise"
NO_COUNT = "No password was sent"
HALT = "The worker makes no further attempt on its own."
ASK = "5678 answers questions about the connection."
ADVICE: list[tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = [
    # of the standing and the way to log in, what is said, and what isn't
    ({"reason": F.EXPIRED}, ("the LA on 1234", "Change the password.", "password file"), (RESET, AUTHORISE)),
    ({"reason": F.EXPIRED, "auth": "oauth2-device"}, ("the LA on 1234", AUTHORISE), (RESET, "password file")),
    ({"reason": F.EXPIRED, "auth": "oauth2-browser"}, ("the LA on 1234", AUTHORISE), (RESET, "password file")),
    ({"reason": F.SIGN_IN_AGAIN, "auth": "oauth2-browser"}, (AUTHORISE,), (RESET,)),
    ({"reason": F.EXPIRED, "auth": "oauth2-client"}, ("the LA on 1234", RESET), (AUTHORISE, "password file")),
    ({"reason": F.EXPIRED, "auth": "oauth2-password"}, ("the LA on 1234", "password file"), (RESET, AUTHORISE)),
    (
        {"reason": F.CONFIGURATION, "said": "AADSTS7000222", "auth": "oauth2-client"},
        (
            "client secret has expired. The sign-in service answered: AADSTS7000222.",
            "Ask the LA on 1234, who had the application registered, to arrange this: make a new client ",
            "pass it on. Put it into the file that `client_secret_file` names. It is tried at once",
        ),
        (RESET, "way of logging in"),
    ),
    (
        {"reason": F.CONFIGURATION, "said": "AADSTS7000222", "auth": "oauth2-client", "needs_restart": True},
        ("client secret has expired", "pass it on. Put it into the worker's environment and restart the worker"),
        (RESET, "client_secret_file"),
    ),
    (
        {"reason": F.CONFIGURATION, "said": "AADSTS7000215", "auth": "oauth2-client"},
        ("client secret isn't the right one", "client_secret_file"),
        (RESET,),
    ),
    (
        {"reason": F.CONFIGURATION},
        (
            f"{HALT} NHSmail's mailboxes need OAuth 2.0. Set `auth`",
            "flows, then restart",
            "tried at once",
            "The LA on 1234 knows",
            ASK,
        ),
        (RESET,),
    ),
    (
        {"reason": F.CONFIGURATION, "said": "tenant", "auth": "oauth2-device"},
        (f"{HALT} Check `auth` under `[account]`, and the application's tenant", "[account.oauth]", "tried at once"),
        (RESET, "need OAuth"),
    ),
    *(
        ({"reason": F.CONFIGURATION, "said": said, "auth": "oauth2-password"}, (said, "the LA on 1234", RESET), ())
        for said in ("AADSTS50076", "AADSTS50079", "AADSTS53003", "AADSTS65001")
    ),
    ({"reason": F.PROTOCOL}, (f"{HALT} Check `host`", "version of the worker. 5678", RESET), ("OAuth 2.0",)),
    ({"reason": F.SIGN_IN_AGAIN, "auth": "oauth2-device"}, (AUTHORISE,), (RESET,)),
    ({"reason": F.SIGN_IN_AGAIN, "auth": "oauth2-client"}, ("still registered", RESET), (AUTHORISE,)),
    (
        {"reason": F.SIGN_IN_AGAIN, "auth": "oauth2-password"},
        (f"Sign in as {ACCOUNT} with a browser", "password", RESET),
        (AUTHORISE,),
    ),
    *(
        ({"reason": reason, "kind": "token"}, (NO_COUNT, "ring 5678"), ("counts as failed", "password file", RESET))
        for reason in (F.LOST_AFTER_SENDING, Reason.UNANSWERED)
    ),
    *(
        ({"reason": reason, "kind": "token", "auth": "oauth2-client"}, ("may read this mailbox", f"then {RUN}"), ())
        for reason in (Reason.TOKEN, F.TOKEN_REJECTED)
    ),
    ({"reason": F.AMBIGUOUS, "kind": "token"}, (NO_COUNT, "may read", RESET), ("counts as failed", "password file")),
    ({"reason": F.LOST_AFTER_SENDING}, ("counts as failed",), (NO_COUNT,)),
    ({"reason": Reason.UNANSWERED}, ("counts as failed", "password file"), (NO_COUNT,)),
]


@pytest.mark.parametrize(("given_", "said", "unsaid"), ADVICE)
def test_advice_fits_the_way_of_logging_in(
    given_: dict[str, Any], said: tuple[str, ...], unsaid: tuple[str, ...]
) -> None:
    of_standing = {name: given_[name] for name in given_ if name in {"reason", "kind", "said"}}
    rest = {name: given_[name] for name in given_ if name not in of_standing}
    halted = Standing(State.HALTED, 0, 8, 5, **of_standing)
    text = advise(halted, Lockout(), Help("the LA on 1234", "5678"), account=ACCOUNT, **rest)
    assert [part for part in said if part not in text] == []
    assert [part for part in unsaid if part in text] == []


def test_a_token_that_may_mean_anything_asks_for_no_reset_while_it_cools() -> None:
    cooling = Standing(State.COOLING, 0, 8, 2, 1.0, F.AMBIGUOUS, kind="token")
    assert RESET not in advise(cooling, Lockout(), Help(), account=ACCOUNT, auth="oauth2-client")


@pytest.mark.parametrize("reason", [F.THROTTLED, F.UNAVAILABLE, F.LOST_BEFORE_SENDING])
def test_passing_troubles_ask_nothing_of_a_person(reason: str) -> None:
    cooling = Standing(State.COOLING, 0, 8, 5, 1.0, reason)
    assert advise(cooling, Lockout(), Help(), account=ACCOUNT) == (
        f"{what_happened(reason)} No mail of {ACCOUNT} is read meanwhile. It is safe in the mailbox. The next "
        "attempt is at 1970-01-01T00:00:01Z."
    )


def test_times_are_told_in_utc_wherever_the_host_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert moment(1_800_000_000.0) == "2027-01-15T08:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_doubt_of_the_journal_says_why() -> None:
    why = "it is a copy made at 2027-01-15T08:00:00Z, and can't know of attempts since then"
    assert what_happened(Reason.JOURNAL, said=why) == f"The journal may have forgotten login attempts: {why}."
    assert "restored" in what_happened(Reason.JOURNAL)
