"""Finds the folders that the settings name in the mailbox that we are connected to, and creates those that may be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from worker.mailbox.errors import CommandRefused, ProtocolFault
from worker.mailbox.folder_names import INBOX, Namespaces, find, find_caseless, is_inbox, nearest, usual_junk
from worker.mailbox.folders import (
    AUTO,
    JUNK_NAMES,
    CannotCreate,
    FolderInfo,
    JunkBy,
    Layout,
    NoJunkFolder,
    NoSuchFolder,
    SameFolder,
    Wanted,
    WantedFolders,
)
from worker.mailbox.session import Session


@dataclass(frozen=True, slots=True)
class Absent:
    """A folder that is to be created. name: what it is to be called. home: what names of this account begin with."""

    wanted: Wanted
    name: str
    home: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the mailbox has. count: how many folders. absent: those that mail is moved to and that don't exist yet."""

    count: int
    junk_by: JunkBy
    absent: tuple[Absent, ...] = ()


class FolderFinder:
    """Looks at each connection for the folders of the settings, and enters them in the layout.

    What LIST doesn't tell is asked for only where it is needed: in a mailbox with all folders under the names that the
    settings have, nothing is.
    """

    def __init__(self, layout: Layout, wanted: WantedFolders) -> None:
        self._layout = layout
        self._wanted = wanted

    def find(self, session: Session, listed: Sequence[FolderInfo]) -> Found:
        """Find them. listed: all folders of the mailbox.

        Raises:
            FolderProblem: the junk folder or a watched folder can't be found, or two settings name one folder.
        """
        mailbox = _Mailbox(session, listed)
        junk, junk_by = mailbox.junk(self._wanted.junk)
        self._layout.found_junk(junk)
        self._watch(mailbox)
        absent: list[Absent] = []
        for one in self._wanted.targets:
            folder = mailbox.folder(one.name)
            name = mailbox.new_name(one) if folder is None else folder.name
            self._layout.found(one.name, name)
            if folder is None or not folder.holds_mail:
                absent.append(Absent(one, name, mailbox.home))
        self._tell_apart()
        return Found(len(listed), junk_by, tuple(absent))

    def create(self, session: Session, absent: Iterable[Absent]) -> None:
        """Create these folders. It is no error if they exist by now.

        Raises:
            CannotCreate: the server refuses one of these names.
            FolderBusy: it can't be created now.
        """
        absent = list(absent)
        names = session.create_all([one.name for one in absent])
        for one in absent:
            try:
                name = next(names)
            except CommandRefused as refused:
                raise _cannot_create(one, str(refused)) from refused
            except ProtocolFault as fault:
                if not fault.by_server:
                    raise
                raise _cannot_create(one, str(fault)) from fault
            self._layout.found(one.wanted.name, name)

    def _watch(self, mailbox: "_Mailbox") -> None:
        absent: list[Wanted] = []
        barren: list[Wanted] = []
        for one in self._wanted.watched:
            folder = mailbox.folder(one.name)
            if folder is None:
                absent.append(one)
            elif not folder.holds_mail:
                barren.append(one)
            else:
                self._layout.found(one.name, folder.name)
        if barren:
            raise NoSuchFolder(
                f"No mail can be in {_named(barren)}, only other folders: correct {barren[0].setting}.",
                mailbox.there(barren[0].name),
            )
        if absent:
            raise NoSuchFolder(
                f"The mailbox has no folder {_named(absent)}: correct {absent[0].setting}, or create it.",
                mailbox.there(absent[0].name),
            )

    def _tell_apart(self) -> None:
        """Names that differ in the settings may be one folder's here."""
        seen: dict[str, Wanted] = {}
        junk = self._wanted.junk
        for one in (*self._wanted.watched, junk, *self._wanted.targets):
            name = self._layout.junk if one is junk else self._layout.actual(one.name)
            first = seen.setdefault(name, one)
            if first is one or first.name == one.name or (first is junk and one.may_be_junk):
                continue
            if one is junk and junk.name == AUTO:
                continue  # it is watched, whether or not the settings say so
            if first is junk and junk.name == AUTO:
                raise SameFolder(
                    f"{one.setting} ('{one.name}') is the junk folder of this mailbox, '{name}': name another folder, "
                    f"or name the right junk folder in {junk.setting}."
                )
            raise SameFolder(
                f"{first.setting} ('{first.name}') and {one.setting} ('{one.name}') are one folder on this server, "
                f"'{name}': name another one."
            )


