"""What the journal knows of a message, as values: its row, its place, the result of a try."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from worker.message.content_mark import is_comparable
from worker.message.outcome import State
from worker.message.reasons import Reason, read_reason
from worker.message.verdict import MailPath, Verdict


class Numbered(Protocol):
    """Anything with a UIDVALIDITY. A UID means nothing under another one."""

    @property
    def uidvalidity(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message lies. uid: None if it is somewhere in the folder, and we don't know where."""

    folder: str
    uidvalidity: int
    uid: int | None

    def uid_in(self, state: Numbered) -> int | None:
        """The UID, if it is known and valid under this UIDVALIDITY. Doesn't compare the folder's name."""
        return self.uid if self.uidvalidity == state.uidvalidity else None

    def holds_in(self, state: Numbered) -> bool:
        """Whether the UID is known and valid under this UIDVALIDITY. Doesn't compare the folder's name."""
        return self.uid_in(state) is not None


class InHand(StrEnum):
    """How a message was handed over. Stored until its outcome is recorded."""

    ALONE = "alone "
    """Alone: a crash now is counted against it. Stored with the name of the process after it."""
    TOGETHER = ""
    """Together with others. Stored as the name of the process."""
    SUSPECT = "suspect"
    """In hand when a process died. Kept until the retry, because another message may cause the next crash."""

    def stored(self, run: str) -> str:
        """How it is stored. run: the name of the process."""
        return str(self) if self is InHand.SUSPECT else f"{self}{run}"


class Recognisable:
    """What a row says of whether its message can be recognised. The fields are those of `Record`."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def state(self) -> State: ...
        @property
        def place(self) -> Place: ...
        @property
        def content(self) -> str | None: ...
        @property
        def doubtful(self) -> bool: ...
        @property
        def reason(self) -> str | None: ...

    @property
    def is_lost(self) -> bool:
        """Whether it isn't where it was, so that only a message with the same content is taken for it."""
        return self.doubtful and self.place.uid is None and self.content is not None

    @property
    def may_be_another(self) -> bool:
        """Whether this row may turn out to be another row's message, which isn't where it was."""
        return self.doubtful and self.state is State.PENDING and not is_comparable(self.content)

    @property
    def is_deleted(self) -> bool:
        """Whether we deleted it from the mailbox, as the settings say."""
        return read_reason(self.reason)[0] is Reason.DELETED


@dataclass(frozen=True, slots=True)
class Record(Recognisable):
    """A message as the journal knows it.

    content: a mark of the content that was handed over; None if that is unknown. doubtful: its headers alone say that
    it lies in its place; see the table in `worker.journal.schema`. redelivery: how often a person had it handled again
    after it was done. only_handler: the one handler that gets it this time; None: all of its route.
    """

    id: int
    key: str
    fingerprint: str
    state: State
    verdict: Verdict
    place: Place
    size: int
    received_at: float
    first_seen_at: float
    tries: int
    deaths: int
    in_hand: str | None
    next_at: float | None
    settle_to: str | None
    settled: bool
    missed: int
    released: bool
    reason: str | None = None
    waiting_since: float | None = None
    sender: str | None = None
    sender_confirmed: bool | None = None
    content: str | None = None
    doubtful: bool = False
    redelivery: int = 0
    only_handler: str | None = None

    @property
    def is_placeholder(self) -> bool:
        """Whether the server showed a placeholder instead of it at the last try."""
        return read_reason(self.reason)[0] is Reason.PLACEHOLDER

    @property
    def is_moving(self) -> bool:
        """Whether it is to be moved for its outcome, and the journal doesn't know yet that it was."""
        return self.settle_to is not None and not self.settled

    @property
    def paused_handler(self) -> str:
        """The paused handler that it waits for; empty for none."""
        reason, detail = read_reason(self.reason)
        return detail if reason is Reason.PAUSED else ""

    @property
    def was_alone(self) -> bool:
        """Whether it was being handled alone when its process ended."""
        return (self.in_hand or "").startswith(InHand.ALONE)


@dataclass(frozen=True, slots=True)
class Queued:
    """A pending message in the queue of its sender. Times are epoch s, as in `Record`."""

    id: int
    key: str
    next_at: float | None
    waiting_since: float | None
    first_seen_at: float


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that is new to the journal.

    sender: a keyed hash. sender_listed: the settings name it as known. sender_confirmed: whether the provider confirmed
    that it comes from there; None: the provider says nothing of it.
    doubtful: it looks like a message that was handed over before; the content decides whether it is that one.
    reason: why it isn't complete, if its header already says that.
    """

    fingerprint: str
    place: Place
    size: int
    received_at: float
    verdict: Verdict
    sender: str | None = None
    sender_listed: bool = False
    sender_confirmed: bool | None = None
    doubtful: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a try. next_at: epoch s. settle_to: the folder to move the message to; None to leave it.

    failed_as, where: why the handler failed, and at which line of its own code (module:line).
    path: the path that the message took; a handler that is done on one path is still called on the other.
    waiting: the server doesn't show the content yet. untried: the message was held back or isn't
    complete yet, so this doesn't count as a try.
    content: a mark of the content that was handed over; None: there was none. astray: the message was found in another
    place meanwhile, by its headers alone, so what lies there is to be compared with the content.
    route: the route that the message took, for those who listen; None: it came to none. It isn't stored.
    in_place: it lies in the folder `settle_to` already.
    """

    id: int
    state: State
    reason: str | None = None
    next_at: float | None = None
    settle_to: str | None = None
    done: tuple[str, ...] = ()
    failed_handler: str | None = None
    waiting: bool = False
    untried: bool = False
    path: MailPath = MailPath.CLEAN
    content: str | None = None
    astray: bool = False
    failed_as: str | None = None
    where: str | None = None
    route: str | None = None
    in_place: bool = False

    @property
    def moves(self) -> bool:
        """Whether the mailbox is to be changed for this outcome."""
        return self.settle_to is not None and not self.in_place and not self.is_lost

    @property
    def is_lost(self) -> bool:
        """Whether the message is done, and only its content can show whether it is what lies in its place."""
        return self.astray and self.content is not None and self.state is not State.PENDING


@dataclass(frozen=True, slots=True)
class Looked:
    """What a folder was like at a poll. seen: a hash of the UIDs that it listed; empty if that isn't known."""

    uidvalidity: int
    uidnext: int
    seen: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages are in each state. oldest_pending_at: when the oldest pending one was first seen (epoch s)."""

    by_state: Mapping[State, int]
    released: int
    oldest_pending_at: float | None
