"""Everyday mail: text, HTML, attachments, forwarded messages, Outlook's own format."""

from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

from worker.demo import sample_parts as parts
from worker.demo.samples.letter import INSIDE, LAB, Letter, Sample, attach, content, crlf, write, write_raw

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HL7 = (
    b"MSH|^~\\&|LAB|EXAMPLE|PAS|EXAMPLE|20261102081500||ORU^R01|TEST0001|T|2.4\r"
    b"PID|1||TEST-RECORD-0001\rOBR|1|||FBC^Full blood count\rOBX|1|NM|HB^Haemoglobin||140|g/L|130-180|N|||F\r"
)


def everyday() -> Iterator[Sample]:
    """All samples of this file."""
    yield from _plain()
    yield from _html()
    yield from _attachments()
    yield from _forwarded()
    yield from _outlook()


def _plain() -> Iterator[Sample]:
    letters = [
        Letter("plain-order", "Order acknowledgement TEST-4711", "orders@supplier.example.net"),
        Letter("plain-internal", "Planned maintenance on Thursday", INSIDE),
        Letter("plain-lab", "Analyser 2 back in service", LAB),
        Letter("plain-secure", "[secure] Courier times for next week"),
        Letter("plain-reply", "RE: Courier times", after=(("In-Reply-To", "<plain-secure@surgery.example.org>"),)),
    ]
    for letter in letters:
        yield Sample(
            letter.name, "Plain text", write(letter, f"Good morning,\n\n{letter.subject}.\n\nThe sending desk\n")
        )
    long = "".join(f"{line:04d}  Specimen TEST-{line:04d} received, no action needed.\n" for line in range(800))
    yield Sample("plain-long", "Plain text", write(Letter("plain-long", "Overnight log", LAB), long))
    twin = write(Letter("plain-twin", "Hourly heartbeat", LAB), "The interface is up.\n")
    yield Sample("plain-twin-1", "Plain text", twin)
    yield Sample("plain-twin-2", "Plain text", twin)


def _html() -> Iterator[Sample]:
    table = "<table><tr><th>Test</th><th>Result</th></tr><tr><td>FBC</td><td>normal</td></tr></table>"
    both = content("FBC: normal\n", f"<html><body><h1>Report TEST-0001</h1>{table}</body></html>")
    yield Sample("html-both", "HTML", write(Letter("html-both", "Report TEST-0001", LAB), both))

    only = EmailMessage(policy=SMTP)
    only.set_content(f"<p>There is no text part beside this one.</p>{table}", subtype="html")
    yield Sample("html-only", "HTML", write(Letter("html-only", "Report TEST-0002", LAB), only))

    pictured = content("The service's mark is in the HTML part.\n", '<p><img src="cid:mark" alt="mark"> Newsletter</p>')
    *_, html = pictured.walk()
    html.add_related(parts.png(), "image", "png", cid="<mark>")
    yield Sample("html-picture", "HTML", write(Letter("html-picture", "Newsletter", INSIDE), pictured))

    rows = "".join(f"<tr><td>TEST-{row:04d}</td><td>{row % 9}</td></tr>" for row in range(1500))
    large = content("See the HTML part.\n", f"<html><body><table>{rows}</table></body></html>")
    yield Sample("html-large", "HTML", write(Letter("html-large", "Monthly figures"), large))


def _attachments() -> Iterator[Sample]:
    files = [
        ("pdf", "report.pdf", "application/pdf", parts.pdf("Report TEST-0003: no abnormality seen")),
        ("csv", "stock.csv", "text/csv", parts.csv(200)),
        ("image", "slide.png", "image/png", parts.png(64, 64)),
        ("word", "protocol.docx", DOCX, parts.docx("Protocol for the demo, version 1")),
        ("zip", "results.zip", "application/zip", parts.zipped({"a.csv": parts.csv(3), "b.csv": parts.csv(5)})),
        ("hl7", "result.hl7", "application/octet-stream", HL7),
        (
            "xml",
            "result.xml",
            "application/xml",
            b'<?xml version="1.0"?><result id="TEST-0004"><fbc>normal</fbc></result>',
        ),
        ("mislabelled", "report.txt", "text/plain", parts.pdf("This file says it is text and is a PDF")),
        ("accented", "Überweisung – März.pdf", "application/pdf", parts.pdf("A file name outside ASCII")),
        ("path-in-name", "..\\..\\report.pdf", "application/pdf", parts.pdf("A file name with a path in it")),
    ]
    for name, filename, kind, data in files:
        letter = Letter(f"attached-{name}", f"Results by file ({name})", LAB)
        body = attach(content("The file is attached.\n"), data, kind, filename)
        yield Sample(letter.name, "Attachments", write(letter, body))

    several = content("Three files are attached.\n", "<p>Three files are attached.</p>")
    for name in ("one.pdf", "two.pdf", "two.pdf"):
        attach(several, parts.pdf(f"Part {name}"), "application/pdf", name)
    yield Sample("attached-several", "Attachments", write(Letter("attached-several", "Three reports", LAB), several))

    nameless = write_raw(
        Letter("attached-nameless", "A PDF without a name", LAB),
        crlf(
            """
            MIME-Version: 1.0
            Content-Type: multipart/mixed; boundary="outer"

            --outer
            Content-Type: text/plain; charset=us-ascii

            The scanner gives its files no name.
            --outer
            Content-Type: application/pdf

            """
        )
        + parts.pdf("Scanned page 1").replace(b"\n", b"\r\n")
        + b"\r\n--outer--\r\n",
    )
    yield Sample("attached-nameless", "Attachments", nameless)


def _forwarded() -> Iterator[Sample]:
    inner_body = attach(
        content("The original, with its file.\n"), parts.pdf("Forwarded"), "application/pdf", "inner.pdf"
    )
    inner = write(Letter("inner-report", "Report TEST-0005", LAB), inner_body)
    once = _wrapped("The original message is attached.\n", inner)
    yield Sample("forwarded", "Forwarded messages", write(Letter("forwarded", "FW: Report TEST-0005"), once))

    middle = write(Letter("inner-forward", "FW: Report TEST-0005"), _wrapped("Passed on.\n", inner))
    twice = _wrapped("Passed on once more.\n", middle)
    yield Sample(
        "forwarded-twice", "Forwarded messages", write(Letter("forwarded-twice", "FW: FW: Report TEST-0005"), twice)
    )

    digest = content("Two messages of the day.\n")
    for number in (1, 2):
        quoted = write(Letter(f"inner-digest-{number}", f"Notice {number}", INSIDE), f"Notice {number}.\n")
        digest.add_attachment(message_from_bytes(quoted, policy=SMTP))
    yield Sample("forwarded-digest", "Forwarded messages", write(Letter("forwarded-digest", "Digest", INSIDE), digest))


def _wrapped(text: str, inner: bytes) -> EmailMessage:
    body = content(text)
    body.add_attachment(message_from_bytes(inner, policy=SMTP))
    return body


def _outlook() -> Iterator[Sample]:
    good = parts.tnef("The body and the file travel inside winmail.dat.", "stock.csv", parts.csv(12))
    for name, data in (("winmail", good), ("winmail-broken", good[: len(good) // 2])):
        letter = Letter(name, "Stock list from Outlook", INSIDE)
        body = attach(content("\n"), data, "application/ms-tnef", "winmail.dat")
        yield Sample(name, "Outlook's winmail.dat", write(letter, body))
