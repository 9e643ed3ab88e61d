"""nhsmail-worker: watches one NHSmail mailbox and hands its mail to handlers.

The names for handlers are imported when they are first used: a command such as `status` needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
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

_HOMES: Final = {
    "Attachment": "worker.message.attachment",
    "KeyTaken": "worker.message.outcome",
    "Look": "worker.message.copies",
    "Message": "worker.message.message",
    "MessageError": "worker.message.mime.limits",
    "MessageOverLimit": "worker.message.mime.limits",
    "MessageUnparsable": "worker.message.mime.limits",
    "OldCopies": "worker.message.copies",
    "OldCopy": "worker.message.copies",
    "Reject": "worker.message.outcome",
    "RemovedCopies": "worker.message.copies",
    "Retry": "worker.message.outcome",
    "as_json": "worker.message.description",
    "describe": "worker.message.description",
}
"""The module of each name above."""


if not TYPE_CHECKING:  # a type checker would take any other name for one of these

    def __getattr__(name: str) -> Any:
        """Import a name for handlers at its first use."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
