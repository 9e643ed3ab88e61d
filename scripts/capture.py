"""What must stay the same when the code is moved about, as it is seen from outside: the same text at every run.

    python scripts/capture.py > tests/data/captured.txt    the whole, in a minute or two
    python scripts/capture.py --start-up                   milliseconds from the command to its answer: no part of it

Everything is asked of the command `nhsmail-worker`, of its files and its status page; of the code, only what the
documentation tells others to import. What depends on the run (times, ports, processes, folders) is replaced by a word
in angle brackets. Nothing leaves this machine: the mailbox is the demo's.
"""

import getpass
import imaplib
import importlib
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from prefork import Prefork

ROOT = Path(__file__).parents[1]
PRODUCT = "nhsmail-worker"
COMMAND = [str(Path(sys.executable).with_name(PRODUCT))]
AT_ONCE: list[Prefork] = []
"""While it has one, commands are forked from a process that has imported the worker, which takes most of their time."""
MODULE = [sys.executable, "-m", "worker"]
PATIENCE = 60.0
RUNS = 9

# -- what depends on the run -------------------------------------------------------------------------------------------

HOST = re.escape(socket.gethostname())
DEPENDS = [
    (re.escape(sys.prefix), "<environment>"),
    (re.escape(str(ROOT)), "<project>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", "<time>"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\b", "<time> UTC"),
    (r"\bat=\d+\.\d+\b", "at=<seconds>"),
    (r"\b\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?: \d{4})?(?: \d\d:\d\d UTC)?\b", "<day>"),
    (r"\b(?:In \d+ s at the latest|Now)\.", "<next poll>."),
    (r"\b\d+ (?:s|min|h)(?=[.,]? (?:ago|left|now)\b)", "<span>"),
    (r"(?<=\bfor )\d+ (?:s|min|h)\b", "<span>"),
    (r"(?<=\d waiting), the oldest for <span>", ""),
    (r"(?<=\bin )\d+ (?:s|min|h)\b", "<span>"),
    (r"127\.0\.0\.1:\d{2,}", "127.0.0.1:<port>"),
    (r'"port":\d+', '"port":<port>'),
    (rf"\b{HOST}:\d+(?::[0-9a-f]+)?", "<process>"),
    (rf"\b{re.escape(getpass.getuser())}_{HOST}\b", "<user>"),
    (r"\bworker-[0-9a-f]{8}\b", "worker-<replica>"),
    (r'"frames":\[[^]]*\]', '"frames":[<frames>]'),
    (r'"fingerprint":"[0-9a-f]+"', '"fingerprint":"<fingerprint>"'),
    (rf'"python":"{re.escape(sys.version.split()[0])}"', '"python":"<python>"'),
    (rf"\b{re.escape(metadata.version(PRODUCT))}\b", "<version>"),
    (r"\breturned in [\d.]+ s", "returned in <seconds> s"),
    (r"(?<=None of the )\d+(?= lines?\b)", "<number>"),
    (r"\b\d+ lines?\b(?= (?:in \d+ chain|at the end|can't be read))", "<number> lines"),
    (r"\bTook( +)[\d.]+ s", r"Took\1<seconds> s"),
    (r"python -m worker[.\w]*", "python -m <module>"),
    (r"\bworker(?:\.\w+)+\.(?=[A-Z])", ""),
    (r"[ \t]+$", ""),
]


def normal(text: str, *folders: Path) -> str:
    """The text without what depends on the run; the folders are called FOLDER."""
    for folder in folders:
        text = text.replace(str(folder), "<folder>")
    for pattern, instead in DEPENDS:
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text


def short(content: bytes) -> str:
    """A digest that fits into a line."""
    return sha256(content).hexdigest()[:16]


# -- commands ----------------------------------------------------------------------------------------------------------


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every command is given: nothing of the caller's but where programs are."""
    fixed = {
        "COLUMNS": "400",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PATH": os.environ["PATH"],
        "HOME": tempfile.gettempdir(),
    }
    return {**fixed, **(more or {})}


def asked(
    words: Iterable[str], folder: Path, more: Mapping[str, str] | None = None, program: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One command, run in the folder until it ends."""
    if AT_ONCE and program is None:
        return AT_ONCE[0].run(words, folder, environment(more), PATIENCE)
    return subprocess.run(
        [*(program or COMMAND), *words],
        cwd=folder,
        env=environment(more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def told(words: Iterable[str], folder: Path, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """A command with its exit code and all that it printed."""
    words = list(words)
    answer = asked(words, folder, more)
    said = "".join(f" {name}={value}" for name, value in (more or {}).items())
    yield normal(f"${said} {shlex.join([PRODUCT, *words])}", folder)
    yield from (f"  {line}" for line in normal(answer.stdout, folder).splitlines())
    yield from (f"  ! {line}" for line in normal(answer.stderr, folder).splitlines())
    yield f"  exit {answer.returncode}"


# -- help --------------------------------------------------------------------------------------------------------------


def help_pages(folder: Path, words: tuple[str, ...] = ()) -> Iterator[str]:
    """The help of a command, and of each below it."""
    page = list(told([*words, "--help"], folder))
    yield from page
    for name in commands_in(page):
        yield from help_pages(folder, (*words, name))


def commands_in(page: list[str]) -> list[str]:
    """The names that a help page lists under `Commands:`."""
    listed = page[page.index("  Commands:") + 1 :] if "  Commands:" in page else []
    return [line.split()[0] for line in listed if line.startswith("    ") and line[4] != " "]


# -- the demo's mailbox, and a worker on it ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Demo:
    """A folder with a demo in it, as `demo --dir demo` left it."""

    folder: Path
    settings: Path = field(init=False)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", self.home / "worker.toml")
        object.__setattr__(self, "log", self.folder / "run.log")

    @property
    def home(self) -> Path:
        """What is the demo's own."""
        return self.folder / "demo"

    def told(self, line: str) -> Iterator[str]:
        """A command on the demo's mailbox."""
        return told(["demo", "--dir", "demo", *shlex.split(line)], self.folder)

    @contextmanager
    def running(self) -> Iterator[str]:
        """A worker that polls the mailbox, while the block lasts; gives the address of its page."""
        words = [*COMMAND, "demo", "--dir", "demo", "run"]
        with (
            self.log.open("ab") as log,
            subprocess.Popen(
                words, cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True
            ) as process,
        ):
            try:
                assert process.stdout is not None  # noqa: S101 -- for the type alone
                page = re.findall(r"http://\S+", process.stdout.readline())[0]
                wait_for(page, "nhsmail_journal_up 1")
                yield page
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE)

    def receive(self, letters: Iterable[bytes]) -> None:
        """Lay letters into the inbox, as a mail server would: for a worker that is running."""
        account = tomllib.loads(self.settings.read_text())["account"]
        trusted = ssl.create_default_context(cafile=account["ca_file"])
        with imaplib.IMAP4_SSL(account["host"], account["port"], ssl_context=trusted) as client:
            client.login(account["address"], Path(account["password_file"]).read_text())
            for letter in letters:
                client.append("INBOX", "", '"05-Jan-2026 10:00:00 +0000"', letter)


def letter(number: int, tag: str = "", extra: str = "") -> bytes:
    """A letter that the demo's configuration handles by the tag in its address."""
    text = f"""{extra}From: Laboratory <results@lab.example.org>
To: pathology.results{tag}@nhs.net
Subject: Captured {number}
Date: Mon, 5 Jan 2026 10:00:00 +0000
Message-ID: <captured-{number}@lab.example.org>

Report number {number}.
"""
    return text.replace("\n", "\r\n").encode()


LETTERS = [
    letter(1),
    letter(2, extra="X-Spam-Flag: YES\n"),
    letter(3, "+flaky"),
    letter(4, "+broken"),
    letter(5, "+refused"),
]
COUNTS = {"pending": 0, "handled": 86, "junk": 22, "failed": 6}
AFTER_THEM = [rf'nhsmail_messages\{{state="{state}"\}} {count}\.0' for state, count in COUNTS.items()]
"""What the journal holds once these are done, one dead letter was tried again and one junk message was released."""


def got(address: str) -> tuple[int, str, str]:
    """Status, type and text of a page of a running worker."""
    try:
        with urlopen(address, timeout=PATIENCE) as answer:  # noqa: S310 -- http, on this machine
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except HTTPError as answer:
        with answer:
            return answer.code, answer.headers["Content-Type"], answer.read().decode()


def wait_for(page: str, *patterns: str) -> None:
    """Until the metrics of a running worker have lines like these."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        with suppress(URLError):
            text = got(f"{page}metrics")[2]
            if all(re.search(f"^{pattern}", text, re.MULTILINE) for pattern in patterns):
                return
        time.sleep(0.2)
    raise SystemExit(f"The worker didn't come to this within {PATIENCE:.0f} s: {', '.join(patterns)}")


# -- the sections that need the demo -----------------------------------------------------------------------------------


ALONE = ("status --json", "status", "once", "once --dry-run", "check --connect", "journal compact")
ANSWERS = (
    "status --json",
    "status",
    "login status --json",
    "login status",
    "reconcile --json",
    "reconcile",
    "junk list",
    "junk list --json",
    "junk list --evidence trend --sender supplier --known --limit 2",
    "junk list --since 2026-11-03",
    "junk show eikp4souss7zfwdxq6t6xpjzr6",
    "failed list",
    "failed list --json",
    "failed show gx6hwag5hcfpt77z36c2jkgfpy",
    "junk show nokey",
    "failed show nokey",
    "junk release nokey --reason test",
    "failed retry nokey",
    "check",
    "check --connect",
    "once",
    "audit verify",
    "audit verify --all",
    "audit show --kind login --since 2100-01-01",
    "audit show --key nokey",
)
WORK = (
    "junk release eikp4souss7zfwdxq6t6xpjzr6 --reason test",
    "failed retry gx6hwag5hcfpt77z36c2jkgfpy --reason test",
    "pause",
    "status",
)
WITHOUT_A_SERVER = (
    "status --json",
    "check --connect",
    "once",
    "once --dry-run",
    "reconcile --json",
    "junk list",
    "failed show gx6hwag5hcfpt77z36c2jkgfpy",
    "journal compact",
    "journal rebuild",
    "login authorise",
    "login reset --reason test",
)
REJECTED = (
    "check --connect",
    "login status",
    "login status --json",
    "status --json",
    "once",
    "login reset --reason test",
    "login reset --reason test",
    "login reset --reason test --again",
)


def answers(demo: Demo) -> Iterator[str]:
    """What commands answer on the mailbox that the demo left: alone with it, and beside a running worker."""
    for line in ALONE:
        yield from demo.told(line)
    with demo.running() as page:
        wait_for(page, "nhsmail_polls_total.* [1-9]")
        for line in ANSWERS:
            yield from told(shlex.split(line), demo.folder, {"NHSMAIL_CONFIG": str(demo.settings)})


def work(demo: Demo) -> Iterator[str]:
    """What commands do that change something; a worker runs in between, and gets letters while it is paused."""
    for line in WORK:
        yield from demo.told(line)
    with demo.running():
        demo.receive(LETTERS)
    yield from demo.told("once --dry-run")
    yield from demo.told("resume")
    with demo.running() as page:
        wait_for(page, *AFTER_THEM)
        yield from pages(page)
        yield from rejected(demo)
    yield from demo.told("reconcile")


def rejected(demo: Demo) -> Iterator[str]:
    """A worker with a state folder of its own, whose password is wrong: its server is the running demo's."""
    more = {"NHSMAIL_STATE__DIR": str(demo.folder / "other"), "NHSMAIL_ACCOUNT__PASSWORD": "Wrong-Harbour-92"}
    for line in REJECTED:
        yield from told(shlex.split(line), demo.folder, {"NHSMAIL_CONFIG": str(demo.settings), **more})


def unreachable(demo: Demo) -> Iterator[str]:
    """What commands answer where nothing listens."""
    for line in WITHOUT_A_SERVER:
        yield from told(shlex.split(line), demo.folder, {"NHSMAIL_CONFIG": str(demo.settings), **IMPATIENT})


def pages(page: str) -> Iterator[str]:
    """The probes, the metrics without their values, and the headings of the status page, of a running worker."""
    for name in ("livez", "readyz", "nope"):
        status, kind, text = got(page + name)
        yield f"GET /{name}: {status}, {kind}: {text.strip()}"
    status, kind, text = got(f"{page}metrics")
    yield f"GET /metrics: {status}, {kind}"
    yield from (f"  {line}" for line in metrics(normal(text)))
    status, kind, text = got(page)
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)[0]
    text = re.sub(r'<ul class="listed">.*?</ul>', "", text, flags=re.DOTALL)  # the order of outcomes is the run's
    yield f"GET /: {status}, {kind}, style {short(style.encode())}"
    for tag, content in re.findall(r"<(h\d|dt|li|summary)\b[^>]*>(.*?)</\1>", text, re.DOTALL):
        yield normal(f"  {tag}: {re.sub('<[^>]*>', '', content)}")


