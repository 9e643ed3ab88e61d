"""A mailbox in memory that behaves as Exchange Online does, and what people and filters do to it meanwhile.

`Server` is the mailbox; it outlives connections. `FakeSession` is one connection to it, with those methods of
`worker.mailbox.session.Session` that the worker's stages use. Nothing here knows the worker.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from worker.mailbox.errors import CommandRefused, ConnectionLost, FolderBusy, FolderRefused, MailboxError
from worker.mailbox.folders import FolderInfo
from worker.mailbox.session import ArrivalDays, Arrived, Body, FolderState, Head, Moved, Storage, Terms
from worker.message.mime.headers import Headers

INBOX, JUNK, PROCESSED, FAILED, ELSEWHERE = "INBOX", "Junk Email", "Processed", "Failed", "Archive 2024"


@dataclass
class Mail:
    """One copy of a message. origin: the number of its delivery (or copy), which stays the same over all moves.

    unsearched: STATUS counts it and FETCH shows it, but SEARCH misses it. unlisted: FETCH misses it as well.
    headless: listed, but without any data. bodiless: its header is shown, its body isn't.
    """

    raw: bytes
    origin: int
    received_at: float = 1_700_000_000.0
    keywords: frozenset[str] = frozenset()
    size: int | None = None
    unsearched: bool = False
    unlisted: bool = False
    headless: bool = False
    bodiless: bool = False
    breaks: bool = False
    """The server ends the connection when its body is asked for."""
    breaks_at_head: bool = False
    """The server ends the connection when its header is asked for."""
    ends_at_head: type[BaseException] | None = None
    """Whoever reads its header ends with this."""
    refused: bool = False
    """The server says NO to a command that asks for its body."""
    veiled: bool = False
    """The server says NO to a command that asks for its header."""
    breaks_at_move: bool = False
    """The server ends the connection at a command that moves or copies it, without doing so."""
    breaks_after_move: bool = False
    """The same, once it has moved or copied it."""
    nailed: bool = False
    """The server says NO to a command that moves or copies it."""
    other_in_full: bytes | None = None
    """What a request for the whole message shows, if its header isn't the one that is shown alone."""


@dataclass
class Folder:
    uidvalidity: int
    uidnext: int = 1
    mails: dict[int, Mail] = field(default_factory=dict)
    changes: int = 0

    def put(self, mail: Mail, uid: int | None = None) -> int:
        if uid is None:
            uid, self.uidnext = self.uidnext, self.uidnext + 1
        assert uid not in self.mails, "the fake gave a UID twice"
        self.mails[uid] = mail
        self.changes += 1
        return uid

    def take(self, uid: int) -> Mail:
        self.changes += 1
        return self.mails.pop(uid)

    @property
    def state(self) -> FolderState:
        return FolderState(self.uidvalidity, self.uidnext, len(self.mails))


Hook = Callable[[str], None]


@dataclass(eq=False)
class Asked:
    """A command in flight that the server has carried out, or ended the connection at. answer: what it brings."""

    name: str
    uids: tuple[int, ...]
    answer: Any = None
    refusal: CommandRefused | None = None
    breaks: bool = False


