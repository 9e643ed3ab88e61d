"""A real Dovecot for tests: unprivileged, TLS on loopback, its own folder, and accounts that lock as NHSmail's do.

Needs the Debian packages dovecot-imapd and dovecot-auth-lua (Dovecot 2.4).
"""

import base64
import contextlib
import grp
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from string import Template
from typing import Literal, Self

import jwt
from imapclient import IMAPClient, imap_utf7

from tests.rig.ports import free_port
from tests.rig.proxy import Manners, Proxy
from tests.rig.roots import new_root
from tests.rig.tls import ADDRESS, HOST, Authority

HERE = Path(__file__).parent
NHSMAIL_LOCKS_AFTER = 12
JUNK = "Junk Email"  # Exchange's name for it

Mood = Literal["ok", "tempfail", "disabled", "expired"]


@dataclass(frozen=True)
class Seed:
    """A message to put into a folder, with the flags and date that the server should report."""

    raw: bytes
    flags: str = ""  # maildir letters: S seen, F flagged, R answered, T deleted, D draft
    received_at: datetime | None = None


@dataclass(frozen=True)
class Kept:
    """A folder as it was on another server: its numbers, and its messages by their UIDs."""

    uidvalidity: int
    uidnext: int
    messages: Mapping[int, Seed]


@dataclass(frozen=True)
class Mailbox:
    """One account on a Dovecot, with everything that a test needs to know about it or do to it."""

    server: "Dovecot"
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
    def attempts(self) -> int:
        """Failed attempts that the server has counted since the last success."""
        return self.server.attempts.get(self.address, 0)

    @property
    def locked(self) -> bool:
        return self.address in self.server.locked

    @property
    def history(self) -> list[str]:
        """Every check of a password, in order: ok, fail, locked, disabled, expired; and unlock."""
        return self.server.history(self.address)

    def append_many(self, folder: str, messages: Iterable[bytes | Seed]) -> int:
        return self.server.append_many(folder, messages, user=self.address)

    def put_back(self, folder: str, kept: Kept) -> None:
        self.server.put_back(folder, kept, user=self.address)

    def stored(self, folder: str) -> list[bytes]:
        return self.server.stored(folder, user=self.address)

    def client(self) -> IMAPClient:
        return self.server.client(self.address)

    def set_password(self, password: str) -> None:
        """Change the password on the server only. `.password` stays the one that the test gave to the worker."""
        self.server.set_password(self.address, password)

    def set_mood(self, mood: Mood) -> None:
        self.server.set_mood(self.address, mood)

    def unlock(self) -> None:
        self.server.unlock(self.address)

    def token(self, lasts: float = 3600.0, **claims: object) -> str:
        return self.server.token(self.address, lasts, **claims)

    def renumber(self, folder: str) -> None:
        self.server.renumber(folder, user=self.address)

    def kill_sessions(self, *, politely: bool = False) -> int:
        return self.server.kill_sessions(self.address, politely=politely)


