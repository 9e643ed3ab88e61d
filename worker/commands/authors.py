"""The commands for handler authors: try a handler on a message in a file, and start a new one."""

import importlib.util
import inspect
import keyword
import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from worker.commands.explain import read_message
from worker.handling.foreign_code import lines_of, root_of, words_of
from worker.handling.handler import Handler
from worker.handling.loading import load_handler
from worker.handling.lookup import ENTRY_POINTS
from worker.settings import proxy_of
from worker.settings.routes import HandlerSettings
from worker.settings.tree import Settings
from worker.testing import Result, Runner

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_LONGEST = 40
_USED = frozenset({"BaseModel", "Field", "Message", "NothingAttached", "Path", "Reject", "Retry", "Runner"})
"""Names used in the skeleton, which a handler class of that name would shadow."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of giving a handler a message from a file.

    text: for the user, with the handler's own words. They may quote the message, so show them only on a terminal.
    """

    result: Result
    text: str


def try_handler(
    name: str, message: Path, *, settings: Settings | None = None, options: Mapping[str, Any] | None = None
) -> Tried:
    """Give a message from a file to a handler, once, without a mailbox. The handler's side effects are real.

    name: as in a route: a table's name, an entry point, or `module:name`.
    settings: the configuration, for the handler's table, and for classifying and limiting the message; None uses the
        defaults.
    options: more settings of the handler, which override those in its table.

    Raises:
        SettingsError: the handler can't be imported, configured or built.
        NotAMessage: the file isn't a message.
        OSError: the file can't be read.
    """
    mail = read_message(message, settings)
    tables = dict(settings.handlers) if settings else {}
    if options:
        table = tables.get(name, HandlerSettings())
        tables[name] = table.model_copy(update={"options": {**table.options, **options}})
    mode = settings.account.password_file_mode if settings else "private"
    handler = load_handler(name, tables, file_mode=mode, proxy=proxy_of(settings) if settings else None)
    result = Runner(handler, show_errors=False).deliver(mail)
    return Tried(result, _sentence(name, result, _places(result, handler)) + _closing(handler))


_MOST_PLACES = 10


def _places(result: Result, handler: Handler) -> str:
    """The lines of the handler's own code that an error passed through, and where it was raised, outermost first."""
    if result.state != "error" or result.error is None:
        return ""
    called = handler.call if inspect.isroutine(handler.call) else type(handler.call)
    through = lines_of(result.error, str(called.__module__))[-_MOST_PLACES:]
    *_, innermost = traceback.walk_tb(result.error.__traceback__)
    if innermost not in through and root_of(innermost[0]) != "worker":
        through.append(innermost)
    return "".join(f"\n  {frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}" for frame, line in through)


def _closing(handler: Handler) -> str:
    """Close the handler; returns what to say if that fails. The worker would go on too, so it isn't an error."""
    try:
        handler.close()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 -- other people's code
        return f"\nIts close() raised {type(error).__name__}: {words_of(error)}"
    return ""


def _sentence(name: str, result: Result, places: str) -> str:
    took = f"in {result.seconds:.3f} s"
    kind = type(result.error).__name__
    said_of_it = "" if result.error is None else words_of(result.error)
    words = f": {said_of_it}" if said_of_it else ""
    wait = f", in {result.after} at the earliest" if result.after else ""
    raised = f"{name} raised {kind}{words}{places}"
    said = {
        "done": f"{name} returned {took}: the message would be settled as handled.",
        "retry": f"{raised}\nThe message would be tried again later{wait}.",
        "reject": f"{raised}\nThe message would be a dead letter at once.",
        "error": f"{raised}\nThe message would be tried again with backoff, then be a dead letter.",
        "unreadable": f"The message can't be taken apart ({kind}){words}\nIt would be a dead letter at once.",
    }
    return said[result.state] + _ignored(result)


def _ignored(result: Result) -> str:
    """What to say about a value that the handler returned, which its author may expect to matter."""
    if not result.done or result.returned is None:
        return ""
    return (
        f"\nWhat it returned ({type(result.returned).__name__}) is ignored: returning is success. "
        "To say anything else, raise Retry (later) or Reject (never)."
    )


