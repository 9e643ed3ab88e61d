"""Mail written by programs: out-of-office replies, bounces, receipts, invitations."""

from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP

from worker.demo.samples.letter import ACCOUNT, INSIDE, LAB, Letter, Sample, content, crlf, write, write_raw


def automatic() -> Iterator[Sample]:
    """All samples of this file."""
    yield from _replies()
    yield from _bounces()
    yield from _receipts()
    yield from _calendar()


def _replies() -> Iterator[Sample]:
    marks = [
        ("auto-reply", "Automatic reply: Report TEST-0001", (("Auto-Submitted", "auto-replied"),)),
        (
            "auto-exchange",
            "Automatic reply: Results",
            (("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")),
        ),
        ("auto-precedence", "Out of office", (("Precedence", "auto_reply"), ("X-Autoreply", "yes"))),
    ]
    for name, subject, after in marks:
        letter = Letter(name, subject, INSIDE, after=after)
        yield Sample(name, "Automatic replies", write(letter, "The desk is closed until Monday.\n"))


def _bounces() -> Iterator[Sample]:
    for name, status, action in (("bounce", "5.1.1", "failed"), ("bounce-delayed", "4.4.7", "delayed")):
        letter = Letter(
            name,
            f"Undeliverable: Report ({action})",
            "postmaster@surgery.example.org",
            after=(("Auto-Submitted", "auto-replied"),),
        )
        yield Sample(
            name,
            "Bounces and receipts",
            write_raw(
                letter,
                _report(
                    "delivery-status",
                    f"""
            Reporting-MTA: dns; mail.surgery.example.org

            Final-Recipient: rfc822; front-desk@surgery.example.org
            Action: {action}
            Status: {status}
            """,
                ),
            ),
        )


def _receipts() -> Iterator[Sample]:
    for name, disposition in (("receipt-read", "displayed"), ("receipt-deleted", "deleted")):
        letter = Letter(name, f"Read: Report TEST-0001 ({disposition})", LAB)
        yield Sample(
            name,
            "Bounces and receipts",
            write_raw(
                letter,
                _report(
                    "disposition-notification",
                    f"""
            Reporting-UA: mail.lab.example.nhs.uk; Example Mailer
            Final-Recipient: rfc822; {LAB}
            Original-Message-ID: <report-test-0001@nhs.net>
            Disposition: automatic-action/MDN-sent-automatically; {disposition}
            """,
                ),
            ),
        )


def _report(kind: str, fields: str) -> bytes:
    """A multipart/report (RFC 6522): a text for people, fields for programs, and the headers of the original."""
    return (
        crlf(
            f"""
            MIME-Version: 1.0
            Content-Type: multipart/report; report-type={kind}; boundary="report"

            --report
            Content-Type: text/plain; charset=utf-8

            This is a message from the mail system.
            --report
            Content-Type: message/{kind}

            """
        )
        + crlf(fields)
        + crlf(
            f"""
            --report
            Content-Type: text/rfc822-headers

            From: {ACCOUNT}
            Subject: Report TEST-0001
            Message-ID: <report-test-0001@nhs.net>

            --report--
            """
        )
    )


def _calendar() -> Iterator[Sample]:
    for name, method, subject in (
        ("calendar-request", "REQUEST", "Invitation: quality meeting"),
        ("calendar-cancel", "CANCEL", "Cancelled: quality meeting"),
    ):
        event = crlf(
            f"""
            BEGIN:VCALENDAR
            VERSION:2.0
            PRODID:-//example.org//demo//EN
            METHOD:{method}
            BEGIN:VEVENT
            UID:quality-meeting@example.org
            DTSTAMP:20261102T080000Z
            DTSTART:20261109T100000Z
            DTEND:20261109T110000Z
            SUMMARY:Quality meeting
            ORGANIZER:mailto:{INSIDE}
            END:VEVENT
            END:VCALENDAR
            """
        )
        body = content(f"{subject}, 9 November, 10:00.\n")
        body.make_alternative()
        part = EmailMessage(policy=SMTP)
        part.set_content(event.decode(), subtype="calendar", params={"method": method})
        body.attach(part)
        yield Sample(name, "Calendar", write(Letter(name, subject, INSIDE), body))
