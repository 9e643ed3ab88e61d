"""Explains the token endpoint's refusals to people, by the table of its errors and always with the endpoint's words."""

from typing import Final, Protocol

from worker.login.credential import Auth
from worker.login.endpoint_answers import find, unknown_numbers
from worker.login.endpoint_errors import Row, Then, Who
from worker.mailbox.login_failures import Kind

RESET: Final = "run `nhsmail-worker login reset --reason …`"
SIGN_IN: Final = "Sign in again with `nhsmail-worker login authorise`. The worker uses it at once."

_LOOK_UP: Final = "https://login.microsoftonline.com/error?code="
_HTTP: Final = "HTTP "


def meaning(said: str, kind: Kind, service: str = "The sign-in service") -> str | None:
    """Return what a refusal means, with the endpoint's words; None if the words aren't the token endpoint's.

    said: a failure's words. kind: `password` if the request held the account's password. service: what answered.
    """
    row, unknown = find(said, kind), unknown_numbers(said)
    if row is None and not unknown:
        return None
    what = row.meaning if row is not None else "The sign-in service refused, and the reason isn't known."
    return f"{what} {words(said, service)}{_looked_up(unknown)}"


def words(said: str, service: str = "The sign-in service") -> str:
    """Return a sentence with the endpoint's words alone."""
    return f"{service} answered: {', '.join(said.split())}."


class Ways(Protocol):
    """What can be done about a login, and who can do it."""

    @property
    def who(self) -> str:
        """The Local Administrator, as the settings word it."""

    @property
    def account(self) -> str:
        """The account's address."""

    @property
    def auth(self) -> Auth:
        """The way to log in."""

    @property
    def needs_restart(self) -> bool:
        """Whether a changed credential is seen only after a restart."""

    def change(self) -> str:
        """How the password is changed."""

    def sign_in_again(self) -> str:
        """How a sign-in is made anew."""


def remedy(row: Row, ways: Ways) -> str:
    """Return what is to be done about an error, by whom, and how the worker tries again."""
    if row.then is Then.SIGN_IN:
        return ways.sign_in_again()
    return f"{_done_by(row, ways.who, ways.account)} {_tried_again(row.then, ways)}".strip()


def before_it_is_run_again(row: Row, again: str, *, administrator: str, account: str) -> str:
    """Return what is to be done about a sign-in with a browser that failed. again: how it is run again."""
    match row.then:
        case Then.SIGN_IN:
            return f"{again}, and sign in as {account}."
        case Then.WAIT:
            return f"Wait a few minutes. {again}."
    return f"{_done_by(row, administrator, account)} {again} once that is done."


def is_without_error(said: str) -> bool:
    """Whether the words are of an answer that names no error, as a proxy's doesn't."""
    return said.startswith(_HTTP)


def _done_by(row: Row, administrator: str, account: str) -> str:
    do = row.do.format(administrator=administrator, account=account)
    match row.who:
        case Who.TENANT:
            return f"Ask {administrator}, who had the application registered, to arrange this: {do}."
        case Who.ADMINISTRATOR:
            return f"Ask {administrator} to {do}."
    return f"{do[:1].upper()}{do[1:]}."


def _tried_again(then: Then, ways: Ways) -> str:
    match then:
        case Then.SETTING:
            return (
                "Then restart the worker: a changed setting is tried at once. If the fault was corrected elsewhere, "
                f"{RESET}."
            )
        case Then.SECRET if ways.needs_restart:
            return (
                "Put it into the worker's environment and restart the worker. It reads the environment only at the "
                "start."
            )
        case Then.SECRET:
            return "Put it into the file that `client_secret_file` names. It is tried at once, without a restart."
        case Then.CERTIFICATE:
            return "Put it, with its key, into the file that `certificate_file` names. It is tried at once."
        case Then.RESET:
            return f"Then {RESET}."
        case Then.NEW_PASSWORD | Then.PASSWORD:
            return _with_the_password(then, ways)
    return ""


def _with_the_password(then: Then, ways: Ways) -> str:
    if ways.auth == "oauth2-client":
        return f"Then {RESET}."
    if ways.auth != "oauth2-password":
        return SIGN_IN
    if then is Then.NEW_PASSWORD:
        return ways.change()
    return f"{ways.change()} If it was right already, ask {ways.who} whether the account is unlocked, then {RESET}."


def _looked_up(unknown: list[int]) -> str:
    if not unknown:
        return ""
    where = " and ".join(f"{_LOOK_UP}{number}" for number in unknown)
    return f" This version doesn't know {', '.join(f'AADSTS{number}' for number in unknown)}: look it up at {where}."
