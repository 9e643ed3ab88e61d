"""What `check` finds about the login before any attempt: a password that would not be sent, and why."""

from contextlib import closing

from worker.commands.context import Context
from worker.commands.wiring.login_wiring import refusal_of
from worker.journal.database import JournalUnavailable
from worker.journal.facts import OtherAccount
from worker.login.credential import CredentialUnavailable
from worker.login.exchange_advice import finding
from worker.login.password_policy import Refusal
from worker.settings.exchange_hosts import is_exchange_online


def login_findings(context: Context) -> list[str]:
    """Return what to tell the user. Sends nothing, writes nothing, and quotes no password.

    Whether the password is one of the four previous ones is looked up in the journal in the state folder, if there is
    one that can be read; a database server isn't asked.
    """
    account = context.settings.account
    found = []
    if account.auth == "password" and is_exchange_online(account.host) and not account.allow_password:
        found.append(
            f"{finding(account.host)} `run` halts before any attempt. Set `auth` to an OAuth flow. Or, if this "
            "server does accept passwords, add the line: allow_password = true"
        )
    if account.auth in ("password", "oauth2-password"):
        refusal = _refusal(context)
        if refusal is not None:
            found.append(
                f"The password breaks the password policy, so it can't be right: {refusal}. The worker wouldn't send "
                "it, and would halt. Replace it with the right one. If the account follows another policy, name it "
                "in [password] policy."
            )
    return found


def _refusal(context: Context) -> Refusal | None:
    """Why the guard would refuse the password; None if it wouldn't, or if there is none that can be read."""
    settings, parts = context.settings, context.parts
    try:
        try:
            journal = parts.journal.as_it_is(settings.account.address)
        except (JournalUnavailable, OtherAccount):
            journal = None  # the worker itself says so; what the password shows can be said all the same
        if journal is None:
            return refusal_of(settings, None, parts.clock)
        with closing(journal):
            return refusal_of(settings, journal, parts.clock)
    except CredentialUnavailable:
        return None  # reported with the files that the settings name
