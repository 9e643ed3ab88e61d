"""What was found in one folder, and what was looked at there."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from worker.mailbox.session import Arrived, FolderState


@dataclass(frozen=True, slots=True)
class Hit:
    """A message in the mailbox that is what was looked for. received_at: epoch s. size: the server's estimate."""

    folder: str
    uid: int
    received_at: float
    size: int
    header: bytes = field(repr=False)
    fingerprint: str


@dataclass(frozen=True, slots=True)
class FolderLook:
    """What was looked at in a folder, in numbers of messages.

    messages: in the folder. named: named by SEARCH; None: it wasn't asked. refused: the server refused SEARCH.
    dated: of the newest, those whose dates were read. read: those whose headers were read. hidden: those whose headers
    the server doesn't show. skipped: received in the time asked for, and yet not read, by `--look`.
    left: named by SEARCH or the journal, and not read, because enough were found.
    unopened: why the folder couldn't be opened; empty: it could.
    """

    folder: str
    messages: int = 0
    named: int | None = None
    refused: bool = False
    dated: int = 0
    read: int = 0
    hidden: int = 0
    skipped: int = 0
    left: int = 0
    unopened: str = ""

    @property
    def complete(self) -> bool:
        """Whether the headers of all messages that were received in the time asked for were read."""
        return not (self.unopened or self.hidden or self.skipped or self.left) and self.dated >= self.messages


class FolderFind:
    """Collects what is found, and takes note of what is looked at."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.state: FolderState | None = None
        """None: the folder couldn't be opened."""
        self.hits: list[Hit] = []
        self.shown: dict[int, str] = {}
        """Fingerprints by the UIDs whose headers were shown."""
        self._unopened = ""
        self._asked: set[int] = set()
        self._listed: set[int] = set()
        """What the server named, by SEARCH or as the newest."""
        self._named: int | None = None
        self._refused = False
        self._dated = self._skipped = self._left = 0

    @property
    def look(self) -> FolderLook:
        """What was looked at."""
        return FolderLook(
            folder=self.folder,
            messages=0 if self.state is None else self.state.messages,
            named=self._named,
            refused=self._refused,
            dated=self._dated,
            read=len(self.shown),
            hidden=len((self._asked & self._listed) - self.shown.keys()),
            skipped=self._skipped,
            left=self._left,
            unopened=self._unopened,
        )

    def was_asked_for(self, uid: int) -> bool:
        """Whether this header was asked for."""
        return uid in self._asked

    def is_listed(self, uid: int) -> bool:
        """Whether the server named this message."""
        return uid in self._listed

    def opened(self, state: FolderState) -> None:
        self.state = state

    def not_opened(self, why: str) -> None:
        self._unopened = why

    def searched(self, uids: Collection[int]) -> None:
        """The server's SEARCH named these."""
        self._named = len(uids)
        self._listed.update(uids)

    def search_refused(self) -> None:
        self._refused = True

    def dates_read(self, newest: Sequence[Arrived]) -> None:
        """These are the newest messages."""
        self._dated = len(newest)
        self._listed.update(one.uid for one in newest)

    def asks_for(self, uids: Iterable[int]) -> None:
        """The headers of these are asked for now."""
        self._asked.update(uids)

    def header_shown(self, uid: int, fingerprint: str) -> None:
        self.shown[uid] = fingerprint

    def hit(self, hit: Hit) -> None:
        self.hits.append(hit)

    def enough(self, left: int) -> None:
        """There are enough hits, so this many that SEARCH or the journal named aren't read."""
        self._left = left

    def too_many(self, skipped: int) -> None:
        """This many that may be meant aren't read, because of `--look`."""
        self._skipped = skipped
