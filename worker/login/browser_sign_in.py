"""A person's sign-in with a browser by authorization code and PKCE, whose making and checking is msal's."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from worker.login.endpoint_answers import classify_token_failure, read_refusal
from worker.login.redirect import Redirects
from worker.login.token_endpoint import Conversation
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import LoginFailure

_ANSWERED: Final = 400
"""The status with which the token endpoint would say the same."""


def sign_in_with_browser(
    asked: Conversation, scopes: list[str], redirects: Redirects, *, hint: str
) -> Mapping[str, Any]:
    """Return the token endpoint's answer to the code that a person's sign-in has led to.

    hint: who should sign in, which the sign-in page shows.

    Raises:
        LoginFailed: the person gave up, or the service refused, in the browser or at the token endpoint.
    """
    with warnings.catch_warnings():
        # msal would rather have the code posted than in an address. A person can't paste that, PKCE makes a code that
        # is seen worthless, and it is valid once.
        warnings.simplefilter("ignore", UserWarning)
        begun = asked.application.initiate_auth_code_flow(
            scopes=scopes, redirect_uri=redirects.redirect_uri, login_hint=hint
        )
    came = dict(redirects.answer(begun["auth_uri"], begun["state"]))
    if "error" in came:
        raise LoginFailed(refused_in_browser(came))
    answer: Mapping[str, Any] = asked.application.acquire_token_by_auth_code_flow(begun, came)
    if "access_token" not in answer:
        raise LoginFailed(asked.failed().failure)
    return answer


def refused_in_browser(answer: Mapping[str, str]) -> LoginFailure:
    """Return what an error that came through the browser means, by the table of the token endpoint's."""
    refusal = read_refusal(answer)
    return replace(classify_token_failure(refusal, kind="token", status=_ANSWERED), said=refusal.said)
