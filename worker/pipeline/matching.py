"""Matches messages that a look found with lost ones that have the same headers. Pure.

Headers can be copied, so they identify a message only if nothing else could be meant: we don't know its content; or it
isn't done, or its whole folder was renumbered, there are no more messages than rows, and the date of arrival is the
same. Otherwise the content decides: the message gets a row of its own, in doubt, and is compared before any handler has
it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from worker.journal.records import Record
from worker.message.content_mark import is_comparable, is_of_headers
from worker.message.outcome import State
from worker.pipeline.whereabouts import Sighting, was_renumbered, which_of

NOT_DONE = (State.PENDING, State.GONE)


Found = TypeVar("Found", bound=Sighting)
MarkOf = Callable[[Found], str]


@dataclass(frozen=True, slots=True)
class Matches(Generic[Found]):
    """What messages with the same headers are.

    known: with the row of each. doubtful: each may be one of `lost`, as its content will show. new: the others.
    lost: the messages that only their content can show. again: known messages whose place is in doubt by now, because
    there are more messages than rows: their folders are to be listed again.
    """

    known: list[tuple[Found, Record]]
    doubtful: list[Found]
    new: list[Found]
    lost: list[Record]
    again: list[Record]


def matched(
    found: Sequence[Found], lost: Sequence[Record], placed: Sequence[Record], header_mark: MarkOf[Found]
) -> Matches[Found]:
    """Say what these messages are, all of which have the same headers and lie in the same folder.

    lost: rows with these headers whose messages aren't in their places. placed: those whose messages are, in any
    watched folder. header_mark: the mark of a message's whole header block.
    """
    by_content = [record for record in lost if needs_content(record, found)]
    ids = {record.id for record in by_content}
    by_headers = [record for record in lost if record.id not in ids]
    known, left = _assigned(found, by_headers, header_mark)
    while unsure := _unsure(found, left, by_headers):
        by_content += unsure
        by_headers = [record for record in by_headers if record not in unsure]
        known, left = _assigned(found, by_headers, header_mark)
    again = [record for record in placed if record.doubtful and is_comparable(record.content)] if left else []
    by_content += again
    return Matches(known, left if by_content else [], [] if by_content else left, by_content, again)


def _assigned(
    found: Sequence[Found], rows: Sequence[Record], header_mark: MarkOf[Found]
) -> tuple[list[tuple[Found, Record]], list[Found]]:
    """Give each message the row that it most probably is, as far as headers allow; and return the messages left over.

    Rows whose content is known come first, because that will be compared, and only with messages of the same date of
    arrival. Then others of the same date: a copy that is listed before the message mustn't take its row.
    """
    rows, left = list(rows), list(found)
    known: list[tuple[Found, Record]] = []
    has_marks = any(is_of_headers(record.content) for record in rows)
    marks = {one.place: header_mark(one) for one in found} if has_marks else {}
    for comparable, same_date in ((True, True), (False, True), (False, False)):
        candidates = [record for record in rows if is_comparable(record.content) is comparable]
        for one in tuple(left) if candidates else ():
            options = [
                record
                for record in candidates
                if (record.received_at == one.received_at or not same_date)
                and may_be(record, one, marks.get(one.place, ""))
            ]
            if record := which_of(options, one):
                known.append((one, record))
                candidates.remove(record)
                rows.remove(record)
                left.remove(one)
    return known, left


def _unsure(found: Sequence[Found], left: Sequence[Found], rows: Sequence[Record]) -> list[Record]:
    """Those of these rows whose content is known, and for which the headers don't say which message they are.

    There are more messages than rows that they could be, or more of the same date of arrival.
    """
    comparable = [record for record in rows if is_comparable(record.content)]
    if left:
        return comparable
    messages, known = Counter(one.received_at for one in found), Counter(record.received_at for record in comparable)
    return [record for record in comparable if messages[record.received_at] > known[record.received_at]]


def needs_content(record: Record, found: Sequence[Sighting]) -> bool:
    """Whether only its content can show that one of these messages, which have its headers, is this one.

    Who copies another's headers can't choose the date at which his mail arrives.
    """
    if record.is_lost or not is_comparable(record.content):
        return record.is_lost
    is_elsewhere = record.state not in NOT_DONE and not was_renumbered(record, found[0].place)
    return is_elsewhere or all(one.received_at != record.received_at for one in found)


def may_be(record: Record, seen: Sighting, header_mark: str) -> bool:
    """Whether the headers allow it: of junk whose body was never fetched, all headers must be the same.

    If it isn't done, the date of arrival must be the same, too, because its next try hands over what lies there.
    """
    if not is_of_headers(record.content) or was_renumbered(record, seen.place):
        return True
    if record.content != header_mark:
        return False
    return record.state not in NOT_DONE or record.received_at == seen.received_at
