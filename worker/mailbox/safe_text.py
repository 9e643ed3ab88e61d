"""The words of a server's answer that are fit for a log."""

import re
from typing import Final

_KNOWN_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "a access accesstokenexpired account administrator again already an and are argument authenticate "
        "authenticated authentication authorization backoff bad basic basicauthblocked been blocked but bye "
        "by can closed command connected connection connections contact credentials denied disabled due "
        "encryption eof error exceeded expired failed failure for from has idle imap in inactivity internal "
        "invalid invalidated is later limit line locked logging login logins logondenied logout mailbox many "
        "maximum milliseconds no not number ok on or out password permitted please policy received refused "
        "rejected request reset response server session shutting socket state suggested support supported "
        "temporarily temporary the throttled time timed timeout to token too try unavailable unexpected "
        "unknown unsupported unterminated user username with wrong you your ",
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
    }
)
_MAX_WORDS: Final = 24
_MAX_READ: Final = 1000


def safe_text(text: str) -> str:
    """The words of a server's answer that are fit for a log: those of a fixed list, short numbers, known codes.

    A server may echo what it was sent, whole or encoded. Only words that we chose come through; everything else
    becomes `…`, so that neither a credential nor mail can.
    """
    words = [_fit_word(piece) for piece in text[:_MAX_READ].split()]
    kept: list[str] = []
    for word in words:
        if word != "…" or kept[-1:] != ["…"]:
            kept.append(word)
    return " ".join(kept[:_MAX_WORDS])


_DECORATED: Final = re.compile(r"(?:\[?b['\"])?(\[?)([A-Za-z]+|\d{1,2})(\]?)[.,:;]?['\"]?\]?\Z")


def _fit_word(word: str) -> str:
    """The word as we would write it: small, without marks, so that not even a password made of such words is quoted."""
    found = _DECORATED.match(word)
    if not found:
        return "…"
    opening, core, closing = found.groups()
    if opening and closing and core in _SAFE_CODES:
        return f"[{core}]"
    return core.lower() if core.isdigit() or core.lower() in _KNOWN_WORDS else "…"
