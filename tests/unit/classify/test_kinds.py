"""Kinds of junk, for routes of their own."""

import pytest

from worker.classify import classify
from worker.classify.kinds import Kind, kinds


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("X-Forefront-Antispam-Report", "SFV:SPM;CAT:HPHISH;", {Kind.SPAM, Kind.PHISHING}),
        ("X-Forefront-Antispam-Report", "CAT:MALW;", {Kind.MALWARE}),
        ("X-Forefront-Antispam-Report", "CAT:BULK;", {Kind.BULK}),
        ("X-Forefront-Antispam-Report", "CAT:NONE;SFV:NSPM;", set()),
        ("X-Forefront-Antispam-Report-Untrusted", "CAT:MALW;", set()),
        ("X-Microsoft-Antispam", "BCL:8;", {Kind.BULK}),
        ("X-Spam-Flag", "YES", {Kind.SPAM}),
    ],
)
def test_kinds_of_what_counts(header: str, value: str, expected: set[Kind]) -> None:
    assert kinds(classify([(header, value)], in_junk_folder=False).evidence) == expected


def test_kinds_from_the_folder_and_keywords() -> None:
    assert kinds(classify([], in_junk_folder=True).evidence) == {Kind.SPAM}
    verdict = classify([], in_junk_folder=False, keywords=frozenset({"$Phishing"}))
    assert kinds(verdict.evidence) == {Kind.PHISHING}
