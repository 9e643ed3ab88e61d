"""What Exchange shows in place of a message that it can't convert, or hasn't scanned yet."""

import re

_HEADER = re.compile(rb"(?s)(.*?\r\n)\r\n")
_FIELD = re.compile(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*")
_OF_CONTENT = (b"content-", b"mime-version")


def not_converted(uid: int) -> bytes:
    """The notice that a message can't be converted. Its apostrophe is straight in every second one."""
    apostrophe = "'" if uid % 2 else "’"
    return (
        f"From: Microsoft Exchange Server 2016 <MicrosoftExchange@nhs.net>\r\n"
        f"To: pathology.results@nhs.net\r\n"
        f"Subject: Retrieval using the IMAP4 protocol failed for the following message: {uid}\r\n"
        f"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f"The server couldn{apostrophe}t retrieve the following message:\r\n\r\n"
        f'Subject: "Report"\r\nFrom: "Laboratory"\r\nSent date: 05/01/2026 10:00:00\r\n\r\n'
        f"The message hasn{apostrophe}t been deleted. You may be able to view the message using either Outlook or "
        f"Outlook Web App.\r\n"
    ).encode()


def being_scanned(message: bytes) -> bytes:
    """A message under its own header, whose attachment is still being scanned. message: its first bytes."""
    header = _HEADER.match(message)
    fields = _FIELD.findall(header[1] if header else message)
    kept = b"".join(one for one in fields if not one.lower().startswith(_OF_CONTENT))
    return kept + (
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=scan\r\n\r\n"
        b"--scan\r\nContent-Type: text/plain\r\n\r\nThe attachments are being scanned.\r\n"
        b'--scan\r\nContent-Type: message/rfc822; name="ATP Scan In Progress.eml"\r\n'
        b'Content-Disposition: attachment; filename="ATP Scan In Progress.eml"\r\n\r\n'
        b"Subject: ATP Scan In Progress\r\n\r\nYour attachment is being scanned.\r\n--scan--\r\n"
    )


def header_of(message: bytes) -> bytes:
    """The header with the empty line after it."""
    found = _HEADER.match(message)
    return found[0] if found else message
