"""Conditions: which messages meet them, and what they read of a message."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.handling.routing.world import REST, Attached, Headers, Mail, rule, taken_by
from worker.handling.routing.router import Router
from worker.message.message import Message
from worker.message.mime.limits import MessageError
from worker.message.verdict import MailPath, Verdict


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


def test_a_pattern_cant_run_away() -> None:
    # A backtracking engine would take exponential time for the first and cubic time for the second.
    evil = {"subject": [{"regex": "(a*)*b"}, "*a*a*a*b"]}
    assert not taken_by(evil, Mail(headers=Headers({"subject": ["a" * 200_000]})))


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


def test_a_program_that_says_it_is_a_report_is_told_from_one() -> None:
    raw = b"From: a@b.uk\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n"
    program = b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0\x4c\x01" + bytes(300)
    for body, expected in ((program, True), (b"%PDF-1.7\n%%EOF\n", False)):
        mail = Message(
            raw + body,
            key="k",
            folder="INBOX",
            received_at=datetime(2026, 1, 1, tzinfo=UTC),
            verdict=Verdict(MailPath.CLEAN),
        )
        router = Router([rule("odd", {"mismatched": True}), REST], ["quarantine"])
        assert (router.route(mail).route == "odd") is expected
        assert router.explain(mail)[0].conditions == (("mismatched", expected),)
