"""Where the bench runs: a Dovecot with a fresh mailbox, and a folder for the worker, for every run."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self

from tests.rig.dovecot import Dovecot, Mailbox
from tests.rig.proxy import Proxy
from tests.rig.tls import Authority

PASSWORD = "Bright-Harbour-92"  # noqa: S105 -- a mailbox that is removed with the bench


def free(root: Path, *, keep: str = "") -> None:
    """Free the space of all files, except those of one name. The site removes them at its end.

    They are truncated rather than removed: for minutes after many removals, creating files is slow on ext4.
    """
    for folder, _, names in os.walk(root):
        for name in names:
            if name != keep:
                os.truncate(Path(folder) / name, 0)


def target(user: Mailbox, port: int | None = None) -> list[str]:
    """The arguments with which the bench's own programs log in. port: of a link or a proxy in front of the server."""
    return [user.host, str(port or user.port), str(user.ca_file), user.address, PASSWORD]


@dataclass(frozen=True)
class Workplace:
    """A folder with the worker's configuration, its state and its handler's output."""

    root: Path

    @property
    def config(self) -> Path:
        """The worker's configuration file."""
        return self.root / "worker.toml"

    @property
    def archive(self) -> Path:
        """Where the archive handler writes."""
        return self.root / "archive"

    @property
    def stamps(self) -> Path:
        """Where the handler of `bench.stamp` records when it was called."""
        return self.root / "stamps"

    def archived(self) -> int:
        """Return how many messages are complete in the archive."""
        return len(list(self.archive.glob("*/message.json")))

    def expect(self, count: int) -> None:
        """Check that so many messages were archived, then free their space. Raises RuntimeError."""
        if self.archived() != count:
            raise RuntimeError(f"{self.archived()} of {count} messages were archived")
        self.empty()

    def empty(self) -> None:
        """Free the space of the archived messages."""
        free(self.archive, keep="message.json")


class Site:
    """The server and its folders. A context manager that removes everything at its end."""

    def __init__(self, under: Path | None = None) -> None:
        """under: where its folder is; None: in `BENCH_DIR`, or where temporary files are."""
        self.root = Path(tempfile.mkdtemp(prefix="bench-", dir=under or os.environ.get("BENCH_DIR")))
        self.authority = Authority(self.root / "ca")
        self.server = Dovecot(authority=self.authority)
        self._serial = count(1)
        self._stores: dict[str, list[tuple[Path, int]]] = {}

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def store(self, name: str, messages: Iterable[bytes]) -> tuple[int, int]:
        """Keep messages for later mailboxes; returns their number and their size in bytes."""
        user = self._new_user("store")
        user.append_many("INBOX", messages)
        cur = self.server.root / "mail" / user.address / "Maildir" / "cur"
        self._stores[name] = sorted((path, path.stat().st_size) for path in cur.iterdir())
        return len(self._stores[name]), sum(size for _, size in self._stores[name])

    def has(self, name: str) -> bool:
        """Whether messages are kept under this name."""
        return name in self._stores

    def mailbox(self, name: str | None = None, *, warm: bool = True) -> Mailbox:
        """Return a new mailbox with the messages of a store, or an empty one if there is no name.

        warm: have the server index the folder first, as it would have done on delivering the mail itself.
        """
        user = self._new_user("pathology.results")
        user.append_many("INBOX", [])
        cur = self.server.root / "mail" / user.address / "Maildir" / "cur"
        for serial, (path, size) in enumerate(self._stores.get(name or "", []), 1):
            # S and W: the size in the file name, as after Dovecot's own deliveries, so that it needn't read the file
            os.link(path, cur / f"{1_000_000_000 + serial}.M0P1.bench,S={size},W={size}:2,")
        if warm:
            with user.client() as client:
                client.select_folder("INBOX", readonly=True)
                client.logout()
        return user

    def proxy(self) -> Proxy:
        """Return a counting proxy in front of the server, not started."""
        return Proxy(self.authority, (self.server.host, self.server.port))

    def workplace(
        self,
        user: Mailbox,
        *,
        port: int | None = None,
        handler: str = "archive",
        attachments: bool = False,
        handled: str = "Processed",
        every: str = "60s",
        idle: bool = False,
        under: Path | None = None,
        journal: str | None = None,
        keep: str = "400d",
    ) -> Workplace:
        """Return a folder for a run of the worker on this mailbox. `handler` is `archive` or `stamp`.

        under: where the folder is; None: in the site's own. journal: the URL of a database; None: SQLite. keep: for how
        long the journal keeps its rows.
        """
        place = Workplace((under or self.root) / f"work-{next(self._serial)}")
        place.root.mkdir()
        password = place.root / "password"
        password.touch(mode=0o600)
        password.write_text(PASSWORD)
        handlers: dict[str, dict[str, object]] = {
            "archive": {"use": "archive", "url": place.archive.as_uri(), "attachments": attachments},
            "stamp": {"use": "bench.stamp:Stamp", "file": str(place.stamps)},
        }
        tables: dict[str, dict[str, object]] = {
            "account": {
                "address": user.address,
                "host": user.host,
                "port": port or user.port,
                "password_file": str(password),
                "ca_file": str(user.ca_file),
            },
            "state": {"dir": str(place.root / "state"), "ephemeral": True, "keep": keep} | _in_database(place, journal),
            "poll": {"every": every, "idle": idle},
            "settle": {"handled": handled},
            "health": {"listen": ""},
            f"handler.{handler}": handlers[handler],
        }
        lines = [f'[[route]]\nname = "all"\nhandlers = ["{handler}"]']
        for table, values in tables.items():
            lines.append(f"[{table}]")
            lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        place.config.write_text("\n".join(lines) + "\n")
        return place

    def _new_user(self, name: str) -> Mailbox:
        return self.server.add_user(f"{name}{next(self._serial)}@nhs.net", PASSWORD)


def _in_database(place: Workplace, journal: str | None) -> dict[str, object]:
    if journal is None:
        return {}
    file = place.root / "journal-url"
    file.touch(mode=0o600)
    file.write_text(journal)
    return {"journal_file": str(file)}
