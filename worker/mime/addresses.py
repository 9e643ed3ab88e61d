"""Addresses and dates out of headers, never raising."""

import email.utils
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

from worker.content import ContentStr
from worker.mime.words import readable

_LONGEST = (
    100_000  # characters: a header of two thousand addresses; the standard library's parser is slow and recursive
)
_BARE = re.compile(r"[^\s<>,;:\"()@]{1,200}@[^\s<>,;:\"()@]{1,255}")


class Address(ContentStr):
    """An e-mail address as sent; `name` is the display name beside it, maybe empty."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, address: str, name: str = "") -> Self:
        self = super().__new__(cls, address)
        self.name = ContentStr(name)
        return self


def addresses(values: Sequence[str]) -> tuple[Address, ...]:
    """The addresses in headers as sent (folded, encoded), in order."""
    if not values:
        return ()
    pairs: list[tuple[str, str]] = []
    for value in values:
        pairs.extend(_pairs(value))
    # Names are decoded after the split: an encoded name may well hold a comma.
    return tuple(Address(readable(address), readable(name)) for name, address in pairs if address)


def _pairs(value: str) -> list[tuple[str, str]]:
    try:
        if len(value) <= _LONGEST:
            return email.utils.getaddresses([value])
    except (ValueError, TypeError, IndexError, AttributeError, RecursionError):
        pass  # broken beyond the standard library's patience
    return [("", address) for address in _BARE.findall(value)]


def date_of(values: Sequence[str]) -> datetime | None:
    """The first Date header as a time with a zone (`-0000`, 'zone unknown' in RFC 5322, counts as UTC)."""
    if not values:
        return None
    try:
        date = email.utils.parsedate_to_datetime(readable(values[0])[:200])
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        date.astimezone(UTC)  # a zone of a thousand hours makes a time that can't be written
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return date
