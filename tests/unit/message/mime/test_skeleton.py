"""The skeleton shows the parser the same structure as the whole message, and gives back the same bytes."""

import time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.unit.message.mime import naive
from tests.unit.message.mime.mails import Maker
from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.mime.parts import parse
from worker.message.mime.skeleton import cut

MADE = range(400)


def ours(raw: bytes) -> list[tuple[str, bytes]]:
    return [(part.content_type, part.read()) for part in parse(raw, Limits())]


@pytest.mark.parametrize("seed", MADE)
def test_every_leaf_comes_out_as_it_went_in(seed: int) -> None:
    mail = Maker(seed).mail()
    assert ours(mail.raw) == mail.leaves
    assert ours(mail.raw) == naive.own_leaves(mail.raw)


def test_the_messages_made_are_of_many_structures() -> None:
    shapes = {Maker(seed).mail().shape for seed in MADE}
    assert len(shapes) >= 200
    assert any("message[" in shape for shape in shapes)
    assert any("open" in shape for shape in shapes)


LINES = st.sampled_from([
    b"", b"", b"--a", b"--a--", b"--b", b"--b--", b"--c:d", b"--c:d--", b"--", b"--ab", b" --a", b"\t",
    b"Content-Type: multipart/mixed; boundary=a", b'Content-Type: multipart/alternative; boundary="b"',
    b'Content-Type: multipart/mixed; boundary="c:d"', b"Content-Type: multipart/mixed",
    b"content-type: multipart/digest;\r\n boundary=a", b"Content-Type: message/rfc822", b"Content-Type: text/html",
    b"Content-Type: message/delivery-status", b"X: y", b": no name", b"From me",
    b" folded", b"text", b"text: text", b"TWFu" * 19, b"TWFu" * 100, b"TWFu" * 100, b"x " * 200, b"x: " + b"y" * 300,
])  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"])


@given(st.lists(st.tuples(LINES, ENDS), max_size=40), st.booleans())
@example([(b"Content-Type: multipart/mixed; boundary=a", b"\r\n"), (b"", b"\r\n"), (b"--a", b"\r")], False)
def test_any_heap_of_lines_has_the_same_parts_as_without_a_skeleton(
    lines: list[tuple[bytes, bytes]], ended: bool
) -> None:
    raw = b"".join(line + end for line, end in lines)
    raw = raw if ended else raw.rstrip(b"\r\n")
    assume(not naive.hides_content_headers(raw))
    assert ours(raw) == naive.own_leaves(raw)


@pytest.mark.parametrize("line", [b"X Bad: y", b"Subject : hi", b"garbage", b"Subject: hi\r", b"X: a\r\rb"])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_line_that_is_no_header_costs_no_attachment(line: bytes, end: bytes) -> None:
    parts = [
        b"--a",
        b"Content-Type: text/plain",
        b"",
        b"result",
        b"--a",
        b"Content-Type: application/pdf",
        b"",
        b"%PDF",
    ]
    mail = [
        b"Received: x",
        line,
        b"Content-Type : multipart/mixed;",
        b" boundary=a",
        b"X: y",
        b"",
        *parts,
        b"--a--",
        b"",
    ]
    assert ours(end.join(mail)) == [("text/plain", b"result"), ("application/pdf", b"%PDF")]


def test_a_body_without_an_empty_line_before_it_keeps_all_its_text() -> None:
    raw = b"Subject: x\r\nHello there\r\nNote: y\r\n\r\nsecond\r\n"
    assert ours(raw) == [("text/plain", b"Hello there\r\nNote: y\r\n\r\nsecond\r\n")]


@given(st.binary(max_size=2000))
def test_any_bytes_have_the_same_parts_as_without_a_skeleton(raw: bytes) -> None:
    assert ours(raw) == naive.own_leaves(raw)


@given(st.binary(max_size=1000), st.sampled_from(["base64", "quoted-printable", "x-uuencode", "7bit", "binary", "x"]))
def test_a_body_in_any_encoding_comes_out_as_the_standard_library_has_it(body: bytes, encoding: str) -> None:
    raw = (
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: "
        + encoding.encode()
        + b"\r\n\r\n"
        + body
    )
    if encoding != "base64":
        assert ours(raw) == naive.leaves(raw)


@given(
    st.binary(max_size=1000).map(lambda body: body.replace(b"=", b"")) | st.text("ABCD+/\r\n -").map(str.encode),
    st.sampled_from([b"", b"=", b"==", b"=\r\n=\r\n"]),
)
def test_broken_base64_comes_out_as_the_standard_library_has_it(body: bytes, padding: bytes) -> None:
    """Save for one letter over, where it decodes nothing; and padding in the middle, where its versions differ."""
    raw = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body + padding
    ((kind, data),), ((_, theirs),) = ours(raw), naive.leaves(raw)
    assert kind == "image/png"
    assert data == theirs or theirs == b"".join((body + padding).splitlines())


def test_a_large_body_leaves_one_line_behind() -> None:
    raw = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"TWFu" * 19 + b"\r\n"
    raw += (b"TWFu" * 19 + b"\r\n") * 10_000
    assert len(cut(raw, Limits()).text) < 200
    assert ours(raw) == [("image/png", b"Man" * 19 * 10_001)]


def test_a_token_that_a_sender_writes_is_only_text() -> None:
    real = cut(b"\r\n" + b"x" * 1000, Limits())
    token = real.text.strip()
    body = token + b"\r\n" + token.replace(b".0~", b".7~")
    assert ours(b"\r\n" + body[:5] + b"\r\n") == [("text/plain", body[:5] + b"\r\n")]


@pytest.mark.parametrize(
    ("raw", "limit"),
    [
        (b"x" * 64_000_001, "message"),
        (b"X: y\r\n" * 200_000 + b"\r\nbody", "header_bytes"),
        (b"\r\n" + b"--\n" * 600_000, "lines"),
        (b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\nX: y\n\n" * 100_000, "parts"),
        (b'Content-Type: text/plain; x="' + b";" * 900_000 + b"\n\nbody", "header_parameters"),
        (b"\n".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d" % (n, n) for n in range(5000)), "depth"),
    ],
)
def test_what_is_too_much_is_refused_cheaply(raw: bytes, limit: str) -> None:
    started = time.process_time()
    with pytest.raises(MessageOverLimit) as refusal:
        parse(raw, Limits())
    assert refusal.value.limit == limit
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "raw",
    [
        b"\n" * 30_000_000,
        b"\r" * 30_000_000,
        b"\r\n\r\n" + b"a:\n" * 10_000_000,
        b"Content-Type: multipart/mixed; boundary=a\n\n" + b" \n" * 10_000_000,
        b"Content-Type: message/rfc822\n\n" * 1_000_000,
    ],
    ids=["line feeds", "carriage returns", "headers in a body", "a preamble of spaces", "messages in messages"],
)
def test_lines_without_end_are_never_split(raw: bytes) -> None:
    started = time.process_time()
    parts = parse(raw, Limits())
    assert len(parts) == 1
    assert time.process_time() - started < 3
