"""What counts as junk: every threshold and switch of the classifier. Immutable."""

import re
from dataclasses import dataclass

SOURCES = ("placement", "exchange", "trend", "spamassassin", "rspamd", "keyword", "authentication")
"""All sources of evidence, in the order in which a verdict lists them."""

COUNTING_SOURCES = frozenset(SOURCES) - {"authentication"}
"""The sources that make junk by default. A failed sender check is common in honest mail from badly configured systems,
and Exchange has already weighed it in its own verdict, so it is recorded but doesn't make a message junk."""

PHISHING_CATEGORIES = frozenset({"PHSH", "HPHSH", "HPHISH", "SPOOF", "INTOS", "DIMP", "UIMP", "GIMP", "BIMP"})
MALWARE_CATEGORIES = frozenset({"MALW", "AMP", "FTBP", "SAP"})
SPAM_CATEGORIES = frozenset({"SPM", "HSPM", "OSPM", "BULK"}) | PHISHING_CATEGORIES | MALWARE_CATEGORIES
"""The categories (`CAT:`) that Exchange Online gives to spam, phishing, impersonation and malware."""

PROVIDER_HOSTS = (
    "*.nhs.net",
    "*.protection.outlook.com",
    "*.prod.outlook.com",
    "*.prod.exchangelabs.com",
    "*.outlook.office365.com",
)
"""The hosts of NHSmail and Exchange Online, by their names in Received lines."""

OUTSIDE_HOSTS = ("*.outbound.protection.outlook.com",)
"""Hosts by which mail leaves Exchange Online. Other organisations use it too, so headers below such a hop may have been
written by their own filter or by their users."""

_CATEGORY = re.compile(r"[A-Z]{1,16}")
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class JunkPolicy:
    """The settings of the classifier. Raises ValueError for a value that could never have an effect.

    scl: a spam confidence level (-1 to 9) from which a message is junk; None: levels are only recorded. Exchange calls
        5 and 6 spam, 7 to 9 high-confidence spam.
    bcl: a bulk complaint level (0 to 9) from which a message is junk; None: only recorded. 7 is Exchange's own default.
    sources: the sources that make junk; evidence of the others is only recorded. Placement always counts, listed or
        not, so that no setting can send mail from the junk folder to a clean handler.
    categories: the `CAT:` words that make junk, in upper case; others are only recorded.
    provider_hosts: the provider's hosts: a full name, or `*.` and a domain for every host below that domain.
    believe_without_provider: believe every flag if the topmost Received line isn't by a provider host, because a wrong
        flag costs a review, but a missed one costs trust. False: believe only the folder and keywords in that case.
    """

    scl: int | None = 5
    bcl: int | None = 7
    sources: frozenset[str] = COUNTING_SOURCES
    categories: frozenset[str] = SPAM_CATEGORIES
    provider_hosts: tuple[str, ...] = PROVIDER_HOSTS
    believe_without_provider: bool = True

    def __post_init__(self) -> None:
        if self.scl is not None and not -1 <= self.scl <= 9:
            raise ValueError("scl: a spam confidence level is -1 to 9")
        if self.bcl is not None and not 0 <= self.bcl <= 9:
            raise ValueError("bcl: a bulk complaint level is 0 to 9")
        if unknown := self.sources - set(SOURCES):
            raise ValueError(f"sources: unknown: {', '.join(sorted(unknown))}; there are {', '.join(SOURCES)}")
        if wrong := [word for word in self.categories if not _CATEGORY.fullmatch(word)]:
            raise ValueError(f"categories: not upper-case words: {', '.join(sorted(wrong))}")
        if wrong := [host for host in self.provider_hosts if not _HOST.fullmatch(host)]:
            raise ValueError(f"provider_hosts: neither a host name nor *.domain: {', '.join(wrong)}")
