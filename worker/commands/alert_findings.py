"""What `check` finds about the ways by which the worker tells people of trouble."""

from worker.commands.alert_ways import not_sent
from worker.commands.context import Context
from worker.commands.wiring.login_wiring import oauth_source
from worker.commands.wiring.sending_wiring import sending_sign_in_of
from worker.login.credential import CredentialUnavailable
from worker.login.token_cache import TokenCache
from worker.observe.channels import submission_of
from worker.observe.delivery import NotSent
from worker.settings import AlertsSettings, Settings

_ALONE = (
    "[alerts.submission] is the only way for alerts. It sends nothing while the login is halted, which is when you "
    "need an alert most. Set a second way: a webhook, or [alerts.relay]."
)


def alert_findings(settings: Settings) -> list[str]:
    """Return what to tell the user, from the settings and the files alone."""
    if not settings.alerts.submission.to:
        return []
    found = [] if _has_another(settings.alerts) else [_ALONE]
    if lacking := _lacks_sending(settings):
        found.append(f"[alerts.submission] can send nothing yet: {lacking}")
    return found


def submission_findings(context: Context) -> tuple[list[str], bool]:
    """Greet the server for submission, if alerts go out by it. Neither signs in nor sends anything.

    Returns the lines for the user, and whether no alert could be sent.
    """
    settings, parts = context.settings, context.parts
    sign_in = sending_sign_in_of(settings, parts.journal, parts.clock)
    if sign_in is None:
        return [], False
    try:
        submission_of(settings, sign_in).greet()
    except NotSent as error:
        return [unfit(settings, "submission", error)], True
    named = settings.alerts.submission
    return [f"{named.host}:{named.port} can be used for alerts. The sign-in wasn't tried."], False


def unfit(settings: Settings, channel: str, error: NotSent) -> str:
    """Why nothing can be sent to this mail server, what the server or the proxy said, and what to do."""
    told = not_sent(settings, channel, error)
    said = f" ({told.said})" if told.said else ""
    return f"[alerts.{channel}] can send nothing: {told.happened}{said} {told.do}"


def _has_another(alerts: AlertsSettings) -> bool:
    hooks = (getattr(alerts, f"{form}_webhook{end}") for form in ("teams", "slack", "json") for end in ("", "_file"))
    return alerts.relay.host is not None or any(one is not None for one in hooks)


def _lacks_sending(settings: Settings) -> str:
    """Why the sign-in that is kept isn't one for sending; empty if it is, or if there is none yet."""
    auth = settings.account.auth
    if auth == "password":
        return ""
    try:
        if auth != "oauth2-client" and TokenCache(settings.state.dir).load() is not None:
            oauth_source(settings, auth).sending()
    except CredentialUnavailable as unavailable:
        return str(unavailable)
    return ""
