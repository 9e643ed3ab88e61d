"""Commands in flight: they were sent, and their answers are read later, in the order of the commands.

The server works on the next command while we still deal with the answer to the last one (RFC 3501, 5.5). That is safe
where no command changes what another one means. That is so for UID FETCH, UID SEARCH and UID MOVE in one folder, for
CREATE, STATUS and NOOP, and for a SELECT or EXAMINE, after which all commands mean its folder. Any other command is
sent only after everything in flight was answered.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Protocol

from worker.mailbox.arrival_days import days_in
from worker.mailbox.fetch_answers import Items, answers, by_uid
from worker.mailbox.folder_answers import folder_in

OPENING = frozenset({"SELECT", "EXAMINE"})
"""Commands that open a folder. What the server says of messages after their answers is about that folder."""
_WITH_ANSWERS = frozenset({"LIST", "NAMESPACE", "SEARCH", "STATUS"})
"""Commands whose untagged answers have the command's own name."""


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

    def all_untagged(self) -> dict[str, list[object]]:
        """Return and forget all untagged responses and response codes, but not that the server ends the connection."""

    def is_answered(self, tag: bytes) -> bool:
        """Whether the command with this tag was answered."""

    def forget_answer(self, tag: bytes) -> None:
        """Drop the tagged answer of a command that nobody asks for any more."""


