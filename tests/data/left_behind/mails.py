"""The mail of the mailbox that was left behind, and what is to become of each: every label is set by hand below."""

from dataclasses import dataclass
from typing import Literal

from tests.rig.dovecot import JUNK
from tests.rig.messages import PDF

RECEIVED = b"Received: from mail.example.org by mx.example.nhs.uk; Mon, 5 Jan 2026 10:00:00 +0000\r\n"
SPAM = b"X-Spam-Flag: YES\r\n"
PHISHING = b"X-Forefront-Antispam-Report: CIP:192.0.2.1;SCL:9;SFV:SPM;CAT:PHSH;\r\n"

State = Literal["handled", "junk", "failed", "gone"]


@dataclass(frozen=True)
class Mail:
    """One message. after: what it is to come to, with that reason, in that folder (None: in no folder any more).

    calls: how often, in all, the handler that keeps the ledger is to have had it.
    """

    number: int
    name: str
    raw: bytes
    after: State = "handled"
    reason: str | None = None
    folder: str | None = "Processed"
    calls: int = 1


def letter(number: int, subject: str = "Report", *, extra: bytes = b"", sender: int | None = None) -> bytes:
    """A letter that is known by its number; each has a sender of its own unless one is given."""
    head = (
        b"From: Laboratory <results%d@lab.example.org>\r\n"
        b"To: pathology.results@nhs.net\r\n"
        b"Subject: %b %d\r\n"
        b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        b"Message-ID: <%d@lab.example.org>\r\n"
        b"X-Number: %d\r\n"
    ) % (number if sender is None else sender, subject.encode(), number, number, number)
    return RECEIVED + extra + head + b"\r\nReport number %d.\r\n" % number


def in_parts(number: int, parts: int) -> bytes:
    """A letter of so many parts, each a small PDF."""
    head, _, body = letter(number).partition(b"\r\n\r\n")
    part = b"--parts\r\nContent-Type: application/pdf\r\n\r\n" + PDF.replace(b"\n", b"\r\n") + b"\r\n"
    top = head + b"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=parts\r\n\r\n"
    return top + b"--parts\r\n\r\n" + body + part * parts + b"--parts--\r\n"


def in_its_place(number: int) -> bytes:
    """What Exchange shows in place of a message that it can't convert."""
    return (
        b"From: Microsoft Exchange Server <server%d@mail.example.nhs.uk>\r\n"
        b"To: pathology.results@nhs.net\r\n"
        b"Subject: Retrieval using the IMAP4 protocol failed for the following message: %d\r\n"
        b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        b"X-Number: %d\r\n"
        b"\r\n"
        b"The server couldn't retrieve the following message:\r\n\r\nSubject: Report %d\r\n"
    ) % (number, number, number, number)


def junk(number: int, name: str, subject: str = "Report", kind: bytes = SPAM) -> Mail:
    return Mail(number, name, letter(number, subject, extra=kind), after="junk", folder=JUNK)


def dead(number: int, name: str, raw: bytes, reason: str) -> Mail:
    return Mail(number, name, raw, after="failed", reason=reason, folder="Failed", calls=0)


# --- found by `journal rebuild` ---------------------------------------------------------------------------------------

REBUILT = Mail(1, "handled before the journal was rebuilt", letter(1), reason="rebuilt", calls=0)
REBUILT_JUNK = Mail(2, "junk before the journal was rebuilt", letter(2), "junk", "rebuilt", JUNK, 0)
REBUILT_DEAD = dead(3, "dead letter before the journal was rebuilt", letter(3), "rebuilt")

# --- done and settled -------------------------------------------------------------------------------------------------

