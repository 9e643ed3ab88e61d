"""The verdict on a message: its path and the evidence for it. Shared data types without behaviour."""

from dataclasses import dataclass
from enum import StrEnum


class MailPath(StrEnum):
    """The path that a message takes through the worker."""

    CLEAN = "clean"
    JUNK = "junk"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence about a message's spam status.

    source: what it was read by: placement, exchange, trend, spamassassin, rspamd, keyword, authentication, release.
    header: the header's canonical name; None if it doesn't come from a header.
    value: what was read, rewritten from the parsed value (`SFV:SPM`, `SCL:9`); never the sender's own text.
    reason: a fixed sentence that says why it counts, or why it was ignored.
    counts: whether it makes the message junk.
    """

    source: str
    header: str | None
    value: str
    reason: str
    counts: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The path of a message, and all evidence that was read to decide it."""

    path: MailPath
    evidence: tuple[Evidence, ...] = ()