class Server:
    """The mailbox, and what everybody but the worker does to it."""

    def __init__(
        self, *, capabilities: Iterable[str] = ("MOVE", "UIDPLUS", "IDLE"), folders: Iterable[str] = ()
    ) -> None:
        self.capabilities = frozenset(capabilities)
        self.copyuid = True
        self._validity = count(14)
        self._origins = count(1)
        self.folders = {name: self._new_folder() for name in (INBOX, JUNK, PROCESSED, FAILED, ELSEWHERE, *folders)}
        self.sessions = 0
        self.pipelines = True
        """Whether sessions ask ahead."""
        self.storage: Storage | None = None
        """What it says of its quota, if it has QUOTA."""
        self.sizes_asked = 0
        """Of how many messages a size was asked for."""
        self.most_heads = 0
        """The most headers that were ever asked for at once."""
        self.before: Hook = lambda _name: None
        """Called before each command takes effect; may raise, to lose the connection or end the process."""
        self.after: Hook = lambda _name: None
        """The same, after a command has taken effect and before its answer arrives."""
        self.refusing: set[tuple[str, str | None]] = set()
        """Commands that the server says NO to, each with the selected folder."""
        self.closed: dict[str, Callable[[str], MailboxError]] = {}
        """Folders that the server lists and doesn't open now, each with what it says then."""
        self.moving: Callable[[str, int, Sequence[int], str], None] = lambda *_: None
        """Called before the worker removes messages from a folder: folder, UIDVALIDITY, UIDs, target."""

    def create(self, name: str) -> None:
        """Make a folder, unless there is one of the name."""
        self.folders.setdefault(name, self._new_folder())

    def _new_folder(self) -> Folder:
        return Folder(next(self._validity))

    # -- deliveries

    def deliver(self, raw: bytes, folder: str = INBOX, *, uid: int | None = None, **quirks: Any) -> Mail:
        """quirks: fields of `Mail`."""
        mail = Mail(raw, next(self._origins), **quirks)
        self.folders[folder].put(mail, uid)
        return mail

    def reserve(self, folder: str = INBOX) -> int:
        """Give out a UID now; its message appears later, below others."""
        at = self.folders[folder]
        uid, at.uidnext = at.uidnext, at.uidnext + 1
        return uid

    # -- people and filters

    def find(self, mail: Mail) -> tuple[str, int] | None:
        for name, folder in self.folders.items():
            for uid, other in folder.mails.items():
                if other.origin == mail.origin:  # the worker's own copy is the same message
                    return name, uid
        return None

    def folder_of(self, mail: Mail) -> str | None:
        """The folder that holds it; None: it was deleted."""
        place = self.find(mail)
        return None if place is None else place[0]

    def move(self, mail: Mail, target: str) -> None:
        place = self.find(mail)
        assert place is not None
        self.folders[target].put(self.folders[place[0]].take(place[1]))

    def copy(self, mail: Mail, target: str) -> Mail:
        twin = Mail(mail.raw, next(self._origins), mail.received_at, mail.keywords, mail.size)
        self.folders[target].put(twin)
        return twin

    def delete(self, mail: Mail) -> None:
        place = self.find(mail)
        assert place is not None
        self.folders[place[0]].take(place[1])

    def renumber(self, name: str) -> None:
        """Give the folder another UIDVALIDITY and all of its messages new UIDs, in another order."""
        old = self.folders[name]
        new = self.folders[name] = self._new_folder()
        new.changes = old.changes + 1
        for _, mail in sorted(old.mails.items(), key=lambda item: item[1].origin * 7 % 5):
            new.put(mail)

    def replace(self, name: str) -> None:
        """Rename the folder with all that it holds, and make a new one under its name."""
        self.folders[f"{name} (old {self.folders[name].uidvalidity})"] = self.folders[name]
        self.folders[name] = self._new_folder()

    def session(self) -> "FakeSession":
        self.sessions += 1
        return FakeSession(self)

    def all_mail(self, *names: str) -> list[Mail]:
        return [mail for name in names or self.folders for mail in self.folders[name].mails.values()]


