"""What counts as junk: every threshold and switch of the classifier, frozen."""

import re
from dataclasses import dataclass

SOURCES = ("placement", "exchange", "trend", "spamassassin", "rspamd", "keyword", "authentication")
"""Every source of evidence, in the order in which a verdict lists them."""

COUNTING_SOURCES = frozenset(SOURCES) - {"authentication"}
"""The sources that make junk by default. A failed sender check is common in honest, badly set-up mail, and Exchange has
already weighed it in its own verdict: it is recorded, and makes nothing junk on its own."""

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
"""NHSmail's hosts and Exchange Online's, as they name themselves in Received lines."""

OUTSIDE_HOSTS = ("*.outbound.protection.outlook.com",)
"""Hosts by which mail leaves Exchange Online. Other organisations are there as well: what stands below such a hop may
be their own filter's word, or their users'."""

_CATEGORY = re.compile(r"[A-Z]{1,16}")
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class JunkPolicy:
    """The settings of the classifier. Raises ValueError for a value that could never do what it says.

    scl: a spam confidence level (-1 to 9) of this or more is junk; None: levels are recorded only. Exchange calls 5
        and 6 spam, 7 to 9 high-confidence spam.
    bcl: a bulk complaint level (0 to 9) of this or more is junk; None: recorded only. 7 is Exchange's own default.
    sources: the sources that make junk; what the others say is recorded only. Placement always counts, listed or not:
        no setting sends mail from the junk folder to a clean handler.
    categories: the `CAT:` words that make junk, upper case; the others are recorded only.
    provider_hosts: the provider's hosts: a full name, or `*.` and a domain for every host below that domain.
    believe_without_provider: believe every flag where the topmost Received line isn't by a provider host (a wrong flag
        costs a review, a missed one costs trust). False: believe none there, save the folder and keywords.
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
