"""What a message is: its kind, its protection, the provider's notices, and what only stands in for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.message.messages import message, multipart
from worker.message.message import Message
from worker.message.mime.signs import kind_by_headers, notices_by_headers, notices_in, plain, protection_by_headers

TEXT = "Content-Type: text/plain\n\nhello"


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ("Subject: x", "mail"),
        ("Auto-Submitted: no", "mail"),
        ("Auto-Submitted: auto-replied (vacation)", "auto-reply"),
        ("Auto-Submitted: auto-replied; owner-email=x", "auto-reply"),
        ("Auto-Submitted: auto-generated\nSubject: Alert", "mail"),
        ("Auto-Submitted: auto-generated\nSubject: Automatic reply: away", "auto-reply"),
        ("X-Autoreply: yes", "auto-reply"),
        ("Precedence: auto_reply", "auto-reply"),
        ("Precedence: bulk", "mail"),
        ("X-Failed-Recipients: a@b", "bounce"),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=b", "bounce"),
        ("Content-Type: multipart/report; report-type=disposition-notification; boundary=b", "receipt"),
        ("Content-Type: text/calendar; method=REQUEST", "calendar"),
        ("Content-Class: urn:content-classes:calendarmessage", "calendar"),
    ],
)
def test_kind_by_headers(headers: str, kind: str) -> None:
    seen = message(f"{headers}\n\nbody")
    assert kind_by_headers(seen.headers) == kind
    assert seen.kind == kind


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ((TEXT,), "mail"),
        ((TEXT, "Content-Type: text/calendar; method=REQUEST\n\nx"), "calendar"),
        ((TEXT, "Content-Type: text/calendar\nContent-Disposition: attachment\n\nx"), "mail"),
        ((TEXT, "Content-Type: message/delivery-status\n\nAction: failed"), "bounce"),
        ((TEXT, "Content-Type: message/disposition-notification\n\nx"), "receipt"),
    ],
)
def test_kind_by_content(parts: tuple[str, ...], kind: str) -> None:
    assert multipart(*parts).kind == kind


@pytest.mark.parametrize(
    ("content_type", "protection"),
    [
        ("text/plain", None),
        ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "smime-encrypted"),
        ("application/x-pkcs7-mime; name=smime.p7m", "smime-encrypted"),
        ("application/octet-stream; name=smime.p7m", "smime-encrypted"),
        ("application/pkcs7-mime; smime-type=signed-data", "smime-signed"),
        ("application/pkcs7-mime; smime-type=certs-only", None),
        ("multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b", "smime-signed"),
        ("multipart/signed; protocol=\"application/pgp-signature\"; boundary=b", "pgp"),
        ("multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b", "pgp"),
        ("application/x-microsoft-rpmsg-message", "rpmsg"),
        ("application/octet-stream; name=message.rpmsg", "rpmsg"),
    ],
)  # fmt: skip
def test_protection(content_type: str, protection: str | None) -> None:
    assert message(f"Content-Type: {content_type}\n\nbody").protection == protection
    if "name=" not in content_type:
        assert protection_by_headers(message(f"Content-Type: {content_type}\n\n").headers) == protection
    if "boundary" not in content_type:
        assert multipart(TEXT, f"Content-Type: {content_type}\n\nbody").protection == protection


def test_protection_by_what_is_inside() -> None:
    signed = bytes.fromhex("308006092a864886f70d010702")
    assert (
        message(b"Content-Type: application/pkcs7-mime; name=smime.p7m\r\n\r\n" + signed).protection == "smime-signed"
    )
    assert message("\n-----BEGIN PGP MESSAGE-----\n").protection == "pgp"
    assert message("Content-Class: rpmsg.message\n\n").protection == "rpmsg"
    assert multipart(TEXT, "Content-Type: application/pkcs7-signature\n\nx").protection == "smime-signed"


@pytest.mark.parametrize(
    ("body", "notice"),
    [
        ("NHSmail detected and removed a file named (x.exe)", "attachment-removed"),
        (
            "This message was sent from an email address external to NHSmail but gives the appearance of x",
            "impersonation-warning",
        ),
        ("The message originated from outside of NHSmail. Be careful", "external-sender"),
        ("Unsafe Attachments Blocked", "unsafe-attachment-blocked"),
        ("ATP Scan In Progress", "atp-scan-in-progress"),
    ],
)
def test_notices_in_any_dress(body: str, notice: str) -> None:
    assert message(f"\n{body}").notices == (notice,)
    folded = body.replace(" ", "\n")
    assert message(f"\nhello\n{folded}\nhello").notices == (notice,)
    dressed = body.replace(" ", " <b>\n</b>&nbsp;", 1)
    assert message(f"Content-Type: text/html\n\n<p>x</p><p>{dressed}</p>").notices == (notice,)
    assert message(f"\n{body.replace('o', '0').replace('e', '3')}").notices == ()


@pytest.mark.parametrize(
    "name", ["NHS<wbr>mail", "N&#72;Smail", "NHS<b>mail</b>", "NHSmail\u200b", "NHS\u00admail", "N&#x200b;HS&shy;mail"]
)
def test_no_dress_of_its_rarest_word_hides_a_notice(name: str) -> None:
    """Mail programs show none of these: whoever reads the message sees the notice, and so must the rules."""
    html = f"Content-Type: text/html; charset=utf-8\n\n<p>{name} detected and removed a file named (r.pdf)</p>"
    assert message(html).notices == ("attachment-removed",)
    assert notices_in([f"{name} detected and removed a file named (r.pdf)"], ()) == ("attachment-removed",)


@given(
    st.lists(
        st.sampled_from([
            "NHSmail", "Detected and REMOVED", "a file named", "unsafe", "Attachments Blocked", "ATP Scan in progress",
            " ", "\n", "\t", "\x1c", "\x1f", "\x0b", "\x0c", "\x00", "<b>", "<", ">", "&nbsp;", "&#32;", "&amp;", "x",
        ]),
        max_size=12,
    ).map("".join)
)  # fmt: skip
def test_a_text_of_ascii_says_what_it_says_beside_any_other_letter(text: str) -> None:
    """One is read as bytes, the other isn't."""
    assert notices_in([text], ()) == notices_in([text + " \u00e9"], ())


