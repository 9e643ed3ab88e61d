"""Routes: which handlers a message goes to, why, and which rules can never match."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.classify.kinds import Kind
from worker.handling.routing.router import Router
from worker.message.message import Message
from worker.message.mime.limits import MessageError, MessageOverLimit, MessageUnparsable
from worker.message.verdict import Evidence, Path, Verdict
from worker.settings import RouteSettings


@dataclass
class Attached:
    filename: str | None
    content_type: str = "application/pdf"
    detected_type: str = "application/pdf"
    mismatched: bool = False


@dataclass
class Headers:
    values: dict[str, list[str]]
    truncated: bool = False

    def get_all(self, name: str) -> list[str]:
        return self.values.get(name.lower(), [])


@dataclass
class Mail:
    """A message that remembers whether its parts were asked for."""

    path: Path = Path.CLEAN
    evidence: Sequence[Evidence] = ()
    sender: str | None = "reports@lab.nhs.uk"
    to: Sequence[str] = ("results@nhs.net",)
    cc: Sequence[str] = ()
    size: int = 5_000
    kind: str = "mail"
    protection: str | None = None
    notices: Sequence[str] = ()
    files: Sequence[Attached] = ()
    unreadable: bool = False
    headers: Headers = field(default_factory=lambda: Headers({"subject": ["Report 7"], "x-ward": ["A", "B"]}))
    looked_inside: bool = False

    @property
    def attachments(self) -> Sequence[Attached]:
        self.looked_inside = True
        if self.unreadable:
            raise MessageUnparsable
        return self.files


def rule(
    name: str, match: dict[str, Any] | None = None, handlers: Sequence[str] = (), *, goes_on: bool = False
) -> RouteSettings:
    written = {"name": name, "handlers": handlers or [f"to-{name}"], "continue": goes_on}
    return RouteSettings.model_validate(written if match is None else {**written, "match": match})


REST = rule("rest")


def taken_by(match: dict[str, Any], mail: Mail) -> bool:
    return Router([rule("first", match), REST], ["quarantine"]).route(mail).route == "first"


@pytest.mark.parametrize(
    ("match", "mail", "expected"),
    [
        ({"from": "*@lab.nhs.uk"}, Mail(), True),
        ({"from": "*@LAB.nhs.uk"}, Mail(sender="REPORTS@lab.NHS.uk"), True),
        ({"from": "*@lab.nhs.uk"}, Mail(sender="x@lab.nhs.uk.example.com"), False),
        ({"from": "*@lab.nhs.uk"}, Mail(sender=None), False),
        ({"from": ["a@b.uk", "*@lab.nhs.uk"]}, Mail(), True),
        ({"from": {"regex": r"@lab\.nhs\.uk$"}}, Mail(), True),
        ({"from": {"regex": r"^lab"}}, Mail(), False),
        ({"to": "results@nhs.net"}, Mail(), True),
        ({"to": "results@nhs.net"}, Mail(to=["results+pathology@nhs.net"]), True),
        ({"to": "results+pathology@nhs.net"}, Mail(to=["results+pathology@nhs.net"]), True),
        ({"to": "results+pathology@nhs.net"}, Mail(to=["results+other@nhs.net"]), False),
        ({"to": "results@nhs.net"}, Mail(to=["someone@nhs.net"], cc=["results@nhs.net"]), True),
        ({"to": "results@nhs.net"}, Mail(to=[]), False),
        ({"subject": "report*"}, Mail(), True),
        ({"subject": "port"}, Mail(), False),
        ({"subject": "[secure]*"}, Mail(headers=Headers({"subject": ["[Secure] x"]})), True),
        ({"subject": "[secure]*"}, Mail(headers=Headers({"subject": ["s x"]})), False),
        ({"subject": "Report ?"}, Mail(), True),
        ({"subject": "Report ??"}, Mail(), False),
        ({"subject": "*"}, Mail(headers=Headers({})), False),
        ({"subject": {"regex": "(?i)REPORT \\d"}}, Mail(), True),
        ({"header": {"X-Ward": "b"}}, Mail(), True),
        ({"header": {"X-Ward": "c"}}, Mail(), False),
        ({"header": {"X-Ward": "a", "X-None": "*"}}, Mail(), False),
        ({"attachment": "*.pdf"}, Mail(files=[Attached("a.txt"), Attached("Result.PDF")]), True),
        ({"attachment": "*.pdf"}, Mail(files=[Attached("a.txt")]), False),
        ({"attachment": "*"}, Mail(files=[Attached(None)]), True),
        ({"attachment": "*"}, Mail(), False),
        ({"attachment": "r\u00e9sultat*"}, Mail(files=[Attached("re\u0301sultat.pdf")]), True),
        ({"attachment": "*.pdf"}, Mail(files=[Attached("x\udcff.pdf")]), True),
        ({"attachment_type": "image/*"}, Mail(files=[Attached("x", "image/png", "text/plain")]), True),
        ({"attachment_type": "image/*"}, Mail(files=[Attached("x", "text/plain", "image/png")]), True),
        (
            {"attachment": "*.pdf", "attachment_type": "image/*"},
            Mail(files=[Attached("a.pdf"), Attached("b.png", "image/png")]),
            False,
        ),
        ({"size": {"over": "4kB"}}, Mail(), True),
        ({"size": {"over": "5kB"}}, Mail(), False),
        ({"size": {"over": "4kB", "under": "6kB"}}, Mail(), True),
        ({"size": {"under": "5kB"}}, Mail(), False),
        ({"kind": "auto-reply"}, Mail(kind="auto-reply"), True),
        ({"kind": ["bounce", "receipt"]}, Mail(), False),
        ({"notice": "attachment-removed"}, Mail(notices=["external-sender", "attachment-removed"]), True),
        ({"notice": "attachment-removed"}, Mail(), False),
        ({"protection": "none"}, Mail(), True),
        ({"protection": "smime-encrypted"}, Mail(protection="smime-encrypted"), True),
        ({"path": "clean"}, Mail(), True),
        ({"path": "junk"}, Mail(), False),
        ({"from": "*@lab.nhs.uk", "subject": "nothing"}, Mail(), False),
        ({}, Mail(), True),
    ],
)
def test_a_rule_takes_what_its_conditions_say(match: dict[str, Any], mail: Mail, expected: bool) -> None:
    assert taken_by(match, mail) is expected


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


def test_rules_on_headers_never_look_inside() -> None:
    header_only = {"from": "*@lab*", "to": "*", "subject": "R*", "header": {"X-Ward": "A"}, "size": {"over": "1B"}}
    mail = Mail(unreadable=True)
    assert taken_by(header_only, mail)
    assert not mail.looked_inside


def test_a_rule_that_its_headers_rule_out_never_looks_inside() -> None:
    mail = Mail(unreadable=True)
    assert not taken_by({"attachment": "*.pdf", "kind": "bounce", "notice": "*", "from": "*@else.where"}, mail)
    assert not mail.looked_inside


@pytest.mark.parametrize(
    "match",
    [
        {"attachment": "*.pdf"},
        {"attachment_type": "image/*"},
        {"notice": "*"},
        {"kind": "mail"},
        {"protection": "none"},
    ],
)
def test_a_message_that_cant_be_read_never_slips_past_a_rule_on_its_parts(match: dict[str, Any]) -> None:
    router = Router([rule("first", match), REST], ["quarantine"])
    with pytest.raises(MessageError):
        router.route(Mail(unreadable=True))
    assert router.route(Mail()).route in ("first", "rest")


def test_headers_that_were_cut_off_are_over_their_limit_for_every_rule() -> None:
    mail = Mail(headers=Headers({"subject": ["Report 7"]}, truncated=True))
    for rules in ([REST], [rule("first", {"subject": "Report*"}), REST]):
        with pytest.raises(MessageOverLimit, match="header_bytes"):
            Router(rules, ["quarantine"]).route(mail)
        assert [one.matched for one in Router(rules, ["quarantine"]).explain(mail)] == [None] * len(rules)
    mail.path = Path.JUNK
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


_addresses = st.sampled_from(["*", "*@lab.nhs.uk", "reports@*", "nobody@nowhere"])
_matches = st.none() | st.fixed_dictionaries(
    {}, optional={"from": _addresses, "subject": st.sampled_from(["*", "Report*", "x"]), "kind": st.just("mail")}
)
_rules = st.lists(st.tuples(_matches, st.booleans()), max_size=5).map(
    lambda drawn: [
        *[rule(f"r{number}", match, goes_on=goes_on) for number, (match, goes_on) in enumerate(drawn)],
        REST,
    ]
)


_evidence = st.lists(
    st.sampled_from(
        ["CAT:PHSH", "CAT:MALW", "CAT:BULK", "BCL:9", "SFV:SPM", "junk-folder", "$Phishing", "nonsense"]
    ).map(lambda value: Evidence("exchange", None, value, "", counts=True)),
    max_size=4,
)
_kinds = st.dictionaries(st.sampled_from(Kind), st.sampled_from([("for-spam",), ("for-worse", "count")]))
_junk = st.sampled_from([("quarantine",), ("quarantine", "count")])


@given(_rules, _junk, _kinds, _evidence)
def test_junk_reaches_the_junk_handlers_and_no_other(
    rules: list[RouteSettings], junk: tuple[str, ...], own: dict[Kind, tuple[str, ...]], evidence: list[Evidence]
) -> None:
    router = Router(rules, junk, own)
    mail = Mail(path=Path.JUNK, evidence=evidence, unreadable=True)
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
    assert router.route(Mail(path=Path.JUNK, evidence=evidence)).handlers == (expected,)


def test_evidence_that_does_not_count_gives_no_kind() -> None:
    router = Router([REST], ["quarantine"], {Kind.PHISHING: ["phishers"]})
    ignored = Evidence("exchange", None, "CAT:PHSH", "ignored", counts=False)
    placed = Evidence("placement", None, "junk-folder", "", counts=True)
    assert router.route(Mail(path=Path.JUNK, evidence=[ignored, placed])).handlers == ("quarantine",)


@given(_rules)
def test_what_is_explained_is_what_happens(rules: list[RouteSettings]) -> None:
    router = Router(rules, ["quarantine"])
    taking = [one for one in router.explain(Mail()) if one.takes]
    routed = router.route(Mail())
    assert tuple(one.route for one in taking) == routed.routes


@given(_rules, st.sampled_from([Mail(), Mail(sender="x@y.uk"), Mail(headers=Headers({})), Mail(kind="bounce")]))
def test_a_rule_that_is_said_to_be_unreachable_takes_nothing(rules: list[RouteSettings], mail: Mail) -> None:
    router = Router(rules, ["quarantine"])
    dead = {found.route for found in router.unreachable()}
    assert dead.isdisjoint(router.route(mail).routes)


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
    (one,) = Router([REST], ["quarantine"]).explain(Mail(path=Path.JUNK))
    assert (one.route, one.handlers, one.takes) == ("junk", ("quarantine",), True)


@pytest.mark.parametrize(
    ("earlier", "later", "dead"),
    [
        (None, {"from": "a@b.uk"}, True),
        ({}, {"from": "a@b.uk"}, True),
        ({"from": "a@b.uk"}, {"from": "A@b.uk"}, True),
        ({"from": "a@b.uk"}, {"from": "a@b.uk"}, True),
        ({"from": "*@b.uk"}, {"from": "a@b.uk", "subject": "x"}, True),
        ({"from": "*@b.uk"}, {"from": ["a@b.uk", "*x@b.uk"]}, True),
        ({"from": "*@b.uk"}, {"from": ["a@b.uk", "a@c.uk"]}, False),
        ({"from": "*@b.uk"}, {"from": "*"}, False),
        ({"from": "?@b.uk"}, {"from": "*@b.uk"}, False),
        ({"from": "a@b.uk", "subject": "x"}, {"from": "a@b.uk"}, False),
        ({"header": {"X-A": "*"}}, {"header": {"x-a": "1", "X-B": "2"}}, True),
        ({"header": {"X-A": "*"}}, {"header": {"X-B": "2"}}, False),
        ({"size": {"over": "1MB"}}, {"size": {"over": "2MB", "under": "3MB"}}, True),
        ({"size": {"over": "1MB", "under": "2MB"}}, {"size": {"over": "1MB"}}, False),
        ({"kind": ["mail", "bounce"]}, {"kind": "mail"}, True),
        ({"kind": "mail"}, {"kind": ["mail", "bounce"]}, False),
        ({"subject": {"regex": "x"}}, {"subject": {"regex": "x"}}, True),
        ({"subject": {"regex": "x"}}, {"subject": {"regex": "xy"}}, False),
        ({"path": "clean"}, {"from": "a@b.uk"}, True),
        ({"attachment": "*", "attachment_type": "*"}, {"attachment": "a"}, False),
        ({"attachment": "*"}, {"attachment": "a", "attachment_type": "b"}, True),
        ({"from": "a@b.uk"}, {"path": "junk"}, True),
    ],
)
def test_rules_that_can_never_match_are_named(
    earlier: dict[str, Any] | None, later: dict[str, Any], dead: bool
) -> None:
    router = Router([rule("early", earlier), rule("late", later), rule("rest")], ["quarantine"])
    found = {one.route: one.reason for one in router.unreachable()}
    assert ("late" in found) is dead
    assert all(reason for reason in found.values())


def test_a_rule_that_goes_on_shadows_none() -> None:
    assert Router([rule("a", goes_on=True), rule("b", {"from": "x"}), REST], ["q"]).unreachable() == []


def test_a_pattern_cant_run_away() -> None:
    # With a backtracking engine the one takes exponential time, the other cubic: both would run into the time limit.
    evil = {"subject": [{"regex": "(a*)*b"}, "*a*a*a*b"]}
    assert not taken_by(evil, Mail(headers=Headers({"subject": ["a" * 200_000]})))


def test_real_messages_are_routed() -> None:
    raw = (
        b"From: Lab <Reports@lab.nhs.uk>\r\nTo: results+x@nhs.net\r\nSubject: =?utf-8?q?R=C3=A9sultat?=\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        b"--b\r\nContent-Type: application/pdf; name=r.pdf\r\nContent-Disposition: attachment; filename=r.pdf\r\n\r\n"
        b"%PDF-1.4\r\n--b--\r\n"
    )
    message = Message(
        raw, key="k", folder="INBOX", received_at=datetime(2026, 1, 1, tzinfo=UTC), verdict=Verdict(Path.CLEAN)
    )
    match = {"from": "*@lab.nhs.uk", "to": "results@nhs.net", "subject": "résultat", "attachment": "*.pdf"}
    assert Router([rule("a", match), REST], ["quarantine"]).route(message).route == "a"


PROGRAM = Attached("b.pdf", detected_type="application/x-dosexec", mismatched=True)


@pytest.mark.parametrize(
    ("match", "files", "expected"),
    [
        ({"mismatched": True}, [PROGRAM], True),
        ({"mismatched": True}, [Attached("a.pdf"), PROGRAM], True),
        ({"mismatched": True}, [Attached("a.pdf")], False),
        ({"mismatched": True}, [], False),
        ({"mismatched": False}, [PROGRAM], False),
        ({"mismatched": False}, [PROGRAM, Attached("a.pdf")], True),
        ({"mismatched": True, "attachment": "a.pdf"}, [Attached("a.pdf"), PROGRAM], False),
        ({"mismatched": True, "attachment": "b.pdf"}, [Attached("a.pdf"), PROGRAM], True),
        ({"mismatched": True, "attachment_type": "image/*"}, [Attached("a", "image/png", "image/png"), PROGRAM], False),
    ],
)
def test_an_attachment_that_is_not_what_it_claims(match: dict[str, Any], files: list[Attached], expected: bool) -> None:
    assert taken_by(match, Mail(files=files)) is expected


@pytest.mark.parametrize(
    ("wide", "narrow", "shadows"),
    [
        ({"mismatched": True}, {"mismatched": True, "attachment": "*.pdf"}, True),
        ({"attachment": "*.pdf"}, {"mismatched": True, "attachment": "*.pdf"}, True),
        ({"mismatched": True}, {"attachment": "*.pdf"}, False),
        ({"mismatched": True}, {"mismatched": False}, False),
        ({"mismatched": True, "attachment": "*"}, {"mismatched": True}, False),
    ],
)
def test_rules_on_mismatches_that_can_never_match(wide: dict[str, Any], narrow: dict[str, Any], shadows: bool) -> None:
    found = Router([rule("wide", wide), rule("narrow", narrow), REST], ["quarantine"]).unreachable()
    assert [one.route for one in found] == (["narrow"] if shadows else [])


def test_a_program_that_says_it_is_a_report_is_told_from_one() -> None:
    raw = b"From: a@b.uk\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n"
    program = b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0\x4c\x01" + bytes(300)
    for body, expected in ((program, True), (b"%PDF-1.7\n%%EOF\n", False)):
        mail = Message(
            raw + body,
            key="k",
            folder="INBOX",
            received_at=datetime(2026, 1, 1, tzinfo=UTC),
            verdict=Verdict(Path.CLEAN),
        )
        router = Router([rule("odd", {"mismatched": True}), REST], ["quarantine"])
        assert (router.route(mail).route == "odd") is expected
        assert router.explain(mail)[0].conditions == (("mismatched", expected),)
