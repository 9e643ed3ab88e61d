"""nhsmail-worker: watches one NHSmail mailbox and hands its mail to handlers."""

from worker.message.attachment import Attachment
from worker.message.copies import Look, OldCopies, OldCopy, RemovedCopies
from worker.message.description import as_json, describe
from worker.message.message import Message
from worker.message.mime.limits import MessageError, MessageOverLimit, MessageUnparsable
from worker.message.outcome import KeyTaken, Reject, Retry

__all__ = [
    "Attachment",
    "KeyTaken",
    "Look",
    "Message",
    "MessageError",
    "MessageOverLimit",
    "MessageUnparsable",
    "OldCopies",
    "OldCopy",
    "Reject",
    "RemovedCopies",
    "Retry",
    "as_json",
    "describe",
]
__version__ = "0.1.0"