@dataclass(slots=True, eq=False)
class Sent:
    """A command in flight.

    cap: bytes that the literals in its answer may add up to. left: the names of what is still to come of each message,
    by UID; None if that isn't known. found: what the server has said of these messages, by UID, and nobody has taken
    yet. copied: what it said of new UIDs, of these messages among others. said: the untagged answers to a command that
    isn't on messages. folder: the one that STATUS names. opened: all that it said of the folder that the command opens.
    days: how many messages arrived on each day, for a command that only asks for that; None for any other. wanted:
    false if nobody asks any more what the command brings.
    """

    name: str
    tag: bytes
    uids: frozenset[int]
    cap: int
    wanted: bool = True
    left: dict[int, frozenset[bytes]] | None = None
    found: dict[int, Items] = field(default_factory=dict)
    copied: list[object] = field(default_factory=list)
    said: list[object] = field(default_factory=list)
    folder: bytes | None = None
    opened: dict[str, list[object]] = field(default_factory=dict)
    days: Counter[bytes] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether everything that it asks for has come, so that only its tagged answer is still to come."""
        return self.left is not None and not self.left

    def came(self, uid: int, items: Items) -> bool:
        """Note what has come of a message. Returns whether it was still to come.

        What is empty hasn't come: the tagged answer may say why.
        """
        if self.left is None or uid not in self.left:
            return False
        before = self.left[uid]
        self.left[uid] = before - {name for name, value in items.items() if value not in (None, b"")}
        is_new = self.left[uid] != before
        if not self.left[uid]:
            del self.left[uid]
        return is_new


class InFlight:
    """The commands in flight on one connection, oldest first."""

    def __init__(self, wire: Responses) -> None:
        self._wire = wire
        self._usual_cap = wire.literal_cap
        self._sent: list[Sent] = []

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def is_brief(self) -> bool:
        """Whether all answers are short, so that reading them takes no time."""
        return not any(sent.name in ("FETCH", "MOVE") and not sent.is_complete for sent in self._sent)

    def is_waiting(self, sent: Sent) -> bool:
        """Whether this command hasn't been answered yet."""
        return sent in self._sent

    def is_next(self, sent: Sent) -> bool:
        """Whether the server may have come to this command: it has answered those before it, or this one.

        Moves don't count: Dovecot answers them only after the commands that were sent next. Neither does what has come
        whole.
        """
        return sent not in self._sent or next(one for one in self._sent if one is sent or not _may_be_late(one)) is sent

    def send(self, name: str, *arguments: str | bytes, uids: Collection[int]) -> Sent:
        """Send a command on messages, and don't wait for its answer. uids: those that it names."""
        return self._add(Sent(name, self._wire.send_at_once("UID", name, *arguments), frozenset(uids), 0))

    def send_fetch(self, *arguments: str, uids: Collection[int], names: frozenset[bytes], cap: int) -> Sent:
        """Send UID FETCH, and don't wait for its answer. names: what the answers call what is asked for."""
        tag = self._wire.send_at_once("UID", "FETCH", *arguments)
        return self._add(Sent("FETCH", tag, frozenset(uids), cap, left=dict.fromkeys(uids, names)))

    def send_search(self, *criteria: str | bytes) -> Sent:
        """Send UID SEARCH, and don't wait for its answer."""
        return self.send("SEARCH", *criteria, uids=())

    def send_days(self) -> Sent:
        """Ask for the day on which each message of the folder arrived, and don't wait for the answer."""
        sent = self.send("FETCH", "1:*", "(INTERNALDATE)", uids=())
        sent.days = Counter()
        return sent

    def send_plain(self, name: str, *arguments: str | bytes) -> Sent:
        """Send a command that isn't on messages, and don't wait for its answer."""
        return self._add(Sent(name, self._wire.send_at_once(name, *arguments), frozenset(), 0))

    def send_status(self, folder: bytes, items: str) -> Sent:
        """Send STATUS, and don't wait for its answer."""
        self._wire.untagged("STATUS")  # what an earlier command left: all else was taken when it was read
        tag = self._wire.send_at_once("STATUS", folder, items)
        return self._add(Sent("STATUS", tag, frozenset(), 0, folder=folder_in([folder])))

    def _add(self, sent: Sent) -> Sent:
        self._sent.append(sent)
        if self._sent[0] is sent:
            self._forget_what_earlier_commands_left(sent)
        self._bound_literals()
        return sent

    def _forget_what_earlier_commands_left(self, first: Sent) -> None:
        if first.name in OPENING:
            self._wire.all_untagged()
        elif first.name in _WITH_ANSWERS or first.name == "FETCH":
            self._wire.untagged(first.name)
        elif first.name == "MOVE":
            self._wire.untagged("COPYUID")

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

    def leave_if_others_follow(self, sent: Sent) -> bool:
        """If everything that this command asks for has come and was taken, don't wait for its tagged answer if others
        were sent since. Returns whether to go on without it.

        Dovecot answers a FETCH only after those that were sent next, if it had them by then.
        """
        is_over = sent.is_complete and not sent.found and self.is_waiting(sent) and self._sent[-1] is not sent
        if is_over:
            self.forget(sent)
        return is_over

    def _read(self) -> None:
        self._wire.read_response()
        lines = self._wire.untagged("FETCH")
        if lines and any(sent.name == "FETCH" for sent in self._sent):
            self._fetched(lines)
        for answer in answers(self._wire.untagged("STATUS")):
            self._told_of_folder(answer)
        if moves := [sent for sent in self._sent if sent.name == "MOVE"]:
            lines = self._wire.untagged("COPYUID")
            for sent in moves:  # Dovecot says where the messages of the next MOVE went before it answers this one
                sent.copied.extend(lines)
        for sent in [sent for sent in self._sent if self._wire.is_answered(sent.tag)]:
            self._answered(sent)

    def _fetched(self, lines: list[object]) -> None:
        first = self._sent[0]
        if first.days is not None:
            first.days.update(days_in(lines))
            return
        asking = [sent for sent in takewhile(_leaves_open, self._sent) if sent.name == "FETCH"]
        for uid, items in by_uid(lines).items():
            of_message = [sent for sent in asking if uid in sent.uids]
            for sent in of_message:
                if sent.wanted:
                    sent.found.setdefault(uid, {}).update(items)
            for sent in of_message:
                if sent.came(uid, items):
                    break  # if a later one asks for the same, its own answer is still to come

    def _told_of_folder(self, answer: list[object]) -> None:
        """This answer to STATUS belongs to the command that names its folder, as the server may answer them in any
        order (RFC 3501, 5.5). One that spells the folder otherwise belongs to the first that has none yet.
        """
        asked = [sent for sent in self._sent if sent.folder is not None]
        named = [sent for sent in asked if sent.folder == folder_in(answer)]
        for sent in [sent for sent in named or asked if not sent.said][:1]:
            sent.said.extend(answer)

    def _answered(self, sent: Sent) -> None:
        is_oldest = self._sent[0] is sent
        self._sent.remove(sent)
        if sent.name == "MOVE":
            self._wire.untagged("EXPUNGE")  # reports of our own moves aren't news
            self._wire.untagged("VANISHED")
        elif sent.name in _WITH_ANSWERS:
            sent.said.extend(self._wire.untagged(sent.name))
        elif sent.name in OPENING:
            sent.opened = self._wire.all_untagged()
        if not sent.wanted:
            self._wire.forget_answer(sent.tag)
        if is_oldest and self._sent and self._sent[0].name in OPENING:
            self._wire.all_untagged()  # the rest is about the folder that was open until now
        self._bound_literals()

    def _bound_literals(self) -> None:
        self._wire.allow_literals(self._usual_cap + sum(sent.cap for sent in self._sent))


def _leaves_open(sent: Sent) -> bool:
    """Whether the same folder is open after it."""
    return sent.name not in OPENING


def _may_be_late(sent: Sent) -> bool:
    """Whether the server may have done this, and answers it only after the commands that were sent next."""
    return sent.name == "MOVE" or sent.is_complete