class CannotBegin(Exception):
    """The new handler can't have this name, or can't be created here. The text is for the user."""


def new_handler(name: str, parent: Path) -> tuple[Path, ...]:
    """Write the skeleton of a handler package to a new folder in `parent`; returns the files.

    Raises:
        CannotBegin: the name isn't allowed or is taken, or the folder exists.
        OSError: a file can't be written.
    """
    module = name.replace("-", "_")
    title = "".join(word.capitalize() for word in module.split("_"))
    _check_name(name, module, title)
    root = parent / name
    if root.exists():
        raise CannotBegin(f"{root} is there already: nothing was written. Take another name, or remove it.")
    files = {
        root / "pyproject.toml": _PYPROJECT,
        root / module / "__init__.py": _HANDLER,
        root / module / "py.typed": "",
        root / "tests" / f"test_{module}.py": _TEST,
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@NAME@", name).replace("@MODULE@", module).replace("@CLASS@", title))
    return tuple(files)


def _check_name(name: str, module: str, title: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise CannotBegin(
            f'"{name[:_LONGEST]}" can\'t be the name of a package. Take small letters, digits and hyphens, such as '
            "pathology-filing."
        )
    reserved = {*sys.stdlib_module_names, "handlers", "nhsmail_worker", "tests", "worker"}
    if keyword.iskeyword(module) or keyword.issoftkeyword(module) or module in reserved:
        raise CannotBegin(f'"{name}" is a name that Python or the worker uses. Take another.')
    if name in entry_points(group=ENTRY_POINTS).names:
        raise CannotBegin(f'"{name}" is the name of an installed handler. Take another.')
    if title in _USED or importlib.util.find_spec(module) is not None:
        raise CannotBegin(
            f'"{name}" is the name of something that the skeleton uses, or that is installed. Take another.'
        )


_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "@NAME@"
version = "0.1.0"
description = "What is done with each message."
requires-python = ">=3.11"
# The worker, which brings pydantic along, isn't named here: it is on no package index, and whoever took its name on one
# would be installed in its place. Name only what the handler itself needs.
dependencies = []

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points."nhsmail_worker.handlers"]
@NAME@ = "@MODULE@:@CLASS@"

[tool.hatch.build.targets.wheel]
packages = ["@MODULE@"]
"""

_HANDLER = '''\
"""`@NAME@`: files the attachments of each message."""

from pathlib import Path

from pydantic import BaseModel, Field

from worker import Message, Reject


class NothingAttached(Reject):
    """There is nothing to file. People see this name, and never a text."""


class @CLASS@:
    """Called once for each message, by several threads at once. It may get a message twice: `message.key` tells."""

    class Settings(BaseModel):
        """The table `[handler.@NAME@]`."""

        folder: Path = Field(description="Where the attachments go.")

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.folder

    def __call__(self, message: Message) -> None:
        """Returning is success; `raise Retry(...)` for later, `raise Reject(...)` or a class below it for never."""
        if not message.attachments:
            raise NothingAttached
        folder = self._folder / message.key
        folder.mkdir(parents=True, exist_ok=True)
        for attachment in message.attachments:
            (folder / attachment.safe_filename).write_bytes(attachment.read())
'''

_TEST = '''\
"""Tests of `@NAME@`."""

from pathlib import Path

from @MODULE@ import @CLASS@
from worker.testing import Runner, make_message


def test_attachments_are_filed_once(tmp_path: Path) -> None:
    message = make_message(attachments={"report.pdf": b"%PDF-1.7"})
    with Runner(@CLASS@, {"folder": tmp_path}) as runner:
        filed = runner.check_repeats(message, lambda: {path.name: path.read_bytes() for path in tmp_path.glob("*/*")})
    assert filed == {"report.pdf": b"%PDF-1.7"}


def test_a_message_without_attachments_is_a_dead_letter(tmp_path: Path) -> None:
    with Runner(@CLASS@, {"folder": tmp_path}) as runner:
        assert runner.deliver(make_message()).state == "reject"
'''
