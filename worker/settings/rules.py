"""What must hold between settings. Each rule names the settings that it involves; the first one is reported."""

import unicodedata
from collections.abc import Iterator
from typing import Final

from worker.settings.model import Place, secret_places, twin
from worker.settings.outgoing import refused
from worker.settings.tree import Settings
from worker.settings.types import SENDER_EXAMPLE
from worker.settings.units import format_duration
from worker.settings.wording import title, variable

Broken = tuple[tuple[Place, ...], str]

NHSMAIL: Final = "nhs.net"
"""The domain whose accounts NHSmail's policy text is about. Its subdomains may belong to other services."""
NHSMAIL_LOCKS_AFTER: Final = 12
"""Attempts, by NHSmail's policy text."""
NHSMAIL_BUDGET: Final = 9
"""Of these, the most that a worker may use. The others are for the people who share the account."""


def broken_rules(settings: Settings) -> Iterator[Broken]:
    """Yield every rule that the settings break, with what to do about it."""
    yield from _twins(settings)
    yield from _login(settings)
    yield from _lockout(settings)
    yield from _password(settings)
    yield from _folders(settings)
    yield from _limits(settings)
    yield from _health(settings)
    yield from _alerts(settings)
    yield from _outgoing(settings)
    yield from _routes(settings)


def _twins(settings: Settings) -> Iterator[Broken]:
    for place, _ in secret_places():
        table = settings
        for key in place[:-1]:
            table = getattr(table, key)
        file = twin(place)
        if getattr(table, place[-1]) is not None and getattr(table, file[-1]) is not None:
            yield (place, file), f"and {title(file)} are both set. Keep one of them."


def _login(settings: Settings) -> Iterator[Broken]:
    account, oauth = settings.account, settings.account.oauth
    password, password_file = ("account", "password"), ("account", "password_file")
    if account.auth in ("password", "oauth2-password") and account.password is None and account.password_file is None:
        text = f"is missing: auth is {account.auth}. Name a file that holds the password, or set {variable(password)}."
        yield (password_file, password, ("account", "auth")), text
    if account.auth in ("password", "oauth2-password") and account.sign_in is not None:
        text = (
            f"can't be used: auth is {account.auth}. If two workers sent the same user's password, each for its own "
            "mailbox, they would use that account's attempts twice and lock it. Set auth to oauth2-browser or "
            "oauth2-device, or remove sign_in."
        )
        yield (("account", "sign_in"), ("account", "auth")), text
    if account.auth == "password":
        return
    for key in ("tenant", "client_id"):
        if not getattr(oauth, key):
            place = ("account", "oauth", key)
            yield (
                (place, ("account", "auth")),
                f"is missing: auth is {account.auth}. Set it as the application's registration says.",
            )
    if not oauth.authority.startswith("https://"):
        yield (("account", "oauth", "authority"),), "must begin with https://: the worker sends secrets there."
    given = [oauth.client_secret or oauth.client_secret_file, oauth.certificate_file]
    place, other = ("account", "oauth", "client_secret_file"), ("account", "oauth", "client_secret")
    certificate = ("account", "oauth", "certificate_file")
    if account.auth == "oauth2-client" and not any(given):
        yield (
            (place, other, certificate, ("account", "auth")),
            f"is missing: auth is oauth2-client. Set it, or {variable(other)}, or {title(certificate)}.",
        )
    if all(given):
        yield (certificate, place, other), "and a client secret are both set. Keep one of them."


def _lockout(settings: Settings) -> Iterator[Broken]:
    lockout = settings.lockout
    if lockout.reserve >= lockout.threshold:
        text = f"({lockout.reserve}) leaves no attempts of the threshold ({lockout.threshold}). Make it smaller."
        yield (("lockout", "reserve"), ("lockout", "threshold")), text
    if list(lockout.waits) != sorted(lockout.waits):
        yield (("lockout", "waits"),), "must not get shorter: the last attempts must be the farthest apart."
    if settings.account.address.rpartition("@")[2].rstrip(".").casefold() == NHSMAIL:
        yield from _nhsmail_lockout(lockout.threshold, lockout.reserve)


def _nhsmail_lockout(threshold: int, reserve: int) -> Iterator[Broken]:
    if threshold > NHSMAIL_LOCKS_AFTER:
        text = (
            f"({threshold}) is more than NHSmail allows. Its policy text ('Lockout policy') says: \"You have twelve "
            'attempts to enter the password correctly before the account is locked". The worker could lock the '
            f"account, and only a Local Administrator unlocks it. Set at most {NHSMAIL_LOCKS_AFTER}."
        )
        yield (("lockout", "threshold"),), text
    allowed = min(threshold, NHSMAIL_LOCKS_AFTER)
    if allowed - reserve > NHSMAIL_BUDGET:
        text = (
            f"({reserve}) leaves the worker {allowed - reserve} of the twelve attempts after which NHSmail locks the "
            f"account (policy text, 'Lockout policy'). It may use {NHSMAIL_BUDGET}: the rest are for the people who "
            f"share the account. Set at least {allowed - NHSMAIL_BUDGET}."
        )
        yield (("lockout", "reserve"),), text


def _password(settings: Settings) -> Iterator[Broken]:
    password = settings.password
    if password.warn >= password.max_age:
        warn, max_age = format_duration(password.warn), format_duration(password.max_age)
        text = f"({warn}) must be shorter than max_age ({max_age}), or the warnings never end."
        yield (("password", "warn"), ("password", "max_age")), text


