"""`quarantine`: leave the mail in the junk folder, for people to look at."""

from worker import Message


def quarantine(message: Message) -> None:
    """Do nothing, which is the point: returning is success, so the message is settled into the junk folder and stays.

    The journal, the audit trail and the metrics count it like any other; `nhsmail-worker junk list` shows it, and
    `nhsmail-worker junk release` takes it out again.
    """
