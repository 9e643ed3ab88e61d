"""A mailbox of folders alone, in memory, on a server whose namespace and spelling are a test's choice."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from worker.mailbox.errors import CommandRefused, FolderRefused
from worker.mailbox.folder_refusals import Refusal
from worker.mailbox.folders import FolderInfo
from worker.mailbox.session import FolderState


@dataclass
class FolderServer:
    """Those methods of `worker.mailbox.session.Session` that are about folders. `asked` has the commands that came.

    prefix: what every name but INBOX begins with. caseless, composed: whether large and small letters, and composed and
    decomposed ones, are the same to the server. says: whether it has NAMESPACE. by_use: folders that it marks as junk
    when it is asked for marks. fails: the refusal of each CREATE.
    """

    names: dict[str, frozenset[str]]
    prefix: str = ""
    delimiter: str = "/"
    caseless: bool = False
    composed: bool = False
    says: bool = True
    by_use: tuple[str, ...] = ()
    fails: Refusal | None = None
    asked: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, *names: str, **options: object) -> "FolderServer":
        """A server with INBOX and these folders."""
        return cls({"INBOX": frozenset(), **{name: frozenset() for name in names}}, **options)  # type: ignore[arg-type] # fields of the class

    def folders(self) -> list[FolderInfo]:
        return [FolderInfo(name, flags, self.delimiter) for name, flags in self.names.items()]

    def known(self, name: str) -> str | None:
        """The folder that the server has under this name, as it spells it; None: it has none."""
        if name.upper() == "INBOX":
            return "INBOX"
        return next((own for own in self.names if self._key(own) == self._key(name)), None)

    def namespaces(self) -> list[tuple[str, str]]:
        self.asked.append("NAMESPACE")
        return [(self.prefix, self.delimiter)] if self.says else []

    def junk_by_use(self) -> list[str]:
        return list(self.by_use)

    def status(self, folder: str) -> FolderState:
        self.asked.append(f"STATUS {folder}")
        if self.known(folder) is None:
            raise FolderRefused(folder)
        return FolderState(1, 1, 0)

    def create(self, folder: str) -> str:
        self.asked.append(f"CREATE {folder}")
        if self.fails is not None:
            raise CommandRefused("the mail server said: no", refusal=self.fails)
        if (own := self.known(folder)) is not None and "\\noselect" not in self.names[own]:
            return own
        if not folder.startswith(self.prefix):
            raise CommandRefused("the mail server said: … permission denied", refusal=Refusal.LASTING)
        self.names[folder] = frozenset()
        return folder

    def create_all(self, folders: Sequence[str]) -> Iterator[str]:
        return map(self.create, folders)

    def _key(self, name: str) -> str:
        if name[:5].upper() == "INBOX" and name[5:6] == self.delimiter:
            name = "INBOX" + name[5:]
        if self.composed:
            name = unicodedata.normalize("NFC", name)
        return name.casefold() if self.caseless else name