def test_notices_by_names_and_subject() -> None:
    removed = 'Content-Type: text/plain; name="{}"\n\nx'
    assert multipart(TEXT, removed.format("Malware Alert Text.txt")).notices == ("malware-alert",)
    assert multipart(TEXT, removed.format("Unsafe Attachments Blocked.txt")).notices == ("unsafe-attachment-blocked",)
    assert multipart(TEXT, removed.format("r.txt")).notices == ()
    subject = message("Subject: ATP Scan In Progress\n\nx")
    assert subject.notices == notices_by_headers(subject.headers) == ("atp-scan-in-progress",)


@pytest.mark.parametrize(
    "instead",
    [
        'Content-Type: text/plain; name="report.pdf.txt"\nContent-Disposition: attachment\n\n{}',
        "Content-Type: text/plain\n\n{}",
        "Content-Type: text/html\nContent-Disposition: inline\n\n<p>{}</p>",
    ],
)
def test_a_notice_in_the_place_of_an_attachment_is_seen(instead: str) -> None:
    said = "NHSmail detected and removed a file named (report.pdf)."
    assert multipart(TEXT, instead.format(said)).notices == ("attachment-removed",)


def test_a_long_attached_text_that_quotes_a_notice_is_a_text() -> None:
    said = "x" * 50_000 + "NHSmail detected and removed a file named (report.pdf)."
    assert multipart(TEXT, f"Content-Type: text/plain\n\n{said}").notices == ()


def stand_in(subject: str, sender: str, body: str) -> Message:
    return message(f"Subject: {subject}\nFrom: {sender}\nContent-Type: text/plain; charset=utf-8\n\n{body}\n")


SUBJECT = "Retrieval using the IMAP4 protocol failed for the following message: 1234"
EXCHANGE = '"Microsoft Exchange Server 2016" <>'


@pytest.mark.parametrize("apostrophe", ["'", "’", "‘", "`"])
def test_exchanges_stand_in_is_known(apostrophe: str) -> None:
    body = f"The server couldn{apostrophe}t retrieve the following message:\n\nSubject: x"
    assert stand_in(SUBJECT, EXCHANGE, body).stand_in == "retrieval-failed"
    assert stand_in(SUBJECT, "Microsoft Exchange Server", body).stand_in == "retrieval-failed"


def test_what_only_speaks_of_it_is_mail() -> None:
    body = "The server couldn't retrieve the following message:"
    assert stand_in(f"FW: {SUBJECT}", EXCHANGE, body).stand_in is None
    assert stand_in(SUBJECT, "lab@nhs.uk", body).stand_in is None
    assert stand_in(SUBJECT, EXCHANGE, "What does this subject mean?").stand_in is None


@pytest.mark.parametrize(
    "name",
    [
        'name="ATP Scan In Progress"',
        'name="=?utf-8?Q?ATP_Scan_In_Progress?="',
        'name="=?utf-8?Q?ATP=20Scan=20In=20Progress?="',
        'name="=?utf-8?B?QVRQIFNjYW4gSW4gUHJvZ3Jlc3M=?="',
        "name*=utf-8''ATP%20Scan%20In%20Progress",
    ],
)
def test_the_stand_in_for_what_is_still_scanned_is_known_however_its_name_is_written(name: str) -> None:
    assert multipart(TEXT, f"Content-Type: message/rfc822; {name}\n\nSubject: x\n\nx").stand_in == "atp-scan"


def test_what_asks_for_a_scan_in_progress_is_mail() -> None:
    assert message("\nWhat is 'ATP Scan In Progress'?").stand_in is None


@given(
    st.lists(
        st.sampled_from(["<b>", "<i a='x y'>", "<", ">", "&amp;", "&lt;", "&#65;", "&", " ", "\n", "word", "x" * 30]),
        max_size=60,
    ),
    st.integers(45, 90),
)
def test_a_long_text_is_read_in_windows_as_if_it_were_in_one(parts: list[str], window: int) -> None:
    text = "".join(parts)
    assert plain(text, window=window) == plain(text)
