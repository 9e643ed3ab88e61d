"""The embedded IMAP server: pymap on loopback, with TLS, a throw-away authority and a throw-away password.

It serves the contents of a MailStore, and saves every change there before it answers the client. UIDs and UIDVALIDITY
survive a restart, so that the worker's journal still matches the mailbox.
"""

import asyncio
import secrets
import ssl
import string
import threading
from argparse import Namespace
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, Identity, Login, Session
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet, Message
from pymap.concurrent import Subsystem
from pymap.exceptions import NotSupportedError
from pymap.flags import FlagOp
from pymap.imap import IMAPServer
from pymap.interfaces.message import CachedMessage
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import ObjectId
from pymap.parsing.specials.flag import Flag
from pymap.user import Passwords, UserMetadata

from worker.demo.mailstore import Folder, Letter, MailStore

HOST = "127.0.0.1"
START_SECONDS = 20.0
SYMBOLS = "!$%^&*"


def throw_away_password(user: str, length: int = 20) -> str:
    """A random password that satisfies NHSmail's policy: all kinds of characters, no user name, no space or comma."""
    alphabet = string.ascii_letters + string.digits + SYMBOLS
    while True:
        password = "".join(secrets.choice(alphabet) for _ in range(length))
        kinds = (str.isupper, str.islower, str.isdigit, SYMBOLS.__contains__)
        if all(any(kind(c) for c in password) for kind in kinds) and user.lower() not in password.lower():
            return password


class EmbeddedMailbox:
    """An IMAP server for one account. A context manager: it runs in a thread of its own inside the block.

    host, port: where it listens; port is known inside the block. ca_file: the authority that a client must trust.
    """

    host = HOST

    def __init__(self, store: MailStore, *, address: str, password: str, ca_file: Path) -> None:
        self.address = address
        self.password = password
        self.ca_file = ca_file
        self.port = 0
        self._store = store
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="demo-mailbox", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise RuntimeError("the embedded mailbox didn't start in time")
        if self._failure is not None:
            raise RuntimeError("the embedded mailbox didn't start") from self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that waits for the start
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        imap = await _imap_server(self._store, self.address, self.password)

        open_connections: dict[StreamWriter, asyncio.Task[None] | None] = {}

        async def connected(reader: StreamReader, writer: StreamWriter) -> None:
            open_connections[writer] = asyncio.current_task()
            try:
                await imap(reader, writer, SocketInfo.get(writer, None))
            finally:
                del open_connections[writer]

        server = await asyncio.start_server(connected, HOST, 0, ssl=self._tls())
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        await _hang_up(open_connections)

    def _tls(self) -> ssl.SSLContext:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        authority.issue_cert(HOST).configure_cert(context)
        return context


async def _hang_up(connections: dict[StreamWriter, asyncio.Task[None] | None]) -> None:
    writers, tasks = list(connections), [task for task in connections.values() if task is not None]
    for task in tasks:
        task.cancel()  # pymap says BYE
    await asyncio.gather(*tasks, return_exceptions=True)
    for writer in writers:
        writer.transport.abort()  # don't wait for a client that never answers TLS close_notify
    await asyncio.sleep(0.05)  # transports close in the loop's next iterations


async def _imap_server(store: MailStore, address: str, password: str) -> IMAPServer:
    config = _Config(address, password)
    config.apply_context()
    login = _Login(config, await _KeptMailboxes.load(store))
    hashed = await Passwords(config).hash_password(password)
    await Identity(address, login, None, frozenset()).set(UserMetadata(config, address, password=hashed))
    return IMAPServer(login, config)


class _Config(Config):
    """pymap's settings. `tls_enabled=False` only turns off STARTTLS: every connection uses TLS from its first byte."""

    def __init__(self, address: str, password: str) -> None:
        super().__init__(
            Namespace(passlib_cfg=None, proxy_protocol=None),
            host=HOST,
            port=0,
            demo_data=False,
            demo_user=address,
            demo_password=password,
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
            tls_enabled=False,
            reject_dnsbl=False,
            cpu_subsystem=Subsystem.for_asyncio(),
        )

    @property
    def greeting(self) -> bytes:
        return b"The demo's mailbox is ready."  # pymap's own greeting looks up this host in DNS, which may hang


