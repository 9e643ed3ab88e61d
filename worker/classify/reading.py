"""What all readers of verdict headers share: the reading that they return, and safe text to read from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from worker.classify.policy import JunkPolicy
from worker.message.mime.headers import Headers

LIMIT = 16_384
"""The most characters read of one header. Exchange's longest reports have about 4,000; anything longer is bogus."""

_MOST_FIELDS = 256  # a report has about 25

NUMBER = r"-?[0-9]{1,6}(?:\.[0-9]{1,9})?"
"""A pattern for a score, safe from backtracking: all repeats are bounded, and no two can match the same text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One statement read from a header.

    value: rewritten from the parsed value, never the sender's own text.
    suspicious: whether it indicates junk. If not, it is kept for the record, but removes no suspicion.
    reason: a fixed sentence.
    """

    value: str
    suspicious: bool
    reason: str


Reader = Callable[[str, JunkPolicy], list[Reading]]
"""Reads a header's value as sent, folded. No input makes it raise."""


def plain(value: str) -> str:
    """Return the beginning of a header's value, with every character outside ASCII replaced by a question mark.

    Otherwise `ſ`, `Ｓ` or an Arabic five could pass for S or 5 in a later comparison.
    """
    text = value[:LIMIT]
    return text if text.isascii() else text.encode("ascii", "replace").decode("ascii")


def headers_of(pairs: Sequence[tuple[str, str]]) -> Headers:
    """Return the headers with these names and values, which are found by name."""
    return pairs if isinstance(pairs, Headers) else Headers(pairs)


def fields(value: str) -> Iterator[tuple[str, str]]:
    """Yield the fields of `KEY:VALUE; KEY:VALUE; …` in upper case, stripped of white space. Skips anything else."""
    for field in plain(value).upper().split(";", _MOST_FIELDS)[:_MOST_FIELDS]:
        key, colon, word = field.partition(":")
        if colon:
            yield key.strip(), word.strip()


def number(text: str) -> str:
    """Return a number in a canonical form: `-3.487300` as `-3.4873`."""
    return f"{float(text):.10g}"
