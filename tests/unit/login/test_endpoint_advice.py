"""The token endpoint's words are always told, and what is to be done fits the flow."""

import pytest

from tests.unit.login.world import ACCOUNT
from worker.login.advice import Help, advise, what_happened
from worker.login.backoff import Lockout
from worker.login.credential import Auth
from worker.login.endpoint_advice import meaning
from worker.login.endpoint_errors import BY_ERROR, BY_NUMBER
from worker.login.sign_in_advice import not_signed_in
from worker.login.standing import Reason, Standing, State
from worker.logs.redaction import passed
from worker.mailbox.login_failures import FailureClass, Kind, failure

F = FailureClass
HELP = Help("the LA on 1234", "5678")
RESET = "run `nhsmail-worker login reset --reason …`."
RESTART = f"Then restart the worker: a changed setting is tried at once. If the fault was corrected elsewhere, {RESET}"


def told(reason: str, said: str, auth: Auth, *, kind: Kind = "token", state: State = State.HALTED) -> str:
    standing = Standing(state, 0, 8, 3, None, reason, kind=kind, said=said)
    return advise(standing, Lockout(), HELP, account=ACCOUNT, auth=auth)


@pytest.mark.parametrize("said", ["", "authentication failed", "HTTP 503", "tenant", "discovery", "[UNAVAILABLE]"])
def test_words_that_arent_the_endpoints_are_left_alone(said: str) -> None:
    assert meaning(said, "token") is None
    assert meaning(said, "password") is None


@pytest.mark.parametrize("auth", ["oauth2-browser", "oauth2-client", "oauth2-device", "oauth2-password"])
def test_what_is_to_be_done_about_any_error_gets_into_the_log(auth: Auth) -> None:
    """A text that is too long for its field is left out of the log as a whole."""
    help_, account = Help("a local administrator" * 8, "the helpdesk" * 8), f"{'a' * 60}@{'b' * 60}.nhs.uk"
    kind: Kind = "password" if auth == "oauth2-password" else "token"
    said = [*BY_ERROR, *(f"{row.error} AADSTS{number}" for number, row in BY_NUMBER.items())]
    said.append(" ".join(["invalid_grant", *(f"AADSTS9999999{digit}" for digit in range(4))]))
    for reason in (F.CONFIGURATION, F.SIGN_IN_AGAIN, F.REJECTED, F.AMBIGUOUS, Reason.BUDGET, Reason.TOKEN):
        for words in said:
            standing = Standing(State.HALTED, 8, 0, 0, None, reason, kind=kind, said=words)
            text = advise(standing, Lockout(), help_, account=account, auth=auth, needs_restart=True)
            assert passed("advice", text) == text, len(text)


def test_an_earlier_programs_words_are_still_read() -> None:
    """The journal holds numbers without an error."""
    text = told(F.CONFIGURATION, "AADSTS7000222", "oauth2-client")
    assert text.startswith("The application's client secret has expired. The sign-in service answered: AADSTS7000222. ")


@pytest.mark.parametrize(
    ("reason", "begin"),
    [
        (Reason.BUDGET, "The worker has used all its login attempts, and all failed."),
        (Reason.CREDENTIAL, "This password has failed as often as the worker may try it."),
    ],
)
def test_a_spent_limit_says_what_was_answered_last(reason: Reason, begin: str) -> None:
    text = told(reason, "invalid_grant AADSTS12345", "oauth2-password", kind="password")
    assert text.startswith(
        f"{begin} The last: The sign-in service refuses the account's password, or the account. The sign-in service "
        "answered: invalid_grant, AADSTS12345. This version doesn't know AADSTS12345: look it up at "
        "https://login.microsoftonline.com/error?code=12345. No mail of "
    )
    assert f"ask the LA on 1234 whether the account is unlocked, then {RESET}" in text


def test_tokens_that_are_refused_for_an_unknown_reason_need_no_look_at_imap() -> None:
    text = told(Reason.TOKEN, "AADSTS12345", "oauth2-client")
    assert "The last: The sign-in service refused, and the reason isn't known. " in text
    assert text.endswith(
        f"Ask the LA on 1234, who had the application registered, and quote this message. Then {RESET}"
    )
    cooling = told(F.AMBIGUOUS, "AADSTS12345", "oauth2-client", state=State.COOLING)
    assert cooling.endswith("and quote this message.")


