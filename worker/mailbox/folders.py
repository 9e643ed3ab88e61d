"""The folders that the settings name, what they are called in the mailbox, and what is wrong if they aren't there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

AUTO = "auto"
"""The junk folder's name in the settings if it is to be looked for."""
KEEP = "keep"
"""In the place of a folder's name in the settings if mail stays where it is."""
JUNK_NAMES = ("Junk Email", "Junk E-mail", "Junk E-Mail", "Junk", "Spam", "Bulk Mail")
"""Usual names of the junk folder, for servers that don't mark it with an attribute. Exchange's own come first."""

JUNK_ELSEWHERE = {
    "Courrier indésirable": "French",
    "Junk-E-Mail": "German",
    "Correo no deseado": "Spanish",
    "Posta indesiderata": "Italian",
    "Ongewenste e-mail": "Dutch",
    "Lixo Eletrônico": "Portuguese",
}
"""What Exchange calls it where the mailbox has another language. Hints for people: none of them is taken unasked."""


class JunkBy(StrEnum):
    """How the junk folder was found."""

    SETTING = "setting"
    ATTRIBUTE = "attribute"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class FolderInfo:
    """A folder as LIST shows it. `flags` are in lower case, such as `\\junk`.

    delimiter: what stands between the parts of its name; None: names have no parts here.
    """

    name: str
    flags: frozenset[str]
    delimiter: str | None = "/"

    @property
    def holds_mail(self) -> bool:
        """False if there is no such folder by itself: it only has others below it."""
        return not self.flags & {"\\noselect", "\\nonexistent"}


class FolderProblem(Exception):
    """A folder that the worker relies on can't be had. The message says which setting to correct.

    there: the folders that the mailbox has. They are for a person at a terminal, not for the log: people name folders
    after people.
    """

    def __init__(self, message: str, there: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.there = tuple(there)


class NoJunkFolder(FolderProblem):
    """The mailbox has no recognisable junk folder, or lacks the one that the setting names."""


class NoSuchFolder(FolderProblem):
    """A folder that should be watched is missing."""


class SameFolder(FolderProblem):
    """Two settings that must name two folders name one."""


class CannotCreate(FolderProblem):
    """The server refuses to create a folder that mail is to be moved to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A folder that a setting names. setting: such as `[settle] failed`.

    is_default: it has the name that it has when nobody chose one, so it goes where the server keeps such folders.
    may_be_junk: it may be the junk folder.
    """

    name: str
    setting: str
    is_default: bool = False
    may_be_junk: bool = False


@dataclass(frozen=True, slots=True)
class WantedFolders:
    """All folders that the settings name. targets: those that mail is moved to; missing ones are created."""

    watched: tuple[Wanted, ...]
    junk: Wanted
    targets: tuple[Wanted, ...] = ()

    @property
    def settings(self) -> dict[str, str]:
        """The setting that names a folder, by the name in it."""
        return {one.name: one.setting for one in (self.junk, *self.targets, *self.watched)}


@dataclass
class Layout:
    """The folders that the worker watches. `junk` is looked up at each connection and is empty before the first.

    settings: which setting names a folder, by the name in it. names: what the folders of the settings are called in the
    mailbox, where that is something else.
    """

    folders: tuple[str, ...]
    junk: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def watched(self) -> list[str]:
        """The folders to poll. The first one stays selected between polls."""
        return list(dict.fromkeys([*map(self.actual, self.folders), self.junk]))

    def actual(self, name: str) -> str:
        """What the folder with this name in the settings is called in the mailbox."""
        return self.names.get(name, name)

    def setting_of(self, folder: str) -> str | None:
        """The setting that names this folder of the mailbox; None: none does."""
        if folder == self.junk and folder not in self.settings:
            return self.settings.get(AUTO)
        return next((setting for name, setting in self.settings.items() if self.actual(name) == folder), None)

    def found_junk(self, name: str) -> None:
        """This is the junk folder of the mailbox that we are now connected to."""
        self.junk = name

    def found(self, name: str, actual: str) -> None:
        """The folder with this name in the settings is called that in the mailbox that we are now connected to."""
        self.names[name] = actual
