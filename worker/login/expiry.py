"""What expires: the one table behind the page, the metrics, the alerts, the log and docs/expiry.md.

Each row says when it applies, where its end is known from, what its end means, and what a person does. Warnings begin
a month before the end, are repeated twice, and come daily from the last week on. Times are in epoch seconds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from worker.login.password_policy import DAY, Age
from worker.logs.counted import counted

WARN: Final = 30 * DAY
"""How long before the end the warnings begin, unless the settings say otherwise."""
REFRESH_TOKEN_LASTS: Final = 90 * DAY
"""How long Microsoft's sign-in service keeps a refresh token that nobody uses."""
_DAILY_FROM: Final = 7
_REPEATED: Final = (14, 21)
"""Days before the end on which the first warning is repeated, nearest first."""
_BY_PERSON: Final = ("oauth2-browser", "oauth2-device")
"""The flows in which a person signs in, and the worker keeps the sign-in alive."""
_CONFIDENTIAL: Final = ("oauth2-browser", "oauth2-client")
"""The flows in which the application proves itself by its secret or certificate, if it has one."""


class Thing(StrEnum):
    """What may expire, as metrics, log and `status --json` name it."""

    PASSWORD = "password"  # noqa: S105 -- a name
    PUBLIC_CLIENT_PASSWORD = "public-client-password"  # noqa: S105 -- a name
    CONFIDENTIAL_CLIENT_PASSWORD = "confidential-client-password"  # noqa: S105 -- a name
    CLIENT_SECRET = "client-secret"  # noqa: S105 -- a name
    CLIENT_CERTIFICATE = "client-certificate"
    REFRESH_TOKEN = "refresh-token"  # noqa: S105 -- a name

    @property
    def is_password(self) -> bool:
        """Whether it is the account's password."""
        return self.value.endswith("password")


class KnownBy(StrEnum):
    """Where the end is known from."""

    SETTINGS = "settings"
    FILE = "file"
    LAST_USE = "last-use"
    FIRST_SEEN = "first-seen"
    """Counted from when the worker first saw it. It may be older: then it ends sooner."""