class _Mailbox:
    """The folders of one mailbox. Asks the server for what the list doesn't tell, once."""

    def __init__(self, session: Session, listed: Sequence[FolderInfo]) -> None:
        self._session = session
        self._listed = listed
        self._namespaces: Namespaces | None = None

    def there(self, wanted: str) -> list[str]:
        """The names of the folders that hold mail, those first that are most like the wanted one."""
        return nearest(wanted, (folder.name for folder in self._listed if folder.holds_mail))

    @property
    def home(self) -> str:
        """What the name of a new folder begins with."""
        return self._spaces().home

    def folder(self, name: str) -> FolderInfo | None:
        """The folder that a setting means by this name: as it is written, or below the prefix of the namespace."""
        if is_inbox(name):
            return FolderInfo(INBOX, frozenset())  # the journal must not know it by two names
        if (found := find(name, self._listed)) is not None:
            return found
        below = [prefix + name for prefix in self._spaces().prefixes]
        for spelled in below:
            if (found := find(spelled, self._listed)) is not None:
                return found
        for spelled in (name, *below):
            found = find_caseless(spelled, self._listed)
            if found is not None and self._answers_to(spelled):
                return found
        return None

    def new_name(self, wanted: Wanted) -> str:
        """What a folder is to be called that doesn't exist yet. A chosen name is taken as it is written."""
        if wanted.is_default and not wanted.name.startswith(self.home):
            return self.home + wanted.name
        return wanted.name

    def junk(self, wanted: Wanted) -> tuple[str, JunkBy]:
        """The junk folder: the one that the setting names, else that with the attribute (RFC 6154), else a usual name.
        Returns its name, and how it was found.

        Raises:
            NoJunkFolder: there is no such folder.
        """
        if wanted.name != AUTO:
            named = self.folder(wanted.name)
            if named is None or not named.holds_mail:
                raise NoJunkFolder(
                    f"The mailbox has no folder '{wanted.name}': correct {wanted.setting}, or create it.",
                    self.there(wanted.name),
                )
            return named.name, JunkBy.SETTING
        usable = [folder for folder in self._listed if folder.holds_mail]
        marked = [folder.name for folder in usable if "\\junk" in folder.flags]
        if not marked:
            names = {folder.name for folder in usable}
            marked = [name for name in self._session.junk_by_use() if name in names]
        if marked:
            return marked[0], JunkBy.ATTRIBUTE
        found = usual_junk(usable) or usual_junk(usable, self._spaces().prefixes)
        if found is None:
            raise NoJunkFolder(
                "The mailbox has no folder that is marked as junk or has a known name for it: name it in "
                f"{wanted.setting}.",
                self.there(JUNK_NAMES[0]),
            )
        return found.name, JunkBy.NAME

    def _spaces(self) -> Namespaces:
        if self._namespaces is None:
            self._namespaces = Namespaces.said(self._session.namespaces()) or Namespaces.seen(self._listed)
        return self._namespaces

    def _answers_to(self, name: str) -> bool:
        """Whether the server knows a folder by this name, although it lists it in other letters."""
        try:
            self._session.status(name)
        except CommandRefused:
            return False
        return True


def _named(wanted: Sequence[Wanted]) -> str:
    return ", ".join(f"'{one.name}'" for one in wanted)


def _cannot_create(absent: Absent, said: str) -> CannotCreate:
    name, setting, home = absent.name, absent.wanted.setting, absent.home
    if home and not name.startswith(home):
        advice = f"Names of this account's folders begin with '{home}': write '{home}{name}'."
    else:
        advice = "Create it in a mail program, or name an existing folder."
    return CannotCreate(f"The server refuses to create the folder '{name}', which {setting} names ({said}). {advice}")
