"""Mail for tests: numbered letters, either clean or with the headers of one of four spam filters."""

SPAM_HEADERS = (
    b"X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:;LANG:en;SCL:9;SRV:;IPV:NLI;SFV:SPM;CAT:SPM;\r\n",
    b"X-TM-AS-Result: Yes-15.339-5.0-31-1\r\n",
    b"X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=7.9 required=5.0 tests=BAYES_99 autolearn=no\r\n",
    b"X-Spamd-Result: default: True [15.10 / 15.00]; R_SPF_FAIL(1.00)[]\r\n",
)


def letter(number: int, *, size: int = 0, extra: bytes = b"") -> bytes:
    """A letter that its number identifies, at least `size` bytes long."""
    head = (
        b"Received: from mail.example.org by mx.example.nhs.uk; Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        + extra
        + b"From: Laboratory <results@lab.example.org>\r\n"
        b"To: pathology.results@nhs.net\r\n"
        b"Subject: Report %d\r\n"
        b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        b"Message-ID: <%d@lab.example.org>\r\n"
        b"X-Number: %d\r\n"
        b"\r\n"
        b"Report number %d.\r\n"
    ) % (number, number, number, number)
    lines = max(0, size - len(head)) // 78 + 1 if size > len(head) else 0
    return head + b"One line of seventy-six characters, and that so often as it takes to be so long.\r\n"[-78:] * lines


def spam(number: int, *, size: int = 0) -> bytes:
    """A letter with the header of a spam filter."""
    return letter(number, size=size, extra=SPAM_HEADERS[number % len(SPAM_HEADERS)])


def letters(count: int, *, start: int = 1, size: int = 0) -> list[bytes]:
    """`count` letters with consecutive numbers."""
    return [letter(number, size=size) for number in range(start, start + count)]
