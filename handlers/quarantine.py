"""`quarantine`: leaves mail in the junk folder for people to review."""

from worker import Message


def quarantine(message: Message) -> None:
    """Leaves junk in the junk folder, for people to review.

    It does nothing, on purpose. Returning is success, so the message is settled in the junk folder and stays there.
    The journal, the audit trail and the metrics count it like any other message. `nhsmail-worker junk list` shows it,
    and `nhsmail-worker junk release` takes it out again.
    """
