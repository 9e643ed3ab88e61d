"""A message whose structure is plain has the same parts as the standard library's parser finds in it."""

import hashlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.message.mime.mails import Maker
from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.mime.parts import Part, parse, parse_any
from worker.message.mime.plain_structure import plain_leaves

MADE = range(300)
PARAMETERS = ("boundary", "charset", "filename", "method", "name", "x")


def told(parts: tuple[Part, ...]) -> list[tuple[Any, ...]]:
    """Everything that anybody may ask of the parts."""
    return [
        (
            part.node.items(),
            *(part.content_type, part.disposition, part.filename, part.content_id, part.node.encoding),
            *(part.node.parameter(name) for name in PARAMETERS),
            *(part.encoded_size, part.read(), part.text(), part.hashed(hashlib.sha256)),
        )
        for part in parts
    ]


def of(parts: Any, raw: bytes, limits: Limits) -> list[tuple[Any, ...]] | str:
    try:
        return told(parts(raw, limits))
    except MessageOverLimit as over:
        return over.limit


LINES = st.sampled_from([
    b"", b"", b"", b"--a", b"--a", b"--a--", b"--b", b"--b--", b"--a ", b"--ab", b"--a:b", b"--", b"--a-- ", b"---a",
    b"Content-Type: multipart/mixed; boundary=a", b'Content-Type: multipart/alternative; boundary="b"',
    b'content-type: multipart/related; boundary="a"; type="text/html"', b"Content-Type: multipart/mixed; boundary=a--",
    b"Content-Type: multipart/digest; boundary=b", b"Content-Type: multipart/mixed; boundary=\"a \"",
    b"Content-Type: multipart/mixed;\r\n boundary=b", b"Content-Type: multipart/mixed", b"Content-Type: multipart/",
    b"Content-Type: text/html; charset=utf-8", b"Content-Type: message/rfc822", b"Content-Type: text/calendar;",
    b"Content-Disposition: attachment; filename=x.pdf", b"Content-Type:", b"Content-Type: ", b"X:\r\n text/html",
    b"Content-Transfer-Encoding: base64", b"Content-ID: <x>", b"X: y", b"X : y", b": no name", b"From me", b"\t",
    b" folded", b" --a", b"text", b"text: text", b"TWFu" * 19, b"TWFu" * 100, b"\xff: \xff", b"X: \xe9",
])  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n"])
TOPS = st.sampled_from([b"", b"Content-Type: multipart/mixed; boundary=a\r\n\r\n", b"X: y\r\n\r\n", b"--a: b\r\n\r\n"])


@given(TOPS, st.lists(st.tuples(LINES, ENDS), max_size=40), st.booleans())
@example(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n", [(b"--a", b"\r\n"), (b"", b"\r\n"), (b"x", b"\n")], True)
def test_any_heap_of_lines(top: bytes, lines: list[tuple[bytes, bytes]], ended: bool) -> None:
    raw = top + b"".join(line + end for line, end in lines)
    raw = raw if ended else raw.rstrip(b"\r\n")
    assert told(parse(raw, Limits())) == told(parse_any(raw, Limits()))


SMALL = st.builds(
    Limits,
    parts=st.integers(1, 6),
    depth=st.integers(0, 3),
    lines=st.integers(1, 60),
    header_bytes=st.integers(0, 300),
    header_fields=st.integers(0, 8),
    header_parameters=st.integers(0, 2),
)


@given(st.lists(st.tuples(LINES, ENDS), max_size=30), SMALL)
def test_the_same_limit_is_exceeded(lines: list[tuple[bytes, bytes]], limits: Limits) -> None:
    raw = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"".join(line + end for line, end in lines)
    assert of(parse, raw, limits) == of(parse_any, raw, limits)


@pytest.mark.parametrize("hundred", range(len(MADE) // 100))
def test_mail_of_many_structures(hundred: int) -> None:
    for seed in range(hundred * 100, hundred * 100 + 100):
        raw = Maker(seed).mail().raw
        assert told(parse(raw, Limits())) == told(parse_any(raw, Limits()))


def test_most_mail_is_plain() -> None:
    """Or else every test here would pass without it."""
    made = [Maker(seed).mail().raw for seed in MADE]
    made = [raw for raw in made if b"\r\n" in raw]
    assert sum(plain_leaves(raw, Limits()) is not None for raw in made) > len(made) // 2


NESTED = (
    b"Subject: x\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n"
    b"--a\r\nContent-Type: multipart/alternative;\r\n boundary=\"=_b\"\r\n\r\n"
    b"--=_b\r\n\r\none\r\n--=_b\r\nContent-Type: text/html\r\n\r\n<p>--a\r\n--=_b--\r\nepilogue\r\n--=_b\r\n"
    b"--a\r\nContent-Type: application/pdf; name=r.pdf\r\n\r\n%PDF\r\n--a--\r\n--a\r\n\r\nnot a part\r\n"
)  # fmt: skip


def test_containers_in_containers_are_plain() -> None:
    leaves = plain_leaves(NESTED, Limits())
    assert leaves is not None
    assert [NESTED[leaf.start : leaf.end] for leaf in leaves] == [b"one", b"<p>--a", b"%PDF"]
    assert told(parse(NESTED, Limits())) == told(parse_any(NESTED, Limits()))


@given(st.data())
def test_a_nested_message_that_is_cut_off_anywhere(data: st.DataObject) -> None:
    raw = NESTED[: data.draw(st.integers(0, len(NESTED)))]
    assert told(parse(raw, Limits())) == told(parse_any(raw, Limits()))


@given(st.data(), st.binary(min_size=1, max_size=3) | st.sampled_from([b"--a", b"--", b"\r\n", b"\r\n--a\r\n"]))
def test_a_nested_message_with_something_put_in_anywhere(data: st.DataObject, added: bytes) -> None:
    at = data.draw(st.integers(0, len(NESTED)))
    raw = NESTED[:at] + added + NESTED[at:]
    assert told(parse(raw, Limits())) == told(parse_any(raw, Limits()))


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\nSubject: x\r\n\r\ny\r\n--a--\r\n",
        b"Content-Type: multipart/mixed; boundary=a:b\r\n\r\n--a:b\r\n\r\nx\r\n--a:b--\r\n",
        b"Content-Type: multipart/mixed; boundary=a--\r\n\r\n--a--\r\n\r\nx\r\n--a----\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\nno part\r\n--a--\r\n",
        b"Content-Type: multipart/mixed\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nno header\r\n--a--\r\n",
        b"Subject: x\r\nno header\r\n\r\ny",
        b"Subject:\r\n folded\r\n\r\ny",
        b"X: y\n\nz",
        b"no end",
        b"X: y\r\n" * 20_000 + b"\r\n",
        b"\r\n" + b"--x\r\n" * 2_001,
    ],
)
def test_what_leaves_anything_open_is_for_the_parser(raw: bytes) -> None:
    assert plain_leaves(raw, Limits()) is None
