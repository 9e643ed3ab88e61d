"""Knows a message by its own header, once the server shows it, if it showed a placeholder or nothing before."""

from collections.abc import Mapping
from dataclasses import replace

from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.logs.log import get_logger
from worker.mailbox.bisection import shown_heads
from worker.mailbox.folders import Layout
from worker.mailbox.session import Head, Session
from worker.message.key import Fingerprints
from worker.message.mime.headers import Headers
from worker.message.mime.signs import is_retrieval_stand_in
from worker.pipeline.admit import Classify, SenderOf
from worker.pipeline.known_senders import Sender

log = get_logger()


def why_waiting(record: Record, reason: str) -> str:
    """The reason of a message that is waited for. A placeholder's stays: what is known of its message isn't its own."""
    return record.reason if record.is_placeholder and record.reason is not None else reason


class LateContent:
    """Looks at the headers of late messages again."""

    def __init__(
        self, *, messages: Messages, fingerprints: Fingerprints, layout: Layout, classify: Classify, sender_of: SenderOf
    ) -> None:
        self._messages = messages
        self._fingerprints = fingerprints
        self._layout = layout
        self._classify = classify
        self._sender_of = sender_of

    def known_anew(self, session: Session, late: Mapping[int, Record]) -> dict[int, Record]:
        """The rows of these messages of the selected folder as their headers are now, by UID.

        Header and size may differ from those that the server showed before. If those were a placeholder's, so may the
        path: only now can the header say that the message is junk. A person's release holds. The key stays, because by
        now it is the message's name.
        """
        known, senders = dict(late), dict[int, Sender]()
        for head in shown_heads(session, late):
            record, headers = late[head.uid], Headers.from_bytes(head.header)
            known[head.uid] = replace(record, fingerprint=self._fingerprints.of(headers), size=head.size)
            if record.is_placeholder and not is_retrieval_stand_in(headers):
                senders[record.id] = self._sender_of(headers)
                known[head.uid] = self._judged(known[head.uid], headers, head)
        self._messages.known_by(list(known.values()))
        self._messages.sent_by({row: (one.mark, one.listed, one.confirmed) for row, one in senders.items()})
        self._messages.noted([(record.id, record.verdict) for record in known.values() if record.id in senders])
        for uid, record in known.items():
            if record.verdict.path is not late[uid].verdict.path:
                log.warning("message.rejudged", key=record.key, folder=record.place.folder)
        return known

    def _judged(self, record: Record, headers: Headers, head: Head) -> Record:
        if record.released:
            return record
        in_junk = record.place.folder == self._layout.junk
        return replace(record, verdict=self._classify(headers, in_junk, head.keywords))
