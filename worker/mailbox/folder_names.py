"""Which names of folders mean the same folder. Pure: no I/O.

A name can be spelled in several ways that look alike: é is one character, or an e with an accent of its own. Such names
are always the same to us. Whether large and small letters are the same differs from server to server; only INBOX is
spelled in any way everywhere (RFC 3501, 5.1), also as the beginning of the folders below it.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

from worker.mailbox.folders import AUTO, JUNK_NAMES, FolderInfo

INBOX = "INBOX"
DELIMITERS = "./\\:|^"
"""What servers put between the parts of a name."""
LONGEST_SHOWN = 80
"""Characters of a name that are shown to people."""


def same(name: str, other: str, *, caseless: bool = False) -> bool:
    """Whether two names mean the same folder. caseless: on a server to which large and small letters are the same."""
    return name == other or _form(name, caseless=caseless) == _form(other, caseless=caseless)


def is_inbox(name: str) -> bool:
    """Whether this is the inbox, which always exists."""
    return name.isascii() and name.upper() == INBOX


def find(name: str, listed: Iterable[FolderInfo]) -> FolderInfo | None:
    """The listed folder with this name: spelled exactly like that, if there is one."""
    alike = [folder for folder in listed if same(folder.name, name)]
    return next((folder for folder in alike if folder.name == name), alike[0] if alike else None)


def find_caseless(name: str, listed: Iterable[FolderInfo]) -> FolderInfo | None:
    """The listed folder that differs from this name in case alone; None if there is none, or several."""
    alike = [folder for folder in listed if same(folder.name, name, caseless=True)]
    return alike[0] if len(alike) == 1 else None


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Where the account's own folders lie.

    prefixes: what their names begin with, such as `INBOX.`; empty where names stand for themselves.
    """

    prefixes: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        """What the name of a new folder begins with."""
        return self.prefixes[0] if self.prefixes else ""

    @classmethod
    def said(cls, personal: Iterable[tuple[str, str]]) -> "Namespaces | None":
        """As the server's answer to NAMESPACE says, by prefix and delimiter; None: it says nothing."""
        whole = [
            prefix if not prefix or prefix.endswith(delimiter) else prefix + delimiter for prefix, delimiter in personal
        ]
        return cls(() if "" in whole else tuple(whole)) if whole else None

    @classmethod
    def seen(cls, listed: Iterable[FolderInfo]) -> "Namespaces":
        """As the list of folders shows: if all lie below the inbox, new ones must lie there as well."""
        listed = list(listed)
        others = [folder.name for folder in listed if not is_inbox(folder.name)]
        for delimiter in {folder.delimiter for folder in listed if folder.delimiter}:
            prefix = INBOX + delimiter
            if others and all(name[: len(prefix)].upper() == prefix.upper() for name in others):
                return cls((prefix,))
        return cls()


def usual_junk(listed: Iterable[FolderInfo], prefixes: Iterable[str] = ("",)) -> FolderInfo | None:
    """The folder with a usual name of the junk folder, under one of these prefixes."""
    listed = list(listed)
    for prefix in prefixes:
        for name in JUNK_NAMES:
            for folder in listed:
                if same(folder.name, prefix + name, caseless=True):
                    return folder
    return None


def named_junk(name: str, setting: str) -> bool:
    """Whether a folder would be the junk folder by its name alone, for when the mailbox can't be asked."""
    below = name[len(INBOX) + 1 :] if name.upper().startswith(tuple(INBOX + mark for mark in DELIMITERS)) else name
    known = JUNK_NAMES if setting == AUTO else (setting,)
    return any(same(form, one, caseless=setting == AUTO) for form in (name, below) for one in known)


def nearest(name: str, others: Iterable[str]) -> list[str]:
    """The other names, those first that are most like this one."""
    wanted = _form(name, caseless=True)
    return sorted(others, key=lambda other: -SequenceMatcher(None, wanted, _form(other, caseless=True)).ratio())


def printable(name: str) -> str:
    """A name as it may be written on a terminal: without control characters, and not longer than a line."""
    safe = "".join(character if character.isprintable() else "?" for character in name)
    return safe if len(safe) <= LONGEST_SHOWN else safe[: LONGEST_SHOWN - 1] + "…"


def _form(name: str, *, caseless: bool) -> str:
    form = unicodedata.normalize("NFC", name)
    if form[: len(INBOX)].upper() == INBOX and form[len(INBOX) : len(INBOX) + 1] in ("", *DELIMITERS):
        form = INBOX + form[len(INBOX) :]
    return unicodedata.normalize("NFC", form.casefold()) if caseless else form