def metrics(text: str) -> Iterator[str]:
    """Name, help, type, labels of each metric; a value belongs to the run."""
    samples: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            yield from sorted(samples)
            samples = []
            yield line
        else:
            samples.append(line.rpartition(" ")[0])
    yield from sorted(samples)


def logged(demo: Demo) -> Iterator[str]:
    """Each event of the demo's log and the run's, with all the fields that it had.

    Libraries' warnings are left out: on a busy machine waitress counts requests that wait, and on others it has none.
    """
    found: dict[str, set[str]] = {}
    lines = [line for log in (demo.home / "worker.log", demo.log) for line in log.read_text().splitlines()]
    for line in (line for line in lines if line.startswith("{")):  # the others are summaries for people
        event = json.loads(line)
        if event["event"] != "library.warning":
            found.setdefault(f"{event['event']} {event['level']}", set()).update(names(event))
    yield from (f"{name}: {', '.join(sorted(fields))}" for name, fields in sorted(found.items()))


def names(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The names in a JSON object, and in those within it."""
    for name, value in values.items():
        yield before + name
        if isinstance(value, dict):
            yield from names(value, f"{before}{name}.")


def audited(demo: Demo) -> Iterator[str]:
    """Each kind of line of the audit trail, with the fields that it had."""
    shown = asked(["audit", "show", "--json"], demo.folder, {"NHSMAIL_CONFIG": str(demo.settings)}).stdout
    found: dict[str, set[str]] = {}
    for line in shown.splitlines():
        entry = json.loads(line)
        found.setdefault(entry["kind"], set()).update(names(entry))
    yield from (f"{kind}: {', '.join(sorted(fields))}" for kind, fields in sorted(found.items()))


def tables(demo: Demo) -> Iterator[str]:
    """The journal's schema."""
    asks = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
    for (sql,) in rows(demo, asks):
        yield from (f"{line.rstrip()}" for line in sql.replace("\t", "    ").splitlines())
    yield from (f"version {version}" for (version,) in rows(demo, "SELECT version_num FROM alembic_version"))
    yield from (normal(f"fact {name}") for (name,) in rows(demo, "SELECT name FROM fact ORDER BY name"))


def entered(demo: Demo) -> Iterator[str]:
    """What the journal says of each message of the demo, and of each handler that had it."""
    columns = "key, state, path, folder, size, tries, reason, settle_to, sender_listed, evidence"
    yield from (json.dumps(row) for row in rows(demo, f"SELECT {columns} FROM message ORDER BY key"))  # noqa: S608
    columns = "key, delivery.path, handler, delivery.tries, delivery.reason"
    both = "delivery JOIN message ON message.id = message_id"
    yield from (normal(json.dumps(row)) for row in rows(demo, f"SELECT {columns} FROM {both} ORDER BY 1, 2, 3"))  # noqa: S608


def rows(demo: Demo, asks: str) -> list[tuple[Any, ...]]:
    """What the journal answers."""
    path = demo.home / "state" / "journal.sqlite"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as journal:
        return journal.execute(asks).fetchall()


def archived(demo: Demo) -> Iterator[str]:
    """The archive: its longest descriptions in full, and each file by a digest. Its keys and times are the samples'."""
    archive = demo.home / "archive"
    descriptions = sorted(archive.glob("*/message.json"), key=lambda path: (-path.stat().st_size, path))
    for path in descriptions[:3]:
        yield str(path.relative_to(archive))
        yield from path.read_text().splitlines()
    files = sorted(path for path in archive.rglob("*") if path.is_file())
    yield from (f"{short(path.read_bytes())} {path.relative_to(archive)}" for path in files)


# -- faults ------------------------------------------------------------------------------------------------------------

SOUND = """\
[account]
address = "pathology.results@nhs.net"
host = "127.0.0.1"
port = 1
password_file = "password"

[state]
dir = "state"
ephemeral = true

[[route]]
name = "all"
handlers = ["archive"]

[handler.archive]
url = "file://FOLDER/archive"
"""
FAULTY = (
    SOUND
    + """
[pol]
every = "60s"

[poll]
every = "soon"
folders = "INBOX"
evry = "60s"

[limits]
message = "40"

[[route]]
name = "all"
match = { from = "*", colour = "red" }
handlers = ["nope", "no_such_module:handler", "json:nope"]
"""
)
USAGE = (
    "",
    "nope",
    "statsu",
    "--nope",
    "status --nope",
    "status more",
    "status --config",
    "junk",
    "junk nope",
    "junk show",
    "junk release",
    "junk release key",
    "junk release key --reason ' '",
    "junk list --limit 0",
    "junk list --since yesterday",
    "junk list --evidence nope",
    "failed retry",
    "journal rebuild --assume-handled-before soon",
    "login reset",
    "login reset --reason ''",
    "audit show --since soon",
    "route explain",
    "route explain nowhere.eml",
    "handler try archive nowhere.eml",
    "handler try archive some.eml --set nope",
    "handler try nope some.eml",
    "handler try no_such_module:handler some.eml",
    "handler try archive some.eml",
    "handler new 'no name!'",
    "demo --nope",
    "demo status",
    "demo --dir .",
    "demo --dir some.eml",
)
NO_CONFIGURATION = (
    "run",
    "check",
    "status --config nowhere.toml",
    "status --config .",
    "login authorise",
    "audit verify",
    "route explain some.eml",
)
WITHOUT_A_MAILBOX = (
    "--version",
    "check",
    "status --json",
    "login status --json",
    "pause",
    "resume",
    "audit verify",
    "route explain some.eml",
    "route explain some.eml --json --folder Nowhere",
    "handler try archive some.eml --into tried",
    "handler try archive some.eml --set nope=1",
    "handler new ward-round",
    "handler new ward-round",
)
Files = Mapping[str, str | bytes | None]
FILES: Files = {"some.eml": letter(1), "password": "Bright-Harbour-92", "worker.toml": SOUND}
CONFIGURATIONS: Mapping[str, Files] = {
    "several faults": {"worker.toml": FAULTY},
    "no TOML": {"worker.toml": "[account\n"},
    "not UTF-8": {"worker.toml": b"# \xff\n"},
    "empty": {"worker.toml": ""},
    "a password in the file": {"worker.toml": SOUND.replace("[state]", 'password = "Bright-Harbour-92"\n\n[state]')},
    "an empty password": {"password": ""},
    "no password": {"password": None},
    "no route": {"worker.toml": SOUND.partition("[[route]]")[0]},
    "a handler that isn't there": {"worker.toml": SOUND.replace('["archive"]', '["archive", "no_such_module:one"]')},
    "a handler's setting": {"worker.toml": SOUND.replace("file://", "nope://")},
    "another auth": {"worker.toml": SOUND.replace("port = 1", 'port = 1\nauth = "oauth2-device"')},
    "a state folder that is a file": {"state": "a file"},
    "another database": {"worker.toml": SOUND.replace("[state]", '[state]\njournal = "nope://"')},
}
ALSO_FOR_STATUS = ("several faults", "no password", "a handler that isn't there", "a state folder that is a file")
VARIABLES: Mapping[str, str] = {
    "NHSMAIL_POLL__EVRY": "60s",
    "NHSMAIL_POLL__EVERY": "soon",
    "NHSMAIL_POLL__FOLDERS": "[",
    "NHSMAIL_ROUTE": "{}",
    "NHSMAIL_NOPE__NOPE": "1",
}
STATES: Mapping[str, Files] = {
    "a journal that is none": {"state/journal.sqlite": "no database" * 1000},
    "an empty journal": {"state/journal.sqlite": ""},
}


IMPATIENT = {"NHSMAIL_POLL__RECONNECT": '["1s"]'}
"""For commands that try to reach a server where none is: it gives up after a second."""


@dataclass(frozen=True)
class Case:
    """One command in a folder of its own.

    files: beside the usual ones, or instead of them; None: not there. damage: what else is done to the folder.
    """

    line: str
    title: str = ""
    files: Files = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)
    damage: Callable[[Path], object] = id


