"""What the journal says of a message, as values: its row, its place, what a try came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from worker.message.outcome import State
from worker.message.verdict import Path, Verdict

DELETED = "deleted"
"""The reason of a handled message that we deleted from the mailbox, as the settings say."""


class Numbered(Protocol):
    """What has a UIDVALIDITY: UIDs of one numbering mean nothing in another."""

    @property
    def uidvalidity(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message lies. uid None: somewhere in the folder."""

    folder: str
    uidvalidity: int
    uid: int | None

    def uid_in(self, state: Numbered) -> int | None:
        """The UID, where it is known and of this state's numbering. Looks at no folder's name."""
        return self.uid if self.uidvalidity == state.uidvalidity else None

    def holds_in(self, state: Numbered) -> bool:
        """Whether the UID is known, and of this state's numbering."""
        return self.uid_in(state) is not None


@dataclass(frozen=True, slots=True)
class Record:
    """A message as the journal knows it."""

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


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that the journal hasn't seen. sender: a keyed hash; sender_listed: the settings name it as known."""

    fingerprint: str
    place: Place
    size: int
    received_at: float
    verdict: Verdict
    sender: str | None = None
    sender_listed: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What is recorded of a try. next_at: epoch s; settle_to: the folder to move it to, None to leave it.

    path: the one that the try went by; handlers that are done on the one still are to be called on the other.
    waiting: for the content, which the server doesn't show yet. untried: this was no try, and isn't counted as one.
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
    path: Path = Path.CLEAN


@dataclass(frozen=True, slots=True)
class Looked:
    """What a folder was like when it was looked at. seen: a mark of the UIDs that it showed; empty: it isn't known."""

    uidvalidity: int
    uidnext: int
    seen: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages are in each state; oldest_pending_at: epoch s of the oldest that is pending."""

    by_state: Mapping[State, int]
    released: int
    oldest_pending_at: float | None


SUSPECT = "suspect"
"""In hand of no run any more; not cleared before it was tried again, as the next run may die with another one first."""
