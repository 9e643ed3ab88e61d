"""The configuration that the answers make, as text with comments, and what `check` would say of it."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import tomli_w

from worker.commands.context import Context, all_checks
from worker.commands.init.questions import ARCHIVE, STATE, Answers, Question
from worker.handling.loading import check_handlers
from worker.settings import Check, SettingsError, check_state_dir, load
from worker.settings.model import Place
from worker.settings.wording import title

HEAD: Final = (
    "The configuration of nhsmail-worker, for one mailbox. No secret belongs in it.",
    "Every other setting, and its default: docs/configuration.md. After a change: `nhsmail-worker check`, restart.",
)
TABLES: Final[Mapping[str, str]] = {
    "account": "The mailbox, and how the worker signs in: docs/nhsmail.md.",
    "account.oauth": "What the application's registration gives.",
    "password": "The account's password, for warnings before it ends.",
    "state": "The count of login attempts, the journal, the audit trail: on a disk that a restart keeps. One account, "
    "one state folder.",
    "poll": 'Mail that arrived before this is left alone, where it lies. "all" hands over everything, years of it too.',
    "handler.archive": "Stores each message as files in a folder of its own. docs/handlers.md has the other handlers.",
}
"""The tables in their order, and what is said of each."""
ROUTE: Final = (
    "Routes are tried from top to bottom, and the first that matches takes the message. The last one has no match, and "
    'takes everything else. Another route goes above it, with such a line: match = { from = "*@lab.nhs.uk" }'
)


def text_of(answers: Answers) -> str:
    """The configuration, as TOML."""
    return "\n".join(_lines(answers))


def _lines(answers: Answers) -> Iterator[str]:
    for paragraph in HEAD:
        yield from _comment(paragraph)
    for name, about in TABLES.items():
        if name == "handler.archive":
            yield from ("", *_comment(ROUTE), "[[route]]", 'name = "everything"', 'handlers = ["archive"]')
        inner = {place[-1]: value for place, value in answers.items() if ".".join(place[:-1]) == name}
        if inner:
            yield from ("", *_comment(about), f"[{name}]")
            yield from (tomli_w.dumps({key: value}).rstrip("\n") for key, value in inner.items())
    yield ""


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


class Draft:
    """A configuration that isn't in its place yet."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        """path: where it lies while it is checked. environ: what beats it, as for every command."""
        self._path = path
        self._environ = environ

    def faults(self, answers: Answers) -> list[str]:
        """Everything that `check` would call a fault, without building the handlers."""
        return self._faults(answers, all_checks())

    def faults_about(self, question: Question, answers: Answers) -> list[str]:
        """Those of them that are about this question's setting."""
        # what takes time, and whom it is about
        elsewhere: dict[Check, Question] = {check_state_dir: STATE, check_handlers: ARCHIVE}
        checks = [check for check in all_checks() if elsewhere.get(check, question) is question]
        return faults_about(question, self._faults(answers, checks))

    def context(self, answers: Answers) -> Context:
        """A context of this configuration, as every command has one.

        Raises:
            Failure: it has faults.
        """
        self._write(answers)
        return Context.from_files(self._path, self._environ)

    def _faults(self, answers: Answers, checks: Sequence[Check]) -> list[str]:
        self._write(answers)
        try:
            load(self._path, self._environ, checks)
        except SettingsError as error:
            return error.faults
        return []

    def _write(self, answers: Answers) -> None:
        self._path.touch(mode=0o600)
        self._path.write_text(text_of(answers), encoding="utf-8")


def faults_about(question: Question, faults: list[str]) -> list[str]:
    """Those of these faults that are about a question's setting."""
    return [fault for fault in faults if _is_about(question.place, fault)]


def _is_about(place: Place, fault: str) -> bool:
    name = title(place)
    return fault.startswith((f"{name}:", f"{name} (from "))
