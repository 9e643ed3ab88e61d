"""What a handler tells the worker of the copies of messages that it keeps, so that old ones can be removed.

A handler that keeps copies may have a setting `remove_after` and these two methods:

    def old_copies(self, look: Look) -> OldCopies: ...
    def remove_copies(self, names: Sequence[str], before: datetime) -> RemovedCopies: ...

The worker calls them once an hour, one at a time. It asks for old copies, takes those whose messages are done by its
journal, writes them into the audit trail, and has them removed. Before it looks through all copies anew, it calls
`remove_copies` without names: then the handler finishes what a crash left half removed, and removes nothing else.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What the handler is to look for, and how much it may look at.

    before: copies that are older than this may go. after: the `after` of the last look, from which this one goes on;
    None: begin at the beginning. most: how many copies to look at, at most. found: how many to return, at most.
    seconds: how long to look; end earlier than that rather than later.
    """

    before: datetime
    after: str | None = None
    most: int = 1000
    found: int = 100
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class OldCopy:
    """A copy that may go. key: its message's. name: what the handler calls the copy; it says nothing of the content."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class OldCopies:
    """What a look has found.

    after: where the next look goes on, in at most 200 characters that say nothing of any content; None: all was looked
    at. looked: how many copies were looked at. oldest: the age of the oldest copy that stays because it is too young;
    None: there is none. left: how many things were left alone because they aren't as the handler made them.
    """

    copies: tuple[OldCopy, ...] = ()
    after: str | None = None
    looked: int = 0
    oldest: datetime | None = None
    left: int = 0


@dataclass(frozen=True, slots=True)
class RemovedCopies:
    """What has become of the copies, by their names.

    removed: those that are gone. refused: those that the store doesn't let us remove. What is in neither wasn't
    removed because it has changed since the look. left: how much is still there of what was to be removed earlier.
    versions: the store keeps earlier versions of what was removed.
    """

    removed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    left: int = 0
    versions: bool = False
