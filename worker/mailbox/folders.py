"""Which folder is the junk folder, and which of the folders we need are missing. Pure: no I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

JUNK_NAMES = ("Junk Email", "Junk E-mail", "Junk E-Mail", "Junk", "Spam", "Bulk Mail")
"""Usual names of the junk folder, for servers that don't mark it with an attribute. Exchange's own come first."""


@dataclass(frozen=True, slots=True)
class FolderInfo:
    """A folder as LIST shows it. `flags` are in lower case, such as `\\junk`."""

    name: str
    flags: frozenset[str]


class FolderProblem(Exception):
    """A folder that the worker relies on is missing. The message says which setting to correct."""


class NoJunkFolder(FolderProblem):
    """The mailbox has no recognisable junk folder, or lacks the one that the setting names."""


class NoSuchFolder(FolderProblem):
    """A folder that should be watched is missing."""


@dataclass
class Layout:
    """The folders that the worker watches. `junk` is looked up at each connection and is empty before the first."""

    folders: tuple[str, ...]
    junk: str = ""

    @property
    def watched(self) -> list[str]:
        """The folders to poll. The first one stays selected between polls."""
        return list(dict.fromkeys([*self.folders, self.junk]))

    def found_junk(self, name: str) -> None:
        """This is the junk folder of the mailbox that we are now connected to."""
        self.junk = name


def find_junk(folders: Sequence[FolderInfo], setting: str) -> str:
    """Find the junk folder: the one with the attribute (RFC 6154), else the one with a usual name.

    setting: `auto`, or the name of the folder to use instead.

    Raises:
        NoJunkFolder: there is no such folder.
    """
    selectable = [folder for folder in folders if "\\noselect" not in folder.flags]
    if setting != "auto":
        for folder in selectable:
            if _same(folder.name, setting):
                return folder.name
        raise NoJunkFolder(f"The mailbox has no folder '{setting}': correct [junk] folder, or create it.")
    for folder in selectable:
        if "\\junk" in folder.flags:
            return folder.name
    for name in JUNK_NAMES:
        for folder in selectable:
            if folder.name.casefold() == name.casefold():
                return folder.name
    raise NoJunkFolder(
        "The mailbox has no folder that is marked as junk or has a known name for it: name it in [junk] folder."
    )


def named_junk(name: str, setting: str) -> bool:
    """Whether a folder would be the junk folder by its name alone, for when the mailbox can't be asked."""
    return _same(name, setting) if setting != "auto" else name.casefold() in {known.casefold() for known in JUNK_NAMES}


def require(folders: Iterable[FolderInfo], watched: Iterable[str]) -> None:
    """Check that the folders to watch exist.

    Raises:
        NoSuchFolder: at least one is missing.
    """
    absent = missing(folders, watched)
    if absent:
        named = ", ".join(f"'{name}'" for name in absent)
        raise NoSuchFolder(f"The mailbox has no folder {named}: correct [poll] folders, or create it.")


def missing(folders: Iterable[FolderInfo], wanted: Iterable[str]) -> list[str]:
    """The wanted folders that don't exist, in order and without repetition. INBOX always exists."""
    there = {folder.name for folder in folders}
    return [name for name in dict.fromkeys(wanted) if name not in there and name.upper() != "INBOX"]


def _same(name: str, other: str) -> bool:
    return name == other or (name.upper() == "INBOX" == other.upper())
