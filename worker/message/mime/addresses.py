"""Addresses and dates out of headers, never raising."""

import email.utils
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

from worker.message.mime.mailboxes import mailboxes
from worker.message.mime.words import readable
from worker.message.text import ContentStr


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
    pairs = [pair for value in values for pair in mailboxes(value)]
    if any("@" in address for _, address in pairs):
        # `Path, Lab <r@lab.nhs.uk>`: an unquoted name with a comma in it has made an address of a half of it.
        pairs = [(name, address) for name, address in pairs if "@" in address]
    # Names are decoded after the split: an encoded name may well hold a comma.
    return tuple(Address(readable(address), readable(name)) for name, address in pairs)


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
