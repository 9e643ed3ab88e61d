"""The command `check`: the configuration, and with `--connect` one login and the folders."""

from worker.commands.context import Context
from worker.handling.loading import load_handlers
from worker.handling.routing.shadowed import unreachable
from worker.mailbox.folders import missing


def check(context: Context) -> list[str]:
    """Check the configuration offline, building and closing every handler; returns what to tell the user.

    Raises:
        Failure: with everything that is wrong.
    """
    settings = context.settings
    with context.explained():
        for handler in load_handlers(settings).values():
            handler.close()
    account = settings.account
    sound = (
        f"The configuration is sound: {account.address} at {account.host}:{account.port}, "
        f"{len(settings.routes)} route(s), state in {settings.state.dir}."
    )
    never = unreachable(settings.routes)
    return [sound, *(f"Route '{rule.route}' can never match: {rule.reason}." for rule in never)]


def before_connecting(context: Context) -> str:
    """What to tell the user before a login attempt is spent. Empty if none will be made: the refusal says why."""
    with context.opened():
        standing = context.parts.guard().foresee()
    if standing is None:
        return ""
    account = context.settings.account
    begun = f"Logging in once as {account.address}."
    if standing.kind == "token":
        return (
            f"{begun} No password is sent. Should the server reject the token, that counts towards token_attempts "
            f"({standing.remaining_for_credential} left)."
        )
    where = "server" if account.auth == "password" else "sign-in service"
    return (
        f"{begun} Should the {where} reject the password, that spends one of the {standing.remaining} attempts "
        f"that the worker has left ({standing.remaining_for_credential} with this password)."
    )


def check_connection(context: Context) -> list[str]:
    """Log in once and check the folders; returns what to tell the user."""
    parts = context.parts
    with context.visit() as (session, folders):
        parts.settle().check(session)
        watched = ", ".join(parts.layout.watched)
        lines = [f"Logged in. {len(folders)} folders; watched: {watched}; junk is '{parts.layout.junk}'."]
        absent = missing(folders, parts.targets())
        if absent:
            lines.append(f"Not there yet, and created when the worker runs: {', '.join(absent)}.")
        return lines
