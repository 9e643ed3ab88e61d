"""How a handler's call failed: a word of ours and the exception's class, never the exception's text."""

import re
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Literal, get_args

from worker.handling.foreign_code import line_in
from worker.handling.outage import About, Outages, is_outage
from worker.logs.exceptions import class_of
from worker.logs.system_words import system_fault
from worker.message.literals import LONGEST_WORD
from worker.message.mime.limits import Limits, MessageError, MessageOverLimit
from worker.message.outcome import LONGEST_AFTER, KeyTaken, Reject, Retry

_LIMITS = {MessageOverLimit(field.name).word for field in fields(Limits)}
"""The only `MessageError.word`s that are kept: a handler may raise the error with any text as its word."""

Word = Literal["retry", "reject", "unreadable", "error"]
_SLUG = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")
KEY_TAKEN = "key-taken"
"""The kind of a `KeyTaken`: a word of ours, because people look for it."""
WORDS: tuple[Word, ...] = get_args(Word)


@dataclass(frozen=True, slots=True)
class CallFailure:
    """A handler's call that didn't return.

    word: what to do with the message. kind: the exception's class, or `KEY_TAKEN`; of a `Reject` with a literal text,
    that text as one word as well: `Reject:no-report-number`. after: the wait that a `Retry` asked for. where: the last
    line of the handler's own code that the exception came through, as module:line. about: what the failure tells us of.
    fault: what the operating system says of it, as a name such as ENOSPC; None: nothing.
    """

    word: Word
    kind: str
    after: timedelta | None = None
    where: str | None = None
    about: About = About.MESSAGE
    fault: str | None = None

    @property
    def reason(self) -> str:
        """The class, with what the operating system says of it: `OSError:ENOSPC`."""
        return self.kind if self.fault is None else f"{self.kind}:{self.fault}"

    @staticmethod
    def of(error: BaseException, outages: Outages = (), module: str = "") -> "CallFailure":
        """The failure that this exception stands for.

        outages: the classes that the handler declares as outages. module: where the handler comes from.
        """
        if isinstance(error, RemoteFailure):
            return error.failure
        kind, where, fault = class_of(error).__name__, line_in(error, module), system_fault(error)
        about = About.TARGET if is_outage(error, outages) else About.MESSAGE
        if isinstance(error, Retry):
            # A handler may set `after` to anything.
            after = min(error.after, LONGEST_AFTER) if isinstance(error.after, timedelta) else None
            return CallFailure("retry", kind, after, where, about, fault)
        if isinstance(error, KeyTaken):
            return CallFailure("reject", KEY_TAKEN, where=where)
        if isinstance(error, Reject):
            if type(error) is Reject and is_slug(error.slug):
                return CallFailure("reject", f"{kind}:{error.slug}", where=where)
            return CallFailure("reject", kind, where=where, fault=fault)
        if isinstance(error, MessageError):
            return CallFailure("unreadable", error.word if error.word in _LIMITS else kind, where=where)
        return CallFailure("error", kind, None, where, about, fault)


def is_slug(text: object) -> bool:
    """Whether this is the text of a `Reject` as one word."""
    return type(text) is str and len(text) <= LONGEST_WORD and _SLUG.fullmatch(text) is not None


class RemoteFailure(Exception):
    """A handler's call failed in another process. The original exception and its text stay there."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.kind)
        self.failure = failure