def answered(case: Case) -> list[str]:
    """What came of it."""
    with laid_out(case.files) as folder:
        case.damage(folder)
        titles = [f"# {case.title}"] if case.title else []
        return [*titles, *told(shlex.split(case.line), folder, case.more)]


def each(cases: Iterable[Case]) -> Iterator[str]:
    """What came of each, in their order; a few at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from chain.from_iterable(pool.map(answered, cases))


@contextmanager
def laid_out(files: Files) -> Iterator[Path]:
    """A folder with these files and the usual ones."""
    with tempfile.TemporaryDirectory(prefix="capture-") as name:
        folder = Path(name).resolve()
        for path, content in {**FILES, **files}.items():
            if content is not None:
                lay(folder / path, content)
        yield folder


def lay(path: Path, content: str | bytes) -> None:
    """Write a file that is the user's alone; FOLDER in it is where it lies."""
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content if isinstance(content, bytes) else content.replace("FOLDER", str(path.parent)).encode())


def usage() -> Iterator[str]:
    """Commands that are wrong as they are typed, in a folder without a configuration."""
    yield from each(Case(line, files={"worker.toml": None}) for line in (*USAGE, *NO_CONFIGURATION))


def sound() -> Iterator[str]:
    """Commands that need no mailbox, one after the other, and the files that they leave."""
    with laid_out({}) as folder:
        for line in WITHOUT_A_MAILBOX:
            yield from told(shlex.split(line), folder)
        for path in sorted(path for path in (folder / "ward-round").rglob("*") if path.is_file()):
            yield f"{short(path.read_bytes())} {path.relative_to(folder)}"


