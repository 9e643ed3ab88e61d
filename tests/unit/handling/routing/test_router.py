"""Routes: which handlers a message goes to, and why."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.handling.routing.world import REST, RULES, Attached, Headers, Mail, rule
from worker.classify.kinds import Kind
from worker.handling.routing.router import Router
from worker.message.message import Message
from worker.message.mime.limits import MessageError, MessageOverLimit
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.settings import RouteSettings


def test_the_first_rule_that_matches_takes_the_message() -> None:
    router = Router([rule("a", {"from": "*@lab.nhs.uk"}), rule("b", {"from": "*"}), REST], ["quarantine"])
    routed = router.route(Mail())
    assert (routed.route, routed.routes, routed.handlers) == ("a", ("a",), ("to-a",))
    assert router.handlers_for(Mail(sender="x@y.uk")) == (("b", ("to-b",)),)


def test_a_rule_that_goes_on_adds_the_next_ones_and_no_handler_twice() -> None:
    rules = [
        rule("a", {"from": "*@lab.nhs.uk"}, handlers=["x", "y"], goes_on=True),
        rule("b", {"from": "*@else.where"}),
        rule("c", handlers=["z", "x"], goes_on=True),
    ]
    routed = Router(rules, ["quarantine"]).route(Mail())
    assert (routed.route, routed.routes, routed.handlers) == ("a", ("a", "c"), ("x", "y", "z"))
    assert [name for _, names in routed.by_route for name in names] == ["x", "y", "z"]
    assert [name for name, _ in routed.by_route] == ["a", "c"]


def test_headers_that_were_cut_off_are_over_their_limit_for_every_rule() -> None:
    mail = Mail(headers=Headers({"subject": ["Report 7"]}, over_limit="header_bytes"))
    for rules in ([REST], [rule("first", {"subject": "Report*"}), REST]):
        with pytest.raises(MessageOverLimit, match="header_bytes"):
            Router(rules, ["quarantine"]).route(mail)
        assert [one.matched for one in Router(rules, ["quarantine"]).explain(mail)] == [None] * len(rules)
    mail.path = MailPath.JUNK
    assert Router([REST], ["quarantine"]).route(mail).handlers == ("quarantine",)


def test_an_unreadable_message_is_no_rules_though_an_earlier_one_goes_on() -> None:
    rules = [rule("a", {"from": "*"}, goes_on=True), rule("b", {"attachment": "*"}), REST]
    router = Router(rules, ["quarantine"])
    with pytest.raises(MessageError):
        router.route(Mail(unreadable=True))
    assert [one.takes for one in router.explain(Mail(unreadable=True))] == [False, False, False]


def test_without_a_last_rule_nothing_is_guessed() -> None:
    with pytest.raises(LookupError, match="no route takes this message"):
        Router([rule("a", {"from": "nobody"})], ["quarantine"]).route(Mail())


_evidence = st.lists(
    st.sampled_from(
        ["CAT:PHSH", "CAT:MALW", "CAT:BULK", "BCL:9", "SFV:SPM", "junk-folder", "$Phishing", "nonsense"]
    ).map(lambda value: Evidence("exchange", None, value, "", counts=True)),
    max_size=4,
)


_kinds = st.dictionaries(st.sampled_from(Kind), st.sampled_from([("for-spam",), ("for-worse", "count")]))


_junk = st.sampled_from([("quarantine",), ("quarantine", "count")])


@given(RULES, _junk, _kinds, _evidence)
def test_junk_reaches_the_junk_handlers_and_no_other(
    rules: list[RouteSettings], junk: tuple[str, ...], own: dict[Kind, tuple[str, ...]], evidence: list[Evidence]
) -> None:
    router = Router(rules, junk, own)
    mail = Mail(path=MailPath.JUNK, evidence=evidence, unreadable=True)
    assert router.route(mail).handlers in {junk, *own.values()}
    assert router.route(mail).route == "junk"
    assert not mail.looked_inside
    assert router.explain(mail)[0].handlers == router.route(mail).handlers
    assert set(router.route(Mail(evidence=evidence)).handlers).isdisjoint({*junk, *own.values()})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["CAT:PHSH", "junk-folder"], "phishers"),
        (["CAT:PHSH", "CAT:MALW"], "doctors"),
        (["$Phishing"], "phishers"),
        (["SFV:SPM"], "quarantine"),
        (["BCL:9", "junk-folder"], "quarantine"),
        ([], "quarantine"),
    ],
)
def test_a_kind_of_junk_can_have_handlers_of_its_own(values: list[str], expected: str) -> None:
    router = Router([REST], ["quarantine"], {Kind.PHISHING: ["phishers"], Kind.MALWARE: ["doctors"]})
    evidence = [Evidence("exchange", None, value, "", counts=True) for value in values]
    assert router.route(Mail(path=MailPath.JUNK, evidence=evidence)).handlers == (expected,)


def test_evidence_that_does_not_count_gives_no_kind() -> None:
    router = Router([REST], ["quarantine"], {Kind.PHISHING: ["phishers"]})
    ignored = Evidence("exchange", None, "CAT:PHSH", "ignored", counts=False)
    placed = Evidence("placement", None, "junk-folder", "", counts=True)
    assert router.route(Mail(path=MailPath.JUNK, evidence=[ignored, placed])).handlers == ("quarantine",)


@given(RULES)
def test_what_is_explained_is_what_happens(rules: list[RouteSettings]) -> None:
    router = Router(rules, ["quarantine"])
    taking = [one for one in router.explain(Mail()) if one.takes]
    routed = router.route(Mail())
    assert tuple(one.route for one in taking) == routed.routes


def test_an_explanation_has_each_condition_and_nothing_of_the_message() -> None:
    rules = [rule("a", {"from": "*@lab.nhs.uk", "attachment": "*.pdf"}), rule("b", {"subject": "x"}), REST]
    explained = Router(rules, ["quarantine"]).explain(Mail(files=[Attached("secret-name.txt")]))
    assert [(one.route, one.matched, one.takes) for one in explained] == [
        ("a", False, False),
        ("b", False, False),
        ("rest", True, True),
    ]
    assert explained[0].conditions == (("from", True), ("attachment", False))
    assert "secret-name" not in repr(explained)
    assert "reports@" not in repr(explained)


def test_an_explanation_of_an_unreadable_message_says_where_it_ends() -> None:
    rules = [rule("a", {"from": "no", "attachment": "*"}), rule("b", {"attachment": "*"}), REST]
    explained = Router(rules, ["quarantine"]).explain(Mail(unreadable=True))
    assert [(one.route, one.matched, one.takes) for one in explained] == [
        ("a", False, False),
        ("b", None, False),
        ("rest", True, False),
    ]


def test_junk_is_explained_as_junk() -> None:
    (one,) = Router([REST], ["quarantine"]).explain(Mail(path=MailPath.JUNK))
    assert (one.route, one.handlers, one.takes) == ("junk", ("quarantine",), True)


def test_real_messages_are_routed() -> None:
    raw = (
        b"From: Lab <Reports@lab.nhs.uk>\r\nTo: results+x@nhs.net\r\nSubject: =?utf-8?q?R=C3=A9sultat?=\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        b"--b\r\nContent-Type: application/pdf; name=r.pdf\r\nContent-Disposition: attachment; filename=r.pdf\r\n\r\n"
        b"%PDF-1.4\r\n--b--\r\n"
    )
    message = Message(
        raw, key="k", folder="INBOX", received_at=datetime(2026, 1, 1, tzinfo=UTC), verdict=Verdict(MailPath.CLEAN)
    )
    match = {"from": "*@lab.nhs.uk", "to": "results@nhs.net", "subject": "résultat", "attachment": "*.pdf"}
    assert Router([rule("a", match), REST], ["quarantine"]).route(message).route == "a"
