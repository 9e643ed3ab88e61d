"""The kinds of junk in a verdict, so that phishing and malware can have handlers of their own."""

from collections.abc import Iterable
from enum import StrEnum

from worker.classify.policy import MALWARE_CATEGORIES, PHISHING_CATEGORIES
from worker.message.verdict import Evidence


class Kind(StrEnum):
    """A kind of junk. A message can be of several."""

    SPAM = "spam"
    BULK = "bulk"
    PHISHING = "phishing"
    MALWARE = "malware"


_KINDS = (
    {f"CAT:{word}": Kind.PHISHING for word in PHISHING_CATEGORIES}
    | {f"CAT:{word}": Kind.MALWARE for word in MALWARE_CATEGORIES}
    | {f"BCL:{level}": Kind.BULK for level in range(10)}
    | {"CAT:BULK": Kind.BULK, "$Phishing": Kind.PHISHING}
)


def kinds(evidence: Iterable[Evidence]) -> frozenset[Kind]:
    """Return the kinds that the counting evidence names, or spam where it names none. Empty if nothing counts."""
    return frozenset(_KINDS.get(piece.value, Kind.SPAM) for piece in evidence if piece.counts)