def misconfigured() -> Iterator[str]:
    """Configurations with faults in them; `status` looks at less than `check`."""
    yield from each(Case("check", title, files) for title, files in CONFIGURATIONS.items())
    yield from each(Case("status", title, CONFIGURATIONS[title]) for title in ALSO_FOR_STATUS)
    yield from each(Case("check", more={name: value}) for name, value in VARIABLES.items())
    yield from each([Case("check", "others can read it", damage=lambda folder: (folder / "password").chmod(0o644))])


def damaged(demo: Demo) -> Iterator[str]:
    """State folders that aren't as the worker left them: made by hand, and the demo's."""
    lines = ("status", "once", "audit verify")
    yield from each(Case(line, title, files, IMPATIENT) for title, files in STATES.items() for line in lines)
    yield from each(
        Case(line, title, damage=lambda folder, damage=damage: damage(copied(demo, folder)))  # type: ignore[misc]
        for title, damage in DAMAGES.items()
        for line in ("status", "audit verify")
    )


def copied(demo: Demo, folder: Path) -> Path:
    """The demo's state and the configuration that belongs to it, in this folder."""
    settings = demo.settings.read_text().replace(str(demo.home / "state"), str(folder / "state"))
    lay(folder / "worker.toml", settings)
    return shutil.copytree(demo.home / "state", folder / "state")


