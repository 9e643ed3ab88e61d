"""A content has one mark, however a server sends it, and no other content has it."""

import base64
import quopri
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.message.content_mark import ContentMarks, is_comparable, is_of_headers
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits
from worker.message.verdict import MailPath, Verdict

MARKS = ContentMarks(b"key")
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.encodebytes,
    "short": lambda data: b"\r\n".join(base64.b64encode(data[at : at + 3]) for at in range(0, len(data), 3)),
    "quoted-printable": lambda data: quopri.encodestring(data, quotetabs=True).replace(b"\n", b"\r\n"),
}
PARTS = st.lists(st.binary(max_size=3_000), min_size=1, max_size=4)


def message(raw: bytes, limits: Limits | None = None) -> Message:
    return Message(
        raw,
        key="k" * 26,
        folder="INBOX",
        received_at=datetime(2026, 1, 2, tzinfo=UTC),
        verdict=Verdict(MailPath.CLEAN),
        limits=limits or Limits(),
    )


def rendered(parts: list[bytes], encodings: list[str], boundary: bytes) -> bytes:
    """A message with these parts."""
    body = b"".join(
        b"--%b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n"
        % (boundary, encoding.replace("short", "base64").encode(), ENCODINGS[encoding](part))
        for part, encoding in zip(parts, encodings, strict=True)
    )
    return b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n%b--%b--\r\n" % (boundary, body, boundary)


def encodings(parts: list[bytes]) -> st.SearchStrategy[list[str]]:
    # Quoted-printable has no form for the end of a line that is not one of text.
    return st.tuples(
        *(st.sampled_from(["base64", "short"] if set(part) & {10, 13} else list(ENCODINGS)) for part in parts)
    ).map(list)


@given(data=st.data(), parts=PARTS, boundary=st.sampled_from([b"one", b"another=", b"_000_third"]))
def test_a_mark_outlasts_another_boundary_and_another_encoding(
    data: st.DataObject, parts: list[bytes], boundary: bytes
) -> None:
    first = message(rendered(parts, data.draw(encodings(parts)), b"first"))
    second = message(b"X-Added: yes\r\n" + rendered(parts, data.draw(encodings(parts)), boundary.strip(b"=")))
    assert MARKS.of(first) == MARKS.of(second)
    assert is_comparable(MARKS.of(first))
    assert first.has_content_of(second.raw)


@given(parts=PARTS, others=PARTS)
def test_other_parts_have_another_mark(parts: list[bytes], others: list[bytes]) -> None:
    first = message(rendered(parts, ["base64"] * len(parts), b"first"))
    second = message(rendered(others, ["base64"] * len(others), b"first"))
    assert (MARKS.of(first) == MARKS.of(second)) == (parts == others)
    assert first.has_content_of(second.raw) == (parts == others)


def test_bytes_can_not_pass_from_one_part_to_another() -> None:
    ab_c, a_bc = (message(rendered(parts, ["base64"] * 2, b"b")) for parts in ([b"ab", b"c"], [b"a", b"bc"]))
    assert MARKS.of(ab_c) != MARKS.of(a_bc)


def test_nothing_can_be_read_of_it_without_the_key() -> None:
    one = message(b"Subject: x\r\n\r\nhello\r\n")
    assert MARKS.of(one) != ContentMarks(b"another key").of(one)
    assert one.content_sha256 not in MARKS.of(one)


def test_a_message_that_can_not_be_parsed_is_marked_by_its_bytes() -> None:
    raw = rendered([b"a", b"b"], ["base64"] * 2, b"b")
    limits = Limits(parts=1)
    assert MARKS.of(message(raw, limits)) == MARKS.of(message(raw, limits))
    assert MARKS.of(message(raw, limits)) != MARKS.of(message(b"X: y\r\n" + raw, limits))
    assert MARKS.of(message(raw, limits)).startswith("bytes:")
    assert not message(raw, limits).has_content_of(b"X: y\r\n" + raw)
    assert message(raw, limits).has_content_of(raw)


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"x-uuencode", b"8bit", b"none"])
@given(body=st.binary(max_size=200))
def test_no_content_makes_it_raise(encoding: bytes, body: bytes) -> None:
    one = message(b"Content-Transfer-Encoding: %b\r\n\r\n%b" % (encoding, body))
    assert MARKS.of(one) == MARKS.of(message(one.raw))


def test_headers_are_the_same_folded_and_in_other_case() -> None:
    mark = MARKS.of_headers(Headers.from_bytes(b"Subject: a b\r\nX-A: c\r\n\r\n"))
    assert mark == MARKS.of_headers(Headers.from_bytes(b"SUBJECT: a\r\n b\r\nx-a:c\r\n\r\n"))
    assert mark != MARKS.of_headers(Headers.from_bytes(b"Subject: a b\r\nX-A: d\r\n\r\n"))
    assert is_of_headers(mark)
    assert not is_comparable(mark)
    assert not is_comparable(None)
