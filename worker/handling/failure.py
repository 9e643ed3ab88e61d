"""What a handler's call came to, by what it raised: a word of ours, the exception's class and never its text."""

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Literal, get_args

from worker.logs.exceptions import class_of, described
from worker.message.mime.limits import Limits, MessageError, MessageOverLimit
from worker.message.outcome import LONGEST_AFTER, Reject, Retry

_LIMITS = {MessageOverLimit(field.name).word for field in fields(Limits)}
"""The words of those errors that say more than their class; a handler may raise them with any other word."""

Word = Literal["retry", "reject", "unreadable", "error"]
WORDS: tuple[Word, ...] = get_args(Word)


@dataclass(frozen=True, slots=True)
class Came:
    """word: what is to become of the message. kind: the exception's class. after: the soonest that it makes sense.

    where: the line of code that raised it.
    """

    word: Word
    kind: str
    after: timedelta | None = None
    where: str | None = None


class Elsewhere(Exception):
    """A handler raised this in another process. Has no text."""

    def __init__(self, came: Came) -> None:
        super().__init__(came.kind)
        self.came = came


def came_of(error: BaseException) -> Came:
    """What became of the call that raised this."""
    if isinstance(error, Elsewhere):
        return error.came
    kind = class_of(error).__name__
    if isinstance(error, Retry):
        # Handlers are other people's code: `after` may be anything.
        return Came("retry", kind, min(error.after, LONGEST_AFTER) if isinstance(error.after, timedelta) else None)
    if isinstance(error, Reject):
        return Came("reject", kind)
    if isinstance(error, MessageError):
        return Came("unreadable", error.word if error.word in _LIMITS else kind)
    frames = described(error)["frames"]
    return Came("error", kind, where=str(frames[-1]) if isinstance(frames, list) and frames else None)
