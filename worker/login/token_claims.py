"""Reads the claims of an access token, to say what most likely stands behind a refusal of the mail server.

Nobody verified them, and nobody but the mail server could. They decide nothing, and none is ever logged or stored: only
the cause that follows from them, which is a word of ours.
"""

import binascii
import json
import math
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

LONGEST: Final = 100_000
"""Characters of a token that is looked at. Microsoft's have two thousand or so."""
AS_USER: Final = "IMAP.AccessAsUser.All"
"""The permission to read a person's mail over IMAP, for a person's token."""
AS_APPLICATION: Final = "IMAP.AccessAsApp"
"""The permission to read mail over IMAP, for an application's own token."""
_EXCHANGE: Final = frozenset(
    {"https://outlook.office.com", "https://outlook.office365.com", "00000002-0000-0ff1-ce00-000000000000"}
)
"""Exchange Online, as the audience of a token."""


@dataclass(frozen=True, slots=True, repr=False)
class Claims:
    """What a token says of itself, without proof. Names are in lower case, times in epoch seconds.

    audience: for which services it is. scopes, roles: the permissions of a person's token, and of an application's.
    user: whose it is. by_microsoft: it has the form of Microsoft's tokens, so that what it lacks says something.
    """

    audience: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    user: str | None = None
    expires_at: float | None = None
    valid_from: float | None = None
    by_microsoft: bool = field(default=False)

    @property
    def is_for_exchange(self) -> bool:
        """Whether Exchange Online is its audience."""
        return bool(self.audience & _EXCHANGE)

    @property
    def is_applications(self) -> bool:
        """Whether an application got it for itself, with no person behind it."""
        return not self.scopes and (bool(self.roles) or self.user is None)

    @property
    def has_permission(self) -> bool:
        """Whether it carries the permission that IMAP needs."""
        if self.is_applications:
            return AS_APPLICATION.lower() in self.roles
        return any(scope.rpartition("/")[2] == AS_USER.lower() for scope in self.scopes)

    @property
    def tells_permissions(self) -> bool:
        """Whether a missing permission would be seen."""
        return bool(self.scopes or self.roles) or self.by_microsoft

    def is_valid_at(self, now: float) -> bool:
        """Whether it is neither over nor still to come. Without a time in it, it always is."""
        begun = self.valid_from is None or self.valid_from <= now
        return begun and (self.expires_at is None or now < self.expires_at)


class Cause(StrEnum):
    """What most likely stands behind a refused token. Stored with the attempt, shown in the log as `cause`."""

    AUDIENCE = "token-audience"
    """It is for another service."""
    OUT_OF_DATE = "token-out-of-date"
    """By our clock it isn't valid at all."""
    USER_PERMISSION = "permission-of-user"
    """A person's token without the permission for IMAP."""
    APPLICATION_PERMISSION = "permission-of-application"
    """An application's token without the permission for IMAP."""
    SERVICE_PRINCIPAL = "service-principal"
    """The token is as it must be. Exchange doesn't know the application, or not by the right id."""
    FULL_ACCESS = "full-access"
    """The token is as it must be. Its user or application may not open the mailbox."""
    IMAP_OFF = "imap-off"
    """The token is as it must be. IMAP is switched off for the mailbox."""


def read_claims(token: str) -> Claims | None:
    """Read a token's claims, without trusting them; None if it isn't one that can be read. Never raises."""
    parts = token.split(".")
    if len(token) > LONGEST or len(parts) != 3:
        return None
    try:
        said = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        return None
    if not isinstance(said, dict):
        return None
    return Claims(
        audience=frozenset(name.rstrip("/") for name in _names(said.get("aud"))),
        scopes=_names(said.get("scp")),
        roles=_names(said.get("roles")),
        user=_user(said),
        expires_at=_time(said.get("exp")),
        valid_from=_time(said.get("nbf")),
        by_microsoft=isinstance(said.get("tid"), str),
    )


def likely_cause(claims: Claims | None, *, mailbox: str, now: float, logged_in: bool = False) -> Cause | None:
    """Say what most likely stands behind a token's refusal; None if its claims don't show it.

    mailbox: the one that is to be opened. now: epoch s. logged_in: the login had its OK, and the mailbox didn't open.
    """
    if claims is None:
        return None
    if claims.by_microsoft and claims.audience and not claims.is_for_exchange:
        return Cause.AUDIENCE
    if claims.tells_permissions and not claims.has_permission:
        return Cause.APPLICATION_PERMISSION if claims.is_applications else Cause.USER_PERMISSION
    if not claims.is_valid_at(now):
        return Cause.OUT_OF_DATE
    if not claims.tells_permissions:
        return None
    if claims.is_applications:
        return Cause.FULL_ACCESS if logged_in else Cause.SERVICE_PRINCIPAL
    return Cause.IMAP_OFF if claims.user in (None, mailbox.lower()) else Cause.FULL_ACCESS


_MARK: Final = "; likely: "


def with_cause(said: str, cause: Cause | None) -> str:
    """What is stored of a refusal: the server's words, and the likely cause."""
    return said if cause is None else f"{said}{_MARK}{cause}"


def cause_in(said: str) -> Cause | None:
    """The likely cause in what is stored of a refusal; None if there is none."""
    _, _, word = said.rpartition(_MARK)
    return Cause(word) if _MARK in said and word in set(Cause) else None


_HOLDS: Final = "The token is complete, so most likely"
_ADVICE: Final[Mapping[Cause, str]] = {
    Cause.AUDIENCE: (
        "The token is for another service than Exchange Online: remove `scopes` from `[account.oauth]`, or correct it"
    ),
    Cause.OUT_OF_DATE: "The token isn't valid now by this machine's clock: correct the clock",
    Cause.USER_PERMISSION: (
        f"The token lacks the permission {AS_USER}: ask {{who}} for the permission and the consent to it"
    ),
    Cause.APPLICATION_PERMISSION: (
        f"The token lacks the permission {AS_APPLICATION}: ask {{who}} for the permission, with the administrator's "
        "consent"
    ),
    Cause.SERVICE_PRINCIPAL: (
        f"{_HOLDS} Exchange doesn't know the application (or IMAP is off): ask {{who}} for New-ServicePrincipal, with "
        "the Enterprise application's object id, and for Add-MailboxPermission"
    ),
    Cause.FULL_ACCESS: (
        f"{_HOLDS} the account that signs in isn't allowed to open this mailbox (or IMAP is off): ask {{who}} for "
        "Add-MailboxPermission with FullAccess"
    ),
    Cause.IMAP_OFF: (
        f"{_HOLDS} IMAP is switched off for this mailbox: ask {{who}} for Set-CASMailbox with -ImapEnabled $true"
    ),
}
_UNKNOWN: Final = (
    "Check that the application may read this mailbox over IMAP, and ask {who} whether IMAP is enabled for it"
)


def cause_advice(cause: Cause | None, who: str) -> str:
    """What a cause means and what to do about it, without the full stop. who: the one to ask, as the settings say."""
    return (_UNKNOWN if cause is None else _ADVICE[cause]).format(who=who)


def _names(value: object) -> frozenset[str]:
    """The names in a claim: a list of them, or one text with spaces between."""
    found = value if isinstance(value, list) else [value]
    return frozenset(name for one in found if isinstance(one, str) for name in one.lower().split())


def _user(said: Mapping[str, Any]) -> str | None:
    names = (said.get(claim) for claim in ("upn", "preferred_username", "unique_name"))
    return next((name.lower() for name in names if isinstance(name, str) and name), None)


def _time(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
