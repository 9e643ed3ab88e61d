"""What the provider took away: a report without its PDF takes the route for incomplete mail, not that for reports."""

import json
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.worker import LEDGER, Worker

MakeWorker = Callable[..., Worker]

BANNER = (
    "The message originated from outside of NHSmail. Please do not click links or open attachments unless you "
    "recognise the sender and know the content is safe."
)
REMOVED = "NHSmail detected and removed a file named ({}) from this message, as it is of a type that isn’t allowed."
SEEMS = (
    "This message was sent from an email address external to NHSmail but gives the appearance of being sent from a "
    "member of “NHSmail”. Don't reply unless you’re sure."
)
BODY = "Please find the patient's report attached.\n\nRegards,\nthe laboratory"
COMPLETE, INCOMPLETE, WARNED = "complete", "incomplete", "warned"

ROUTES = [
    {
        "name": INCOMPLETE,
        "match": {"notice": ["attachment-removed", "unsafe-attachment-blocked", "malware-alert"]},
        "handlers": [INCOMPLETE],
    },
    {"name": WARNED, "match": {"notice": "impersonation-warning"}, "handlers": [WARNED]},
    {"name": COMPLETE, "handlers": [COMPLETE]},
]


def mail(number: int, text: str, html: str | None = None, attachments: dict[str, str] | None = None) -> bytes:
    """A report as mail programs write one: quoted-printable or base64, with HTML beside it, with files."""
    made = EmailMessage()
    made["From"] = "Laboratory <results@lab.example.org>"
    made["To"] = "pathology.results@nhs.net"
    made["Subject"] = f"Report {number}"
    made["Message-ID"] = f"<{number}@lab.example.org>"
    made["X-Number"] = str(number)
    made.set_content(text)
    if html is not None:
        made.add_alternative(html, subtype="html", cte="base64")
    for name, content in (attachments or {}).items():
        made.add_attachment(content, filename=name)
    return made.as_bytes()


def dressed(notice: str) -> str:
    """As Outlook shows it: a coloured box before the mail, tags and hard spaces between the words."""
    words = notice.replace(" from ", "&nbsp;from ").replace("NHSmail", "<b>NHSmail</b>").replace("’", "&rsquo;")
    return f'<html><body><div style="background:#ffeb9c"><p>{words}</p></div><p>{BODY}</p></body></html>'


PDF = {"report.pdf": "%PDF-1.4"}
MAIL = {
    COMPLETE: [
        mail(1, BODY, attachments=PDF),
        mail(2, f"{BANNER}\n\n{BODY}", attachments=PDF),  # an outside sender's report is a report
        mail(3, f"{BODY}\n\n{BANNER}\n", dressed(BANNER), PDF),
        mail(4, "Why did NHSmail remove our file?", attachments=PDF),
    ],
    INCOMPLETE: [
        mail(11, f"{REMOVED.format('report.pdf')}\n\n{BODY}"),
        mail(12, f"{BODY}\n\n{BANNER}\n\n{REMOVED.format('“report.pdf”')}"),
        mail(13, f"{BODY}\n\n{REMOVED.format(chr(39) + 'report.pdf' + chr(39))}", "<p>see the text</p>"),
        mail(14, BODY, dressed(REMOVED.format("report.pdf"))),
        mail(15, BODY, attachments={"report.pdf.txt": REMOVED.format("report.pdf")}),
        mail(16, BODY, attachments={"Malware Alert Text.txt": "Malware was detected in report.pdf and was removed."}),
        mail(17, BODY, attachments={"Unsafe Attachments Blocked.html": "x", **PDF}),
        mail(18, f"{BANNER}\n\n{SEEMS}\n\n{REMOVED.format('a.docm')}\n\n{BODY}", attachments=PDF),
    ],
    WARNED: [mail(21, f"{SEEMS}\n\n{BODY}", attachments=PDF), mail(22, f"{BODY}\n\n{SEEMS}", dressed(SEEMS), PDF)],
}


@pytest.fixture
def ledgers(tmp_path: Path) -> dict[str, Path]:
    return {name: tmp_path / f"{name}.ledger" for name in MAIL}


def numbers(ledger: Path) -> list[int]:
    lines = [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []
    return sorted(line["number"] for line in lines if line["done"])


def test_a_route_takes_what_the_provider_has_changed(
    dovecot: Mailbox, make_worker: MakeWorker, ledgers: dict[str, Path]
) -> None:
    dovecot.append_many("INBOX", [raw for group in MAIL.values() for raw in group])
    dovecot.append_many(JUNK, [mail(31, REMOVED.format("x.pdf"))])
    handlers = {f"handler.{name}": {"use": LEDGER, "file": str(file)} for name, file in ledgers.items()}
    worker = make_worker(routes=ROUTES, settings=handlers)

    assert worker.once() == 0

    assert {name: numbers(file) for name, file in ledgers.items()} == {
        COMPLETE: [1, 2, 3, 4],
        INCOMPLETE: list(range(11, 19)),
        WARNED: [21, 22],
    }
    assert worker.reconcile()["handled"] == 14
    assert worker.reconcile()["junk"] == 1
