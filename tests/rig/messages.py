"""Messages as handlers see them, with attachments, a key and a verdict."""

from datetime import UTC, datetime
from email.message import EmailMessage

from worker import Message
from worker.message.verdict import Evidence, MailPath, Verdict

RECEIVED = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"


def eml(number: int = 1, *, attachments: dict[str, bytes] | None = None, text: str = "Sodium 140 mmol/l.\n") -> bytes:
    """A report with a PDF, or with the given attachments."""
    mail = EmailMessage()
    mail["From"] = "Laboratory <results@lab.example.org>"
    mail["To"] = "pathology.results@nhs.net"
    mail["Subject"] = f"Report {number} für Zoë"
    mail["Date"] = "Mon, 5 Jan 2026 10:00:00 +0000"
    mail["Message-ID"] = f"<{number}@lab.example.org>"
    mail.set_content(text)
    for name, data in ({"report.pdf": PDF} if attachments is None else attachments).items():
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    if mail.is_multipart():
        mail.set_boundary(f"===============report-{number}==")  # the same bytes at every call
    return mail.as_bytes()


def message_of(raw: bytes, key: str = "a" * 26) -> Message:
    """A message on the clean path."""
    verdict = Verdict(MailPath.CLEAN, (Evidence("exchange", "X-Forefront-Antispam-Report", "SCL:1", "Low.", False),))
    return Message(raw, key=key, folder="INBOX", received_at=RECEIVED, verdict=verdict)


def report(number: int = 1, *, attachments: dict[str, bytes] | None = None, text: str = "Sodium 140.\n") -> Message:
    """A report as a message, with a key that depends on its number."""
    return message_of(eml(number, attachments=attachments, text=text), key_of(number))


def key_of(number: int) -> str:
    """The key of a report: as long as a real one, and different for each number."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(letters[number >> shift & 31] for shift in range(125, -1, -5))


UNPARSABLE = (
    b"From: a@b.c\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 1_500 + b"--b--\r\n"
)
"""A message with more parts than the limits allow."""