def from_the_future(state: Path) -> None:
    """A later version had the journal: its schema has a number that is higher than any here."""
    with closing(sqlite3.connect(state / "journal.sqlite")) as journal, journal:
        journal.execute("UPDATE alembic_version SET version_num = '9999'")


def without_a_table(state: Path) -> None:
    """A table of the journal is gone."""
    with closing(sqlite3.connect(state / "journal.sqlite")) as journal, journal:
        journal.execute("DROP TABLE delivery")
        journal.execute("DROP TABLE message")


def change_trail(state: Path) -> None:
    """A line of the audit trail says something else."""
    (trail,) = (state / "audit").glob("*.jsonl")
    trail.write_text(trail.read_text().replace('"command":"once"', '"command":"none"', 1))


def cut_trail(state: Path) -> None:
    """The end of the audit trail is gone."""
    (trail,) = (state / "audit").glob("*.jsonl")
    trail.write_text("".join(trail.read_text().splitlines(keepends=True)[:5]))


def no_trail(state: Path) -> None:
    """The audit trail is gone."""
    shutil.rmtree(state / "audit")


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "a journal of a later version": from_the_future,
    "a journal without tables": without_a_table,
    "a trail that was changed": change_trail,
    "a trail without its end": cut_trail,
    "no trail": no_trail,
}

