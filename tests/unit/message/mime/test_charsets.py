"""Text comes out as it went in, whatever charset the sender claims."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.message.messages import message
from worker.message.mime.charsets import decode


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["utf-8", "utf-16", "gb18030", "utf-7"]))
def test_text_comes_out_as_it_went_in(text: str, charset: str) -> None:
    raw = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert message(raw.encode() + codecs.encode(text.encode(charset), "base64")).text == text


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        (b"caf\xe9", "us-ascii", "café"),
        ("café".encode(), "us-ascii", "café"),
        ("café".encode(), "no-such", "café"),
        (b"\x93caf\xe9\x94", "", "“café”"),
        (b"abc", "punycode", "abc"),
        (b"abc", "unicode_escape", "abc"),
        (b"abc", "zlib", "abc"),
        (b"abc", "utf\x00-8", "abc"),
        (b"abc", "x" * 10_000, "abc"),
        (b"+2AA-", "utf-7", "\ufffd"),
        (b"\xff", "utf-8", "\ufffd"),
    ],
)
def test_text_in_a_charset_that_is_none(data: bytes, charset: str, text: str) -> None:
    assert decode(data, charset) == text