COMPACTED = Mail(4, "handled, deleted by people, its row compacted", letter(4), folder=None)
DELETED = Mail(5, "handled, and deleted by us", letter(5), reason="deleted", folder=None)
HANDLED = Mail(6, "handled", in_parts(6, 1))
TWIN = Mail(7, "handled, one of two alike", letter(7))
OTHER_TWIN = Mail(7, "handled, the other of two alike", letter(7))
FILED = Mail(8, "handled, and filed elsewhere by a person", letter(8), folder="Filed")
NOT_TOLD = Mail(9, "handled, and moved where the server didn't tell the new UID", letter(9))
JUNK_BY_HEADER = junk(10, "junk by its headers")
JUNK_BY_PLACE = Mail(11, "junk by its folder", letter(11), after="junk", folder=JUNK)
RELEASED = Mail(12, "released and handled", letter(12, extra=SPAM), calls=2)
REVIEWED = junk(13, "junk that a person has looked at")
REFUSED = dead(14, "rejected by its handler", letter(14, "Refused"), "refusing:Reject")
UNPARSED = dead(15, "too many parts", in_parts(15, 30), "unparsed:MessageOverLimit:parts")
OVERSIZE = dead(16, "too large", letter(16) + b"A line of text that makes it large.\r\n" * 300, "oversize")
GIVEN_UP = dead(17, "failed too often", letter(17, "Fails"), "failing:ValueError")
POISON = dead(18, "killed the process", letter(18, "Poison", extra=b"X-Poison: kill\r\n"), "poison")
GONE = Mail(19, "taken away while it waited", letter(19, "Fails"), "gone", "taken-away", None, 0)

# --- waiting ----------------------------------------------------------------------------------------------------------

FAILED_ONCE = Mail(20, "failed once, next try later", letter(20, "Fails"))
FAILED_JUNK = junk(21, "junk whose handler failed", "Fails", PHISHING)
RELEASED_WAITS = Mail(22, "released, and its handler failed", letter(22, "Fails", extra=SPAM), calls=2)
RETRIED_WAITS = Mail(23, "a dead letter, retried, and failed once more", letter(23, "Fails"))
TARGET_DOWN = [
    Mail(number, f"two of these failed, and two wait as their handler is paused: {number}", letter(number, "Down"))
    for number in range(24, 28)
]
FIRST_OF_SENDER = Mail(28, "the first of its sender, failed", letter(28, "Ordered"))
NEXT_OF_SENDER = Mail(29, "held by the first of its sender", letter(29, "Ordered", sender=28))
NOT_READY = Mail(30, "listed, and not shown", letter(30))
STOOD_IN_FOR = Mail(31, "a stand-in in its place, by now itself", letter(31))
STAND_IN = dead(32, "a stand-in in its place for good", in_its_place(32), "stand-in:retrieval-failed")
BROKE_OFF = Mail(33, "the connection ended at its fetch", letter(33))

# --- when the process died --------------------------------------------------------------------------------------------

SUSPECT = Mail(34, "was alone in hand at a death before the last", letter(34, "Held"))
UNSETTLED = Mail(35, "handled, not moved", letter(35, "Held"))
ALONE = Mail(36, "alone in hand", letter(36, "Held"))
IN_HAND = Mail(37, "in hand beside others", letter(37, "Held"))
MOVED = Mail(38, "handled and moved, which nobody wrote down", letter(38))
UNSETTLED_JUNK = junk(39, "junk, not moved")
UNSETTLED_DEAD = dead(40, "dead letter, not moved", letter(40, "Refused"), "refusing:Reject")
NEVER_TRIED = Mail(41, "never tried", letter(41))
HEADER_LATE = Mail(42, "listed without a header, which shows by now", letter(42))
NO_HEADER = dead(0, "listed without a header for good", b"\r\nNothing above.\r\n", "header-not-shown")

# --- asked for, and not carried out -----------------------------------------------------------------------------------

RELEASE_ASKED = Mail(43, "its release is asked for", letter(43, extra=SPAM), calls=2)
RETRY_ASKED = Mail(44, "its retry is asked for", letter(44, "Refused"))

# --- after all that ---------------------------------------------------------------------------------------------------

UNSEEN = Mail(45, "came when nobody looked", letter(45))

MAILS: list[Mail] = [
    found
    for value in list(globals().values())
    for found in (value if isinstance(value, list) else [value])
    if isinstance(found, Mail)
]
