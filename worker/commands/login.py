"""The commands about the login: its status, the reset after an unlock, the browser sign-in."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.failures import sign_in_code
from worker.commands.wiring.login_wiring import help_of, oauth_source
from worker.commands.work import status
from worker.login.advice import not_signed_in
from worker.logs.who import actor
from worker.mailbox.errors import LoginFailed


def login_status(context: Context) -> tuple[dict[str, Any], str]:
    """The login part of the status, and the guard's advice to the user."""
    found = status(context)
    return found["login"], context.parts.reading_guard().advice()


def login_reset(context: Context, reason: str, *, again: bool) -> None:
    """Forget all failed attempts, on a person's word that the account is unlocked."""
    with context.opened():
        context.parts.guard().reset(reason, actor=actor(), again=again)


def login_authorise(context: Context, tell: Callable[[str], None]) -> None:
    """Sign in with a browser once. The tokens are cached in the state folder."""
    account = context.settings.account
    if account.auth != "oauth2-device":
        raise Failure(
            ExitCode.CONFIGURATION,
            'A sign-in with a browser belongs to auth = "oauth2-device"; [account] auth is '
            f'"{account.auth}". Nothing was done.',
        )
    with context.opened():
        try:
            oauth_source(context.settings, "oauth2-device").authorise(tell)
        except LoginFailed as failed:
            text = not_signed_in(
                failed.failure,
                help_of(context.settings),
                account=account.address,
                authority=urlsplit(account.oauth.authority).hostname or account.oauth.authority,
            )
            raise Failure(sign_in_code(failed.failure), text) from failed
        context.parts.announcer().authorised(actor())
