"""Reads the answers to FETCH, each by the UID in it.

Nearly all answers have the same few items in the same plain form. These are read here with one pattern, because
IMAPClient's parser takes each character by itself. Any other answer is left to that parser, which gives the same for
the plain ones (a property test checks that).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from imapclient.response_parser import parse_fetch_response

Items = dict[bytes, object]
"""The items of one message, by name, such as `b"FLAGS"`."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""The months as IMAP writes them, whatever the locale is."""

_NUMBER = rb"0|[1-9][0-9]{0,17}"
_DATE = rb"[0-3 ][0-9]-[A-Z][a-z]{2}-[12][0-9]{3} [0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}"
_FLAG = rb"(?!NIL[ )])\\?[A-Za-z$_][A-Za-z0-9$_.:+-]*"
_ITEM = (
    rb"(?:(UID|RFC822\.SIZE) (%(number)b)"
    rb'|INTERNALDATE "(%(date)b)"'
    rb"|(FLAGS) \((|%(flag)b(?: %(flag)b)*)\)"
    rb"|(BODY\[(?:HEADER)?\]<0>) \{(%(number)b)\})"
) % {b"number": _NUMBER, b"date": _DATE, b"flag": _FLAG}
_ITEMS = re.compile(_ITEM)
_WITHOUT_GROUPS = re.sub(rb"(?<!\\)\((?!\?)", b"(?:", _ITEM)
_ANSWER = re.compile(rb"[0-9]{1,18} \((%(item)b(?: %(item)b)*)\)" % {b"item": _WITHOUT_GROUPS})
_MONTH_NUMBERS = {name.encode(): number for number, name in enumerate(MONTHS, 1)}


def by_uid(lines: Sequence[object]) -> dict[int, Items]:
    """What the answers say of each message, by UID.

    An answer without a UID is left out: the server sends such a one unasked when somebody else changes a flag, and its
    number is a place in the folder that may be another message's UID. Several answers about one message are joined; of
    an item that comes twice, the last one counts. So the place, which an EXPUNGE in between changes, doesn't matter.

    lines: the answers as imaplib gives them.

    Raises:
        imapclient.exceptions.ProtocolError: an answer can't be understood.
    """
    found: dict[int, Items] = {}
    for answer in answers(lines):
        plain = _in_plain_form(answer)
        for items in _parsed(answer) if plain is None else (plain,):
            uid = items.pop(b"UID", None)
            if isinstance(uid, int):
                found.setdefault(uid, {}).update(items)
    return found


def answers(lines: Sequence[object]) -> Iterator[list[object]]:
    """Each answer by itself. imaplib splits an answer after each of its literals."""
    answer: list[object] = []
    for line in lines:
        if line is None:  # imaplib's way to say that there was none
            continue
        answer.append(line)
        if not isinstance(line, tuple):
            yield answer
            answer = []


def _parsed(answer: Sequence[object]) -> Iterator[Items]:
    """The items of an answer in any form."""
    for items in parse_fetch_response(answer, normalise_times=False, uid_is_key=False).values():
        del items[b"SEQ"]
        yield items


def _in_plain_form(answer: Sequence[object]) -> Items | None:
    """The items of an answer in its plain form, with one literal at most. None: it has another form."""
    literal: bytes | None = None
    match answer:
        case [bytes() as text]:
            pass
        case [(bytes() as head, bytes() as literal), bytes() as tail] if head.endswith(b"}"):
            text = head + tail
        case _:
            return None
    answered = _ANSWER.fullmatch(text)
    if answered is None or text.count(b"{") != len(answer) - 1:
        return None
    items: Items = {}
    for name, number, date, has_flags, flags, body, length in _ITEMS.findall(answered[1]):
        if name:
            items[name] = int(number)
        elif date:
            if (arrived := _arrived(date)) is None:
                return None
            items[b"INTERNALDATE"] = arrived
        elif body:
            if literal is None or len(literal) != int(length):
                return None
            items[body] = literal
        elif has_flags:
            items[b"FLAGS"] = tuple(flags.split())
    return items


def _arrived(date: bytes) -> datetime | None:
    """A date in the one form that RFC 3501 allows. None: it isn't a date, or it has no zone (`-0000`)."""
    month, zone = _MONTH_NUMBERS.get(date[3:6]), _zone(date[21:])
    if month is None or zone is None:
        return None
    try:
        return datetime(
            int(date[7:11]), month, int(date[:2]), int(date[12:14]), int(date[15:17]), int(date[18:20]), tzinfo=zone
        )
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _zone(offset: bytes) -> timezone | None:
    hours, minutes = int(offset[1:3]), int(offset[3:])
    if offset == b"-0000" or hours > 14 or minutes > 59:
        return None
    away = timedelta(hours=hours, minutes=minutes)
    return timezone(-away if offset[:1] == b"-" else away) if away else UTC
