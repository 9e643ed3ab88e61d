"""What every reader of a verdict header shares: the reading that it returns, and safe text to read from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from worker.classify.policy import JunkPolicy

LIMIT = 16_384
"""Characters read of one header. Exchange's longest reports are about 4,000; the rest of a longer one is rubbish."""

_MOST_FIELDS = 256  # a report has about 25

NUMBER = r"-?[0-9]{1,6}(?:\.[0-9]{1,9})?"
"""A score, as a pattern that can't run away: every repeat is bounded, and no two can match the same text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing that a header says.

    value: re-written from what was parsed, never the sender's own text.
    suspicious: whether it speaks for junk. What doesn't is kept for the record, and takes no suspicion away.
    reason: a fixed sentence.
    """

    value: str
    suspicious: bool
    reason: str


Reader = Callable[[str, JunkPolicy], list[Reading]]
"""From a header's value as sent, folded, to what it says. Raises on no input."""


def plain(value: str) -> str:
    """The beginning of a header's value, every character outside ASCII made a question mark.

    So `ſ`, `Ｓ` or an Arabic five can't pass for S or 5 in any comparison that follows.
    """
    return value[:LIMIT].encode("ascii", "replace").decode("ascii")


def fields(value: str) -> Iterator[tuple[str, str]]:
    """The fields of `KEY:VALUE; KEY:VALUE; …`, upper case, without white space at the ends; the rest is left out."""
    for field in plain(value).upper().split(";", _MOST_FIELDS)[:_MOST_FIELDS]:
        key, colon, word = field.partition(":")
        if colon:
            yield key.strip(), word.strip()


def number(text: str) -> str:
    """A number that was read, written in one form: `-3.487300` as `-3.4873`."""
    return f"{float(text):.10g}"
