"""The settings that name other machines: what may not be sent there, and what is sent in clear text.

The journal's URL isn't looked at here, because only the journal knows how its driver reads it.
"""

from collections.abc import Iterator

from worker.connections import Proxy, Target, Unprotected
from worker.settings.model import Place
from worker.settings.tree import Settings

_HTTPS = "must begin with https:// (http is only for this machine)."


def refused(settings: Settings) -> Iterator[tuple[Place, str]]:
    """Yield each setting that would send something in clear text, or can't be read as a URL, and what to do."""
    for name in ("teams_webhook", "slack_webhook", "json_webhook"):
        url = getattr(settings.alerts, name)
        if url is not None and not _is_safe(url.get_secret_value()):
            yield ("alerts", name), _HTTPS
    if syslog := _syslog(settings):
        try:
            syslog.check('name this machine\'s own ("/dev/log") and let it forward the lines over TLS')
        except Unprotected as fault:
            yield ("audit", "syslog"), f"{fault}."
    if (wrong := _proxy_fault(settings)) is not None:
        yield wrong


def clear_tables(settings: Settings) -> list[str]:
    """Return the tables whose `allow_clear` lets something go to another machine in clear text."""
    relay, tables = settings.alerts.relay, []
    if relay.host is not None and relay.allow_clear and Target("smtp", relay.host).is_clear:
        tables.append("alerts.relay")
    if (syslog := _syslog(settings)) and syslog.is_clear:
        tables.append("audit")
    proxy = settings.proxy
    has_user = proxy.url is not None and proxy.username is not None
    if has_user and proxy.allow_clear and Target.of(proxy.url or "", encrypted=("https",)).is_clear:
        tables.append("proxy")
    return tables


def _proxy_fault(settings: Settings) -> tuple[Place, str] | None:
    """What is wrong with the table of the proxy. Its password is looked at elsewhere: it may be in a file."""
    table = settings.proxy
    has_password = table.password is not None or table.password_file is not None
    if table.url is None:
        if table.username is not None or has_password or table.ca_file is not None:
            return ("proxy", "url"), "is missing: the other settings in [proxy] have no effect without it."
        return None
    try:
        Proxy.of(
            table.url,
            username=table.username,
            password="unread" if has_password else None,
            no_proxy=table.no_proxy,
            allow_clear=table.allow_clear,
        )
    except Unprotected as fault:
        return ("proxy", "url"), f"{fault}."
    except ValueError as fault:
        name, _, text = str(fault).partition(" ")
        return ("proxy", name.rstrip(":")), f"{text}."
    return None


def _is_safe(url: str) -> bool:
    try:
        target = Target.of(url, encrypted=("https",))
    except ValueError:
        return False
    return target.scheme in ("http", "https") and bool(target.host) and not target.is_clear


def _syslog(settings: Settings) -> Target | None:
    audit = settings.audit
    if audit.mirror != "syslog" or audit.syslog.startswith("/"):
        return None
    host = audit.syslog.rpartition(":")[0]
    return Target("syslog over UDP", host or "?", allow_clear=audit.allow_clear, table="[audit]")
