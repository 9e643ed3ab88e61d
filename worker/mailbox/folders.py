"""Folders: which one is the junk folder, and which of those that we need are missing. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

JUNK_NAMES = ("Junk Email", "Junk E-mail", "Junk E-Mail", "Junk", "Spam", "Bulk Mail")
"""What the junk folder is called where the server doesn't mark it; Exchange's own names first."""


@dataclass(frozen=True, slots=True)
class FolderInfo:
    """A folder as LIST shows it. flags are lower case, such as `\\junk`."""

    name: str
    flags: frozenset[str]


class FolderProblem(Exception):
    """A folder that the worker relies on isn't there. The text says which setting to correct."""


class NoJunkFolder(FolderProblem):
    """The mailbox has no folder that is known to be the junk folder, or not the one that the setting names."""


class NoSuchFolder(FolderProblem):
    """A folder that is to be watched isn't there."""


@dataclass
class Layout:
    """Which folders there are for us. `junk` is found anew at each connection; empty before the first."""

    folders: tuple[str, ...]
    junk: str = ""

    @property
    def watched(self) -> list[str]:
        """The folders that are looked at; the first is the one that stays selected between polls."""
        return list(dict.fromkeys([*self.folders, self.junk]))


def find_junk(folders: Sequence[FolderInfo], setting: str) -> str:
    """The junk folder's name: by attribute (RFC 6154), then by known names, or the one that the setting names.

    setting: `auto`, or a folder's name.

    Raises:
        NoJunkFolder: there is none; the text names the folders' setting to change.
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
    """Whether a folder is the junk folder as far as its name alone tells, the mailbox not being at hand."""
    return _same(name, setting) if setting != "auto" else name.casefold() in {known.casefold() for known in JUNK_NAMES}


def require(folders: Iterable[FolderInfo], watched: Iterable[str]) -> None:
    """Make sure that the folders to be watched are there.

    Raises:
        NoSuchFolder: naming those that aren't.
    """
    absent = missing(folders, watched)
    if absent:
        named = ", ".join(f"'{name}'" for name in absent)
        raise NoSuchFolder(f"The mailbox has no folder {named}: correct [poll] folders, or create it.")


def missing(folders: Iterable[FolderInfo], wanted: Iterable[str]) -> list[str]:
    """The wanted folders that aren't there, in order, each once."""
    there = {folder.name for folder in folders}
    return [name for name in dict.fromkeys(wanted) if name not in there and name.upper() != "INBOX"]


def _same(name: str, other: str) -> bool:
    return name == other or (name.upper() == "INBOX" == other.upper())
