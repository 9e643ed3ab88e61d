"""The key of a message: stable, short, and another for every other message."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.message.key import fingerprint
from worker.message.mime.headers import Headers

ITEMS = st.lists(
    st.tuples(st.sampled_from(["Received", "Message-ID", "Date", "From", "Subject"]), st.text(max_size=5)), max_size=6
)


def key(*items: tuple[str, str], account: str = "lab@nhs.net") -> str:
    return fingerprint(account, Headers(items))


def test_it_is_what_it_always_was() -> None:
    """A key once given stands in people's archives: this value may never change."""
    items = (("Received", "from a by b"), ("Message-ID", "<1@x>"), ("Date", "today"), ("From", "a@b"), ("Subject", "s"))
    assert key(*items) == "44ufzcd6orvqy37ijn3gja64qn"


@given(ITEMS)
def test_it_has_26_lower_case_base32_characters(items: list[tuple[str, str]]) -> None:
    assert re.fullmatch("[a-z2-7]{26}", key(*items))


@given(ITEMS, ITEMS)
def test_different_headers_have_different_keys(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    def seen(items: list[tuple[str, str]]) -> list[list[str]]:
        return [Headers(items).raw(name) for name in ("Received", "Message-ID", "Date", "From", "Subject")]

    assert (key(*one) == key(*other)) == (seen(one) == seen(other))


def test_the_account_counts_but_not_its_case() -> None:
    assert key(("From", "a")) != key(("From", "a"), account="other@nhs.net")
    assert key(("From", "a")) == key(("From", "a"), account="LAB@nhs.net")


@pytest.mark.parametrize("name", ["To", "X-Spam-Flag", "X-MS-Exchange-Organization-SCL", "Content-Type"])
def test_other_headers_do_not_count(name: str) -> None:
    assert key(("From", "a"), (name, "x")) == key(("From", "a"))


def test_undecodable_bytes_count() -> None:
    one, other = Headers.from_bytes(b"Subject: \xe9\r\n"), Headers.from_bytes(b"Subject: \xe8\r\n")
    assert fingerprint("a", one) != fingerprint("a", other)


def test_keys_of_undecodable_headers_are_what_they_always_were() -> None:
    block = b"Received: \xff\r\nMessage-ID: <\xed\xa0\x80@x>\r\nFrom: caf\xe9 <a@b>\r\n"
    block += b"Subject: \xc3\xa9\0=?utf-7?q?+2AA-?=\r\n"
    assert fingerprint("lab@nhs.net", Headers.from_bytes(block)) == "ewh6wncvcwnl3e2uxzojihoi36"


@given(st.text(max_size=5), ITEMS)
def test_it_is_the_hash_that_it_says_to_be(account: str, items: list[tuple[str, str]]) -> None:
    headers = Headers(items)
    fields = [[account.lower()]]
    fields += [headers.raw(name) for name in ("Received", "Message-ID", "Date", "From", "Subject")]
    hashed = b""
    for values in fields:
        encoded = [value.encode("utf-8", "surrogateescape") for value in values]
        hashed += b"%d;" % len(encoded) + b"".join(b"%d:%b" % (len(value), value) for value in encoded)
    base32 = base64.b32encode(hashlib.sha256(hashed).digest())
    assert fingerprint(account, headers) == base32[:26].decode().lower()