class _Login(Login):
    """Accepts the one account, and gives all its sessions the same folders."""

    def __init__(self, config: Config, mailboxes: "_KeptMailboxes") -> None:
        super().__init__(config)
        self.mailboxes = mailboxes

    async def authorize(self, authenticated: Any, authzid: str) -> "_Identity":
        identity = await super().authorize(authenticated, authzid)
        return _Identity(identity.name, self, None, identity.roles)


class _Identity(Identity):
    def __init__(self, name: str, login: _Login, token_id: str | None, roles: AbstractSet[str]) -> None:
        super().__init__(name, login, token_id, roles)
        self._mailboxes = login.mailboxes

    @asynccontextmanager
    async def new_session(self) -> AsyncIterator[Session]:
        yield Session(self.name, self.config, self._mailboxes, FilterSet())


class _KeptMailboxes(MailboxSet):
    """All folders. Every change is saved to the store."""

    def __init__(self, store: MailStore) -> None:
        super().__init__()
        self.store = store
        self._inbox = self._new()

    @classmethod
    async def load(cls, store: MailStore) -> Self:
        """Load the folders from the store."""
        self = cls(store)
        for folder in store.load():
            mailbox = self._new()
            await mailbox.restore(folder)
            if folder.name == "INBOX":
                self._inbox = mailbox
            else:
                self._set[folder.name] = mailbox
        return self

    def _new(self) -> "_KeptMailbox":
        return _KeptMailbox(self, self._content_cache, self._thread_cache)

    def keep(self) -> None:
        """Save which messages are in which folder."""
        kept = {"INBOX": self._inbox, **self._set}
        self.store.save(mailbox.folder(name) for name, mailbox in kept.items() if isinstance(mailbox, _KeptMailbox))

    async def add_mailbox(self, name: str) -> ObjectId:
        await super().add_mailbox(name)  # raises if the name exists
        self._set[name] = mailbox = self._new()
        self.keep()
        return mailbox.mailbox_id

    async def delete_mailbox(self, name: str) -> None:
        await super().delete_mailbox(name)
        self.keep()

    async def rename_mailbox(self, before: str, after: str) -> None:
        if before == "INBOX":
            raise NotSupportedError("INBOX can't be renamed here.")
        await super().rename_mailbox(before, after)
        self.keep()


class _KeptMailbox(MailboxData):
    """One folder. `digests` maps each UID to a message in the store."""

    def __init__(self, owner: _KeptMailboxes, *caches: Any) -> None:
        super().__init__(*caches)
        self._owner = owner
        self.digests: dict[int, str] = {}

    async def restore(self, folder: Folder) -> None:
        """Restore the folder as it was saved."""
        self._uid_validity = folder.uidvalidity
        for letter in folder.letters:
            self._max_uid = letter.uid - 1  # pymap assigns the next UID
            when = datetime.fromtimestamp(letter.received_at, UTC)
            flags = frozenset(Flag(flag) for flag in letter.flags)
            await super().append(AppendMessage(self._owner.store.get(letter.digest), when, flags))
            self.digests[letter.uid] = letter.digest
        self._max_uid = folder.uidnext - 1

    def folder(self, name: str) -> Folder:
        """What to save of this folder."""
        letters = tuple(
            Letter(
                uid,
                self.digests[uid],
                message.internal_date.timestamp(),
                tuple(str(flag) for flag in sorted(message.permanent_flags)),
            )
            for uid, message in self._messages.items()
        )
        return Folder(name, self.uid_validity, self._max_uid + 1, letters)

    async def append(self, append_msg: AppendMessage, *, recent: bool = False) -> Message:
        digest = self._owner.store.put(bytes(append_msg.literal))
        message = await super().append(append_msg, recent=recent)
        self.digests[message.uid] = digest
        self._owner.keep()
        return message

    async def copy(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        target = await super().copy(uid, destination, recent=recent)
        self._follow(uid, destination, target)
        return target

    async def move(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        target = await super().move(uid, destination, recent=recent)
        self._follow(uid, destination, target)
        return target

    def _follow(self, uid: int, destination: MailboxData, target: int | None) -> None:
        if target is not None and isinstance(destination, _KeptMailbox):
            destination.digests[target] = self.digests[uid]
            self._owner.keep()

    async def update(self, uid: int, cached_msg: CachedMessage, flag_set: frozenset[Flag], mode: FlagOp) -> Message:
        message = await super().update(uid, cached_msg, flag_set, mode)
        self._owner.keep()
        return message

    async def delete(self, uids: Iterable[int]) -> None:
        await super().delete(uids)
        self._owner.keep()
