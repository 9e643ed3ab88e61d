"""Attachments: files, attached messages, and what comes in a winmail.dat."""

import base64
import codecs

import pytest

from tests.unit.message.messages import message, multipart
from tests.unit.message.mime import winmail
from worker.message.message import Message
from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.verdict import MailPath


def test_an_attachment() -> None:
    seen = multipart(
        "Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n"
        "Content-Disposition: attachment; filename*=utf-8''..%2FR%C3%A9.pdf\n\nJVBERi0xLjQK",
        "Content-Type: image/png; name=x.png\nContent-ID: <logo@x>\n\n%PDF-1.4",
    )
    pdf, image = seen.attachments
    assert (pdf.filename, pdf.safe_filename, pdf.content_type) == ("../Ré.pdf", "Ré.pdf", "application/pdf")
    assert (pdf.size, pdf.read(), pdf.open().read()) == (9, b"%PDF-1.4\n", b"%PDF-1.4\n")
    assert (pdf.detected_type, pdf.mismatched, pdf.inline, pdf.content_id) == ("application/pdf", False, False, None)
    assert (image.detected_type, image.mismatched) == ("application/pdf", True)
    assert (image.inline, image.content_id, image.message()) == (True, "logo@x", None)


def test_an_attached_message_is_a_file_and_a_message() -> None:
    inner = "Subject: inner\n\ninner text"
    found = multipart(f"Content-Type: message/rfc822\n\n{inner}").attachments[0]
    assert found.read() == inner.replace("\n", "\r\n").encode()
    opened = found.message()
    assert opened is not None
    assert (opened.subject, opened.text, opened.key, opened.path) == ("inner", "inner text", "k" * 26, MailPath.JUNK)


def test_attached_messages_can_be_opened_so_deep_and_no_deeper() -> None:
    seen: Message | None = message("Content-Type: message/rfc822\n\n" * 100 + "Subject: deepest\n\n")
    for _ in range(Limits().depth):
        assert seen is not None
        seen = seen.attachments[0].message()
    assert seen is not None
    with pytest.raises(MessageOverLimit, match="depth"):
        seen.attachments[0].message()


def test_a_winmail_dat_is_opened() -> None:
    data = winmail.winmail(winmail.file("r.pdf", b"%PDF\0"), winmail.file("CON", b"x"))
    head = b"Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    found = message(head + codecs.encode(data, "base64")).attachments
    assert [(a.filename, a.safe_filename, a.read(), a.container) for a in found] == [
        ("r.pdf", "r.pdf", b"%PDF\0", "winmail.dat"),
        ("CON", "_CON", b"x", "winmail.dat"),
    ]
    kept = message(head + codecs.encode(data[:-20], "base64")).attachments
    assert [(a.filename, a.read(), a.container) for a in kept] == [("winmail.dat", data[:-20], None)]


def in_winmail(*data: bytes) -> Message:
    """A message with these winmail.dat files in it."""
    kind = "Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n"
    return multipart(*(kind + base64.b64encode(one).decode() for one in data))


def nested(data: bytes) -> bytes:
    return winmail.winmail(
        winmail.file("inner", b"", winmail.variable(winmail.OBJECT, 0x3701, winmail.IMESSAGE + data))
    )


FLAT = winmail.winmail(winmail.file("a.txt", b"a"), winmail.file("b.txt", b"b"))


@pytest.mark.parametrize("data", [(FLAT,), (nested(FLAT),), (nested(nested(FLAT)),), (FLAT, nested(FLAT))])
def test_the_files_in_all_winmail_dats_count_together(data: tuple[bytes, ...]) -> None:
    seen = in_winmail(*data)
    count = 2 * len(data)
    assert [file.filename for file in seen.attachments] == ["a.txt", "b.txt"] * len(data)
    assert len(message(seen.raw, limits=Limits(attachments=count)).attachments) == count
    with pytest.raises(MessageOverLimit, match="'attachments'"):
        _ = message(seen.raw, limits=Limits(attachments=count - 1)).attachments


def test_a_nested_winmail_dat_that_is_broken_is_there_itself() -> None:
    seen = in_winmail(nested(FLAT[:-1]))
    assert [(file.filename, file.read()) for file in seen.attachments] == [("inner", FLAT[:-1])]
    with pytest.raises(MessageOverLimit, match="'attachments'"):
        _ = message(seen.raw, limits=Limits(attachments=0)).attachments


@pytest.mark.parametrize(("limits", "limit"), [(Limits(expansion=2), "expansion"), (Limits(rtf=150_000), "rtf")])
def test_what_winmail_dats_unpack_to_counts_together(limits: Limits, limit: str) -> None:
    body = winmail.with_rtf(winmail.packed_rtf(b"x", 100_000))
    seen = in_winmail(body, nested(body))
    assert [file.size for file in seen.attachments] == [100_000, 100_000]
    with pytest.raises(MessageOverLimit, match=f"'{limit}'"):
        _ = message(seen.raw, limits=limits).attachments
