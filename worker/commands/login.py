"""The commands about the login: its status, the reset after an unlock, the browser sign-in."""

from typing import Any, Final, cast
from urllib.parse import urlsplit

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.failures import sign_in_code
from worker.commands.status_and_pause import status
from worker.commands.wiring.login_wiring import asks_to_send, help_of, oauth_source
from worker.login.credential import CredentialUnavailable
from worker.login.loopback import LoopbackListener
from worker.login.pasted import PastedRedirect
from worker.login.public_client import public_client_warning
from worker.login.redirect import Person, unfinished
from worker.login.sign_in_advice import RAN_OUT, UNFINISHED, UNREACHABLE, not_signed_in
from worker.login.standing import State
from worker.logs.who import actor
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import LoginFailure
from worker.observe.view import status_json
from worker.settings import Settings

_ALSO: Final = (
    "The sign-in also asked for SMTP.Send, because [alerts.submission] is set. If that isn't granted yet, remove "
    "[alerts.submission] until it is. The worker reads mail without it."
)


def login_status(context: Context) -> tuple[dict[str, Any], str]:
    """The login part of the status, and the guard's advice to the user."""
    login = cast("dict[str, Any]", status_json(status(context))["login"])
    return login, context.parts.reading_guard().advice()


def login_reset(context: Context, reason: str, *, again: bool) -> str:
    """Forget all failed attempts, on a person's word that the account is unlocked. Returns what to tell the person."""
    with context.opened():
        guard = context.parts.guard()
        guard.reset(reason, actor=actor(), again=again)
        if guard.status().standing.state is State.HALTED:
            return f"Reset, but the login stays halted. {guard.advice()}"
    return "Reset: the worker may use its attempts again. It makes the next one at its next poll."


def login_authorise(context: Context, person: Person, *, paste: bool = False, port: int = 0) -> None:
    """Sign in with a browser once. The tokens are cached in the state folder.

    paste: for `oauth2-browser`, the browser is elsewhere. port: of the address that it is sent back to; 0 for any.
    """
    settings = context.settings
    auth = settings.account.auth
    if auth not in ("oauth2-browser", "oauth2-device"):
        raise Failure(
            ExitCode.CONFIGURATION,
            'A sign-in with a browser belongs to auth = "oauth2-browser" and "oauth2-device"; [account] auth is '
            f'"{auth}". Nothing was done.',
        )
    if auth == "oauth2-device" and (paste or port):
        text = (
            'With auth = "oauth2-device" no browser returns to the worker: leave out --paste and --port. Nothing '
            "was done."
        )
        raise Failure(ExitCode.USAGE, text)
    with context.opened():
        try:
            method = _signed_in(settings, person, paste=paste, port=port)
        except LoginFailed as failed:
            raise Failure(sign_in_code(failed.failure), _why_not(settings, failed.failure)) from failed
        except KeyboardInterrupt as stopped:
            raise Failure(ExitCode.NOT_NOW, _why_not(settings, unfinished())) from stopped
        context.parts.announcer().authorised(actor(), method, sign_in_warning(settings))


def sign_in_warning(settings: Settings) -> str:
    """What to know of the end of a person's sign-in; empty where it ends with nobody's password."""
    account, oauth = settings.account, settings.account.oauth
    proofs = (oauth.client_secret, oauth.client_secret_file, oauth.certificate_file)
    confidential = any(one is not None for one in proofs)
    return public_client_warning(account.auth, confidential=confidential, who=_who(settings))


def _signed_in(settings: Settings, person: Person, *, paste: bool, port: int) -> str:
    """Let a person sign in, and return how they did."""
    if settings.account.auth == "oauth2-device":
        oauth_source(settings, "oauth2-device").authorise(person.tell)
        return "device"
    source = oauth_source(settings, "oauth2-browser")
    if paste:
        source.authorise_by_browser(PastedRedirect(person, port=port))
        return "pasted"
    with LoopbackListener(person, port=port) as listener:
        try:
            source.authorise_by_browser(listener)
        except LoginFailed as failed:
            listener.conclude(_why_not(settings, failed.failure))
            raise
        except CredentialUnavailable as unavailable:
            listener.conclude(str(unavailable))
            raise
        listener.conclude(
            f"Signed in as {_who(settings)}. The worker uses the sign-in at its next poll. Close this page."
        )
    return "browser"


def _why_not(settings: Settings, found: LoginFailure) -> str:
    authority = settings.account.oauth.authority
    text = not_signed_in(
        found, help_of(settings), account=_who(settings), authority=urlsplit(authority).hostname or authority
    )
    is_refused = found.cls not in UNREACHABLE and found.said not in (UNFINISHED, RAN_OUT)
    return f"{text} {_ALSO}" if is_refused and asks_to_send(settings, settings.account.auth) else text


def _who(settings: Settings) -> str:
    """Whoever signs in."""
    return settings.account.sign_in or settings.account.address
