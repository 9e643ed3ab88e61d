"""Reasons by which something is decided later: one codec for what is stored as text beside a message.

All other reasons (`oversize`, HANDLER:CLASS, …) are only shown to people.
"""

from enum import StrEnum


class Reason(StrEnum):
    """What a stored reason says of its message. Stored as the word, with `:` and a detail after it where it has one."""

    PLACEHOLDER = "stand-in"
    """The server shows something else in the message's place for now. Detail: the kind of placeholder."""
    PAUSED = "paused"
    """It waits for a handler that is paused. Detail: the handler's name."""
    DELETED = "deleted"
    """We deleted it from the mailbox, as the settings ask. No detail."""

    def stored(self, detail: str = "") -> str:
        """As it is stored."""
        return f"{self}:{detail}" if self in _WITH_DETAIL else str(self)


_WITH_DETAIL = frozenset({Reason.PLACEHOLDER, Reason.PAUSED})


def read_reason(stored: str | None) -> tuple[Reason | None, str]:
    """The reason and its detail; None for any that nothing is decided by."""
    word, colon, detail = (stored or "").partition(":")
    for reason in Reason:
        if word == reason and bool(colon) == (reason in _WITH_DETAIL):
            return reason, detail
    return None, ""
