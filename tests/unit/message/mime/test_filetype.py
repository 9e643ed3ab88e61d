"""What a file is comes from its bytes."""

import codecs

import pytest

from tests.unit.message.messages import message


@pytest.mark.parametrize(
    ("claimed", "data", "detected", "mismatched"),
    [
        ("application/pdf", b"MZ\x90\x00" + bytes(100), "application/x-dosexec", True),
        ("application/octet-stream", b"%PDF-1.4", "application/pdf", False),
        ("text/html", b"a,b\n1,2\n", "text/plain", False),
        ("text/csv", b"hello world", "text/plain", False),
        ("image/jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(20), "image/jpeg", False),
        ("application/pdf", b"", "application/x-empty", False),
        (
            "application/octet-stream",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "__substg1.0_001A001F".encode("utf-16-le"),
            "application/vnd.ms-outlook",
            False,
        ),
    ],
)
def test_the_type_comes_from_the_bytes(claimed: str, data: bytes, detected: str, mismatched: bool) -> None:
    raw = f"Content-Type: {claimed}\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n"
    found = message(raw.encode() + codecs.encode(data, "base64")).attachments[0]
    assert (found.detected_type, found.mismatched) == (detected, mismatched)
