"""nhsmail-worker: watches one NHSmail mailbox and hands its mail to handlers."""

from worker.message.attachment import Attachment
from worker.message.description import as_json, describe
from worker.message.message import Message
from worker.message.outcome import Reject, Retry

__all__ = ["Attachment", "Message", "Reject", "Retry", "as_json", "describe"]
__version__ = "0.1.0"
