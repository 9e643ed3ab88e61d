"""Headers: what was sent as the standard library has it, what a person reads, and nothing that raises."""

import email.header
import email.parser
import re
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.message.key import fingerprint
from worker.message.mime.headers import MAX_HEADER_BYTES, MAX_HEADER_FIELDS, Headers, block_end

BLOCKS = st.lists(
    st.tuples(
        st.sampled_from([b"A: b", b"Subject:x", b"X-Y:   z  ", b" folded", b"\tfolded", b": no name", b"From me", b"",
                         b"body", b"a b: c", b"Caf\xc3\xa9: x", b"B: \xe9", b"--b: c"]),
        st.sampled_from([b"\r\n", b"\n", b"\r"]),
    ),
    max_size=12,
)  # fmt: skip


WELL_FORMED = re.compile(rb"[!-9;-~]+:|[\t ]|$")


def of(*lines: str) -> Headers:
    return Headers.from_bytes("\r\n".join(lines).encode() + b"\r\n\r\nbody: no header")


def as_sent(headers: Headers) -> list[tuple[str, str]]:
    """Every header byte for byte, in order."""
    values = {name.lower(): iter(headers.raw(name)) for name, _ in headers}
    return [(name, next(values[name.lower()])) for name, _ in headers]


@given(BLOCKS.map(lambda lines: b"".join(line + end for line, end in lines)) | st.binary())
def test_items_begin_with_those_of_the_standard_library(raw: bytes) -> None:
    """It gives up at the first line that is no header, and at an empty line of carriage returns."""
    parsed = [(name, str(value)) for name, value in email.parser.BytesHeaderParser().parsebytes(raw).raw_items()]
    items = as_sent(Headers.from_bytes(raw))
    assert items[: len(parsed)] == parsed
    lines = raw.splitlines()
    if b"\r" not in raw.replace(b"\r\n", b"\n") and all(WELL_FORMED.match(line) for line in lines):
        assert items == parsed


EMPTY_LINE = re.compile(rb"(?:\A|\n)(?=\r?\n|\r\Z)")
EMPTY_LINE_OF_CR = re.compile(rb"(?:\A|\r)(?=\r)")


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\r\n"]), max_size=12).map(b"".join), st.integers(0, 12))
def test_a_block_ends_before_the_first_empty_line_within_the_limit(raw: bytes, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.message.mime.headers.MAX_HEADER_BYTES", limit)
        end = block_end(raw)
    window = raw[: limit + 1]
    match = (EMPTY_LINE if b"\n" in window else EMPTY_LINE_OF_CR).search(window)
    assert end == min(match.end() if match else len(window), limit)


@given(BLOCKS.map(lambda lines: b"".join(line + end for line, end in lines)))
def test_positions_are_those_of_each_name_in_order(raw: bytes) -> None:
    headers = Headers.from_bytes(raw)
    names = [name.lower() for name, _ in headers]
    assert headers.positions == {
        name: [position for position, other in enumerate(names) if other == name] for name in names
    }


@pytest.mark.parametrize(
    "line",
    [b"X Bad: y", b"garbage", b"X-A: a\r\rb", b"Subject: hi\r", b"Caf\xc3\xa9: x", b"\x1b[31m: x", b"From me", b": x"],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_no_line_hides_those_below_it(line: bytes, end: bytes) -> None:
    raw = end.join([b"From: a@b.example", line, b" folded", b"X-Forefront-Antispam-Report: SFV:SPM", b"", b"B: body"])
    headers = Headers.from_bytes(raw)
    assert headers.get("X-Forefront-Antispam-Report") == "SFV:SPM"
    assert headers.get("From") == "a@b.example"
    assert headers.get("B") is None


def test_a_space_before_the_colon_is_the_older_syntax_of_a_header() -> None:
    assert list(of("Subject : hi", "X-Y\t: z")) == [("Subject", "hi"), ("X-Y", "z")]  # RFC 5322, 4.5


@given(st.binary(max_size=500))
def test_nothing_makes_them_raise(raw: bytes) -> None:
    headers = Headers.from_bytes(b"Subject: " + raw)
    for name, _ in headers:
        text = " ".join([headers.get(name) or "", *headers.get_all(name)])
        assert text.encode("utf-8").decode() == text
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)


def test_values_come_as_sent_and_as_read() -> None:
    headers = of("Subject: =?utf-8?q?caf=C3=A9?=", " au lait", "subject: second")
    assert headers.raw("SUBJECT") == ["=?utf-8?q?caf=C3=A9?=\r\n au lait", "second"]
    assert headers.get("Subject") == "café au lait"
    assert headers.get_all("subject") == ["café au lait", "second"]
    assert headers.get("Missing") is None
    assert headers.get_all("Missing") == headers.raw("Missing") == []


def test_only_raw_keeps_bytes_that_no_text_can_hold() -> None:
    headers = Headers.from_bytes(b"A: caf\xe9\r\n =?utf-8?q?=C3=A9?=\r\nA: caf\xc3\xa9 \x81\r\n\r\n")
    assert headers.raw("A") == ["caf\udce9\r\n =?utf-8?q?=C3=A9?=", "caf\udcc3\udca9 \udc81"]
    assert list(headers) == [("A", "café\r\n =?utf-8?q?=C3=A9?="), ("A", "cafÃ© \ufffd")]
    assert headers[0] == headers[:1][0] == next(iter(headers))


def test_they_are_a_sequence_of_pairs_that_shows_no_content() -> None:
    headers = of("A: 1", "B: 2", "C: 3")
    assert (len(headers), headers[0], headers[1:]) == (3, ("A", "1"), (("B", "2"), ("C", "3")))
    assert headers == of("A: 1", "B: 2", "C: 3")
    assert hash(headers) == hash(of("A: 1", "B: 2", "C: 3"))
    assert headers != [("A", "1"), ("B", "2"), ("C", "3")]
    assert repr(headers) == "<Headers: 3>"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("=?utf-8?b?4pyT?=", "✓"),
        ("=?utf-8?b?4pw?= \r\n =?utf-8?b?kw==?=", "✓"),  # a character split over two words
        ("=?iso-8859-1?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?iso-8859-1?q?a?= and =?utf-8?q?b_c?=", "a and b c"),
        ("=?utf-8*en?q?hello?=", "hello"),
        ("x =?utf-8?q?y?=", "x y"),
        ("=?no-such-charset?q?=E9?=", "é"),
        ("=?punycode?q?abc?=", "abc"),
        ("=?utf\x00-8?q?abc?=", "abc"),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?b?!!!?=", ""),
        ("=?utf-8?q?a=0d=0aBcc:_x?=", "a  Bcc: x"),
        ("=?utf-7?q?+2AA-?=", "\ufffd"),
        ("a\x1b[31mb\x7f", "a [31mb"),
        ("caf\udce9", "café"),
        ("caf\udcc3\udca9", "café"),
    ],
)
def test_what_a_person_reads(value: str, read: str) -> None:
    assert Headers((("Subject", value),)).get("Subject") == read


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), st.sampled_from(["utf-8", "iso-8859-1"]))
def test_what_was_encoded_is_read(text: str, charset: str) -> None:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        charset = "utf-8"
    sent = email.header.Header(text, charset, maxlinelen=60).encode(linesep="\r\n")
    if sent.startswith("=?"):
        assert Headers((("Subject", sent),)).get("Subject") == text


