"""Mail that breaks the rules of MIME, and mail in unusual charsets. It is handled like any other mail."""

import base64
from collections.abc import Iterator

from worker.demo.samples.letter import LAB, Letter, Sample, crlf, write_raw


def odd() -> Iterator[Sample]:
    """All samples of this file."""
    for name, rest in (*_malformed(), *_malformed_bytes()):
        yield Sample(name, "Malformed MIME", write_raw(Letter(name, f"Device message ({name})", LAB), rest))
    for name, subject, rest in _charsets():
        yield Sample(name, "Odd charsets", write_raw(Letter(name, subject, LAB), rest))


def _malformed() -> Iterator[tuple[str, bytes]]:
    texts = {
        "boundary-missing": """
            MIME-Version: 1.0
            Content-Type: multipart/mixed

            --lost
            Content-Type: text/plain

            The boundary isn't named in the header.
            --lost--
            """,
        "boundary-unclosed": """
            MIME-Version: 1.0
            Content-Type: multipart/mixed; boundary="open"

            --open
            Content-Type: text/plain

            The last boundary never comes.
            --open
            Content-Type: application/pdf; name="cut.pdf"
            Content-Transfer-Encoding: base64

            JVBERi0xLjQK
            """,
        "base64-broken": """
            MIME-Version: 1.0
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: base64

            VGhpcyBpc24ndCB3aG9sZSBiYXNlNjQ!!!=
            x
            """,
        "encoding-unknown": """
            MIME-Version: 1.0
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: x-fax

            No mailer knows this transfer encoding.
            """,
        "type-nonsense": """
            MIME-Version: 1.0
            Content-Type: this is no type; charset

            The content type can't be read.
            """,
        "headers-twice": """
            Subject: A second subject
            From: somebody-else@example.net
            Content-Type: text/plain
            Content-Type: text/html

            Headers that may stand once stand twice.
            """,
        "header-without-colon": """
            This line is not a header
            Content-Type: text/plain

            A line among the headers has no colon.
            """,
    }
    for name, text in texts.items():
        yield f"malformed-{name}", crlf(text)


def _malformed_bytes() -> Iterator[tuple[str, bytes]]:
    yield "malformed-no-body", b"\r\n"
    yield "malformed-bare-lf", b"Content-Type: text/plain\r\n\r\nLines that end\nin a bare line feed.\n"
    yield "malformed-nul", b"Content-Type: text/plain\r\n\r\nBytes between: \x01\x02\x7f\xff\xfe end.\r\n"
    yield "malformed-long-line", b"Content-Type: text/plain\r\n\r\n" + b"ACGT" * 5000 + b"\r\n"
    yield (
        "malformed-eight-bit-header",
        b"X-Device: W\xe4gezimmer\r\nContent-Type: text/plain\r\n\r\nRaw bytes above.\r\n",
    )
    deep, rest = 25, b"Content-Type: text/plain\r\n\r\nThe innermost part.\r\n"
    for level in range(deep):
        mark = b"level-%d" % level
        head = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n--%b\r\n' % (mark, mark)
        rest = head + rest + b"--%b--\r\n" % mark
    yield "malformed-deep", b"MIME-Version: 1.0\r\n" + rest


def _charsets() -> Iterator[tuple[str, str, bytes]]:
    bodies = [
        ("charset-utf8", "=?utf-8?B?UsOpc3VsdGF0cyDigJMgw6l0YXQ=?=", "utf-8", "Résultats – état: ✓"),
        ("charset-latin1", "=?iso-8859-1?Q?R=E9sultats?=", "iso-8859-1", "Résultats, café, 20 µg"),
        ("charset-cp1252", "=?windows-1252?Q?=93Report=94?=", "windows-1252", "“Report” – 5 €"),
        ("charset-koi8", "=?koi8-r?B?79TexdQ=?=", "koi8-r", "Отчёт готов"),
        ("charset-jis", "=?iso-2022-jp?B?GyRCSnM5cBsoQg==?=", "iso-2022-jp", "報告が届きました"),
        ("charset-utf16", "Report in UTF-16", "utf-16", "Two bytes for each letter"),
    ]
    for name, subject, charset, text in bodies:
        head = f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n"
        if charset == "utf-16":  # without an encoding it would contain NULs
            head += "Content-Transfer-Encoding: base64\r\n"
            yield name, subject, head.encode() + b"\r\n" + _base64(text.encode(charset))
        else:
            head += "Content-Transfer-Encoding: 8bit\r\n"
            yield name, subject, head.encode() + b"\r\n" + f"{text}\r\n".encode(charset)
    unknown = b"Content-Type: text/plain; charset=x-laboratory\r\n\r\nA charset that nobody knows: \xe4\xf6\xfc.\r\n"
    yield "charset-unknown", "Report in a charset of its own", unknown
    lying = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nIt says ASCII and isn't: \xc3\xa4 \xe4.\r\n"
    yield "charset-lying", "=?utf-8?Q?Broken_=E4_encoded_word?=", lying


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")
