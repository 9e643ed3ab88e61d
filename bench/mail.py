"""The mail of the bench: 2,000 messages of about 211 MB, always the same, with headers as in an NHS mailbox."""

import base64
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

COUNT = 2_000
PLAIN, HTML, SMALL, LARGE = 0.40, 0.30, 0.20, 0.10
"""Shares of plain text, text with HTML, attachments of 60 KB, and attachments of 600 KB."""

BEGAN, BETWEEN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC), timedelta(seconds=30)
"""When the first message was sent, and how long after each the next one follows."""
_WORDS = (  # noqa: SIM905 -- a list of single words would fill the page
    "the sample was received and the result is attached please file it with the record and let the ward know "
    "specimen blood culture serum potassium report clinic referral letter discharge summary follow up in six weeks "
    "thank you for your help with this patient who attended today no further action is needed at present"
).split()


def messages(count: int = COUNT) -> Iterator[bytes]:
    """Yield messages mixed in these shares, one at a time to save memory."""
    generator = random.Random(20260302)
    for number in range(count):
        share = generator.random()
        if share < PLAIN:
            yield plain(generator, number)
        elif share < PLAIN + HTML:
            yield html(generator, number)
        else:
            size = 60_000 if share < PLAIN + HTML + SMALL else 600_000
            yield attachment(generator, number, size)


def plain(generator: random.Random, number: int, size: int = 3_000) -> bytes:
    """Return a plain-text message of about `size` bytes."""
    return _top(generator, number, "text/plain; charset=utf-8") + _lines(generator, size)


def html(generator: random.Random, number: int) -> bytes:
    """Return a message with 20 KB of HTML, which is what mail programs make of three paragraphs."""
    text = _lines(generator, 2_000)
    style = b"".join(
        b'<p class=3D"MsoNormal" style=3D"margin:0cm;font-size:11.0pt">%b</p>\r\n' % line
        for line in _lines(generator, 15_000).splitlines()
    )
    parts = [
        b'Content-Type: text/plain; charset="utf-8"\r\n\r\n' + text,
        b'Content-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
        b"<html><head></head><body>\r\n" + style + b"</body></html>\r\n",
    ]
    return _multipart(generator, number, "alternative", parts)


def attachment(generator: random.Random, number: int, size: int) -> bytes:
    """Return a message with a PDF of `size` bytes, which base64 makes 1.37 times as large."""
    data = b"%PDF-1.7\n" + generator.randbytes(size - 9)
    parts = [
        b'Content-Type: text/plain; charset="utf-8"\r\n\r\n' + _lines(generator, 800),
        b'Content-Type: application/pdf; name="report-%d.pdf"\r\n'
        b'Content-Disposition: attachment; filename="report-%d.pdf"; size=%d\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        % (number, number, size)
        + base64.encodebytes(data).replace(b"\n", b"\r\n"),
    ]
    return _multipart(generator, number, "mixed", parts)


def _multipart(generator: random.Random, number: int, kind: str, parts: list[bytes]) -> bytes:
    boundary = f"_000_{generator.getrandbits(96):024x}_"
    line = b"--" + boundary.encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    return _top(generator, number, f'multipart/{kind}; boundary="{boundary}"') + body


def _top(generator: random.Random, number: int, content_type: str) -> bytes:
    """Return the headers of a message that came through the relay and Exchange Online: about 3 KB, no sign of spam."""
    sent = format_datetime(BEGAN + number * BETWEEN)
    token = f"{generator.getrandbits(160):040x}"
    hops = "".join(
        f"Received: from {hop}.eurprd04.prod.outlook.com (2603:10a6:{hop}::1{hop})\r\n"
        f" by {hop}b.eurprd04.prod.outlook.com with HTTPS; {sent}\r\n"
        for hop in ("1a", "2c", "3e", "4f")
    )
    return (
        f"{hops}"
        f"Received: from relay.nhs.net (10.0.0.7) by mail.nhs.net with ESMTPS id {token[:12]}; {sent}\r\n"
        "Authentication-Results: spf=pass smtp.mailfrom=lab.nhs.uk; dkim=pass header.d=lab.nhs.uk; dmarc=pass\r\n"
        "Received-SPF: Pass (protection.outlook.com: domain of lab.nhs.uk designates 10.0.0.9 as permitted sender)\r\n"
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=lab.nhs.uk; s=selector1;\r\n bh={token};\r\n"
        f" b={token * 6}\r\n"
        f"From: Laboratory Results <results{number % 40}@lab.nhs.uk>\r\n"
        "To: Pathology Results <pathology.results@nhs.net>\r\n"
        f"Subject: Report {number} of {token[:8]}\r\n"
        f"Date: {sent}\r\n"
        f"Message-ID: <{token}@lab.nhs.uk>\r\n"
        "X-MS-Exchange-Organization-SCL: 1\r\n"
        "X-Forefront-Antispam-Report: CIP:10.0.0.9;CTRY:GB;LANG:en;SCL:1;SRV:;IPV:NLI;SFV:NSPM;"
        "H:relay.nhs.net;CAT:NONE;\r\n"
        "X-Microsoft-Antispam: BCL:0;ARA:13230040|376014|7416014;\r\n"
        f"X-Microsoft-Antispam-Message-Info: {token * 12}\r\n"
        f"X-MS-Exchange-CrossTenant-Id: {token[:32]}\r\n"
        "MIME-Version: 1.0\r\n"
        f"Content-Type: {content_type}\r\n\r\n"
    ).encode()


def _lines(generator: random.Random, size: int) -> bytes:
    """Return text of about `size` bytes in lines of a dozen words."""
    lines: list[str] = []
    length = 0
    while length < size:
        line = " ".join(generator.choices(_WORDS, k=12))
        length += len(line) + 2
        lines.append(line)
    return "\r\n".join(lines).encode() + b"\r\n"
