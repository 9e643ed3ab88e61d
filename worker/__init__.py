"""nhsmail-worker: watches one NHSmail mailbox and hands its mail to handlers."""

from worker.outcome import Reject, Retry

__all__ = ["Reject", "Retry"]
__version__ = "0.1.0"
