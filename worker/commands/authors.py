"""`handler new`: the skeleton of a handler's package."""

import importlib.util
import keyword
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

from worker.handling.lookup import ENTRY_POINTS

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_LONGEST = 40
_USED = frozenset({"BaseModel", "Field", "Message", "Path", "Reject", "Retry", "Runner"})
"""Names that the skeleton uses, or its author soon does. A handler class of that name would shadow them."""


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
        raise CannotBegin(f"{root} exists already. Nothing was written. Choose another name, or remove it.")
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
            f'"{name[:_LONGEST]}" can\'t be the name of a package. Use lower-case letters, digits and hyphens, such as '
            "pathology-filing."
        )
    reserved = {*sys.stdlib_module_names, "handlers", "nhsmail_worker", "tests", "worker"}
    if keyword.iskeyword(module) or keyword.issoftkeyword(module) or module in reserved:
        raise CannotBegin(f'"{name}" is a name that Python or the worker uses. Choose another.')
    if name in entry_points(group=ENTRY_POINTS).names:
        raise CannotBegin(f'"{name}" is the name of an installed handler. Choose another.')
    if title in _USED or importlib.util.find_spec(module) is not None:
        raise CannotBegin(
            f'"{name}" is the name of an installed package, or of something that the new handler uses. Choose another.'
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


class @CLASS@:
    """Called once for each message, by several threads at once. It may get a message twice: `message.key` tells."""

    class Settings(BaseModel):
        """The table `[handler.@NAME@]`."""

        folder: Path = Field(description="Where the attachments go.")

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.folder

    @staticmethod
    def scratch(settings: Settings, folder: Path) -> Settings:
        """The settings for `nhsmail-worker handler try`, which leaves the real folder alone."""
        return settings.model_copy(update={"folder": folder})

    def __call__(self, message: Message) -> None:
        """Returning is success; `raise Retry(...)` for later, `raise Reject("text")` for never."""
        if not message.attachments:
            raise Reject("nothing attached")  # people see the text, if it is a literal
        folder = self._folder / message.key
        folder.mkdir(parents=True, exist_ok=True)
        for attachment in message.attachments:
            (folder / attachment.safe_filename).write_bytes(attachment.read())
        # Into the worker's log, with the key. Numbers and literals only: nothing that the message says.
        message.log("attachments.filed", count=len(message.attachments))
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


def test_what_was_filed_is_logged(tmp_path: Path) -> None:
    with Runner(@CLASS@, {"folder": tmp_path}) as runner:
        (line,) = runner.deliver(make_message(attachments={"report.pdf": b"%PDF-1.7"})).logged
    assert (line.event, line.values) == ("attachments.filed", {"count": 1})


def test_a_message_without_attachments_is_a_dead_letter(tmp_path: Path) -> None:
    with Runner(@CLASS@, {"folder": tmp_path}) as runner:
        assert runner.deliver(make_message()).kind == "Reject:nothing-attached"
'''
