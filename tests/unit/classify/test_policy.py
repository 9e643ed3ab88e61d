"""The settings of the classifier: what each does, and which are refused."""

from collections.abc import Callable

import pytest

from worker.classify import JunkPolicy, classify
from worker.classify.policy import SOURCES, SPAM_CATEGORIES
from worker.message.verdict import MailPath

INGRESS = ("Received", "from mail.sender.example (192.0.2.31) by mail.nhs.net; Mon, 2 Nov 2026 09:00:00 +0000")
ELSEWHERE = ("Received", "from mail.sender.example by mx.hospital.example; Mon, 2 Nov 2026 09:00:00 +0000")
REPORT = "X-Forefront-Antispam-Report"


def path(*headers: tuple[str, str], policy: JunkPolicy) -> MailPath:
    return classify(headers, in_junk_folder=False, policy=policy).path


@pytest.mark.parametrize(
    ("policy", "level", "expected"),
    [
        (JunkPolicy(scl=7), 6, MailPath.CLEAN),
        (JunkPolicy(scl=7), 7, MailPath.JUNK),
        (JunkPolicy(scl=-1), -1, MailPath.JUNK),
        (JunkPolicy(scl=0), -1, MailPath.CLEAN),
        (JunkPolicy(scl=None), 9, MailPath.CLEAN),
    ],
)
def test_scl_threshold(policy: JunkPolicy, level: int, expected: MailPath) -> None:
    assert path(INGRESS, (REPORT, f"SCL:{level};"), policy=policy) is expected
    assert path(INGRESS, ("X-MS-Exchange-Organization-SCL", f"{level}"), policy=policy) is expected


@pytest.mark.parametrize(
    ("policy", "level", "expected"),
    [
        (JunkPolicy(bcl=4), 3, MailPath.CLEAN),
        (JunkPolicy(bcl=4), 4, MailPath.JUNK),
        (JunkPolicy(bcl=9), 8, MailPath.CLEAN),
        (JunkPolicy(bcl=None), 9, MailPath.CLEAN),
    ],
)
def test_bcl_threshold(policy: JunkPolicy, level: int, expected: MailPath) -> None:
    assert path(INGRESS, ("X-Microsoft-Antispam", f"BCL:{level};"), policy=policy) is expected


def test_a_level_that_is_switched_off_is_still_recorded() -> None:
    headers = [INGRESS, (REPORT, "SCL:9;CAT:BULK;"), ("X-Microsoft-Antispam", "BCL:9;")]
    policy = JunkPolicy(scl=None, bcl=None, categories=SPAM_CATEGORIES - {"BULK"})
    verdict = classify(headers, in_junk_folder=False, policy=policy)
    assert [(piece.value, piece.counts) for piece in verdict.evidence] == [
        ("SCL:9", False),
        ("CAT:BULK", False),
        ("BCL:9", False),
    ]


def test_categories_are_those_of_the_settings() -> None:
    policy = JunkPolicy(categories=frozenset({"PHSH", "NEWKIND"}))
    assert path(INGRESS, (REPORT, "CAT:PHSH;"), policy=policy) is MailPath.JUNK
    assert path(INGRESS, (REPORT, "CAT:NEWKIND;"), policy=policy) is MailPath.JUNK
    assert path(INGRESS, (REPORT, "CAT:BULK;"), policy=policy) is MailPath.CLEAN


SAYS_JUNK = {
    "exchange": (REPORT, "SFV:SPM;"),
    "trend": ("X-TM-AS-Result", "Yes-5.339-5.0-31-1"),
    "spamassassin": ("X-Spam-Flag", "YES"),
    "rspamd": ("X-Spam", "Yes"),
    "authentication": ("Authentication-Results", "compauth=fail reason=001"),
}


@pytest.mark.parametrize("source", SAYS_JUNK)
def test_each_source_can_be_switched(source: str) -> None:
    line = SAYS_JUNK[source]
    assert path(line, INGRESS, policy=JunkPolicy(sources=frozenset({source}))) is MailPath.JUNK
    verdict = classify([line, INGRESS], in_junk_folder=False, policy=JunkPolicy(sources=frozenset(SOURCES) - {source}))
    assert verdict.path is MailPath.CLEAN
    assert [(piece.source, piece.counts) for piece in verdict.evidence] == [(source, False)]
    assert verdict.evidence[0].reason.startswith("recorded only: ")


def test_keywords_can_be_switched_off_and_the_folder_can_not() -> None:
    nothing = JunkPolicy(sources=frozenset())
    assert classify([], in_junk_folder=False, keywords=frozenset({"$Junk"}), policy=nothing).path is MailPath.CLEAN
    assert classify([], in_junk_folder=True, policy=nothing).path is MailPath.JUNK


def test_believing_without_a_provider_can_be_switched_off() -> None:
    doubting = JunkPolicy(believe_without_provider=False)
    for source in ("exchange", "trend", "spamassassin", "rspamd"):
        for way in ((SAYS_JUNK[source],), (SAYS_JUNK[source], ELSEWHERE), (ELSEWHERE, INGRESS, SAYS_JUNK[source])):
            assert path(*way, policy=doubting) is MailPath.CLEAN
            assert path(*way, policy=JunkPolicy()) is MailPath.JUNK
        assert path(SAYS_JUNK[source], INGRESS, policy=doubting) is MailPath.JUNK


def test_provider_hosts_are_those_of_the_settings() -> None:
    policy = JunkPolicy(provider_hosts=("MX.Hospital.example", "*.relay.example"))
    for host, ignored in (("mx.hospital.example", True), ("a.relay.example", True), ("a.mx.hospital.example", False)):
        received = ("Received", f"from mail.sender.example by {host}; Mon, 2 Nov 2026 09:00:00 +0000")
        assert path(received, SAYS_JUNK["trend"], policy=policy) is (MailPath.CLEAN if ignored else MailPath.JUNK)
    assert path(INGRESS, SAYS_JUNK["trend"], policy=JunkPolicy(provider_hosts=())) is MailPath.JUNK


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: JunkPolicy(scl=10), "scl"),
        (lambda: JunkPolicy(scl=-2), "scl"),
        (lambda: JunkPolicy(bcl=10), "bcl"),
        (lambda: JunkPolicy(bcl=-1), "bcl"),
        (lambda: JunkPolicy(sources=frozenset({"crystal-ball"})), "sources"),
        (lambda: JunkPolicy(categories=frozenset({"phsh"})), "categories"),
        (lambda: JunkPolicy(provider_hosts=("*",)), "provider_hosts"),
        (lambda: JunkPolicy(provider_hosts=("mail-*.nhs.net",)), "provider_hosts"),
        (lambda: JunkPolicy(provider_hosts=("",)), "provider_hosts"),
    ],
)
def test_settings_that_could_never_work_are_refused(make: Callable[[], JunkPolicy], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make()
