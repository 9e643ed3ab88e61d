"""Reads the answers to FETCH, each by the UID in it."""

from collections.abc import Iterator, Sequence

from imapclient.response_parser import parse_fetch_response

Items = dict[bytes, object]
"""The items of one message, by name, such as `b"FLAGS"`."""


def by_uid(lines: Sequence[object]) -> dict[int, Items]:
    """What the answers say of each message, by UID.

    An answer without a UID is left out: the server sends such a one unasked when somebody else changes a flag, and its
    number is a place in the folder that may be another message's UID. Several answers about one message are joined; of
    an item that comes twice, the last one counts. So does the place not matter, which an EXPUNGE in between changes.

    lines: the answers as imaplib gives them.

    Raises:
        imapclient.exceptions.ProtocolError: an answer can't be understood.
    """
    found: dict[int, Items] = {}
    for answer in answers(lines):
        for items in parse_fetch_response(answer, normalise_times=False, uid_is_key=False).values():
            del items[b"SEQ"]
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
