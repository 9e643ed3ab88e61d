"""Goes through all of `init`: the questions, the look at the mailbox, the check, the file, and what comes next."""

import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from worker.commands.check import check
from worker.commands.exits import ExitCode, Failure
from worker.commands.init.draft import Draft, text_of
from worker.commands.init.interview import Given, Interview, Person, Stopped, from_options
from worker.commands.init.old_mail_look import look
from worker.commands.init.placing import put, refuse_taken, see_that_there_is_room
from worker.commands.init.questions import AUTH, SINCE, Answers
from worker.pipeline.old_mail import Backlog

_LOOK: Final = (
    "\nOld mail. The worker can log in once now, and count the mail in the mailbox. It doesn't read the mail. The "
    "login is an attempt like any other."
)
_STOPPED: Final = "Stopped. Nothing was written."


@dataclass(frozen=True, slots=True)
class Target:
    """The file to write. replace: although it is there. environ: what beats its settings, as for every command."""

    path: Path
    environ: Mapping[str, str]
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The configuration is in its place. lines: what `check` says of it; finding: whether it advises against it.

    following: the commands to type next.
    """

    lines: list[str]
    finding: bool
    following: list[str]


def init(
    target: Target, given: Given, now: datetime, person: Person, *, asks: bool = True, looks: bool | None = None
) -> Written:
    """Write a configuration that `check` passes.

    given: the answers that are known already. asks: whether the person is asked for the others; otherwise all that has
    no default must be given. looks: whether to log in and count the old mail; None: the person is asked, if anybody is.

    Raises:
        Failure: nothing was written.
    """
    if not target.replace:
        refuse_taken(target.path)
    see_that_there_is_room(target.path)
    try:
        with tempfile.TemporaryDirectory(prefix="nhsmail-worker-") as folder:
            draft = Draft(Path(folder) / "worker.toml", target.environ)
            if asks:
                answers = _asked(draft, given, now, person, looks=looks)
            else:
                answers = from_options(draft, given, now)
                if looks:
                    _found(draft, answers, now, person)
            with draft.context(answers) as context:
                checked = check(context)
        if checked.finding and asks:
            _see_that_it_is_wanted(person, checked.lines)
        put(target.path, text_of(answers), replace=target.replace)
    except (Stopped, KeyboardInterrupt):
        raise Failure(ExitCode.NOT_NOW, _STOPPED) from None
    except OSError as error:
        text = f"The configuration can't be checked: {error.strerror}, in the folder for temporary files."
        raise Failure(ExitCode.CONFIGURATION, f"{text} Nothing was written.") from error
    return Written(checked.lines, checked.finding, _following(target, str(answers[AUTH.place])))


def _asked(draft: Draft, given: Given, now: datetime, person: Person, *, looks: bool | None) -> Answers:
    interview = Interview(draft, person, given, now)
    interview.conduct()
    is_since_given = interview.given(SINCE)
    if looks is None and not is_since_given:
        person.tell(_LOOK)
        looks = _is_agreed(person, "Look now?", default=True)
    found = _found(draft, interview.answers, now, person) if looks else None
    if not is_since_given:
        _ask_since(interview, person, found, now)
    return interview.answers


def _found(draft: Draft, answers: Answers, now: datetime, person: Person) -> Backlog | None:
    """What lies in the mailbox, which the person is told; None: it couldn't be looked at, as they are told too."""
    found = look(lambda: draft.context(answers), now, person)
    if found is not None:
        person.tell(found.text())
    return found


def _ask_since(interview: Interview, person: Person, found: Backlog | None, now: datetime) -> None:
    everything = "all mail there" if found is None else f"all {found.count:,} of them" if found.count else "all"
    person.tell(
        "\nWhich mail should the worker hand over? If handlers write into patient records, old mail gets there too.\n"
        f"  1  now   only what arrives from today on ({now:%Y-%m-%d}), and what has arrived today already\n"
        "  2  date  what arrived from a day on, YYYY-MM-DD; older mail is left alone\n"
        f"  3  all   everything: {everything}, however old"
    )
    words = {"1": "now", "3": "all"}
    while True:
        text = interview.answer("now, a date, or all: ")
        if text in ("2", "date"):
            text = interview.answer("From which day on, YYYY-MM-DD: ")
        faults = interview.take(SINCE, words.get(text, text))
        if not faults:
            return
        for fault in faults:
            person.tell(f"  {fault}")


def _see_that_it_is_wanted(person: Person, lines: list[str]) -> None:
    person.tell("\nWith these answers the worker would start, but not everything would work:")
    for line in lines:
        person.tell(f"  {line}")
    if not _is_agreed(person, "Write the configuration anyway?", default=False):
        raise Stopped


def _is_agreed(person: Person, question: str, *, default: bool) -> bool:
    while True:
        text = person.ask(f"{question} [{'Y/n' if default else 'y/N'}] ")
        if text is None:
            raise Stopped
        text = text.strip().lower()
        if not text:
            return default
        if text in ("y", "yes", "n", "no"):
            return text.startswith("y")
        person.tell("  Please answer yes or no.")


def _following(target: Target, auth: str) -> list[str]:
    named = target.environ.get("NHSMAIL_CONFIG", "worker.toml")
    option = "" if str(target.path) == named else f" --config {shlex.quote(str(target.path))}"
    sign_in = {"oauth2-browser": ["login authorise --paste"], "oauth2-device": ["login authorise"]}.get(auth, [])
    words = ["check", *sign_in, "login doctor", "once --dry-run", "run"]
    return [f"nhsmail-worker {word}{option}" for word in words]
