"""Mail that means harm: whatever a sender may choose is chosen badly.

Each number is one message, always the same: hostile headers, parameters, file names, charsets, nesting, winmail.dat.
Where `tests.fuzz.message` breaks good mail at random, here each value stands where a parser looks for it.
"""

import base64
import random
import struct
from encodings.aliases import aliases
from urllib.parse import quote_from_bytes

from tests.rig.letters import SPAM_HEADERS
from tests.unit.message.mime import winmail

CHARSETS = (
    "utf-7", "UTF-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8", "utf-8-sig", "us-ascii", "iso-8859-1",
    "cp1252", "iso-2022-jp", "iso-2022-kr", "hz", "gb18030", "big5hkscs", "shift-jis", "punycode", "idna", "undefined",
    "unicode-escape", "raw-unicode-escape", "zlib", "rot13", "no-such-charset", "unknown-8bit", "", "utf\0-8", "'", '"',
    "utf-8\x1b[2J", "../../etc/passwd", "a" * 300, "\u00fctf-8", "cp" + "9" * 100,
)  # fmt: skip
"""Charsets that mail declares, Python codecs that aren't charsets, and names that are neither."""
CODECS = (*sorted(set(aliases.values())), "mbcs", "oem", "palmos", "johab", "cp65001")

TEXTS = (
    b"report", b"report.pdf", b"..\\..\\nul", b"../../../etc/passwd", b"CON", b".", b"", b" ", b"a/b", b"a.pdf:x",
    b"\xe9", b"caf\xc3\xa9.pdf", b"\xff\xfe", b"\xff", b"\x80" * 40, b"\xc3", b"\xed\xa0\x80", b"\xed\xb3\xbf\xf0",
    b"+2AA-", b"+2D3eAA-", b"+3gDYPQ-", b"+3P8-", b"\xd8\x00", b"\x00\xd8", b"\xdc\xff\xd8\x00", b"\xd8\x00\x00\xd8a",
    b"\0", b"a\0b", b"\x1b[2J\x1b]0;owned\x07", b"\x9b31m", b"\x7f\x08\x08", b"\x85\xa0", b"a\tb", b"\x0b\x0c",
    "\u202egpj.exe".encode(), "\u2028\u2029\u0085".encode(), "\U000e0041\ufeff\ufffe".encode(), b"\xf4\x90\x80\x80",
    b"z" + "\u0336\u0489".encode() * 300, "\u1160\u3164".encode() * 50, "\U0001f600".encode() * 20, b"x" * 2_000,
    b"=?utf-7?q?+2AA-?=", b"=?utf-16?b?2AA=?=", b"=?utf-8?q?=ED=A0=80?=", b"=?\xff?q?x?=", b"=?utf-8?b?\xff?=",
    b"%", b"%d8%00", b"%00", b"%zz", b"&#xd800;", b"&#0;", b"<", b">", b'"', b"\\", b";", b"=", b"'", b"(", b"@",
    b"ATP Scan In Progress", b"Malware Alert Text", b"winmail.dat", b"smime.p7m", b"message.rpmsg", b"a\r b", b"a\n b",
)  # fmt: skip
"""What is chosen for names, values and words, as bytes."""

HEADERS = (
    b"From", b"Sender", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"Reply-To", b"Return-Path", b"References",
    b"Received", b"MIME-Version", b"Content-Class", b"Auto-Submitted", b"Precedence", b"X-Failed-Recipients",
    b"Authentication-Results", b"X-Forefront-Antispam-Report", b"X-MS-Exchange-Organization-SCL", b"X-TM-AS-Result",
    b"X-Spam-Status", b"X-Spamd-Result", b"Content-Language", b"Content-Description", b"Content-MD5", b"X-Any",
)  # fmt: skip
"""Headers that somebody reads. Those that say how a part is read have functions of their own below."""