class FakeSession:
    """One connection. It is of no use after `ConnectionLost`."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._told = 0
        self._is_careful = False
        self.in_flight: list[Asked] = []
        self.is_open = True
        self._ended_at_a_command = False
        self.idling = False
        self.selected: str | None = None
        self.selected_state: FolderState | None = None
        self._examined: str | None = None

    # -- the connection

    def close(self) -> None:
        self.is_open = False
        self.selected = None

    def be_careful(self, *, careful: bool) -> None:
        self._is_careful = careful

    @property
    def _pipelines(self) -> bool:
        return self.server.pipelines and not self._is_careful

    @property
    def ended_ahead(self) -> bool:
        return self.ended_at_a_command and any(asked.name != "move" for asked in self.in_flight)

    @property
    def ended_at_a_command(self) -> bool:
        return not self.is_open and self._ended_at_a_command

    def has(self, capability: str) -> bool:
        return capability in self.server.capabilities

    def fileno(self) -> int:
        return -1

    def idle(self) -> bool:
        with self._command("idle"):
            self.idling = True
        return self._told != self._folder.changes

    def idle_done(self) -> bool:
        self.idling = False
        with self._command("idle_done"):
            return self._news()

    # -- folders

    def folders(self) -> list[FolderInfo]:
        with self._command("folders"):
            return [FolderInfo(name, frozenset()) for name in self.server.folders]

    def namespaces(self) -> list[tuple[str, str]]:
        return []

    def junk_by_use(self) -> list[str]:
        return []

    def create(self, folder: str) -> str:
        with self._command("create"):
            self.server.create(folder)
        return folder

    def create_all(self, folders: Sequence[str]) -> Iterator[str]:
        return map(self.create, folders)

    def select_and_search(self, folder: str) -> tuple[FolderState, set[int]]:
        state = self.select(folder)
        found = self.search(uidnext=state.uidnext) if self._pipelines or state.messages else set[int]()
        return state, found if state.messages else set()

    def days(self, folders: Sequence[str], *, states_of: Sequence[str] = ()) -> dict[str, ArrivalDays]:
        found: dict[str, ArrivalDays] = {}
        for folder in folders:
            self._opens("examine", folder)
            try:
                with self._command("days"):
                    listed = [mail for mail in self._mails.values() if not mail.unlisted]
                    by_day: Counter[date | None] | None = Counter(map(_day, listed))
            except CommandRefused:
                by_day = None
            found[folder] = ArrivalDays(len(self._mails), by_day)
        self.selected = self.selected_state = None
        return found

    def glance(self, folders: Sequence[str], *, noop: bool) -> tuple[bool, dict[str, FolderState]]:
        """All of it is sent before the first answer is read, so each command is carried out, refused or not."""
        news = noop and self.noop()
        states: dict[str, FolderState] = {}
        refusals: list[CommandRefused] = []
        for folder in folders:
            try:
                states[folder] = self.status(folder)
            except CommandRefused as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]
        return news, states

    def select(self, folder: str) -> FolderState:
        return self._opens("select", folder)

    def _opens(self, command: str, folder: str) -> FolderState:
        with self._command(command):
            self.in_flight = [asked for asked in self.in_flight if asked.name == "move"]
            self.selected = self.selected_state = self._examined = None
            if folder not in self.server.folders:
                raise FolderRefused(folder)
            if folder in self.server.closed:
                raise self.server.closed[folder](folder)
            self.selected = folder
            self._told = self._folder.changes
            self._validity = self._folder.uidvalidity
            self.selected_state = self._folder.state
            return self.selected_state

    def status(self, folder: str) -> FolderState:
        with self._command("status"):
            if folder not in self.server.folders:
                raise FolderRefused(folder)
            return self.server.folders[folder].state

    def examine(self, folder: str) -> FolderState:
        state = self.select(folder)
        self._examined, self.selected, self.selected_state = folder, None, None
        return state

    def storage(self) -> Storage | None:
        assert "QUOTA" in self.server.capabilities, "GETQUOTAROOT without the capability"
        with self._command("storage"):
            return self.server.storage

    def folder_size(self, folder: str) -> int | None:
        assert "STATUS=SIZE" in self.server.capabilities, "STATUS (SIZE) without the capability"
        with self._command("folder_size"):
            if folder not in self.server.folders:
                raise FolderRefused(folder)
            return sum(map(_size, self.server.folders[folder].mails.values()))

    def message_sizes(self, wanted: Sequence[int]) -> dict[int, int]:
        with self._command("message_sizes"):
            self.server.sizes_asked += len(wanted)
            return {uid: _size(self._mails[uid]) for uid in wanted if uid in self._mails}

    def noop(self) -> bool:
        with self._command("noop"):
            return self._news()

    # -- messages

    def search(self, *, uidnext: int, since: date | None = None, lowest: int = 1) -> set[int]:
        with self._command("search"):
            listed = {uid: mail for uid, mail in self._mails.items() if uid >= lowest and not mail.unlisted}
            return {uid for uid, mail in listed.items() if not mail.unsearched and _since(mail, since)}

    def search_for(self, terms: Terms) -> set[int]:
        """As Dovecot does it: parts of the decoded headers, and days in UTC."""
        with self._command("search_for"):
            return {
                uid
                for uid, mail in self._mails.items()
                if not (mail.unlisted or mail.unsearched) and _searched_for(mail, terms)
            }

    def newest(self, count: int, messages: int) -> Iterator[Arrived]:
        with self._command("newest"):
            listed = [(uid, mail) for uid, mail in sorted(self._mails.items()) if not mail.unlisted]
        yield from (Arrived(uid, mail.received_at) for uid, mail in listed[-count:][::-1])

    def fetch_uids(self, *, since: date | None = None) -> set[int]:
        with self._command("fetch_uids"):
            return {uid for uid, mail in self._mails.items() if not mail.unlisted and _since(mail, since)}

    def present(self, wanted: Iterable[int]) -> set[int]:
        with self._command("present"):
            return {uid for uid in wanted if uid in self._mails}

    def ask_heads(self, wanted: Sequence[int]) -> None:
        self._ask("heads", sorted(wanted))

    def ask_bodies(self, wanted: Sequence[int], *, cap: int, expected: int) -> None:
        self._ask("bodies", wanted)

    def discard_bodies(self) -> None:
        for asked in [one for one in self.in_flight if one.name == "bodies"]:
            with self._command("discard_bodies", waits=False):
                if asked.breaks:
                    self._lose()
                self.read_up_to(asked)

    def heads(self, wanted: Iterable[int]) -> Iterator[Head]:
        for uid, mail in self._fetched("heads", sorted(wanted)).items():
            if mail.ends_at_head is not None:
                raise mail.ends_at_head("at a header")
            if not mail.headless:
                header = mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                yield Head(uid, _size(mail), mail.received_at, mail.keywords, header)

    def bodies(self, wanted: Sequence[int], *, cap: int, expected: int) -> Iterator[Body]:
        for uid, mail in self._fetched("bodies", wanted).items():
            if not mail.headless and not mail.bodiless:
                raw = mail.raw if mail.other_in_full is None else mail.other_in_full
                yield Body(uid, raw[:cap], complete=len(raw) <= cap)

    def move(self, wanted: Sequence[int], target: str) -> Moved:
        assert "MOVE" in self.server.capabilities, "MOVE without the capability"
        with self._command("move"):
            return self._transferred(wanted, target, keep=False)

    def begin_move(self, wanted: Sequence[int], target: str) -> Any:
        assert "MOVE" in self.server.capabilities, "MOVE without the capability"
        if not self._pipelines:
            self.read_up_to(None)
        asked = Asked("move", tuple(wanted))
        try:
            with self._command("move", waits=False):
                self._carry_out(asked, lambda: self._transfer(wanted, target, keep=False))
        except CommandRefused as refusal:
            asked.refusal = refusal
        self.in_flight.append(asked)
        if asked.breaks and not self._pipelines:
            self._lose()
        return asked

    def has_moved(self, sent: Any) -> bool:
        return not self._pipelines or sent not in self.in_flight

    def end_move(self, sent: Any) -> Moved:
        with self._command("end_move", waits=False):
            self.read_up_to(sent)
        if sent.refusal is not None:
            raise sent.refusal
        answer: Moved = sent.answer
        return answer

    def copy(self, wanted: Sequence[int], target: str) -> Moved:
        with self._command("copy"):
            return self._transferred(wanted, target, keep=True)

    def delete(self, wanted: Sequence[int]) -> None:
        assert "UIDPLUS" in self.server.capabilities, "UID EXPUNGE without the capability"
        with self._command("delete"):
            self._announce(wanted, "")
            unseen = self._told != self._folder.changes
            for uid in wanted:
                if uid in self._mails:
                    self._folder.take(uid)
            if not unseen:
                self._told = self._folder.changes

    def _transferred(self, wanted: Sequence[int], target: str, *, keep: bool) -> Moved:
        try:
            return self._transfer(wanted, target, keep=keep)
        except _Breaks:
            self._lose()
            raise

    def _transfer(self, wanted: Sequence[int], target: str, *, keep: bool) -> Moved:
        assert self.selected is not None, "a folder that is only examined can't lose messages"
        if target not in self.server.folders:
            raise CommandRefused("the mail server said: [TRYCREATE] no")
        if any(self._mails[uid].nailed for uid in wanted if uid in self._mails):
            raise CommandRefused("the mail server said: no")
        moving = [self._mails[uid] for uid in wanted if uid in self._mails]
        if any(mail.breaks_at_move for mail in moving):
            raise _Breaks
        self._announce(wanted, target)
        there, unseen = self.server.folders[target], self._told != self._folder.changes
        pairs: dict[int, int] = {}
        for uid in sorted(wanted):
            if uid in self._mails:
                mail = self._mails[uid]
                # the worker's copy counts as the same message, because it deletes the original next
                twin = Mail(mail.raw, mail.origin, mail.received_at, size=mail.size) if keep else mail
                pairs[uid] = there.put(twin)
                if not keep:
                    self._folder.take(uid)
        if not unseen:
            self._told = self._folder.changes
        if any(mail.breaks_after_move for mail in moving):
            raise _Breaks
        return Moved(there.uidvalidity, pairs) if self.server.copyuid else Moved(None, {})

    # -- commands in flight

    def _ask(self, name: str, wanted: Sequence[int]) -> None:
        if not self._pipelines or not wanted or self._asked(name, wanted) is not None:
            return
        with self._command(f"ask_{name}", waits=False):
            asked = Asked(name, tuple(wanted))
            self._carry_out(asked, lambda: self._shown(name, wanted))
            self.in_flight.append(asked)

    def _asked(self, name: str, wanted: Sequence[int]) -> Asked | None:
        return next((one for one in self.in_flight if (one.name, one.uids) == (name, tuple(wanted))), None)

    def _carry_out(self, asked: Asked, command: Callable[[], Any]) -> None:
        """What the server does with a command, unless it has ended the connection before."""
        asked.breaks = any(other.breaks for other in self.in_flight)
        try:
            if (asked.name, self.selected) in self.server.refusing:
                asked.refusal = CommandRefused("the mail server said: no")
            elif not asked.breaks:
                asked.answer = command()
        except CommandRefused as refusal:
            asked.refusal = refusal
        except _Breaks:
            asked.breaks = True

    def _fetched(self, name: str, wanted: Sequence[int]) -> dict[int, Mail]:
        if not wanted:
            return {}
        asked = self._asked(name, wanted)
        with self._command(name, waits=False):
            if asked is None:
                asked = Asked(name, tuple(wanted))
                self.in_flight.append(asked)
                self._carry_out(asked, lambda: self._shown(name, wanted))
            self.read_up_to(asked)
            if asked.refusal is not None:
                raise asked.refusal
        answer: dict[int, Mail] = asked.answer
        return answer

    def _shown(self, name: str, wanted: Sequence[int]) -> dict[int, Mail]:
        found = {uid: self._mails[uid] for uid in sorted(wanted) if uid in self._mails}
        if name == "heads":
            self.server.most_heads = max(self.server.most_heads, len(wanted))
        if any(mail.veiled if name == "heads" else mail.refused for mail in found.values()):
            raise CommandRefused("the mail server said: no")
        if any(mail.breaks_at_head if name == "heads" else mail.breaks for mail in found.values()):
            raise _Breaks
        return found

    def read_up_to(self, asked: Asked | None) -> None:
        """Read the answers of everything in flight, up to this one's, which is then no longer in flight.

        What was asked for earlier stays there until somebody wants it.
        """
        if asked is not None and asked not in self.in_flight:
            return
        position = len(self.in_flight) if asked is None else self.in_flight.index(asked)
        before, after = self.in_flight[:position], self.in_flight[position + 1 :]
        self.in_flight = [one for one in before if one.name != "move"] + after
        if any(one.breaks for one in before):
            self._lose(earlier=asked is not None)
        if asked is not None and asked.breaks:
            self._lose()

    # -- inside

    @property
    def _folder(self) -> Folder:
        opened = self.selected or self._examined
        assert opened is not None, "a command that needs a selected folder"
        return self.server.folders[opened]

    @property
    def _mails(self) -> dict[int, Mail]:
        """What the connection can see: nothing once the folder was replaced behind its back."""
        folder = self._folder
        if folder.uidvalidity != self._validity:
            self._lose()
        return folder.mails

    def _announce(self, wanted: Sequence[int], target: str) -> None:
        assert wanted, "a command without a UID"
        self.server.moving(
            self.selected or "", self._folder.uidvalidity, [u for u in wanted if u in self._mails], target
        )

    def _news(self) -> bool:
        if self.selected is None:
            return False
        told, self._told = self._told, self._folder.changes
        if self._folder.uidvalidity != self._validity:
            self._lose()
        return told != self._told

    def lose(self) -> None:
        """An error ends the connection."""
        self.close()
        self._ended_at_a_command = True

    def _lose(self, *, earlier: bool = False) -> None:
        self.lose()
        error = ConnectionLost("the connection to the mail server was lost")
        if earlier:
            error.came_earlier()
        raise error

    def _command(self, name: str, *, waits: bool = True) -> "_Command":
        """waits: whether it is sent only once everything in flight was answered."""
        return _Command(self, self.server, name, waits=waits)


class _Breaks(Exception):
    """The server ends the connection."""


class _Command:
    """One round trip: the hooks may lose the connection before or after the command takes effect."""

    def __init__(self, session: FakeSession, server: Server, name: str, *, waits: bool) -> None:
        self._session = session
        self._server = server
        self._name = name
        self._waits = waits

    def __enter__(self) -> None:
        if not self._session.is_open:
            raise ConnectionLost("not connected")
        if self._session.idling and self._name != "idle":
            raise AssertionError(f"{self._name} during IDLE")
        if self._waits:
            self._session.read_up_to(None)
        if (self._name, self._session.selected) in self._server.refusing:
            raise CommandRefused("the mail server said: no")
        self._hook(self._server.before)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._hook(self._server.after)

    def _hook(self, hook: Hook) -> None:
        try:
            hook(self._name)
        except ConnectionLost:
            self._session.lose()
            raise


def _since(mail: Mail, since: date | None) -> bool:
    return since is None or _day(mail) >= since


def _day(mail: Mail) -> date:
    return datetime.fromtimestamp(mail.received_at, UTC).date()


def _size(mail: Mail) -> int:
    return len(mail.raw) if mail.size is None else mail.size


def busy(folder: str) -> MailboxError:
    """What a server says that knows that it will open the folder later."""
    return FolderBusy(folder, "the mail server said: [INUSE] try again later")


_serial = count(1)


def mail(
    kind: str = "ok",
    *,
    junk: bool = False,
    body: bytes = b"hello\r\n",
    serial: int | None = None,
    sender: str = "",
    confirmed: bool | None = None,
    route: str = "",
) -> bytes:
    """A message unlike all others, unless `serial` makes it the look-alike of another.

    kind: what the handler is to do with it. sender, confirmed, route: for tests of the order of a sender's mail.
    """
    number = next(_serial) if serial is None else serial
    head = (
        f"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <{number}@lab.nhs.uk>\r\n"
        f"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: lab@lab.nhs.uk\r\n"
        f"Subject: result {number}\r\nX-Kind: {kind}\r\n"
    )
    head += f"X-Sender: {sender}\r\n" if sender else ""
    head += "" if confirmed is None else f"X-Confirmed: {'yes' if confirmed else 'no'}\r\n"
    head += f"X-Route: {route}\r\n" if route else ""
    return head.encode() + (b"X-Is-Junk: yes\r\n" if junk else b"") + b"\r\n" + body


def scanning(raw: bytes) -> bytes:
    """What the server shows instead of a message while it scans the attachments: the same header, another file."""
    head = raw.partition(b"\r\n\r\n")[0]
    name = b"ATP Scan In Progress.pdf"
    return (
        head + b"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=scan\r\n\r\n"
        b"--scan\r\nContent-Type: text/plain\r\n\r\nhello\r\n--scan\r\nContent-Type: application/pdf\r\n"
        b'Content-Disposition: attachment; filename="' + name + b'"\r\n\r\nx\r\n--scan--\r\n'
    )


def _searched_for(mail: Mail, terms: Terms) -> bool:
    headers = Headers.from_bytes(mail.raw)
    senders, subjects = (" ".join(headers.get_all(name)).lower() for name in ("From", "Subject"))
    day = datetime.fromtimestamp(mail.received_at, UTC).date()
    return (
        all(text.lower() in senders for text in terms.sender)
        and all(text.lower() in subjects for text in terms.subject)
        and all(text.lower() in senders or text.lower() in subjects for text in terms.either)
        and (terms.message_id is None or terms.message_id in (headers.get("Message-ID") or ""))
        and (terms.since is None or day >= terms.since)
        and (terms.before is None or day < terms.before)
    )
