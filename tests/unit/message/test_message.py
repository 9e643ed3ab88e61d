"""What a handler sees of a message."""

import hashlib
import random
import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import worker
from tests.unit.message.messages import JUNK, RECEIVED_AT, message, multipart, use
from tests.unit.message.mime import winmail
from tests.unit.message.mime.mails import Mail, Maker
from worker.message.message import Message
from worker.message.mime.limits import Limits, MessageOverLimit, MessageUnparsable
from worker.message.verdict import MailPath


def test_what_it_was_given() -> None:
    raw = b"Subject: x\r\n\r\nbody"
    seen = message(raw)
    assert (seen.key, seen.path, seen.folder, seen.received_at) == ("k" * 26, MailPath.JUNK, "INBOX", RECEIVED_AT)
    assert seen.evidence == JUNK.evidence
    assert (seen.raw, seen.open().read(), seen.size) == (raw, raw, len(raw))
    assert seen.sha256 == hashlib.sha256(raw).hexdigest()
    assert worker.Message is Message


@pytest.mark.parametrize(
    "name", ["key", "path", "subject", "text", "headers", "attachments", "raw", "evidence", "_raw", "anything"]
)
def test_nothing_in_it_can_be_changed(name: str) -> None:
    one = multipart("Content-Type: text/plain\r\n\r\nhello", "Content-Type: application/pdf\r\n\r\nPDF")
    for thing in (one, *one.attachments):
        with pytest.raises(AttributeError, match=name):
            setattr(thing, name, "changed")
        with pytest.raises(AttributeError, match=name):
            delattr(thing, name)
    assert one.text.strip() == "hello"
    with pytest.raises(TypeError):
        one.headers[0] = ("Subject", "changed")  # type: ignore[index]  # that is the point


def test_headers_as_a_person_reads_them() -> None:
    seen = message(
        'From: "=?utf-8?q?Path=C3=B3logy=2C?= Lab" <lab@nhs.uk>\nTo: a@nhs.net,\n "B, b" <b@nhs.net>\nCc: c@nhs.net\n'
        "Message-ID: <1@x>\nSubject: =?utf-8?q?R=C3=A9sultat?=\nDate: Fri, 2 Jan 2026 10:00:00 +0100\n\nbody"
    )
    assert seen.sender == "lab@nhs.uk"
    assert seen.sender is not None
    assert seen.sender.name == "Pathólogy, Lab"
    assert seen.to == ("a@nhs.net", "b@nhs.net")
    assert [address.name for address in (*seen.to, *seen.cc)] == ["", "B, b", ""]
    assert (seen.cc, seen.message_id, seen.subject) == (("c@nhs.net",), "<1@x>", "Résultat")
    assert seen.date == datetime(2026, 1, 2, 10, tzinfo=timezone(timedelta(hours=1)))


def test_headers_that_are_not_there() -> None:
    seen = message("\nbody")
    assert (seen.sender, seen.to, seen.cc, seen.date, seen.message_id, seen.subject) == (None, (), (), None, None, "")


@pytest.mark.parametrize(
    "date", ["yesterday", "Fri, 99 Jan 2026 10:00 +9999", "1 Jan 99999 00:00:00", "1 Jan 2026 10:00 +999999"]
)
def test_a_date_that_is_none(date: str) -> None:
    assert message(f"Date: {date}\n\n").date is None


def test_addresses_that_no_parser_takes() -> None:
    assert message("From: " + "(" * 50_000 + "\n\n").sender is None
    seen = message("Sender: s@x.uk\nTo: " + ", ".join(f"a{n}@nhs.net" for n in range(20_000)) + "\n\n")
    assert (seen.sender, len(seen.to), seen.to[-1]) == ("s@x.uk", 20_000, "a19999@nhs.net")


def test_text_and_html_are_the_first_of_their_kind() -> None:
    alternative = (
        "Content-Type: multipart/alternative; boundary=c\n\n--c\nContent-Type: text/plain; charset=iso-8859-1\n"
        "Content-Transfer-Encoding: quoted-printable\n\ncaf=E9\n--c\nContent-Type: text/html\n\n<p>café</p>\n--c--"
    )
    seen = multipart(
        alternative, "Content-Type: text/plain\n\nfooter", 'Content-Type: text/plain; name="n.txt"\n\nfile'
    )
    assert (seen.text, seen.html) == ("café", "<p>café</p>")
    assert [(a.read(), a.filename, a.safe_filename) for a in seen.attachments] == [
        (b"footer", None, "part-1.txt"),
        (b"file", "n.txt", "n.txt"),
    ]


