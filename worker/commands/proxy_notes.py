"""What `check` says of proxies: which one counts, and for what. None of it is a finding."""

from collections.abc import Mapping

from worker.settings import Settings

_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def proxy_notes(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """What to tell the user of the proxy of the settings, and of the environment's. Quotes no URL: it may hold a
    password."""
    named = [name for name in _VARIABLES if environ.get(name)]
    by_environment = f"{' and '.join(named)} in the environment"
    if settings.proxy.url is not None:
        table = (
            "The worker reaches the mail server, the sign-in service, webhooks, object stores, and the servers for "
            "alerts by mail, through [proxy]."
        )
        return [f"{table} {by_environment} has no effect on these." if named else table]
    if not named:
        return []
    note = (
        f"{by_environment} names a proxy. The worker reaches the sign-in service, webhooks and object stores through "
        "it, but not the mail server. If IMAP must go through a proxy as well, name it in [proxy]."
    )
    return [note]
