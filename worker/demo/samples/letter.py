"""Builds a sample message: its Received lines, headers and body."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from textwrap import dedent
from typing import Literal

ACCOUNT = "pathology.results@nhs.net"
OUTSIDE = "referrals@surgery.example.org"
LAB = "lab-system@lab.example.nhs.uk"
INSIDE = "service.desk@nhs.net"
STARTED = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)

INBOX = "INBOX"
JUNK_FOLDER = "Junk Email"

Pairs = Sequence[tuple[str, str]]
Expectation = Literal["handled", "junk", "failed"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A message of the demo, and what is expected to become of it.

    group: its row in the report. folder: where it is when the demo starts.
    """

    name: str
    group: str
    raw: bytes
    expect: Expectation = "handled"
    folder: str = INBOX


@dataclass(frozen=True, slots=True)
class Letter:
    """The headers of a message. `name` becomes the Message-ID, so it must be unique among the samples.

    above: headers above the provider's first Received line, which the provider wrote.
    below: headers below it, which anybody may have written.
    after: headers after the Subject, where Exchange puts its own.
    """

    name: str
    subject: str
    sender: str = OUTSIDE
    to: str = ACCOUNT
    above: Pairs = ()
    below: Pairs = ()
    after: Pairs = ()

    @property
    def sent_at(self) -> datetime:
        """A time on the first day, derived from the name."""
        return STARTED + timedelta(minutes=sum(self.name.encode()) % 480)

    def trace(self) -> bytes:
        """The Received lines, newest first, with the headers between them."""
        when = self.sent_at
        lines = [_received("mbx02.example.nhs.net", "mbx01.example.nhs.net", when + timedelta(seconds=4))]
        lines += [f"{name}: {value}" for name, value in self.above]
        domain = self.sender.rpartition("@")[2]
        if domain != "nhs.net":
            lines.append(_received(f"mail.{domain}", "relay.example.nhs.net", when + timedelta(seconds=2)))
        lines += [f"{name}: {value}" for name, value in self.below]
        if domain != "nhs.net":
            lines.append(_received(f"app01.{domain}", f"mail.{domain}", when + timedelta(seconds=1)))
        return "".join(f"{line}\r\n" for line in lines).encode()

    def headers(self) -> Pairs:
        """From, To, Subject and so on, in the order in which they are written."""
        domain = self.sender.rpartition("@")[2]
        return (
            ("From", self.sender),
            ("To", self.to),
            ("Subject", self.subject),
            *self.after,
            ("Message-ID", f"<{self.name}@{domain}>"),
            ("Date", format_datetime(self.sent_at)),
        )


def write(letter: Letter, body: EmailMessage | str) -> bytes:
    """The message as bytes. body: a text, or an EmailMessage with the body's parts."""
    if isinstance(body, str):
        body = content(body)
    for number, part in enumerate(body.walk()):
        if part.get_content_maintype() == "multipart":
            part.set_boundary(f"=_{letter.name}_{number}")  # the same bytes every time
    return write_raw(letter, body.as_bytes())


def write_raw(letter: Letter, rest: bytes) -> bytes:
    """The message as bytes. rest: MIME headers, empty line and body, used as they are."""
    return letter.trace() + "".join(f"{name}: {value}\r\n" for name, value in letter.headers()).encode() + rest


def crlf(text: str, charset: str = "utf-8") -> bytes:
    """An indented block of text as it looks on the wire."""
    return dedent(text).lstrip("\n").replace("\n", "\r\n").encode(charset)


def content(text: str, html: str | None = None) -> EmailMessage:
    """A body with a text part, and an HTML alternative if given."""
    body = EmailMessage(policy=SMTP)
    body.set_content(text)
    if html is not None:
        body.add_alternative(html, subtype="html")
    return body


def attach(body: EmailMessage, data: bytes, kind: str, filename: str) -> EmailMessage:
    """The same body with a file attached."""
    main, _, sub = kind.partition("/")
    body.add_attachment(data, maintype=main, subtype=sub, filename=filename)
    return body


def _received(sender: str, receiver: str, when: datetime) -> str:
    return (
        f"Received: from {sender} ({_address(sender)}) by {receiver}\r\n ({_address(receiver)}) with ESMTPS"
        f" id {sum((sender + receiver).encode()):08X}; {format_datetime(when)}"
    )


def _address(host: str) -> str:
    """An address for a host, from the blocks reserved for documentation (RFC 5737)."""
    block = "192.0.2" if host.endswith(".nhs.net") else "203.0.113"
    return f"{block}.{sum(host.encode()) % 250 + 1}"