class Dovecot:
    """A server with its own folder, which `close` removes. It keeps its port when it is stopped and started again.

    users: passwords by address. lock_after: how many failures without a success in between lock an account.
    junk: the junk folder's name. special_use: whether the server marks it (and Sent, Drafts, …) by attribute.
    without: capabilities (MOVE, UIDPLUS, IDLE, …) that a proxy in front of the server hides and refuses.
    manners: the kind of server that clients see, but for those of `client`, as a proxy in front makes it look.
    extra: configuration to append unchanged.

    Raises RuntimeError with the server's log if it doesn't start.
    """

    host = HOST

    def __init__(
        self,
        users: Mapping[str, str] | None = None,
        *,
        authority: Authority | None = None,
        lock_after: int = NHSMAIL_LOCKS_AFTER,
        junk: str | None = JUNK,
        special_use: bool = True,
        without: Collection[str] = (),
        manners: Manners | None = None,
        extra: str = "",
    ) -> None:
        self._owner = _owner()
        self.root = new_root("dovecot")
        self._authority = authority or Authority(self.root / "ca")
        self._ca_file = self.root / "ca.pem"
        shutil.copyfile(self._authority.ca_file, self._ca_file)
        self._lock_after = lock_after
        self._signing_key = secrets.token_bytes(32)
        self._process: subprocess.Popen[bytes] | None = None
        self._serial = 0
        self._own_port = free_port()
        self._manners = manners
        hidden = bool(without) or manners is not None
        self._filter = Proxy(self._authority, (HOST, self._own_port), manners=manners) if hidden else None
        if self._filter is not None:
            self._filter.without(*without)
            self._filter.start()
        for name in ("accounts", "attempts", "keys/default/HS256", "mail", "run", "state"):
            (self.root / name).mkdir(parents=True)
        (self.root / "keys/default/HS256/default").write_bytes(base64.b64encode(self._signing_key))
        self._write_configuration(junk, special_use=special_use, extra=extra)
        for address, password in (users or {}).items():
            self.add_user(address, password)
        self._give_away(self.root)

    @property
    def ca_file(self) -> Path:
        return self._ca_file

    @property
    def port(self) -> int:
        return self._filter.port if self._filter else self._own_port

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the server itself

    def start(self) -> None:
        """Start the server and wait until it greets."""
        if self._process is not None:
            return
        binary = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if binary is None:
            raise RuntimeError("Dovecot is missing. Install it: apt-get install dovecot-imapd dovecot-auth-lua")
        # The shell ends the server when we write a line. At an end of file, because the test run was killed, it also
        # removes the folder, and tries again for as long as the server's last children still write to it.
        guardian = (
            '"$@" & server=$!; read -r _; told=$?; kill "$server"; wait "$server"; [ $told = 0 ] && exit;'
            ' for _ in 1 2 3 4 5 6 7 8 9; do rm -rf "$PWD" 2>/dev/null && exit; sleep 1; done'
        )
        with (self.root / "stderr.log").open("ab") as stderr:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", guardian, "sh", binary, "-F", "-c", str(self.root / "dovecot.conf")],
                stdin=subprocess.PIPE,
                stdout=stderr,
                stderr=stderr,
                cwd=self.root,
                start_new_session=True,
                user=self._owner.pw_name if os.geteuid() == 0 else None,
                group=self._owner.pw_gid if os.geteuid() == 0 else None,
                extra_groups=[] if os.geteuid() == 0 else None,
            )
        self._await_greeting()

    def stop(self, *, abruptly: bool = False) -> None:
        """Stop the server. Sessions end with a BYE, or abruptly. Accounts, mail and port are kept."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(b"stop\n")
        if not abruptly:
            # sessions send their BYE at once; the server itself would take a second longer
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _wait(lambda: not _listens(self._own_port))
        # files left by a killed server would delay the next start by ten seconds
        for stale in (self.root / "run" / "master.pid", *(self.root / "state").glob("*.lock")):
            stale.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        if self._filter is not None:
            self._filter.close()
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def log(self) -> str:
        """Everything that the server has logged so far."""
        texts = (self.root / name for name in ("stderr.log", "dovecot.log"))
        return "".join(path.read_text(errors="replace") for path in texts if path.exists())

    def kill_sessions(self, user: str | None = None, *, politely: bool = False) -> int:
        """End the IMAP sessions (of one user) abruptly, or politely with a BYE. Returns how many there were."""
        logins = re.findall(r"Logged in: user=<([^>]*)>.* mpid=(\d+)", self.log)
        sessions = [int(pid) for address, pid in logins if user in {None, address} and _is_session(int(pid))]
        for pid in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if politely else signal.SIGKILL)
        _wait(lambda: not any(map(_is_session, sessions)))
        return len(sessions)

    # -- accounts

    def add_user(self, address: str, password: str, *, lock_after: int | None = None) -> Mailbox:
        limit = self._lock_after if lock_after is None else lock_after
        self._write(self.root / "accounts" / address, f"{password}\n{limit}\nok\n")
        return Mailbox(self, address, password)

    def mailbox(self, address: str) -> Mailbox:
        return Mailbox(self, address, self._account(address)[0])

    def set_password(self, address: str, password: str) -> None:
        self._change(address, 0, password)

    def set_mood(self, address: str, mood: Mood) -> None:
        """Choose how logins are answered from now on.

        With `tempfail` the server says UNAVAILABLE. With `disabled` and `expired` it says AUTHENTICATIONFAILED and
        EXPIRED, but only to the right password. Of these moods, only `disabled` applies to tokens.
        """
        self._change(address, 2, mood)

    def history(self, address: str) -> list[str]:
        """Every check of a password, in order: ok, fail, locked, disabled, expired; and unlock."""
        path = self.root / "attempts" / address
        return path.read_text().split() if path.exists() else []

    @property
    def attempts(self) -> dict[str, int]:
        """Failed attempts by user since the last success or unlock. Attempts on a locked account count as well."""
        return {path.name: _failures(path.read_text().split()) for path in (self.root / "attempts").iterdir()}

    @property
    def locked(self) -> set[str]:
        """The locked users, who can't log in even with the right password."""
        return {user for user, failures in self.attempts.items() if 0 < int(self._account(user)[1]) <= failures}

    def unlock(self, address: str) -> None:
        """Unlock an account, as a Local Administrator does."""
        path = self.root / "attempts" / address
        with path.open("a") as file:
            file.write("unlock\n")
        self._give_away(path)

    def token(self, address: str, lasts: float = 3600.0, **claims: object) -> str:
        """An access token for XOAUTH2 that expires `lasts` seconds from now, or has expired if that is negative."""
        now = int(time.time())
        standard = {"upn": address, "sub": address, "iat": now - 3600, "exp": int(now + lasts), "scope": "IMAP"}
        return jwt.encode({**standard, **claims}, self._signing_key, algorithm="HS256")

    def trust(self, algorithm: str, key_id: str, public_key: str) -> None:
        """Take access tokens that were signed with this key (PEM), besides those of `token`."""
        place = self.root / "keys/default" / algorithm
        place.mkdir(exist_ok=True)
        self._write(place / key_id, public_key)
        self._give_away(place)

    # -- mail

    def append_many(self, folder: str, messages: Iterable[bytes | Seed], *, user: str | None = None) -> int:
        """Write messages straight into the store, in order. Creates the folder. Returns how many there were."""
        box = self._make_folder(user or self._only_user(), folder)
        count = 0
        for item in messages:
            self._deliver(box, item if isinstance(item, Seed) else Seed(item))
            count += 1
        return count

    def put_back(self, folder: str, kept: Kept, *, user: str | None = None) -> None:
        """Make a folder that the server hasn't looked at yet, with the UIDs and the UIDVALIDITY that it had."""
        box = self._make_folder(user or self._only_user(), folder)
        names = {uid: self._deliver(box, seed) for uid, seed in sorted(kept.messages.items())}
        lines = [f"3 V{kept.uidvalidity} N{kept.uidnext}", *(f"{uid} :{name}" for uid, name in names.items())]
        numbers = box / "dovecot-uidlist"
        numbers.write_text("".join(f"{line}\n" for line in lines))
        self._give_away(numbers)

    def stored(self, folder: str, *, user: str | None = None) -> list[bytes]:
        """The messages of a folder as stored, in order of arrival, including those marked as deleted."""
        box = self._maildir(user or self._only_user(), folder)
        while True:
            files = [path for part in ("new", "cur") for path in (box / part).glob("*")]
            with contextlib.suppress(FileNotFoundError):  # one was moved meanwhile: look again
                return [path.read_bytes() for path in sorted(files, key=lambda path: path.name)]

    def renumber(self, folder: str, *, user: str | None = None) -> None:
        """Discard the folder's UIDs, so that its UIDVALIDITY changes, as after a restore from backup."""
        box = self._maildir(user or self._only_user(), folder)
        for path in [box / "dovecot-uidlist", *box.glob("dovecot.index*")]:
            path.unlink(missing_ok=True)

    def client(self, user: str | None = None) -> IMAPClient:
        """A logged-in IMAPClient, to act as a person who uses the same mailbox."""
        address = user or self._only_user()
        port = self.port if self._manners is None else self._own_port
        client = IMAPClient(self.host, port, ssl_context=self._authority.client_context(), timeout=30)
        client.normalise_times = False
        client.login(address, self._account(address)[0])
        return client

    # -- inside

    def _write_configuration(self, junk: str | None, *, special_use: bool, extra: str) -> None:
        certificate, key = self._authority.issue()
        for source, name in ((certificate, "server.pem"), (key, "server.key")):
            shutil.copyfile(source, self.root / name)
        shutil.copyfile(HERE / "passdb.lua", self.root / "passdb.lua")
        folders = {"Drafts": "Drafts", "Sent Items": "Sent", "Deleted Items": "Trash"}
        if junk is not None:
            folders[junk] = "Junk"
        filled = Template((HERE / "dovecot.conf").read_text()).substitute(
            root=self.root,
            user=self._owner.pw_name,
            group=grp.getgrgid(self._owner.pw_gid).gr_name,
            certificate=self.root / "server.pem",
            key=self.root / "server.key",
            passdb=self.root / "passdb.lua",
            port=self._own_port,
            mailboxes="\n".join(_mailbox(name, use if special_use else None) for name, use in folders.items()),
            extra=extra,
        )
        (self.root / "dovecot.conf").write_text(filled)

    def _await_greeting(self) -> None:
        context = self._authority.client_context()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and "Fatal:" not in self.log:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((ADDRESS, self._own_port), 5) as plain,
                context.wrap_socket(plain, server_hostname=self.host) as tls,
            ):
                if tls.recv(100).startswith(b"* OK"):
                    return
            time.sleep(0.02)
        log = self.log
        self.stop()
        raise RuntimeError(f"Dovecot did not start. Its log:\n{log}")

    def _only_user(self) -> str:
        users = [path.name for path in (self.root / "accounts").iterdir()]
        if len(users) != 1:
            raise ValueError(f"Say which user: this server has {len(users)}.")
        return users[0]

    def _account(self, address: str) -> list[str]:
        return (self.root / "accounts" / address).read_text().splitlines()

    def _change(self, address: str, line: int, value: str) -> None:
        lines = self._account(address)
        lines[line] = value
        self._write(self.root / "accounts" / address, "\n".join(lines) + "\n")

    def _write(self, path: Path, text: str) -> None:
        # written beside and renamed, as the server may read the file at any moment
        part = self.root / f".{path.name}.part"
        part.write_text(text)
        self._give_away(part)
        part.rename(path)

    def _maildir(self, user: str, folder: str) -> Path:
        root = self.root / "mail" / user / "Maildir"
        if folder.upper() == "INBOX":
            return root
        name: str = imap_utf7.encode(folder).decode("ascii")
        return root / ("." + name.replace("/", "."))

    def _make_folder(self, user: str, folder: str) -> Path:
        box = self._maildir(user, folder)
        for part in (box / "tmp", box / "new", box / "cur"):
            part.mkdir(parents=True, exist_ok=True)
        self._give_away(box.parent.parent if folder.upper() != "INBOX" else box.parent)
        return box

    def _deliver(self, box: Path, seed: Seed) -> str:
        """Returns the file's name."""
        self._serial += 1
        # Dovecot assigns UIDs in the order of the times in the files' names
        base = f"{1_000_000_000 + self._serial}.M0P1.rig,S={len(seed.raw)}"
        part = box / "tmp" / base
        part.write_bytes(seed.raw)
        if seed.received_at is not None:
            os.utime(part, (seed.received_at.timestamp(), seed.received_at.timestamp()))
        if os.geteuid() == 0:
            os.chown(part, self._owner.pw_uid, self._owner.pw_gid)
        placed = part.rename(box / "cur" / f"{base}:2,{''.join(sorted(seed.flags))}")
        return placed.name

    def _give_away(self, path: Path) -> None:
        """Give files that root has written to the server's user."""
        if os.geteuid() != 0:
            return
        for item in [path, *path.rglob("*")] if path.is_dir() else [path]:
            with contextlib.suppress(FileNotFoundError):  # the server may remove or rename a file meanwhile
                os.chown(item, self._owner.pw_uid, self._owner.pw_gid)


def _owner() -> pwd.struct_passwd:
    """The user that the server runs as: the current one, or `nobody` for root, as Dovecot serves no mail as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _mailbox(name: str, special_use: str | None) -> str:
    use = f'special_use = "\\\\{special_use}"' if special_use else ""
    return f'mailbox "{name}" {{\n    auto = create\n    {use}\n  }}'


def _failures(history: list[str]) -> int:
    failures = 0
    for word in history:
        if word in {"fail", "locked"}:
            failures += 1
        elif word in {"ok", "unlock"}:
            failures = 0
    return failures


def _is_session(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"dovecot/imap ")
    except OSError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def _wait(happened: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.005)