def test_mail_without_text_has_that_of_its_html() -> None:
    seen = message("Content-Type: text/html; charset=utf-8\n\n<p>Hello&nbsp;<b>é</b></p><script>x()</script>")
    assert seen.text.replace("\xa0", " ") == "Hello é"
    assert seen.attachments == ()
    assert message("Content-Type: image/png\n\nx").text == ""
    assert message("Content-Type: image/png\n\nx").html is None


def everything(mail: Message) -> list[bytes]:
    """The bytes of every leaf, in no order; text by what it decodes to."""
    found = [attachment.read() for attachment in mail.attachments]
    content = mail._content
    return found + [leaf.read() for leaf in (content._text, content._html) if leaf is not None]


MADE = range(250)


@pytest.mark.parametrize("seed", MADE)
def test_every_leaf_comes_out_once(seed: int) -> None:
    mail = Maker(seed).mail()
    check(message(mail.raw), mail)


def test_these_are_two_hundred_structures_and_more() -> None:
    assert len({Maker(seed).mail().shape for seed in MADE}) >= 200


def check(seen: Message, mail: Mail) -> None:
    assert sorted(everything(seen)) == sorted(data for _, data in mail.leaves)
    if seen._content._text is not None:
        assert seen.text == seen._content._text.text()
    opened = [inner for inner in (attachment.message() for attachment in seen.attachments) if inner is not None]
    assert len(opened) == len(mail.attached)
    for inner, attached in zip(opened, mail.attached, strict=True):
        check(inner, attached)


def test_parsed_is_mail_parsers() -> None:
    seen = multipart("Content-Type: text/plain\n\nhello", headers="Subject: x\n")
    assert (seen.parsed.subject, seen.parsed.text_plain) == ("x", ["hello"])
    with pytest.raises(MessageOverLimit, match="parsed_lines"):
        _ = message(b"\r\n" * 3_000_000).parsed
    with pytest.raises(MessageUnparsable) as refusal:
        _ = message('Content-Type: text/plain; charset="a\0b"\nContent-Transfer-Encoding: 8bit\n\n\xe9').parsed
    assert refusal.value.cause
    assert "\0" not in str(refusal.value)


def test_a_message_over_a_limit_gives_no_half_of_itself() -> None:
    seen = message("Content-Type: multipart/mixed; boundary=a\n\n" + "--a\n\nx\n" * 2_000)
    for name in ("text", "html", "attachments", "parsed"):
        with pytest.raises(MessageOverLimit, match="parts"):
            getattr(seen, name)
    assert (seen.kind, seen.notices, seen.protection, seen.stand_in, seen.size > 0) == ("mail", (), None, None, True)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(attachments=1), "attachments"),
        (Limits(attachment=100), "attachment"),
        (Limits(parts=2), "parts"),
        (Limits(message=500), "message"),
    ],
)
def test_limits_of_attachments(limits: Limits, limit: str) -> None:
    part = b"--a\r\nContent-Type: image/png\r\n\r\n" + b"x" * 300 + b"\r\n"
    seen = message(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + part * 2, limits=limits)
    with pytest.raises(MessageOverLimit) as refusal:
        _ = seen.attachments
    assert refusal.value.limit == limit


def test_headers_that_were_cut_off_are_over_their_limit_whatever_it_is() -> None:
    inner = "Subject: inner\n" + "X-Long: y\n" * 250_000 + "\ninner text"
    for limits in (Limits(), Limits(header_bytes=60_000_000)):
        seen = message(inner, limits=limits)
        assert seen.headers.truncated
        for name in ("text", "html", "attachments", "parsed"):
            with pytest.raises(MessageOverLimit) as refusal:
                getattr(seen, name)
            assert (refusal.value.limit, refusal.value.word) == ("header_bytes", "MessageOverLimit:header_bytes")
        attached = message("Content-Type: message/rfc822\n\n" + inner, limits=limits).attachments[0].message()
        assert attached is not None
        with pytest.raises(MessageOverLimit, match="header_bytes"):
            _ = attached.text


