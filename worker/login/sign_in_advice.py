"""What is told to a person whose sign-in with a browser failed, and what to do."""

from typing import Final

from worker.login.advice import (
    ASK_FOR_THE_PROXY,
    BY_PROXY,
    CHECK_AUTHORITY,
    CHECK_NAME,
    NO_DISCOVERY,
    NO_SIGN_IN_SERVICE,
    UNANSWERED,
    UNREACHED,
    Help,
    what_happened,
)
from worker.login.endpoint_advice import before_it_is_run_again, meaning
from worker.login.endpoint_answers import find
from worker.mailbox.login_failures import FailureClass, LoginFailure

RAN_OUT: Final = "expired_token"
"""What is said of a sign-in that came too late."""
UNFINISHED: Final = "unfinished"
"""What is said of a sign-in that a person broke off."""
UNREACHABLE: Final = frozenset(
    {FailureClass.LOST_BEFORE_SENDING, FailureClass.LOST_AFTER_SENDING, FailureClass.UNAVAILABLE}
)
"""Sign-in failures that mean that the service wasn't reached or gave no answer."""


def not_signed_in(found: LoginFailure, help_: Help, *, account: str, authority: str) -> str:
    """Return the message for a browser sign-in that failed. authority: the sign-in service's host."""
    said = f" ({found.said})" if found.said else ""
    again = "Run it again: `nhsmail-worker login authorise`"
    then = "Then run it again: `nhsmail-worker login authorise`."
    service = f"The sign-in service {authority}"
    answered = meaning(found.said, "token", service)
    row = find(found.said, "token")
    if row is not None and answered is not None and found.cls not in UNANSWERED | {FailureClass.THROTTLED}:
        what = answered
        do = before_it_is_run_again(row, again, administrator=help_.local_administrator, account=account)
    elif found.said == UNFINISHED:
        what, do = "The sign-in wasn't finished.", f"{again}, and sign in as {account}."
    elif found.said == NO_DISCOVERY:
        what = f"{NO_SIGN_IN_SERVICE} ({authority})."
        do = f"{CHECK_AUTHORITY} {then}"
    elif found.said.startswith(BY_PROXY):
        what = f"{service} wasn't reached, because {found.said.removeprefix(BY_PROXY)}."
        do = f"{ASK_FOR_THE_PROXY} {then}"
    elif found.said.startswith(UNREACHED):
        what = f"{service} wasn't reached: {found.said.removeprefix(UNREACHED)}."
        do = f"{CHECK_NAME} {then}"
    elif found.cls in UNREACHABLE:
        what = f"{service} can't be reached, or gave no answer{said}."
        do = f"Check `authority` under `[account.oauth]` and the network. {then}"
    elif found.cls is FailureClass.THROTTLED:
        wait = 0 if found.retry_after is None else int(found.retry_after.total_seconds())
        what, do = f"{service} asks for a pause of {wait} s{said}.", f"Wait that long. {then}"
    elif found.cls is FailureClass.CONFIGURATION:
        what = f"{service} doesn't let this application sign anybody in{said}."
        do = "Check the application's tenant, client id and authority under `[account.oauth]`."
        do = f"{do} {again} once that is done."
    else:
        what = answered or f"{what_happened(found.cls, kind='token')} {service} said so{said}."
        do = f"{again}. If it fails again, ask {help_.local_administrator} about the account."
    return f"{what} Nothing was kept, and no attempt was spent. {do}"