def _folders(settings: Settings) -> Iterator[Broken]:
    watched = [_spelled(folder) for folder in settings.poll.folders]
    if len(set(watched)) < len(watched):
        yield (("poll", "folders"),), "names a folder twice. Keep one of them."
    places: dict[Place, str] = {
        ("settle", "handled"): settings.settle.handled,
        ("settle", "failed"): settings.settle.failed,
        ("settle", "junk"): settings.settle.junk,
        ("junk", "folder"): settings.junk.folder,
    }
    words: dict[Place, tuple[str, ...]] = {
        ("settle", "handled"): ("keep",),
        ("settle", "junk"): ("auto", "keep"),
        ("junk", "folder"): ("auto",),
    }
    if settings.settle.failed.casefold() in ("keep", "auto"):
        yield (("settle", "failed"),), "must be a folder: dead letters can't stay with the new mail."
    if settings.settle.handled == "auto":
        yield (("settle", "handled"),), 'must be a folder, or "keep": "auto" would move handled mail among the junk.'
    folders = {place: name for place, name in places.items() if name not in words.get(place, ())}
    for place, name in folders.items():
        if _spelled(name) in watched:
            why = "is watched anyway" if place == ("junk", "folder") else "would be taken for new mail"
            yield (place, ("poll", "folders")), f"({name}) is one of [poll] folders, and {why}. Name another folder."
    yield from _same_folders(folders)


def _same_folders(folders: dict[Place, str]) -> Iterator[Broken]:
    seen: dict[str, Place] = {}
    for place, name in folders.items():
        first = seen.setdefault(_spelled(name), place)
        if first != place and {first, place} != {("settle", "junk"), ("junk", "folder")}:
            yield (place, first), f"({name}) is the folder of {title(first)} too. Name another one."


def _spelled(folder: str) -> str:
    """The same for names that look alike, or differ in large and small letters alone."""
    return unicodedata.normalize("NFC", folder).casefold()


def _limits(settings: Settings) -> Iterator[Broken]:
    limits = settings.limits
    if limits.header_bytes > limits.message:
        yield (("limits", "header_bytes"), ("limits", "message")), "must not be more than [limits] message."


def _health(settings: Settings) -> Iterator[Broken]:
    health, place = settings.health, ("health", "listen")
    if not health.listen:
        return
    host, _, port = health.listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        yield (place,), 'must be an address and a port, such as "127.0.0.1:8080", or "off" for none.'
    elif host not in ("127.0.0.1", "localhost", "[::1]") and health.token is None and health.token_file is None:
        text = f"is missing: {health.listen} can be reached from outside. Name a file that holds a token."
        yield (("health", "token_file"), place, ("health", "token")), text


_NO_SENDER: Final = (
    "is missing, so no alert would arrive: NHSmail deletes mail that a relay sends in the account's name. Add a "
    "line to [alerts.relay], with one of your organisation's addresses that the relay accepts: from = "
    f'"{SENDER_EXAMPLE}"'
)
_NO_OAUTH: Final = (
    'needs an OAuth flow in [account] auth, which is "password": the worker never sends a password over SMTP. Use '
    "another way for alerts, such as [alerts.relay], or set auth to an OAuth flow."
)


def _alerts(settings: Settings) -> Iterator[Broken]:
    relay, place = settings.alerts.relay, ("alerts", "relay", "to")
    if relay.host is not None and not relay.to:
        yield (place, ("alerts", "relay", "host")), "is missing: say who gets the alerts, or remove the relay."
    if relay.to and relay.host is None:
        yield (("alerts", "relay", "host"), place), "is missing: name the relay."
    if relay.host is not None and relay.from_ is None:
        yield (("alerts", "relay", "from"), ("alerts", "relay", "host")), _NO_SENDER
    if relay.from_ is not None and relay.host is None:
        yield (("alerts", "relay", "host"), ("alerts", "relay", "from")), "is missing: name the relay."
    if settings.alerts.submission.to and settings.account.auth == "password":
        yield (("alerts", "submission", "to"), ("account", "auth")), _NO_OAUTH
    audit = settings.audit
    if audit.mirror == "syslog" and not audit.syslog.startswith("/"):
        host, _, port = audit.syslog.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            yield (("audit", "syslog"),), 'must be a socket, such as "/dev/log", or a host and port.'


def _outgoing(settings: Settings) -> Iterator[Broken]:
    for place, text in refused(settings):
        yield (place,), text


def _routes(settings: Settings) -> Iterator[Broken]:
    routes = settings.routes
    if not routes or not routes[-1].takes_all:
        yield (
            (("route",),),
            "the last route must have no match: add one at the end that handles everything else.",
        )
    names: set[str] = set()
    for number, route in enumerate(routes, 1):
        place = ("route", str(number))
        if route.name in names:
            yield ((*place, "name"),), f"({route.name}) is the name of an earlier route. Name it differently."
        if route.name == "junk":
            yield ((*place, "name"),), "(junk) is the name of the junk path. Name it differently."
        names.add(route.name)
        if len(set(route.handlers)) < len(route.handlers):
            yield ((*place, "handlers"),), "names a handler twice. Keep one of them."
        size = route.match.size if route.match else None
        if size and size.over is not None and size.under is not None and size.over >= size.under:
            yield ((*place, "match", "size"),), "is empty: `over` must be smaller than `under`."
