"""The stored reasons that later decisions depend on, with the one codec for their text.

All other reasons (`oversize`, HANDLER:CLASS, …) are only shown to people.
"""

from enum import StrEnum


class Reason(StrEnum):
    """What a stored reason says about its message. Stored as the value, followed by `:` and a detail if it has one."""

    PLACEHOLDER = "stand-in"
    """The server shows a placeholder instead of the message. Detail: the kind of placeholder."""
    PAUSED = "paused"
    """The message waits for a paused handler. Detail: the handler's name."""
    OTHER_CONTENT = "other-content"
    """Its content isn't that of the message for which its headers were taken. No detail. Never stored."""
    DELETED = "deleted"
    """We deleted the message from the mailbox, as the settings ask. No detail."""

    def stored(self, detail: str = "") -> str:
        """Return the text to store."""
        return f"{self}:{detail}" if self in _WITH_DETAIL else str(self)


_WITH_DETAIL = frozenset({Reason.PLACEHOLDER, Reason.PAUSED})


def read_reason(stored: str | None) -> tuple[Reason | None, str]:
    """Return the reason and its detail; None for a reason that no decision depends on."""
    if not stored:
        return None, ""
    word, colon, detail = stored.partition(":")
    for reason in Reason:
        if word == reason and bool(colon) == (reason in _WITH_DETAIL):
            return reason, detail
    return None, ""
