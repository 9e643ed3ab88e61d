"""IMAP servers that other people wrote, for the tests of the whole job: their accounts, and what they say of logins.

`tests.rig.cyrus` and `tests.rig.courier` are such servers; `OnDovecot` makes the suite's Dovecot another one.
"""

import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from imapclient import IMAPClient

from tests.rig.daemon import Daemon
from tests.rig.dovecot import Dovecot
from tests.rig.proxy import Manners
from tests.rig.small_root import SmallRoot
from tests.rig.tls import HOST, Authority

JUNK = "Junk"
PASSWORD = "Bright-Harbour-92"  # as the password policy wants it


class ImapServer(Protocol):
    """A running IMAP server with accounts."""

    prefix: str
    """What the names of all folders but INBOX begin with: nothing, or `INBOX.`."""
    without: Collection[str]
    """What of MOVE and IDLE the server doesn't have."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def ca_file(self) -> Path: ...

    def start(self) -> None: ...
    def stop(self, *, abruptly: bool = False) -> None: ...

    def account(self, number: int) -> "Account":
        """Make an account with a junk folder. The number makes its address unique on this server."""

    def client(self, address: str, password: str) -> IMAPClient:
        """A client that is logged in."""

    def deliver(self, address: str, folder: str, messages: Sequence[bytes]) -> None:
        """Put messages into a folder, in order. folder: the full name."""

    def logins(self, address: str) -> list[str]:
        """Every login that reached the server, in order: `ok` or `fail`."""


@dataclass(frozen=True)
class Account:
    """One account on a server."""

    server: ImapServer
    address: str
    password: str = field(repr=False)

    @property
    def host(self) -> str:
        return self.server.host

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def ca_file(self) -> Path:
        return self.server.ca_file

    @property
    def junk(self) -> str:
        """The full name of the junk folder."""
        return self.server.prefix + JUNK

    def name(self, folder: str) -> str:
        """The full name that a folder of ours has on this server."""
        return folder if folder == "INBOX" else self.server.prefix + folder

    def logins(self, outcome: str) -> int:
        """How many logins that came to this have reached the server: `ok` or `fail`."""
        return self.server.logins(self.address).count(outcome)

    def client(self) -> IMAPClient:
        """A client that is logged in, to act as a person who uses the same mailbox."""
        return self.server.client(self.address, self.password)

    def deliver(self, folder: str, messages: Sequence[bytes]) -> None:
        self.server.deliver(self.address, folder, messages)

    def contents(self) -> dict[str, list[bytes]]:
        """Every message as the server serves it to a client, in order, by the full names of the folders."""
        served = {}
        with self.client() as client:
            for flags, _, name in client.list_folders():
                if b"\\noselect" in {flag.lower() for flag in flags}:
                    continue
                client.select_folder(name, readonly=True)
                uids = sorted(client.search())
                found = client.fetch(uids, ["BODY.PEEK[]"]) if uids else {}
                served[name] = [found[uid][b"BODY[]"] for uid in uids]
        return served


def connect(port: int, authority: Authority, address: str, password: str) -> IMAPClient:
    """A client that is logged in."""
    client = IMAPClient(HOST, port, ssl_context=authority.client_context(), timeout=30)
    client.normalise_times = False
    client.login(address, password)
    return client


class OnDovecot:
    """The suite's Dovecot as one of these servers."""

    prefix = ""
    without: Collection[str] = ()

    def __init__(self, authority: Authority, manners: Manners | None = None) -> None:
        """manners: the kind of server that the worker sees; see `Dovecot`."""
        self._authority = authority
        self._dovecot = Dovecot(authority=authority, junk=JUNK, manners=manners)

    @property
    def host(self) -> str:
        return self._dovecot.host

    @property
    def port(self) -> int:
        return self._dovecot.port

    @property
    def ca_file(self) -> Path:
        return self._dovecot.ca_file

    def start(self) -> None:
        self._dovecot.start()

    def stop(self, *, abruptly: bool = False) -> None:
        self._dovecot.stop(abruptly=abruptly)

    def close(self) -> None:
        self._dovecot.close()

    def account(self, number: int) -> Account:
        address = f"pathology.results{number}@nhs.net"
        self._dovecot.add_user(address, PASSWORD)
        return Account(self, address, PASSWORD)

    def client(self, address: str, password: str) -> IMAPClient:
        return self._dovecot.client(address)

    def deliver(self, address: str, folder: str, messages: Sequence[bytes]) -> None:
        self._dovecot.append_many(folder, messages, user=address)

    def logins(self, address: str) -> list[str]:
        return self._dovecot.history(address)


class RootedServer(Daemon):
    """A server in a small root of its own. It keeps its accounts, mail and port across `stop` and `start`."""

    host = HOST
    prefix = ""
    without: Collection[str] = ()
    root_name = ""
    """Which of the small roots the server is in."""
    binds: ClassVar[Mapping[str, str]] = {}
    """Files and folders in the server's folder, and where else its root has them."""
    login = ""
    """Pattern of what the log says of a login of USER. The group `ok` takes part in it if the login succeeded."""
    # to change the root takes rights; what runs in a small root has none
    unprivileged = False

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self.accounts: dict[str, str] = {}
        """The passwords by address."""
        self._mounts = ""
        super().__init__()

    @property
    def ca_file(self) -> Path:
        return self._authority.ca_file

    @property
    def inside(self) -> SmallRoot:
        """The root that the server's programs run in."""
        return SmallRoot(self.root_name, self.root, self.binds)

    def start(self) -> None:
        super().start()
        assert self._process is not None
        first = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()[0]
        self._mounts = _mounts_of(int(first))

    def stop(self, *, abruptly: bool = False) -> None:
        """Stop the server and all its sessions, which Courier's main process leaves alone."""
        super().stop(abruptly=abruptly)
        while left := [pid for pid in _processes() if self._mounts and _mounts_of(pid) == self._mounts]:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self._mounts = ""

    def account(self, number: int) -> Account:
        account = Account(self, self._address(number), PASSWORD)
        self.accounts[account.address] = account.password
        self._write_accounts(self.accounts)
        with account.client() as client:
            if not client.folder_exists(account.junk):
                client.create_folder(account.junk)
        return account

    def client(self, address: str, password: str) -> IMAPClient:
        return connect(self.port, self._authority, address, password)

    def logins(self, address: str) -> list[str]:
        found = re.finditer(self.login.replace("USER", re.escape(address)), self.log)
        return ["ok" if login["ok"] else "fail" for login in found]

    def ready(self) -> bool:
        context = self._authority.client_context()
        with (
            contextlib.suppress(OSError, IMAPClient.Error),
            IMAPClient(HOST, self.port, ssl_context=context, timeout=2),
        ):
            return True
        return False

    # what each server overrides

    def deliver(self, address: str, folder: str, messages: Sequence[bytes]) -> None:
        raise NotImplementedError

    def _address(self, number: int) -> str:
        return f"pathology.results{number}@nhs.net"

    def _write_accounts(self, passwords: Mapping[str, str]) -> None:
        """Let these accounts log in, each with its password."""
        raise NotImplementedError

    # inside

    def _write_certificate(self) -> None:
        """Write a certificate and its key to the server's folder, as server.pem and server.key."""
        for source, name in zip(self._authority.issue(), ("server.pem", "server.key"), strict=True):
            shutil.copyfile(source, self.root / name)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _mounts_of(pid: int) -> str:
    """The mount namespace of a process, which all processes of one server share. Empty if it has ended."""
    try:
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    except OSError:
        return ""
