"""Addresses and dates from headers. Nothing here raises."""

import email.utils
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

from worker.message.mime.mailboxes import mailboxes
from worker.message.mime.words import readable
from worker.message.text import ContentStr


class Address(ContentStr):
    """An e-mail address as sent; `name` is its display name, which may be empty."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, address: str, name: str = "") -> Self:
        self = super().__new__(cls, address)
        self.name = ContentStr(name)
        return self


def addresses(values: Sequence[str]) -> tuple[Address, ...]:
    """Return the addresses in header values as sent (folded, encoded), in order."""
    if not values:
        return ()
    pairs = [pair for value in values for pair in mailboxes(value)]
    if any("@" in address for _, address in pairs):
        # `Path, Lab <r@lab.nhs.uk>`: drop the "address" that an unquoted comma makes of half a name.
        pairs = [(name, address) for name, address in pairs if "@" in address]
    # Decode names after splitting, because an encoded name may contain a comma.
    return tuple(Address(readable(address), readable(name)) for name, address in pairs)


def first_address(value: str) -> str:
    """Return the first of the `addresses` in one header value as sent, without its name; empty if there is none."""
    found = [address for _, address in mailboxes(value)]
    with_at = [address for address in found if "@" in address]
    return readable((with_at or found or [""])[0])


def date_of(values: Sequence[str]) -> datetime | None:
    """Return the first Date header with a time zone; `-0000`, 'zone unknown' in RFC 5322, counts as UTC."""
    if not values:
        return None
    try:
        date = email.utils.parsedate_to_datetime(readable(values[0])[:200])
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        date.astimezone(UTC)  # fails for a zone of a thousand hours, with which the time can't be formatted
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return date
