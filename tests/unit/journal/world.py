"""Messages that tests of the journal add."""

from worker.journal.messages import Messages
from worker.journal.records import NewMessage, Place, Record
from worker.message.verdict import Evidence, MailPath, Verdict

CLEAN = Verdict(MailPath.CLEAN)
JUNK = Verdict(MailPath.JUNK, (Evidence("exchange", "X-Forefront-Antispam-Report", "SFV:SPM", "spam", True),))


def new(mark: str = "a" * 26, uid: int = 1, *, folder: str = "INBOX", verdict: Verdict = CLEAN) -> NewMessage:
    return NewMessage(mark, Place(folder, 14, uid), 100, 5.0, verdict)


def only(messages: Messages) -> Record:
    (record,) = messages.everything()
    return record