def test_an_answer_without_an_error_is_perhaps_a_proxys() -> None:
    text = told(F.AMBIGUOUS, "HTTP 407", "oauth2-client", state=State.COOLING)
    assert text.startswith("The sign-in service's address answered without an OAuth error: HTTP 407. No ")
    assert text.endswith("Check also whether a proxy answers instead.")
    assert told(Reason.TOKEN, "HTTP 407", "oauth2-client").endswith(f"answers instead. Then {RESET}")


def test_what_was_said_before_anything_was_sent_is_told_without_being_believed() -> None:
    said = what_happened(F.LOST_BEFORE_SENDING, kind="token", said="access_denied AADSTS53003")
    assert said == (
        "The connection ended before the worker sent anything. The sign-in service answered: access_denied, "
        "AADSTS53003."
    )
    assert not told(F.LOST_BEFORE_SENDING, "access_denied AADSTS53003", "oauth2-client", state=State.COOLING).endswith(
        "pass it."
    )


@pytest.mark.parametrize(
    ("auth", "do"),
    [
        ("oauth2-device", "Sign in again with `nhsmail-worker login authorise`. The worker uses it at once."),
        (
            "oauth2-client",
            f"Ask the LA on 1234 whether the application is still registered for this mailbox, then {RESET}",
        ),
        ("oauth2-password", f"If the password is the same as before, {RESET}"),
    ],
)
def test_a_sign_in_that_is_over(auth: Auth, do: str) -> None:
    text = told(F.SIGN_IN_AGAIN, "invalid_grant AADSTS700082", auth)
    assert text.startswith(
        "The stored sign-in has expired because it wasn't used for too long. The sign-in service answered: "
    )
    assert text.endswith(do)


@pytest.mark.parametrize(
    ("auth", "do"),
    [
        ("oauth2-device", "Sign in again with `nhsmail-worker login authorise`. The worker uses it at once."),
        ("oauth2-client", f"Then {RESET}"),
        ("oauth2-password", "Put the right password in the password file. It is tried at once, without a restart."),
    ],
)
def test_an_expired_password(auth: Auth, do: str) -> None:
    text = told(F.EXPIRED, "invalid_grant AADSTS50055", auth, kind="password")
    assert text.startswith("The password has expired. The sign-in service answered: invalid_grant, AADSTS50055. ")
    assert text.endswith(f"Change the password. If you can't, ask the LA on 1234 to set a new one. {do}")


@pytest.mark.parametrize(
    ("said", "do"),
    [
        (
            "invalid_client AADSTS1000502",
            "Put it, with its key, into the file that `certificate_file` names. It is tried at once.",
        ),
        (
            "invalid_scope",
            f"If it isn't set, correct `tenant`. {RESTART}",
        ),
        (
            "unauthorized_client AADSTS700016",
            f"If they are right, have the application registered in this tenant. {RESTART}",
        ),
        ("invalid_request AADSTS9002313", f"report the number to its maintainers. Then {RESET}"),
        (
            "invalid_grant AADSTS50105",
            f"Ask the LA on 1234, who had the application registered, to arrange this: assign {ACCOUNT} to the "
            "application (Entra, Enterprise applications, the application, Users and groups), or let everybody use "
            "it (`az ad sp update --id CLIENT_ID --set appRoleAssignmentRequired=false`). Then " + RESET,
        ),
    ],
)
def test_what_is_done_and_how_it_is_tried_again(said: str, do: str) -> None:
    assert told(F.CONFIGURATION, said, "oauth2-client").endswith(do)


def test_a_new_sign_in_by_the_password_asks_nothing_of_a_person() -> None:
    text = told(F.TOKEN_EXPIRED, "invalid_grant", "oauth2-password", kind="password", state=State.COOLING)
    assert text == (
        "The sign-in service no longer accepts the sign-in. The sign-in service answered: invalid_grant. No mail of "
        f"{ACCOUNT} is read meanwhile. It is safe in the mailbox."
    )


def test_a_pause_for_a_sign_in_shows_what_was_said() -> None:
    found = failure(F.THROTTLED, "token", said="temporarily_unavailable AADSTS90055")
    text = not_signed_in(found, HELP, account=ACCOUNT, authority="login.example")
    assert text.startswith(
        "The sign-in service login.example asks for a pause of 0 s (temporarily_unavailable AADSTS90055). "
    )


def test_a_sign_in_that_passes_is_run_later() -> None:
    found = failure(F.UNAVAILABLE, "token", said="server_error")
    text = not_signed_in(found, HELP, account=ACCOUNT, authority="login.example")
    assert text == (
        "The sign-in service has a fault. The sign-in service login.example answered: server_error. Nothing was "
        "kept, and no attempt was spent. Wait a few minutes. Run it again: `nhsmail-worker login authorise`."
    )
