"""Answers in their plain form are read by one pattern, and say what IMAPClient's parser makes of them."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imapclient.exceptions import ProtocolError
from imapclient.response_parser import parse_fetch_response

from worker.mailbox import fetch_answers
from worker.mailbox.fetch_answers import Items, answers, by_uid

Line = bytes | tuple[bytes, bytes]
NUMBERS = st.sampled_from(["0", "1", "7", "007", "12345678", "9" * 18, "9" * 19, "9" * 30, "-1", "x", "NIL", ""])
DAYS = st.sampled_from([" 1", "01", "17", "31", "30", "00", "32", "1"])
MONTHS = st.sampled_from(["Jan", "Feb", "Jun", "Dec", "dec", "Abc", "12"])
YEARS = st.sampled_from(["1996", "2026", "1000", "2999", "0050", "70", "9999"])
TIMES = st.sampled_from(["02:44:25", "23:59:59", "24:00:00", "23:59:60", "00:00:00", "2:44:25", "02.44.25", "02:44"])
ZONES = st.sampled_from(
    [" +0000", " -0000", " -0700", " +0530", " +1400", " +1459", " +1500", " -1260", " +2400", " GMT", " +00", ""]
)
DATES = st.builds(
    lambda day, month, year, at, zone: f"{day}-{month}-{year} {at}{zone}", DAYS, MONTHS, YEARS, TIMES, ZONES
)
WORDS = ["\\Seen", "\\Recent", "$Junk", "NonJunk", "NIL", "NILS", "nil", "5", "a]b", "a{1}", "\\*", "\\", '"x"', "(a)"]
FLAGS = st.lists(st.sampled_from(WORDS), max_size=3)
LITERALS = st.sampled_from([b"", b"a", b"Subject: x\r\n\r\n", b"{5}", b"* 5 FETCH (UID 5)", b'")('])
NAMES = st.sampled_from(
    ["BODY[HEADER]<0>", "BODY[]<0>", "BODY[]", "BODY[HEADER]", "BODY[TEXT]<0>", "body[]<0>", "BODY[]<5>", "X"]
)


@st.composite
def items(draw: st.DrawFn) -> tuple[str, bytes | None]:
    """One item as a server may write it, up to its literal if it has one."""
    kind = draw(st.sampled_from(["number", "number", "date", "flags", "literal", "quoted", "list", "case"]))
    if kind == "number":
        return f"{draw(st.sampled_from(['UID', 'RFC822.SIZE', 'MODSEQ']))} {draw(NUMBERS)}", None
    if kind == "date":
        return f'INTERNALDATE "{draw(DATES)}"', None
    if kind == "flags":
        return f"FLAGS ({' '.join(draw(FLAGS))})", None
    if kind == "literal":
        literal = draw(LITERALS)
        return f"{draw(NAMES)} {{{len(literal) + draw(st.sampled_from([0, 0, 0, 1]))}}}", literal
    if kind == "quoted":
        return f"{draw(NAMES)} {draw(st.sampled_from(['NIL', chr(34) * 2, f'{chr(34)}a b{chr(34)}', 'word']))}", None
    if kind == "list":
        return f"{draw(st.sampled_from(['MODSEQ', 'ENVELOPE', 'UID', 'INTERNALDATE']))} (1 NIL)", None
    return draw(st.sampled_from(["uid 7", "Uid 7", "internaldate NIL", "INTERNALDATE NIL", "FLAGS NIL", "FLAGS"])), None


@st.composite
def told(draw: st.DrawFn) -> list[Line]:
    """One answer as imaplib gives it, plain or not."""
    lines: list[Line] = []
    text = f"{draw(st.sampled_from(['1', '12', '01', 'x', '']))} ("
    for place, (item, literal) in enumerate(draw(st.lists(items(), max_size=5))):
        text += draw(st.sampled_from([" ", " ", " ", " ", "  ", ""])) if place else ""
        text += item
        if literal is not None:
            lines.append((text.encode(), literal))
            text = ""
    return [*lines, f"{text}{draw(st.sampled_from([')', ')', ')', '', ') ', ') 2 (UID 5)']))}".encode()]


def by_imapclient(lines: list[Line]) -> dict[int, Items]:
    """As it was before there was a pattern."""
    found: dict[int, Items] = {}
    for answer in answers(lines):
        for said in parse_fetch_response(answer, normalise_times=False, uid_is_key=False).values():
            del said[b"SEQ"]
            uid = said.pop(b"UID", None)
            if isinstance(uid, int):
                found.setdefault(uid, {}).update(said)
    return found


def exactly(found: dict[int, Items]) -> list[object]:
    """What was found, with the type of each value and the zone of each date."""
    return [
        (uid, name, type(value), (value, value.utcoffset(), value.date()) if isinstance(value, datetime) else value)
        for uid, said in sorted(found.items())
        for name, value in sorted(said.items())
    ]


@settings(max_examples=250, deadline=None)
@given(st.lists(told(), max_size=3))
def test_every_answer_says_what_imapclients_parser_makes_of_it(drawn: list[list[Line]]) -> None:
    lines = [line for answer in drawn for line in answer]
    try:
        expected = by_imapclient(lines)
    except (ProtocolError, TypeError, LookupError, AttributeError, AssertionError, ValueError) as error:
        with pytest.raises(type(error)):
            by_uid(lines)
    else:
        assert exactly(by_uid(lines)) == exactly(expected)


@pytest.mark.parametrize(
    "answer",
    [
        [b"1 (UID 5)"],
        [b"5 (UID 7 FLAGS ())"],
        [b"5 (FLAGS (\\Seen $Junk) UID 7)"],
        [b'1 (UID 5 RFC822.SIZE 10 INTERNALDATE " 1-Feb-2026 10:00:00 +0100" FLAGS (\\Seen))'],
        [(b"1 (UID 5 BODY[HEADER]<0> {2}", b"ab"), b")"],
        [(b"1 (BODY[]<0> {2}", b"ab"), b" UID 5)"],
    ],
)
def test_a_plain_answer_needs_no_parser(answer: list[Line], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = exactly(by_imapclient(answer))
    monkeypatch.setattr(fetch_answers, "parse_fetch_response", None)
    assert exactly(by_uid(answer)) == expected


@pytest.mark.parametrize(
    "answer",
    [
        [(b"1 (UID 5 BODY[]<0> {3}", b"ab"), b")"],
        [(b"1 (UID 5 FLAGS (a}", b"ab"), b" BODY[]<0> {2})"],
        [b"1 (UID 5 BODY[]<0> {2})"],
    ],
)
def test_a_literal_that_is_not_as_announced_is_an_error(answer: list[Line]) -> None:
    with pytest.raises(ProtocolError):
        by_uid(answer)
