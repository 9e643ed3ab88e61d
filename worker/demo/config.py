"""The demo's directory: its files, and the worker's configuration in it."""

import json
import shutil
from pathlib import Path

from worker.demo.mailbox import throw_away_password
from worker.demo.mailstore import Folder, Letter, MailStore
from worker.demo.samples import ACCOUNT, INBOX, JUNK_FOLDER, STARTED, Sample

MARK = "This folder belongs to `nhsmail-worker demo`, which empties it whenever it starts from the beginning.\n"
HANDLED_FOLDER, FAILED_FOLDER = "Processed", "Failed"
SIZE_LIMIT = "1MB"

TEMPLATE = """\
# Written by `nhsmail-worker demo`, each time its mailbox starts.
[account]
address = {address}
host = {host}
port = {port}
password_file = {password}
ca_file = {ca}

[state]
dir = {state}
ephemeral = true              # in the demo nothing is lost with the folder; never so for a real account

[poll]
every = "2s"

[settle]
handled = {handled}
failed = {failed}

[limits]
message = {limit}             # so that one sample is too large

[health]
listen = ""                   # `demo run` takes a free port of this machine, and says which

# Three handlers that go wrong on purpose, and find their messages by a tag in the address.
[[route]]
name = "flaky"
match = {{ to = "*+flaky@*" }}
handlers = ["flaky", "archive"]
tries = 5
waits = ["0.2s"]              # a real route waits longer

[[route]]
name = "broken"
match = {{ to = "*+broken@*" }}
handlers = ["broken"]
tries = 3
waits = ["0.2s"]

[[route]]
name = "refused"
match = {{ to = "*+refused@*" }}
handlers = ["refused"]

[[route]]
name = "everything-else"
handlers = ["archive"]

[handler.archive]
use = "archive"
url = {archive}

[handler.flaky]
use = "worker.demo.handlers:Flaky"
counts = {counts}

[handler.broken]
use = "worker.demo.handlers:broken"

[handler.refused]
use = "worker.demo.handlers:refuse"
"""


class NotOursError(Exception):
    """The directory has content that no demo wrote, so it is left alone."""


class DemoDirectory:
    """The directory with everything that belongs to the demo."""

    def __init__(self, root: Path) -> None:
        self.given = root
        self.root = root.absolute()
        self.config = self.root / "worker.toml"
        self.ca_file = self.root / "ca.pem"
        self.archive = self.root / "archive"
        self.log = self.root / "worker.log"
        self.store = MailStore(self.root / "mailbox")
        self._mark = self.root / ".nhsmail-worker-demo"
        self._password = self.root / "password"
        self._state = self.root / "state"
        self._counts = self.root / "flaky"

    def claim(self) -> None:
        """Create the directory, or take over one that an earlier demo created.

        Raises:
            NotOursError: the directory isn't empty, and no demo created it.
            OSError: it can't be written.
        """
        if not self._mark.exists() and self.root.exists() and any(self.root.iterdir()):
            raise NotOursError(
                f"{self.root} isn't empty, and no demo made it. It was left alone: name another with --dir."
            )
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._mark.write_text(MARK)

    def begin(self, samples: tuple[Sample, ...]) -> None:
        """Delete what an earlier demo left, and put the samples into a new mailbox."""
        for folder in (self.archive, self._state, self._counts):
            shutil.rmtree(folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        self.store.clear()
        self._keep_secret(throw_away_password(ACCOUNT.partition("@")[0]))
        self.store.save(
            self._folder(name, validity, [sample for sample in samples if sample.folder == name])
            for validity, name in enumerate((INBOX, JUNK_FOLDER), 14)
        )

    def _folder(self, name: str, validity: int, samples: list[Sample]) -> Folder:
        arrived = STARTED.timestamp()
        letters = [Letter(uid, self.store.put(s.raw), arrived + 60 * uid) for uid, s in enumerate(samples, 1)]
        return Folder(name, validity, len(letters) + 1, tuple(letters))

    def _keep_secret(self, password: str) -> None:
        self._password.unlink(missing_ok=True)
        self._password.touch(mode=0o600)
        self._password.write_text(password)

    def password(self) -> str:
        """The password of the mailbox."""
        return self._password.read_text()

    def configure(self, host: str, port: int) -> None:
        """Write the worker's configuration for a server at this host and port."""
        values: dict[str, str | int] = {
            "address": ACCOUNT,
            "host": host,
            "port": port,
            "password": str(self._password),
            "ca": str(self.ca_file),
            "state": str(self._state),
            "handled": HANDLED_FOLDER,
            "failed": FAILED_FOLDER,
            "limit": SIZE_LIMIT,
            "archive": self.archive.as_uri(),
            "counts": str(self._counts),
        }
        # a JSON string is a valid TOML string, whatever characters the path has
        self.config.write_text(
            TEMPLATE.format_map({name: json.dumps(value, ensure_ascii=False) for name, value in values.items()})
        )

    def waiting(self) -> int:
        """How many messages are in INBOX now."""
        return sum(len(folder.letters) for folder in self.store.load() if folder.name == INBOX)

    def where(self) -> dict[str, list[str]]:
        """The folders that each message is in now, by its digest."""
        places: dict[str, list[str]] = {}
        for folder in self.store.load():
            for letter in folder.letters:
                places.setdefault(letter.digest, []).append(folder.name)
        return places