@pytest.mark.parametrize(
    "raw",
    [
        b"a:\n" * 700_000,
        b"Subject: " + b"=?utf-8?q?a?= " * 100_000,
        b"Subject: " + b"=?" * 700_000,
        b"Subject: " + b"=?a?q?" * 300_000,
        b"Subject:" + b"\r\n " * 600_000,
        b"!" * 2_000_000,
    ],
    ids=["many", "encoded words", "no words", "open words", "folds", "no colon"],
)
def test_time_is_linear(raw: bytes) -> None:
    started = time.process_time()
    Headers.from_bytes(raw).get("Subject")
    assert time.process_time() - started < 3


def test_a_block_without_end_is_cut_and_says_so() -> None:
    endless = Headers.from_bytes(b"A: b\r\n" * (MAX_HEADER_BYTES // 6 + 100))
    assert endless.truncated
    assert len(endless) <= MAX_HEADER_BYTES // 6 + 1
    assert not Headers.from_bytes(b"A: b\r\n\r\n" + b"x" * MAX_HEADER_BYTES * 2).truncated


@pytest.mark.parametrize("beyond", [-1, 0, 1, 500])
def test_so_many_fields_are_read_and_no_more(beyond: int) -> None:
    """Whatever lies beyond, what is read is the same, and so is the key that is made of it."""
    count = MAX_HEADER_FIELDS + beyond
    block = b"Subject: first\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(count - 1))
    seen = Headers.from_bytes(block + b"\r\nbody")
    assert len(seen) == min(count, MAX_HEADER_FIELDS)
    assert seen.over_limit == ("header_fields" if beyond > 0 else None)
    cut = Headers.from_bytes(block[: MAX_HEADER_BYTES + 1] + b"Subject: another\r\n" * max(0, beyond))
    assert list(cut) == list(seen)
    assert fingerprint("a@b.c", cut) == fingerprint("a@b.c", seen)


@given(
    st.lists(st.sampled_from([b"A: b\r\n", b"no header\r\n", b": x\r\n", b" folded\r\n", b"C:\n", b"D: e\r", b"\t\n"]))
)
def test_many_lines_are_read_as_few_are(lines: list[bytes]) -> None:
    block = b"Z: z\r\n" + b"".join(lines)
    few = Headers.from_bytes(block)
    many = Headers.from_bytes(b"Received: x" + b"\r\n y" * MAX_HEADER_FIELDS + b"\r\n" + block)
    assert list(many)[1:] == list(few)
    assert (few.over_limit, many.over_limit) == (None, None)


def test_short_fields_without_end_take_little_memory() -> None:
    block = b"a%d:b\r\n" * 100_000 % tuple(range(100_000))
    tracemalloc.start()
    try:
        seen = Headers.from_bytes(block)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(seen) == MAX_HEADER_FIELDS
    assert held < 3_000_000
    assert peak < 6_000_000


LAST = b"X-Last-Header: value\r\n"


@pytest.mark.parametrize("beyond", range(-3, len(LAST) + 3))
def test_a_block_is_cut_wherever_its_last_line_is(beyond: int) -> None:
    """So many bytes of the last line and the blank one lie beyond what is read: known from one byte more, or all."""
    block = b"X-Long: " + b"x" * (MAX_HEADER_BYTES - 10 - len(LAST) - 2 + beyond) + b"\r\n" + LAST + b"\r\n"
    assert len(block) == MAX_HEADER_BYTES + beyond
    whole, fetched = (Headers.from_bytes(raw) for raw in (block + b"body\r\n" * 1_000, block[: MAX_HEADER_BYTES + 1]))
    assert (fetched.truncated, list(fetched)) == (whole.truncated, list(whole))
    assert whole.truncated is (beyond > 2)
    assert whole.truncated or whole.get("X-Last-Header") == "value"