TYPES = (
    b"text/plain", b"text/html", b"text/calendar", b"text/csv", b"TEXT/Plain", b"text/\xff", b"t\xe9xt/plain", b"text",
    b"application/pdf", b"application/octet-stream", b"application/p\xe9df", b"application/\xed\xa0\x80", b"\xff/\xff",
    b"application/ms-tnef", b"application/pkcs7-mime", b"application/pkcs7-signature", b"application/pgp-encrypted",
    b"application/x-microsoft-rpmsg-message", b"image/png", b"image/\0", b"image/a\r\n b", b"/", b"//", b"", b"a/b/c",
    b"message/rfc822", b"message/global", b"message/partial", b"message/delivery-status", b"message/\xff",
    b"multipart/mixed", b"multipart/\xff", b"=?utf-8?q?text/plain?=", b"text/plain\x1b[2J", b"\x00multipart/mixed",
    b"application/" + b"x" * 3_000,
)  # fmt: skip
CONTAINERS = (b"mixed", b"mixed", b"alternative", b"signed", b"report", b"related", b"encrypted", b"\xff")
BOUNDARIES = (b"b", b"b", b"=_\xff", b"a b", b"'", b"\xed\xa0\x80", b"x" * 200, b"\xc3\xa9")
ENCODINGS = (
    b"base64", b"quoted-printable", b"8bit", b"7bit", b"x-uuencode", b"BASE64", b"\xff", b"x-none", b"base64;\xff",
)  # fmt: skip
DATES = (
    b"Mon, 5 Jan 2026 10:00:00 +0000", b"Fri, 99 Foo 99999 99:99:99 +9999", b"1 Jan 0001 00:00:00 +2359", b"\xff",
    b"31 Dec 9999 23:59:59 -2359", b"1 Jan 2026 10:00 +9999999999", b"Mon, 5 Jan 2026 10:00:00 -0000", b"0", b"1 1 1 1",
    b"5 Jan 26 1:2:3 \xff", "5 Jan \u0662\u0660\u0662\u0666 10:00".encode(), b"Mon, 5 Jan " + b"9" * 400,
)  # fmt: skip
NUMBERS = (b"-1", b"9" * 30, b"\xb2", b"x", b"01", b"0*1", b"")
"""Of the pieces of a parameter."""
WINMAIL_NAMES = (0x3001, 0x3704, 0x3707, 0x370E, 0x3712)
"""The properties of a file in a winmail.dat that are text."""
CODEPAGES = (1252, 65000, 65001, 1200, 1201, 20127, 0, 99999, 50220, 0xFFFFFFFF)


def hostile(number: int) -> bytes:
    """The message with this number. Its first header names the number, so that no two are the same."""
    return _Maker(number).message()


