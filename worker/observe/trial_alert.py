"""A trial alert: what `alerts test` sends, to show whether alerts arrive."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from worker.logs.redaction import rfc3339

_TITLE: Final = "A trial alert"
_TEXT: Final = "Somebody has asked the worker whether its alerts arrive. This one has."
_DO: Final = "You don't need to do anything. Tell the person who sent it that it arrived, and in which folder."


@dataclass(frozen=True, slots=True)
class TrialAlert:
    """Like an alert, it can't hold content. account: the mailbox's address."""

    account: str
    at: datetime

    @property
    def title(self) -> str:
        """One line."""
        return _TITLE

    @property
    def text(self) -> str:
        """What it means."""
        return _TEXT

    @property
    def do(self) -> str:
        """What to do next."""
        return _DO

    def as_json(self) -> dict[str, object]:
        """It as a webhook of the kind `json` receives it."""
        return {
            "rule": "trial",
            "state": "trial",
            "account": self.account,
            "at": rfc3339(self.at),
            "number": None,
            "title": self.title,
            "text": self.text,
            "do": self.do,
        }
