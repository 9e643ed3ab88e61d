"""The verdict on a message: its path, and the evidence for it. Shared words, no behaviour."""

from dataclasses import dataclass
from enum import StrEnum


class MailPath(StrEnum):
    """The way that a message takes through the worker."""

    CLEAN = "clean"
    JUNK = "junk"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was read about a message's spam status.

    source: the room that read it: placement, exchange, trend, spamassassin, rspamd, keyword, authentication, release.
    header: the header's canonical name; None where no header was read.
    value: what was read, re-written from the parsed value (`SFV:SPM`, `SCL:9`), never the sender's own text.
    reason: a fixed sentence: why it counts, or why it was ignored.
    counts: whether it makes the message junk.
    """

    source: str
    header: str | None
    value: str
    reason: str
    counts: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The path of a message and everything that was read to decide it."""

    path: MailPath
    evidence: tuple[Evidence, ...] = ()