@dataclass(frozen=True, slots=True)
class Way:
    """How the worker logs in. auth: as in the settings. has_secret, has_certificate: of the application."""

    auth: str
    has_secret: bool = False
    has_certificate: bool = False

    @property
    def is_confidential(self) -> bool:
        """Whether the application proves who it is when it asks for tokens."""
        return self.auth in _CONFIDENTIAL and (self.has_secret or self.has_certificate)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    title: what it is called. noun: the same in a sentence. applies: whether it can expire, given the way to log in.
    when: which ways these are, in words. known_from: where its end is known from. unknown: what makes an unknown end
    known. ends: what its end means for the mail. do: what a person does, in fewer than 500 characters. over: that it is
    done.
    """

    title: str
    noun: str
    applies: Callable[[Way], bool]
    when: str
    known_from: str
    unknown: str
    ends: str
    do: str
    over: str


_CHANGED: Final = "`[password] changed`, and how long a password lasts: `[password] max_age`"
_SET_CHANGED: Final = "Set `[password] changed` to the day of its last change."
_BY_PERSON_WORDS: Final = "`oauth2-device` and `oauth2-browser`"

TABLE: Final[Mapping[Thing, Row]] = {
    Thing.PASSWORD: Row(
        title="Password",
        noun="The password",
        applies=lambda way: way.auth in ("password", "oauth2-password"),
        when="`password` and `oauth2-password`",
        known_from=(
            f"{_CHANGED}. Without that date, the worker counts from when it first saw the password, so the password "
            "may end sooner"
        ),
        unknown=_SET_CHANGED,
        ends=(
            "The server or the sign-in service rejects the password, and each try may count towards the lockout. "
            "Mail waits in the mailbox."
        ),
        do=(
            "Change it, and put the new one where the worker reads it. It reads a password file before each login. "
            "If `[password] changed` is set, set it to the new day and restart the worker."
        ),
        over="The password was changed.",
    ),
    Thing.PUBLIC_CLIENT_PASSWORD: Row(
        title="Password of the account that signs in",
        noun="The password of the account that signs in",
        applies=lambda way: way.auth in _BY_PERSON and not way.is_confidential,
        when=f"{_BY_PERSON_WORDS} as a public client: without a secret or certificate",
        known_from=_CHANGED,
        unknown=_SET_CHANGED,
        ends=(
            "The account must change its password (an application account once a year). The change revokes the "
            "refresh token of a public client, so the worker stops until somebody signs in again. Mail waits in the "
            "mailbox."
        ),
        do=(
            "Plan a new sign-in for the same day. The worker is a public client, so the change ends its sign-in, "
            "and mail waits until somebody signs in again. Change the password when somebody who may sign in as the "
            "account is present. Run `nhsmail-worker login authorise` straight after. Then set `[password] changed` "
            "and restart the worker."
        ),
        over="The password was changed. If that ended the worker's sign-in, `nhsmail-worker login status` says so.",
    ),
    Thing.CONFIDENTIAL_CLIENT_PASSWORD: Row(
        title="Password of the account that signs in",
        noun="The password of the account that signs in",
        applies=lambda way: way.auth in _BY_PERSON and way.is_confidential,
        when="`oauth2-browser` as a confidential client: with a secret or certificate",
        known_from=_CHANGED,
        unknown=_SET_CHANGED,
        ends=(
            "The account must change its password. The sign-in of a confidential client survives a change by the "
            "account's owner. A reset by an administrator ends it."
        ),
        do=(
            "Ask the account's owner to change it before it ends: the worker's sign-in survives that. If an "
            "administrator resets it, the sign-in ends: run `nhsmail-worker login authorise`. Then set `[password] "
            "changed` and restart the worker."
        ),
        over="The password was changed.",
    ),
    Thing.CLIENT_SECRET: Row(
        title="Client secret",
        noun="The application's client secret",
        applies=lambda way: way.is_confidential and not way.has_certificate,
        when="`oauth2-client`, and `oauth2-browser` with a secret",
        known_from="`[account.oauth] secret_expires` (the sign-in service doesn't say)",
        unknown="Set `[account.oauth] secret_expires` to the date that the application's registration shows.",
        ends=(
            "The sign-in service refuses the application (AADSTS7000222), so the worker stops. Mail waits in the "
            "mailbox."
        ),
        do=(
            "Ask the people who keep the application's registration to add a new secret. Put it where the worker "
            "reads it. It reads a secret's file before each login. Then set `[account.oauth] secret_expires` to the "
            "new end and restart the worker."
        ),
        over="The secret was renewed.",
    ),
    Thing.CLIENT_CERTIFICATE: Row(
        title="Client certificate",
        noun="The application's certificate",
        applies=lambda way: way.is_confidential and way.has_certificate,
        when="`oauth2-client`, and `oauth2-browser` with a certificate",
        known_from="the certificate's own notAfter, read from `[account.oauth] certificate_file` once an hour",
        unknown=(
            "Check that the worker can read `[account.oauth] certificate_file`, and that it is a certificate in PEM."
        ),
        ends="The sign-in service refuses the application, so the worker stops. Mail waits in the mailbox.",
        do=(
            "Make a new certificate with its key. First ask the people who keep the application's registration to "
            "add it there. Then put both into `[account.oauth] certificate_file`: the worker reads it before the "
            "next login, without a restart."
        ),
        over="The certificate was replaced.",
    ),
    Thing.REFRESH_TOKEN: Row(
        title="Sign-in",
        noun="The unused sign-in",
        applies=lambda way: way.auth in _BY_PERSON,
        when=_BY_PERSON_WORDS,
        known_from="the token cache in the state folder: the last use of its refresh token, and 90 days",
        unknown=(
            "If nobody has signed in yet, run `nhsmail-worker login authorise`. Otherwise the worker finds out "
            "within an hour."
        ),
        ends=(
            "The sign-in service forgets a sign-in that isn't used for 90 days. The worker then stops until "
            "somebody signs in again. Each login that needs a new token puts off the end. So this happens only to a "
            "worker that doesn't log in: paused, halted, not running, or on one connection all the time."
        ),
        do=(
            "Find out why it isn't used: run `nhsmail-worker status`. End the pause or the halt. If the worker has "
            "kept one connection all that time, restart it: the next login uses the sign-in. If the sign-in has "
            "expired, run `nhsmail-worker login authorise`."
        ),
        over="The sign-in was used, or there is a new one.",
    ),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the settings say about what expires.

    password_changed: the date in the settings; None: none. password_lasts, password_warn: s. secret_expires: None: the
    settings don't say.
    """

    way: Way
    password_changed: float | None = None
    password_lasts: float = 90 * DAY
    password_warn: float = WARN
    secret_expires: float | None = None

    @property
    def things(self) -> tuple[Thing, ...]:
        """What can expire, in the table's order."""
        return tuple(thing for thing, row in TABLE.items() if row.applies(self.way))


