"""A maker of mail: each seed a message of another structure, with what went into it."""

import base64
import binascii
import quopri
import random
from dataclasses import dataclass, field

CHARSETS = ("utf-8", "iso-8859-1", "windows-1252", "us-ascii", "utf-16", "gb18030", "koi8-r", "iso-2022-jp")


@dataclass
class Mail:
    """A message and its leaves."""

    raw: bytes
    leaves: list[tuple[str, bytes]] = field(default_factory=list)
    """Content type and decoded bytes of each leaf, in order; an attached message is a leaf."""
    attached: list["Mail"] = field(default_factory=list)
    """The attached messages, in order."""
    shape: str = ""
    """The structure in words, to tell one message's from another's."""


class Maker:
    """Makes messages from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.end = self.random.choice([b"\r\n", b"\r\n", b"\r\n", b"\n"])
        self.number = 0

    def mail(self, depth: int = 0) -> Mail:
        """A message: headers, and a tree of parts."""
        headers = [
            b"Received: from mail.example by outlook.office365.com"
            + self.end
            + b" with SMTP; Mon, 1 Jan 2024 10:00:00 +0000",
            b"From: Lab <lab@example.nhs.uk>",
            b"To: results@example.nhs.uk",
            b"Subject: " + self.random.choice([b"Report", b"=?utf-8?q?R=C3=A9sultat?=", b"Re: a; b: c"]),
            b"Message-ID: <%d@example>" % self.random.randrange(10**9),
            b"MIME-Version: 1.0",
        ]
        self.random.shuffle(headers)
        mail = Mail(b"")
        part = self.part(mail, depth, top=True)
        mail.raw = self.end.join(headers) + self.end + part
        return mail

    def part(self, mail: Mail, depth: int, *, top: bool = False) -> bytes:
        """Headers, a blank line and a body; what goes in is noted in the mail."""
        chance = self.random.random()
        if depth < 4 and chance < (0.85 if top else 0.3):
            return self.container(mail, depth, top=top)
        if depth < 4 and chance < (0.9 if top else 0.4):
            return self.attached(mail, depth)
        return self.leaf(mail)

    def container(self, mail: Mail, depth: int, *, top: bool) -> bytes:
        kind = self.random.choice(["mixed", "alternative", "related", "signed", "report", "x-unknown", "MIXED"])
        boundary = self.boundary()
        mail.shape += f"{kind}("
        parts = [self.part(mail, depth + 1) for _ in range(self.random.choice([1, 1, 2, 2, 3, 4, 6]))]
        mail.shape += ")"
        quoted = b'"' + boundary + b'"'
        head = b"Content-Type: multipart/" + kind.encode() + b";" + self.random.choice([b" ", self.end + b"\t"])
        lines = [head + b"boundary=" + quoted + self.end, self.end, self.prose(self.random.choice([0, 0, 1, 20]))]
        for part in parts:
            lines += [b"--" + boundary + self.random.choice([b"", b"", b"  "]) + self.end, part, self.end]
        if self.random.random() < 0.9:
            lines += [b"--" + boundary + b"--" + self.end, self.prose(self.random.choice([0, 0, 1, 20]))]
        else:
            mail.shape += "open"
            if not top:
                lines.pop()  # only one line end is the boundary's: that of the container around it
        return b"".join(lines)

    def attached(self, mail: Mail, depth: int) -> bytes:
        mail.shape += "message["
        inner = Maker(self.random.randrange(10**9))
        inner.end = self.end
        attached = inner.mail(depth + 1)
        mail.shape += attached.shape + "]"
        mail.attached.append(attached)
        mail.leaves.append(("message/rfc822", attached.raw))
        return b"Content-Type: message/rfc822" + self.end + self.end + attached.raw

    def leaf(self, mail: Mail) -> bytes:
        content_type, data = self.content()
        encoding = self.random.choice(["base64", "base64", "quoted-printable", "8bit", "7bit", "", "x-uuencode"])
        if encoding == "x-uuencode" and not data:
            encoding = "base64"
        if encoding in ("8bit", "7bit", ""):
            data = self.as_lines(data)
        elif encoding == "quoted-printable":
            data = data.replace(b"\r", b"").replace(b"\n", b"")  # or else its line ends would be the encoding's
        mail.shape += f"{content_type}/{encoding},"
        mail.leaves.append((content_type, data))
        headers = [b"Content-Type: " + content_type.encode() + self.parameters(content_type)]
        if content_type == "text/plain" and self.random.random() < 0.1:
            headers = []  # the default
        if encoding:
            headers.append(b"Content-Transfer-Encoding: " + self.random.choice([encoding, encoding.upper()]).encode())
        headers += self.random.choice(
            [
                [],
                [b"Content-Disposition: inline"],
                [b"Content-Disposition: attachment"],
                [b"Content-ID: <%d@x>" % self.number],
                [b'Content-Disposition: attachment; filename="r.pdf"'],
                [b"Content-Disposition: attachment;" + self.end + b" filename*=utf-8''r%C3%A9.pdf"],
            ]
        )
        self.random.shuffle(headers)
        block = b"".join(header + self.end for header in headers)
        return block + self.end + self.encoded(data, encoding)

    def parameters(self, content_type: str) -> bytes:
        if content_type.startswith("text/"):
            return b"; charset=" + self.random.choice(CHARSETS).encode()
        return self.random.choice([b"", b'; name="x.bin"', b";" + self.end + b' name="a b.bin"'])

    def content(self) -> tuple[str, bytes]:
        size = self.random.choice([0, 1, 2, 3, 50, 300, 1000, 5000, 20000])
        binary = self.random.randbytes(size)
        return self.random.choice(
            [
                ("text/plain", self.prose(size // 40)),
                ("text/html", b"<p>" + self.prose(size // 40) + b"</p>"),
                ("text/calendar", b"BEGIN:VCALENDAR" + self.end + b"METHOD:REQUEST" + self.end + b"END:VCALENDAR"),
                ("text/csv", b"a:1" + self.end + b"b:2" + self.end),
                ("application/pdf", b"%PDF-1.4" + binary),
                ("application/octet-stream", binary),
                ("image/png", b"\x89PNG\r\n\x1a\n" + binary),
                ("application/pkcs7-mime", binary),
                ("application/ms-tnef", b"\x78\x9f\x3e\x22" + binary),
                ("application/x-microsoft-rpmsg-message", binary),
                ("application/pgp-encrypted", b"Version: 1"),
                (
                    "message/delivery-status",
                    b"Reporting-MTA: dns; x" + self.end + self.end + b"Action: failed" + self.end,
                ),
            ]
        )

    def encoded(self, data: bytes, encoding: str) -> bytes:
        if encoding == "base64":
            return base64.encodebytes(data).rstrip(b"\n").replace(b"\n", self.end)
        if encoding == "quoted-printable":
            return quopri.encodestring(data).replace(b"\n", self.end)
        if encoding == "x-uuencode":
            lines = [binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45)]
            return (b"begin 644 x\n" + b"".join(lines) + b"`\nend").replace(b"\n", self.end)
        return data

    def as_lines(self, data: bytes) -> bytes:
        """Bytes that may stand in a message as they are."""
        return data.replace(b"\r", b"").replace(b"\n", self.end)

    def prose(self, lines: int) -> bytes:
        """Lines of text that look like everything: headers, boundaries, base64, tokens."""
        choice = [
            b"Dear colleague,", b"", b"Note: see below", b"From the laboratory", b" indented", b"--", b"-- ",
            b"--not-a-boundary", b"--=_1_", b"Content-Type: multipart/mixed; boundary=x", b"--x", b"TWFu" * 19,
            b"TWFu" * 19, b"=20", b"~0123456789abcdef.0~", b"x" * 998,
            b"a long line of ordinary prose in a letter " * 3,
        ]  # fmt: skip
        return b"".join(self.random.choice(choice) + self.end for _ in range(lines))

    def boundary(self) -> bytes:
        self.number += 1
        unique = b"%d%d" % (self.number, self.random.randrange(10**6))
        return self.random.choice([
            b"=_" + unique, b"----=_NextPart_" + unique, b"TWFuTWFuTWFuTWFu" + unique, unique,
            b"_000_" + unique + b"_",
            b"a b" + unique, b"--" + unique, b"b:" + unique, b"(" + unique + b")", b"'" + unique + b"'",
            b"+/=?" + unique,
        ])  # fmt: skip
