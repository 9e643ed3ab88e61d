"""Evidence from Exchange's own headers.

The words are those of Microsoft's documentation of anti-spam message headers. An unknown word is recorded as `other`,
so that the header's own text is never repeated.
"""

import re

from worker.classify.policy import SPAM_CATEGORIES, JunkPolicy
from worker.classify.reading import Reader, Reading, fields, plain

_NOT_SPAM = "it doesn't speak for junk; noted, since no header takes suspicion away"
_NOT_KNOWN = "a word that isn't known here; noted only"
_SWITCHED_OFF = "the settings record it only"

_FILTER_VERDICTS = {
    "SPM": "Exchange's content filter found spam",
    "SKS": "a rule marked it as spam before the content filter",
    "SKB": "the sender is on a list of blocked senders",
    "BLK": "the recipient blocks this sender",
}
_CLEAN_VERDICTS = frozenset({"NSPM", "SKN", "SKA", "SFE", "SKQ"})
_SCL = re.compile(r"-1|[0-9]")
_BCL = re.compile(r"[0-9]")
_DESTINATIONS = {
    "J": Reading("dest:J", True, "Exchange delivered it to the junk folder"),
    "I": Reading("dest:I", False, _NOT_SPAM),
    "C": Reading("dest:C", False, _NOT_SPAM),
}


def read_report(value: str, policy: JunkPolicy) -> list[Reading]:
    """Read X-Forefront-Antispam-Report: the filter's verdict (SFV), category (CAT) and confidence level (SCL)."""
    readings = []
    for key, word in fields(value):
        if key == "SFV":
            readings.append(_filter_verdict(word))
        elif key == "CAT":
            readings.append(_category(word, policy))
        elif key == "SCL":
            readings.append(_confidence(word, policy))
    return readings


def read_confidence(value: str, policy: JunkPolicy) -> list[Reading]:
    """Read X-MS-Exchange-Organization-SCL: the confidence level alone."""
    return [_confidence(plain(value).strip(), policy)]


def read_bulk(value: str, policy: JunkPolicy) -> list[Reading]:
    """Read X-Microsoft-Antispam: the bulk complaint level (BCL)."""
    return [_bulk(word, policy) for key, word in fields(value) if key == "BCL"]


def read_delivery(value: str, _policy: JunkPolicy) -> list[Reading]:
    """Read X-Microsoft-Antispam-Mailbox-Delivery: the folder to which the message was delivered (dest)."""
    other = Reading("dest:other", False, _NOT_KNOWN)
    return [_DESTINATIONS.get(word, other) for key, word in fields(value) if key == "DEST"]


def _filter_verdict(word: str) -> Reading:
    if word in _FILTER_VERDICTS:
        return Reading(f"SFV:{word}", True, _FILTER_VERDICTS[word])
    if word in _CLEAN_VERDICTS:
        return Reading(f"SFV:{word}", False, _NOT_SPAM)
    return Reading("SFV:other", False, _NOT_KNOWN)


def _category(word: str, policy: JunkPolicy) -> Reading:
    if word in policy.categories:
        return Reading(f"CAT:{word}", True, "Exchange gave it a category that counts as junk")
    if word == "NONE":
        return Reading("CAT:NONE", False, _NOT_SPAM)
    if word in SPAM_CATEGORIES:
        return Reading(f"CAT:{word}", False, _SWITCHED_OFF)
    return Reading("CAT:other", False, _NOT_KNOWN)


def _confidence(word: str, policy: JunkPolicy) -> Reading:
    if not _SCL.fullmatch(word):
        return Reading("SCL:other", False, _NOT_KNOWN)
    if policy.scl is None:
        return Reading(f"SCL:{word}", False, _SWITCHED_OFF)
    if int(word) >= policy.scl:
        return Reading(f"SCL:{word}", True, "the spam confidence level reaches the threshold")
    return Reading(f"SCL:{word}", False, _NOT_SPAM)


def _bulk(word: str, policy: JunkPolicy) -> Reading:
    if not _BCL.fullmatch(word):
        return Reading("BCL:other", False, _NOT_KNOWN)
    if policy.bcl is None:
        return Reading(f"BCL:{word}", False, _SWITCHED_OFF)
    if int(word) >= policy.bcl:
        return Reading(f"BCL:{word}", True, "the bulk complaint level reaches the threshold")
    return Reading(f"BCL:{word}", False, _NOT_SPAM)


READERS: dict[str, Reader] = {
    "X-Forefront-Antispam-Report": read_report,
    "X-MS-Exchange-Organization-SCL": read_confidence,
    "X-Microsoft-Antispam": read_bulk,
    "X-Microsoft-Antispam-Mailbox-Delivery": read_delivery,
}