class _Maker:
    """Makes one message."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._random = random.Random(number)
        self._pick = self._random.choice

    def message(self) -> bytes:
        head = b"Received: from x by y; Mon, 5 Jan 2026 10:00:00 +0000 (%d)\r\n" % self._number
        headers = [self._header() for _ in range(self._pick([3, 6, 12, 25]))]
        if self._chance(0.2):
            headers.append(self._pick(SPAM_HEADERS))
        self._random.shuffle(headers)
        return head + b"".join(headers) + self._part(0)

    def _chance(self, chance: float) -> bool:
        return self._random.random() < chance

    def _text(self) -> bytes:
        """A piece of text in no charset at all."""
        if self._chance(0.15):
            return self._random.randbytes(self._pick([1, 3, 20]))
        return b"".join(self._pick(TEXTS) for _ in range(self._pick([1, 1, 2, 3])))

    def _line(self) -> bytes:
        """The same without what would end a header, save where it is folded."""
        text = self._text()
        return text if self._chance(0.03) else text.replace(b"\r", b" ").replace(b"\n", b" ")

    def _charset(self) -> bytes:
        return self._pick(CHARSETS if self._chance(0.8) else CODECS).encode()

    # -- headers

    def _header(self) -> bytes:
        name = self._pick(HEADERS)
        if self._chance(0.05):
            odd = [b"X-" + self._line(), b"", b"\xff", b"Subject\xe9", name + b" ", b" " + name, name.lower()]
            name = self._pick(odd)
        match name:
            case b"From" | b"Sender" | b"To" | b"Cc" | b"Reply-To":
                value = b", ".join(self._address() for _ in range(self._pick([1, 1, 2, 40])))
            case b"Date":
                value = self._pick(DATES)
            case _:
                value = self._pick([b" ", b"\r\n "]).join(self._word() for _ in range(self._pick([1, 1, 2, 5])))
        return name + b": " + value + b"\r\n"

    def _word(self) -> bytes:
        """A word of a header, encoded (RFC 2047) or not."""
        text = self._line()
        charset = self._charset() + self._pick([b"", b"", b"*en", b"*\xff"])
        encoded = self._pick([base64.b64encode(text), base64.b64encode(text)[:-1], text])
        match self._pick(["raw", "raw", "b", "q", "open"]):
            case "b":
                return b"=?" + charset + b"?B?" + encoded + b"?="
            case "q":
                return b"=?" + charset + b"?q?" + quote_from_bytes(text, "").replace("%", "=").encode() + b"?="
            case "open":
                return b"=?" + charset + b"?b?" + encoded
        return text

    def _address(self) -> bytes:
        name, local, host = self._word(), self._line()[:50], self._line()[:50]
        return self._pick(
            [
                b'"' + name + b'" <' + local + b"@" + host + b">",
                name + b" <lab@example.org>",
                local + b"@" + host,
                b"(" * self._pick([1, 300]) + name + b") a@b",
                b"group: " + name + b" <a@b>;",
                b"<@a,@b:" + local + b"@[" + host + b"]>",
                b"<>",
                b'"',
            ]
        )

    def _parameter(self, name: bytes, value: bytes | None = None) -> bytes:
        """A parameter in one of the ways in which it may be written, by RFC 2231 or by nobody."""
        value = self._line() if value is None else value
        quoted, charset = quote_from_bytes(value, "").encode(), self._charset()
        start = charset + b"'" + self._pick([b"", b"en", b"\xff"]) + b"'"
        half = len(value) // 2
        return self._pick(
            [
                b"; " + name + b"=" + value,
                b"; " + name + b'="' + value + b'"',
                b"; " + name + b'="' + value,
                b"; " + name + b"=" + self._word(),
                b"; " + name + b"*=" + start + quoted,
                b"; " + name + b"*=" + start + value,
                b"; " + name + b"*=" + quoted,
                b"; " + name + b"*0*=" + start + quoted[:half] + b"; " + name + b"*1*=" + quoted[half:],
                b"; " + name + b"*1=" + value[half:] + b"; " + name + b"*0*=" + start + value[:half],
                b"; " + name + b'*0="' + value[:half] + b'"; ' + name + b'*1="' + value[half:] + b'"',
                b"; " + name + b"*=" + start + quoted + b"; " + name + b"=" + value,
                b"; " + name + b"*" + self._pick(NUMBERS) + b"*=" + start + quoted,
                b"; " + name,
                b";\r\n\t" + name + b"*=" + quote_from_bytes(charset).encode() + b"'" + quoted,
            ]
        )

    def _described(self, kind: bytes, encoding: bytes | None, *more: bytes) -> bytes:
        """The headers that say how a part is read, and the empty line after them."""
        parameters = b"".join(self._parameter(self._pick([b"name", b"charset", b"method", b"x-\xff"]))
                              for _ in range(self._pick([0, 1, 1, 2])))  # fmt: skip
        lines = [b"Content-Type: " + kind + b"".join(more) + parameters]
        if encoding is not None:
            lines.append(b"Content-Transfer-Encoding: " + encoding)
        if self._chance(0.6):
            word = self._pick([b"attachment", b"inline", b"\xff", b"", b"ATTACHMENT", self._line()[:30]])
            lines.append(b"Content-Disposition: " + word + self._parameter(b"filename"))
        if self._chance(0.3):
            lines.append(b"Content-ID: <" + self._word() + b">")
        self._random.shuffle(lines)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    # -- parts

    def _part(self, depth: int) -> bytes:
        """Headers, the empty line and the body of a part."""
        wanted = self._random.random()
        if depth < 6 and wanted < (0.6 if depth == 0 else 0.25):
            return self._container(depth)
        if depth < 6 and wanted < 0.7 and self._chance(0.3):
            head = b"".join(self._header() for _ in range(self._pick([0, 3, 8])))
            described = self._described(b"message/rfc822", self._pick([None, b"8bit", b"base64"]))
            return described + head + self._part(depth + 1)
        if self._chance(0.25):
            return self._described(b"application/ms-tnef", b"base64") + base64.encodebytes(self._winmail(depth))
        if self._chance(0.3):
            return self._worded()
        encoding = self._pick([None, *ENCODINGS])
        return self._described(self._pick(TYPES), encoding) + self._body(encoding)

    def _container(self, depth: int) -> bytes:
        kind = b"multipart/" + self._pick(CONTAINERS)
        boundary = self._pick(BOUNDARIES) + b"%d" % self._pick([depth, depth, depth, 0])
        declared = self._parameter(b"boundary", boundary) if self._chance(0.2) else b'; boundary="' + boundary + b'"'
        parts = [self._part(depth + 1) for _ in range(self._pick([0, 1, 2, 2, 3, 6]))]
        if self._chance(0.02):
            parts += [b"\r\nx"] * 1_200
        ends = b"\r\n--" + boundary + b"--\r\n" if self._chance(0.9) else b""
        body = b"".join(b"\r\n--" + boundary + b"\r\n" + part for part in parts)
        return self._described(kind, None, declared) + self._text() + body + ends

    def _worded(self) -> bytes:
        """A body in the charset that it declares, as far as there is one."""
        kind = self._pick([b"text/plain", b"text/html"])
        body = self._text() * self._pick([1, 1, 50])
        if kind == b"text/html":
            body = b"<p title='%b'>%b&#xd800;&#xdfff;&#0;" % (body, body)
            body = b"<table><tr><td>" * self._pick([0, 1, 200]) + body
        head = b"Content-Type: " + kind + b'; charset="' + self._charset() + b'"\r\n'
        return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(body)

    def _body(self, encoding: bytes | None) -> bytes:
        body = self._pick([self._text(), b"%PDF-1.7\n" + self._text(), b"PK\x03\x04" + self._text(), bytes(1_000)])
        if encoding is not None and encoding.lower() == b"base64" and self._chance(0.8):
            return base64.encodebytes(body)
        return body

    # -- winmail.dat

    def _winmail(self, depth: int) -> bytes:
        files = [self._winmail_file(depth) for _ in range(self._pick([0, 1, 2, 5]))]
        codepage = winmail.attribute(1, 0x0006_9007, struct.pack("<II", self._pick(CODEPAGES), 0))
        made = winmail.SIGNATURE + codepage + b"".join(files)
        if self._chance(0.3):
            rtf = self._pick([winmail.packed_rtf(b"x", 20_000), winmail.stored_rtf(self._text()), self._text()])
            made += winmail.message_properties(winmail.variable(winmail.BINARY, 0x1009, rtf))
        if self._chance(0.3):
            kind = self._pick([winmail.STRING, winmail.UNICODE])
            made += winmail.message_properties(winmail.variable(kind, self._pick([0x1000, 0x1013]), self._text()))
        if self._chance(0.2):
            at = self._random.randrange(len(made))
            made = made[:at] + self._text() + made[at + self._pick([0, 1, 4]) :]
        return made

    def _winmail_file(self, depth: int) -> bytes:
        inner = self._winmail(depth + 3) if depth < 6 and self._chance(0.2) else self._text()
        kinds = [winmail.STRING, winmail.UNICODE, winmail.UNICODE, winmail.BINARY]
        texts = [winmail.variable(self._pick(kinds), name, self._text()) for name in WINMAIL_NAMES]
        some = winmail.properties(*self._random.sample(texts, self._pick([1, 3, 5])))
        made = winmail.attribute(2, 0x0006_9002, bytes(14)) + winmail.attribute(2, 0x0001_8010, self._text())
        return made + winmail.attribute(2, 0x0006_800F, inner) + winmail.attribute(2, 0x0006_9005, some)