@dataclass(frozen=True, slots=True)
class Found:
    """What the worker found in its files.

    certificate_ends: the certificate's notAfter. sign_in: tells one sign-in from another; None: there is none.
    signed_in_at: when it was made, as far as is known. used_at: when its refresh token was last used.
    """

    certificate_ends: float | None = None
    sign_in: str | None = None
    signed_in_at: float | None = None
    used_at: float | None = None


@dataclass(frozen=True, slots=True)
class Expiry:
    """One thing and its end. expires_at: None: not known. days_left: whole days, negative after the end.

    known_by: None: not known. since: when it began. used_at: when it was last used. due: the warning that is due, by
    the number of days left on which it fell due; None: none is.
    """

    thing: Thing
    expires_at: float | None = None
    days_left: int | None = None
    known_by: KnownBy | None = None
    since: float | None = None
    used_at: float | None = None
    due: int | None = field(default=None, kw_only=True)


def expiries(plan: Plan, age: Age | None, found: Found, now: float) -> tuple[Expiry, ...]:
    """Everything that can expire under these settings, with its end or without.

    age: of the password that the worker itself reads; None: it has read none.
    """
    return tuple(_expiry(thing, plan, age, found, now) for thing in plan.things)


def _expiry(thing: Thing, plan: Plan, age: Age | None, found: Found, now: float) -> Expiry:
    changed, warn = plan.password_changed, plan.password_warn
    match thing:
        case Thing.PASSWORD if age is not None:
            by = KnownBy.FIRST_SEEN if changed is None else KnownBy.SETTINGS
            return _ending(thing, age.expires_at, by, now, warn=warn, since=age.changed_at)
        case Thing.PASSWORD | Thing.PUBLIC_CLIENT_PASSWORD | Thing.CONFIDENTIAL_CLIENT_PASSWORD if changed is not None:
            return _ending(thing, changed + plan.password_lasts, KnownBy.SETTINGS, now, warn=warn, since=changed)
        case Thing.CLIENT_SECRET if plan.secret_expires is not None:
            return _ending(thing, plan.secret_expires, KnownBy.SETTINGS, now)
        case Thing.CLIENT_CERTIFICATE if found.certificate_ends is not None:
            return _ending(thing, found.certificate_ends, KnownBy.FILE, now)
        case Thing.REFRESH_TOKEN if found.used_at is not None:
            ends = found.used_at + REFRESH_TOKEN_LASTS
            return _ending(thing, ends, KnownBy.LAST_USE, now, since=found.signed_in_at, used_at=found.used_at)
        case _:
            return Expiry(thing)


def _ending(
    thing: Thing,
    ends: float,
    by: KnownBy,
    now: float,
    *,
    warn: float = WARN,
    since: float | None = None,
    used_at: float | None = None,
) -> Expiry:
    left = ends - now
    return Expiry(thing, ends, math.floor(left / DAY), by, since, used_at, due=warning_due(left, warn))


def warning_due(left: float, warn: float) -> int | None:
    """Return which warning is due, by the number of days left on which it fell due; None: none is. left, warn: s.

    The first is due `warn` seconds before the end, then come 21 and 14 days, and from 7 days on each day has its own,
    also after the end. While a warning is due, that is its name, however late it is given.
    """
    if left > warn:
        return None
    days = math.floor(left / DAY)
    if days <= _DAILY_FROM:
        return days
    return next((at for at in _REPEATED if left <= at * DAY < warn), math.ceil(warn / DAY))


def sentence(thing: Thing, days_left: int) -> str:
    """What is to be told, in a sentence."""
    noun = TABLE[thing].noun
    if days_left < 0:
        return f"{noun} has expired."
    if days_left == 0:
        return f"{noun} expires within a day."
    return f"{noun} expires in {counted(days_left, 'day')}."
