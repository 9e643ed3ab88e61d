"""Moving, copying and removing messages of the selected folder."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from worker.mailbox import uid_sets
from worker.mailbox.errors import MailboxError
from worker.mailbox.imap_client import Client
from worker.mailbox.imap_connection import ImapConnection
from worker.mailbox.in_flight import Sent


@dataclass(frozen=True, slots=True)
class Moved:
    """Where messages went. `uids` maps old UIDs to those in the target, as far as the server reported them."""

    uidvalidity: int | None
    uids: dict[int, int]


_DELETE_TRIES = 5


class MessageMover:
    """Runs MOVE, COPY and UID EXPUNGE on one connection."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection

    def move(self, wanted: Sequence[int], target: str) -> Moved:
        """Move messages to another folder with MOVE (RFC 6851)."""
        return self._connection.on_those_left(lambda: self.end_move(self.begin_move(wanted, target)))

    def begin_move(self, wanted: Sequence[int], target: str) -> Sent:
        """Send MOVE; see `Session.begin_move`."""
        try:
            with self._connection.translated():
                return self._connection.client.send_move(wanted, target)
        except MailboxError as error:
            error.came_earlier()  # the server never got this command
            raise

    def wait_for(self, sent: Sent) -> None:
        """Read until this MOVE is answered."""
        with self._coming_to(sent) as client:
            client.wire.in_flight.complete(sent)

    def is_answered(self, sent: Sent) -> bool:
        """Whether this MOVE is answered, as far as we have read."""
        return not self._connection.client.wire.in_flight.is_waiting(sent)

    def end_move(self, sent: Sent) -> Moved:
        """Read the answer to a MOVE; see `Session.end_move`."""
        with self._coming_to(sent) as client:
            client.check_answer(sent)
            return _moved(sent.copied, sent.uids)

    @contextmanager
    def _coming_to(self, sent: Sent) -> Iterator[Client]:
        """Read the answer to this MOVE. An error says whether it came before the server had come to it."""
        client = self._connection.client
        in_flight = client.wire.in_flight
        try:
            with self._connection.translated():
                yield client
        except MailboxError as error:
            if not in_flight.is_next(sent):
                error.came_earlier()
            raise

    def copy(self, wanted: Sequence[int], target: str) -> Moved:
        """Copy messages to another folder."""
        client = self._connection.client
        client.untagged("COPYUID")
        self._connection.on_those_left(lambda: client.copy(uid_sets.compress(wanted), target))
        return _moved(client.untagged("COPYUID"), wanted)

    def delete(self, wanted: Sequence[int]) -> None:
        """Set `\\Deleted` and expunge exactly these messages with UID EXPUNGE (UIDPLUS, RFC 4315).

        Repeated a few times for those that stay: Courier loses our flag where somebody else sets flags meanwhile.
        """
        left = wanted
        for _ in range(_DELETE_TRIES):
            if self._expunged(left) >= len(left):
                return
            left = self._shown(left)
            if not left:
                return

    def _expunged(self, wanted: Sequence[int]) -> int:
        """Delete messages, and return how many the server says are gone."""
        client = self._connection.client
        self._connection.on_those_left(lambda: client.add_flags(uid_sets.compress(wanted), [b"\\Deleted"], silent=True))
        self._connection.on_those_left(lambda: client.uid_expunge(uid_sets.compress(wanted)))
        client.untagged("VANISHED")
        return len(client.untagged("EXPUNGE"))

    def _shown(self, wanted: Sequence[int]) -> Sequence[int]:
        client = self._connection.client
        shown = self._connection.on_those_left(lambda: client.search(["UID", uid_sets.compress(wanted)]))
        return sorted(set(shown) & set(wanted))


_COPYUID = re.compile(rb"(\d+) ([\d:,]+) ([\d:,]+)")


def _moved(copyuid: list[object], wanted: Collection[int]) -> Moved:
    """Read COPYUID (RFC 4315). Exchange can send it malformed; the new UIDs are then unknown until we look for them."""
    uidvalidity: int | None = None
    pairs: dict[int, int] = {}
    for line in copyuid:
        match = _COPYUID.fullmatch(line.strip()) if isinstance(line, bytes) else None
        if match is None:
            return Moved(None, {})
        with suppress(ValueError):
            old, new = (uid_sets.expand(match[group].decode()) for group in (2, 3))
            ours = {one: other for one, other in zip(old, new, strict=False) if one in wanted}
            if ours and len(old) == len(new) and uid_sets.is_number(int(match[1])):
                uidvalidity = int(match[1])
                pairs |= ours
    return Moved(uidvalidity, pairs)
