"""The ways to sign in, for `init`. Imports nothing heavy, because `--help` needs it too."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Flow:
    """One way to sign in. needs: in words. is_person: somebody signs in. proof: of a secret or a certificate, if any.

    sends_password: the worker itself has the account's password. is_oauth: an application is registered for it.
    """

    name: str
    needs: str
    is_oauth: bool = True
    is_person: bool = False
    proof: str = ""
    sends_password: bool = False


REQUIRED: Final = "required"
OPTIONAL: Final = "optional"

FLOWS: Final = (
    Flow("oauth2-client", "the application's certificate or secret; no person, no password", proof=REQUIRED),
    Flow(
        "oauth2-browser",
        "a person signs in once, in a browser; best with a certificate or a secret",
        is_person=True,
        proof=OPTIONAL,
    ),
    Flow("oauth2-device", "a person signs in once, and enters a code", is_person=True),
    Flow(
        "oauth2-password",
        "the account's password in a file; the last choice, because failures count towards the lockout",
        sends_password=True,
    ),
    Flow("password", "the password in a file; not for NHSmail, which refuses it", is_oauth=False, sends_password=True),
)
BY_NAME: Final = {flow.name: flow for flow in FLOWS}
