"""Every command that README and the pages name is run, on the mailbox that a demo has left."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.letters import letter

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = re.compile(r'(?:^    |`)(?:\.venv/bin/)?nhsmail-worker ([a-z](?:"[^"`\n]*"|[^`|#>\n])*)', re.MULTILINE)
ELSEWHERE = {
    "run": "until a signal ends it: tests/acceptance/test_run.py, test_demo.py",
    "alerts test": "with servers that take alerts, and refuse them: tests/integration/test_alert_ways.py",
    "init": "asks on a terminal: tests/acceptance/test_init.py, tests/acceptance/oidc/test_first_day.py",
    "login authorise": "with a person and a browser: tests/acceptance/test_oauth.py",
    "handler try pathology-filing": "the page's own handler: tests/integration/test_handlers_page.py",
    "handler new pathology-filing": "as above",
}
WITHOUT_ARGUMENTS = ("failed retry", "handle", "handler try", "junk release", "junk show", "demo")
"""Named as commands, without the arguments that they want."""
LAST = ("pause", "resume", "journal rebuild", "login reset")
"""These change what the others see."""
FINDINGS = ("once", "failed retry", "login doctor", "find")
"""These end with 1 where something is found: the demo has dead letters, and its mail server isn't Exchange's.
`find` ends with 1 where nothing is found."""


MEANT = {"NAME": "broken", "DATE": "2026-11-02"}
"""What a person puts in the place of these words: a handler and a day of the demo."""


def documented() -> list[str]:
    named = {" ".join(found.split()) for page in PAGES for found in NAMED.findall(page.read_text())}
    whole = {text.removeprefix("demo ") for text in named if text not in WITHOUT_ARGUMENTS}
    here = [text for text in whole if not text.startswith(tuple(ELSEWHERE))]
    return sorted(dict.fromkeys(here), key=lambda text: (text.startswith(LAST), text))


def demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "worker", "demo", "--dir", "demo", *arguments]
    environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a demo has been, with a saved mail."""
    folder = tmp_path_factory.mktemp("documented")
    assert demo(cwd=folder).returncode == 0
    for name in ("some.eml", "report.eml"):
        (folder / name).write_bytes(letter(1))
    return folder


def a_key(command: str, place: Path) -> str:
    """The key of a message that the command can work on: a handled one for `handle`."""
    if command == "handle":
        listed = demo("find", "--from", "lab", cwd=place).stdout
        return str(re.findall(r"\t([a-z2-7]{26})\thandled\t", listed)[0])
    listed = demo(command if command in {"failed", "junk"} else "failed", "list", cwd=place).stdout
    return str(re.findall(r"\b[a-z2-7]{26}\b", listed)[0])


def test_the_pages_name_the_commands() -> None:
    assert {"status", "check --connect", "junk list", "failed show KEY"} <= set(documented())


@pytest.mark.slow
@pytest.mark.parametrize("command", documented())
def test_it_works_as_it_is_written(place: Path, command: str) -> None:
    words = [MEANT.get(word, word) for word in shlex.split(command)]
    if "KEY" in words:
        words[words.index("KEY")] = a_key(words[0], place)
    if "--state" in words:  # a copy of the state folder, as `journal backup` makes it
        assert demo("journal", "backup", "kept", cwd=place).returncode == 0
        words[words.index("--state") + 1] = str(max((place / "kept").glob("nhsmail-worker-*")))
    if "--all" in words:  # nobody sits there to be asked
        words.append("--yes")
    if command.startswith("login reset"):
        assert demo("check", "--connect", cwd=place).returncode == 0  # a second reset wants a success between them
    answer = demo(*words, cwd=place)
    allowed = {0, 1} if command.startswith(FINDINGS) else {0}
    if command.startswith("once"):
        allowed.add(75)  # the demo's broken handler: `failed retry --all` came before, and its tries are still due
    assert answer.returncode in allowed, answer.stdout + answer.stderr