def test_nothing_of_the_content_is_in_a_repr_or_an_error() -> None:
    seen = multipart("Content-Type: text/plain; name=secret.txt\n\nsecret", headers="Subject: secret\nFrom: secret@x\n")
    for thing in (seen, seen.headers, *seen.attachments, MessageUnparsable("ValueError"), MessageOverLimit("parts")):
        assert "secret" not in repr(thing) + str(thing)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"Subject", b"From", b"To", b"Date", b"Content-Type", b"Content-Disposition", b"Content-ID",
                         b"Content-Transfer-Encoding", b"Message-ID", b"Auto-Submitted"]),
        st.binary(max_size=60) | st.sampled_from([
            b"multipart/mixed; boundary=a", b"text/html; charset=utf-8", b"text/plain; charset=\"a\0b\"",
            b"message/rfc822",
            b"attachment; filename*0=a; filename*=b; filename*99999999999999999999=c", b"base64", b"quoted-printable",
            b"x-uuencode", b"application/ms-tnef", b"attachment; filename*=utf\0-8''%ff",
            b"text/calendar; method=REQUEST",
            b"attachment; filename=\"=?utf-8?q?x?=\"", b"multipart/report; report-type=delivery-status; boundary=a",
            b"application/pkcs7-mime; smime-type=signed-data", b"text/html; charset=idna", b"message/partial",
            b"multipart/mixed; boundary*0=a; boundary*1=b", b"attachment; filename*" + b"9" * 5000 + b"=x",
        ]),
    ),
    max_size=6,
)  # fmt: skip


BODIES = st.binary(max_size=200) | st.lists(
    st.sampled_from([b"--a", b"--a--", b"", b"Content-Type: text/html", b"<p>x</p><", b"begin 644 x", b"#0V%T", b"end",
                     winmail.SIGNATURE, b"ATP Scan In Progress", b"=E9", b"TWFu", b"!",
                     b"-----BEGIN PGP MESSAGE-----"]),
    max_size=20,
).map(b"\r\n".join)  # fmt: skip


@given(HEADERS, BODIES)
def test_no_bytes_make_it_raise_anything_but_its_own_errors(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    use(message(b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n" + body))


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.binary(max_size=20))
def test_no_damage_makes_it_raise_anything_but_its_own_errors(seed: int, at: int, damage: bytes) -> None:
    raw = Maker(seed % 50).mail().raw
    at %= len(raw)
    use(message(raw[:at] + damage + raw[at + random.Random(seed).randrange(50) :]))


HTML = b"Content-Type: text/html\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        HTML + b"<" * 499_000,
        HTML + b"<div>" * 95_000,
        HTML + b"<table><tr><td>" * 30_000,
        HTML + b"<b>x</b> " * 55_000,
        HTML + b"<b>x</b> " * 1_000_000,
        HTML + b"<table>" + b"<tr><td>x" * 10_000 + b"<tr><td>" + b"y" * 400_000,
        HTML + b'<div style="padding-left: 99999999em">' * 100 + b"<p>x" * 10_000,
        HTML + b"<ul>" * 90 + b"<li>x" * 90_000,
        HTML + b"<!--" * 100_000,
        HTML + b"&" * 499_000,
        b"Content-Type: text/plain\r\n\r\n" + b"nhsmail unsafe atp <" * 500_000,
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"=" * 20_000_000,
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 20_000_000,
        b"Content-Transfer-Encoding: x-uuencode\r\n\r\n" + b"begin 644 x\n" * 1_000_000,
    ],
    ids=["tags", "nested", "nested tables", "words", "many words", "a wide table", "styles", "lists", "comments",
         "references", "notices", "padding", "printable", "uu"],
)  # fmt: skip
def test_hostile_content_takes_neither_time_nor_room(raw: bytes) -> None:
    seen = message(raw, limits=Limits(text=40_000_000))  # some are longer than the default lets pass
    started = time.process_time()
    _ = (seen.html, seen.kind, seen.notices, seen.protection, [(a.size, a.detected_type) for a in seen.attachments])
    assert len(seen.text) < 40_000_000
    assert time.process_time() - started < 10
