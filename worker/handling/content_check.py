"""Compares a message's content before it is handed over, and marks what was handed over. Runs in the pool's threads.

Headers can be copied. So if a message looks like one that was handed over before, its content decides which it is.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol

from worker.message.content_mark import ContentMarks
from worker.message.message import Message
from worker.message.outcome import Outcome, State
from worker.message.reasons import Reason


class Attempt(Protocol):
    """One try at one message."""

    def __call__(self, message: Message, already_done: Collection[str], /) -> Outcome:
        """Handle the message and return its outcome. already_done: handlers to skip, because they have finished.

        Raises:
            Busy: a handler has no free slot. Lay the message aside.
        """


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is known of a message that its headers alone don't identify.

    own: the mark of its own content, from an earlier try; None: it has never been handed over. others: the marks of
    messages that it may be.
    """

    own: str | None
    others: frozenset[str]

    def is_other(self, content: str) -> bool:
        """Whether a message with this content isn't the one that it was taken for."""
        return content in self.others if self.own is None else content != self.own


class ContentCheck:
    """Makes the tries of messages, and marks their contents."""

    def __init__(self, marks: ContentMarks) -> None:
        self._marks = marks

    def handle(
        self,
        attempt: Attempt,
        message: Message,
        already_done: Collection[str],
        *,
        doubt: Doubt | None = None,
        headers_alone: bool = False,
    ) -> Outcome:
        """Try the message, unless its content shows that it is another one. The outcome has the content's mark.

        doubt: None if it is certain which message this is. headers_alone: no more was fetched than the headers.
        """
        if message.stand_in is not None:
            return attempt(message, already_done)  # a placeholder's content isn't the message's
        if doubt is not None and doubt.is_other(content := self._mark(message, headers_alone=headers_alone)):
            return Outcome(State.PENDING, reason=Reason.OTHER_CONTENT.stored(), content=content)
        outcome = attempt(message, already_done)
        if outcome.held and not outcome.done and not outcome.was_called:
            return outcome  # no handler had it
        return replace(outcome, content=self._mark(message, headers_alone=headers_alone))

    def _mark(self, message: Message, *, headers_alone: bool) -> str:
        return self._marks.of_headers(message.headers) if headers_alone else self._marks.of(message)
