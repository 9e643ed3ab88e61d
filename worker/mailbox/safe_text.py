"""Reduces a server's answer to words that may appear in a log."""

import re
from typing import Final

_KNOWN_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "a access accesstokenexpired account administrator again already an and are argument authenticate "
        "authenticated authentication authorization backoff bad basic basicauthblocked been blocked but by "
        "bye can closed command connected connection connections contact credentials denied disabled due "
        "encryption eof error exceeded exist exists expired failed failure folder for from has idle imap in "
        "inactivity internal invalid invalidated is later limit line locked logging login logins logondenied "
        "logout mailbox many maximum migration milliseconds moved name namespace no not number ok on or out "
        "password permission permitted please policy quota received refused rejected request reset response "
        "server session shutting socket state suggested support supported temporarily temporary the throttled "
        "time timed timeout to token too try unavailable unexpected unknown unsupported unterminated use user "
        "username with wrong you your ",
    )
)
_SAFE_CODES: Final = frozenset(
    {
        "AUTHENTICATIONFAILED",
        "AUTHORIZATIONFAILED",
        "CONTACTADMIN",
        "NOPERM",
        "EXPIRED",
        "PRIVACYREQUIRED",
        "UNAVAILABLE",
        "LIMIT",
        "ALERT",
        "INUSE",
        "SERVERBUG",
        "CLIENTBUG",
        "CANNOT",
        "OVERQUOTA",
        "CORRUPTION",
        "NONEXISTENT",
        "ALREADYEXISTS",
        "TRYCREATE",
    }
)
_MAX_WORDS: Final = 24
_MAX_READ: Final = 1000


def safe_text(text: str) -> str:
    """Reduce an answer to listed words, numbers of one or two digits, and known response codes.

    A server may echo what it was sent, in clear or encoded. Everything that isn't listed becomes `…`, so neither a
    credential nor content can get through.
    """
    words = [_fit_word(piece) for piece in text[:_MAX_READ].split()]
    kept: list[str] = []
    for word in words:
        if word != "…" or kept[-1:] != ["…"]:
            kept.append(word)
    return " ".join(kept[:_MAX_WORDS])


_DECORATED: Final = re.compile(r"(?:\[?b['\"])?(\[?)([A-Za-z]+|\d{1,2})(\]?)[.,:;]?['\"]?\]?\Z")


def _fit_word(word: str) -> str:
    """The word in lower case and without punctuation, so that not even a password made of listed words is quoted."""
    found = _DECORATED.match(word)
    if not found:
        return "…"
    opening, core, closing = found.groups()
    if opening and closing and core in _SAFE_CODES:
        return f"[{core}]"
    return core.lower() if core.isdigit() or core.lower() in _KNOWN_WORDS else "…"
