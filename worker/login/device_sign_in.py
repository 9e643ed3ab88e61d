"""A person's sign-in by device code: with a browser on any device, at the address and with the code that is told."""

from collections.abc import Callable, Mapping
from typing import Any

from worker.login.sign_in_advice import RAN_OUT
from worker.login.token_endpoint import Conversation, NoToken
from worker.logs.printable import printable
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass, failure


def sign_in_with_device(asked: Conversation, scopes: list[str], tell: Callable[[str], None]) -> Mapping[str, Any]:
    """Return the token endpoint's answer once a person has signed in. tell: called with the text for the person.

    Raises:
        LoginFailed: the code ran out. NoToken: the sign-in was refused.
    """
    begun = asked.application.initiate_device_flow(scopes=scopes)
    if "user_code" not in begun:
        raise NoToken
    tell(_how_to_sign_in(begun))
    answer: Mapping[str, Any] = asked.application.acquire_token_by_device_flow(begun)
    if answer.get("error") == "slow_down":  # the last answer before the code's time was over
        raise LoginFailed(failure(FailureClass.SIGN_IN_AGAIN, "token", said=RAN_OUT))
    if "access_token" not in answer:
        raise NoToken
    return answer


def _how_to_sign_in(begun: Mapping[str, Any]) -> str:
    """What a person does to sign in: in the service's own words, or in ours where it has none (RFC 8628 knows none)."""
    if begun.get("message"):
        return printable(str(begun["message"]))
    where = begun.get("verification_uri") or begun.get("verification_url")
    if not where:
        raise NoToken
    return printable(f"To sign in, open {where} in a browser on any device, and enter the code {begun['user_code']}.")
