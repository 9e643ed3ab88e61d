"""Commands in flight: they were sent, and their answers are read later, in the order of the commands.

The server works on the next command while we still deal with the answer to the last one (RFC 3501, 5.5). That is safe
for commands on UIDs of the selected folder. Any other command is sent only after everything in flight was answered.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from worker.mailbox.fetch_answers import Items, by_uid


class Responses(Protocol):
    """The half of imaplib that sends commands and reads responses."""

    literal_cap: int

    def send_at_once(self, *command: str | bytes) -> bytes:
        """Send a command without waiting for anything, and return its tag."""

    def read_response(self) -> None:
        """Read one response of the server and keep it."""

    def untagged(self, name: str) -> list[object]:
        """Return and forget the untagged responses, or response codes, of this name."""

    def allow_literals(self, cap: int) -> None:
        """Let the literals of the next answers add up to so many bytes."""

    def is_answered(self, tag: bytes) -> bool:
        """Whether the command with this tag was answered."""

    def forget_answer(self, tag: bytes) -> None:
        """Drop the tagged answer of a command that nobody asks for any more."""


@dataclass(slots=True, eq=False)
class Sent:
    """A command in flight.

    cap: bytes that the literals in its answer may add up to. found: what the server has said of these messages, by UID,
    and nobody has taken yet. copied: what it said of their new UIDs. wanted: false if nobody asks any more what the
    command brings.
    """

    name: str
    tag: bytes
    uids: frozenset[int]
    cap: int
    wanted: bool = True
    found: dict[int, Items] = field(default_factory=dict)
    copied: list[object] = field(default_factory=list)


class InFlight:
    """The commands in flight on one connection, oldest first."""

    def __init__(self, wire: Responses) -> None:
        self._wire = wire
        self._usual_cap = wire.literal_cap
        self._sent: list[Sent] = []

    def __len__(self) -> int:
        return len(self._sent)

    def is_waiting(self, sent: Sent) -> bool:
        """Whether this command hasn't been answered yet."""
        return sent in self._sent

    def is_next(self, sent: Sent) -> bool:
        """Whether the server has answered every command before this one, or this one."""
        return not self._sent or self._sent[0] is sent or sent not in self._sent

    def send(self, name: str, *arguments: str | bytes, uids: Collection[int], cap: int = 0) -> Sent:
        """Send UID FETCH or UID MOVE, and don't wait for its answer. uids: the messages that the command names."""
        if not self._sent:
            self._wire.untagged("COPYUID")  # what an earlier command left
        sent = Sent(name, self._wire.send_at_once("UID", name, *arguments), frozenset(uids), cap)
        self._sent.append(sent)
        self._bound_literals()
        return sent

    def answers(self, sent: Sent) -> Iterator[tuple[int, Items]]:
        """What the server says of each message, as it comes. An answer in two parts comes twice."""
        while True:
            while sent.found:
                yield (uid := min(sent.found)), sent.found.pop(uid)
            if not self.is_waiting(sent):
                return
            self._read()

    def complete(self, sent: Sent) -> None:
        """Read until this command is answered."""
        while self.is_waiting(sent):
            self._read()

    def finish(self) -> None:
        """Read until every command in flight is answered."""
        while self._sent:
            self._read()

    def forget(self, sent: Sent) -> None:
        """Nobody asks any more what this command brings."""
        sent.wanted = False
        sent.found.clear()
        if not self.is_waiting(sent):
            self._wire.forget_answer(sent.tag)

    def _read(self) -> None:
        self._wire.read_response()
        for uid, items in by_uid(self._wire.untagged("FETCH")).items():
            for sent in self._sent:
                if sent.name == "FETCH" and sent.wanted and uid in sent.uids:
                    sent.found.setdefault(uid, {}).update(items)
        for sent in [sent for sent in self._sent if self._wire.is_answered(sent.tag)]:
            self._answered(sent)

    def _answered(self, sent: Sent) -> None:
        self._sent.remove(sent)
        if sent.name == "MOVE":
            sent.copied = self._wire.untagged("COPYUID")
            self._wire.untagged("EXPUNGE")  # reports of our own moves aren't news
            self._wire.untagged("VANISHED")
        if not sent.wanted:
            self._wire.forget_answer(sent.tag)
        self._bound_literals()

    def _bound_literals(self) -> None:
        self._wire.allow_literals(self._usual_cap + sum(sent.cap for sent in self._sent))