# -- what the documentation tells others -------------------------------------------------------------------------------


def generated() -> Iterator[str]:
    """The pages that `make docs` makes of the code, a line each heading and row with a digest of what it says."""
    made = re.findall(r"^\t@\$\(PY\) -m (.*) > docs/(\S+\.md)\.part$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words, name in made:
        answer = asked(words.split(), ROOT, program=[sys.executable, "-m"])
        yield f"{name}, exit {answer.returncode}"
        yield from (f"  {line}" for line in outline(normal(answer.stdout)))


def outline(page: str) -> Iterator[str]:
    """A page's headings and rows, each with a digest of all that it says, and the fields of events."""
    for part in re.split(r"^(?=#+ |\| )", page, flags=re.MULTILINE):
        first = part.partition("\n")[0]
        name = first.split(" | ")[0] if first.startswith("|") else first
        fields = re.search(r"^Fields: (.*)", part, re.MULTILINE)
        if not first.startswith("|--"):
            yield f"{short(part.encode())} {name}{f': {fields[1]}' if fields else ''}"


def public() -> Iterator[str]:
    """What the metadata says, and what the documentation has others import."""
    mine = metadata.distribution(PRODUCT)
    yield from sorted(f"entry point {one.group}: {one.name}" for one in mine.entry_points)
    yield from sorted(f"extra {name}" for name in mine.metadata.get_all("Provides-Extra") or [])
    texts = [path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    told_to = {found for text in texts for found in re.findall(r"from (worker[\w.]*) import ([\w, ]+)", text)}
    told_to.add(("worker", ",".join(importlib.import_module("worker").__all__)))
    for module, name in sorted({(module, name) for module, names in told_to for name in re.findall(r"\w+", names)}):
        yield from described(f"{module}.{name}", getattr(importlib.import_module(module), name))


def described(name: str, value: Any) -> Iterator[str]:
    """How a public name is called, and what a class has."""
    is_exception = inspect.isclass(value) and issubclass(value, Exception)
    yield name + ("" if is_exception else in_order(normal(str(inspect.signature(value)))))
    if inspect.isclass(value):
        for member in sorted(vars(value)):
            if not member.startswith("_"):
                yield f"  {name}.{member}"


def in_order(signature: str) -> str:
    """A signature with the members of its sets in order: Python has them in another at every run."""
    return re.sub(r"(?<=frozenset\(\{)[^}]+", lambda found: ", ".join(sorted(found[0].split(", "))), signature)


# -- all of it ---------------------------------------------------------------------------------------------------------


def everything(folder: Path) -> Iterator[str]:
    """The whole capture, a heading before each section."""
    with tempfile.TemporaryDirectory(prefix="capture-") as name, Prefork(Path(name), environment()) as prefork:
        AT_ONCE.append(prefork)
        yield from sections(folder)
        AT_ONCE.clear()


def sections(folder: Path) -> Iterator[str]:
    """Its sections, in order."""
    demo = Demo(folder)
    yield from headed("help", help_pages(folder))
    yield from headed("python -m worker", [normal(asked(["--version"], folder, program=MODULE).stdout).strip()])
    yield from headed("entry points and public names", public())
    yield from headed("generated pages", generated())
    yield from headed("faults: the command line", usage())
    yield from headed("faults: the configuration", misconfigured())
    yield from headed("commands without a mailbox", sound())
    yield from headed("demo", demo.told(""))
    yield from headed("journal: schema", tables(demo))
    yield from headed("journal: what the demo entered", entered(demo))
    yield from headed("archive of the demo", archived(demo))
    yield from headed("commands on the demo's mailbox", answers(demo))
    yield from headed("a running worker: pages, metrics, a wrong password", work(demo))
    yield from headed("log: events and their fields", logged(demo))
    yield from headed("audit trail: kinds and their fields", audited(demo))
    yield from headed("faults: the server is away", unreachable(demo))
    yield from headed("faults: the state", damaged(demo))


def headed(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A section."""
    yield f"==== {title} ===="
    yield from lines
    yield ""


def start_up(folder: Path) -> Iterator[str]:
    """How long commands take, the middle one of several runs; `status` on the state that a demo left."""
    demo = Demo(folder)
    asked(["demo", "--dir", "demo"], folder)
    for line in ("--version", "--help", "status"):
        taken = []
        for _ in range(RUNS):
            began = time.perf_counter()
            asked([line], folder, {"NHSMAIL_CONFIG": str(demo.settings)})
            taken.append(1000 * (time.perf_counter() - began))
        yield f"{line:<10} {statistics.median(taken):6.0f} ms"


def main() -> None:
    """Print one or the other."""
    made = {(): everything, ("--start-up",): start_up}[tuple(sys.argv[1:])]
    with tempfile.TemporaryDirectory(prefix="capture-") as name:
        for line in made(Path(name).resolve()):
            print(line)


if __name__ == "__main__":
    main()
