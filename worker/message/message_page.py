"""Writes docs/message.md from the docstrings of what handlers see: `python -m worker.message.message_page`.

The standard library is enough for it: the source as a tree has what a class at run time lacks, the docstrings of
attributes.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from worker.message.attachment import Attachment
from worker.message.copies import Look, OldCopies, OldCopy, RemovedCopies
from worker.message.description import as_json, describe
from worker.message.message import Message
from worker.message.mime.addresses import Address
from worker.message.mime.headers import Headers
from worker.message.mime.limits import MessageError, MessageOverLimit, MessageUnparsable
from worker.message.outcome import KeyTaken, Reject, Retry
from worker.message.verdict import Evidence

_HEAD: Final = """\
# The message, as a handler sees it

<!-- Written by `python -m worker.message.message_page`; a test compares the two. -->

A handler is called with one `Message`. `from worker import Message, Retry, Reject` gives these names and all others on
this page, save where it says otherwise. How to write a handler: [Handlers](handlers.md). Tests make messages with
`worker.testing.make_message`.
"""
_MESSAGE: Final = """\
Each value is calculated when it is first asked for. What needs the message's parts raises a `MessageError` if the
message can't be parsed; the last column says where. A handler needn't catch it: the message is then a dead letter, and
is kept whole. Nothing else is raised.

Texts can always be encoded as UTF-8, whatever the sender wrote. Subject, addresses, names of files and types have no
control characters.
"""
_ERRORS: Final = """\
## Errors that reading a message raises

They are below `MessageError`, which is what to catch. The limits are settings: [`[limits]`](configuration.md#limits).
"""
_OUTCOMES: Final = """\
## Errors that a handler raises

Returning is success. Any other exception than these means: try again with backoff, up to the route's `tries`.
"""
_COPIES: Final = """\
## Copies that a handler keeps

For a handler that has the setting `remove_after`, and the methods `old_copies` and `remove_copies`:
[Retention](handlers.md#in-a-handler-of-your-own).
"""


_FOR_THE_WORKER = frozenset({"as_sent", "placed", "positions"})
"""What the worker's own rooms read headers by. It may change in any version, so handlers don't hear of it."""


@dataclass(frozen=True, slots=True)
class Member:
    """An attribute or a method. name: with the parameters of a method. raises: the errors' names; empty if none."""

    name: str
    type: str
    meaning: str
    raises: str


def message_page() -> str:
    """Return the whole page."""
    parts = [
        *(_HEAD, "## `Message`", _paragraphs(Message), _MESSAGE, _table(Message)),
        *("## `Attachment`", _paragraphs(Attachment), _table(Attachment)),
        *("## `Headers`", "The type of `message.headers`.", _paragraphs(Headers), _table(Headers)),
        *("## `Address`", "The type of `message.sender`, and of each address in `to` and `cc`.", _paragraphs(Address)),
        *("## `Evidence`", "The type of each piece of `message.evidence`.", _paragraphs(Evidence)),
        _ERRORS,
        *(part for error in (MessageError, MessageUnparsable, MessageOverLimit) for part in _class(error)),
        _OUTCOMES,
        *(part for error in (Retry, Reject, KeyTaken) for part in _class(error)),
        "## Functions",
        *(part for function in (describe, as_json) for part in _function(function)),
        _COPIES,
        *(part for kind in (Look, OldCopies, OldCopy, RemovedCopies) for part in _class(kind)),
    ]
    return "\n".join(f"{part.rstrip()}\n" for part in parts if part)


def members(kind: type) -> list[Member]:
    """Return the public attributes and methods of a class that its own source has a docstring for, in order."""
    found: list[Member] = []
    (tree,) = (one for one in ast.parse(textwrap.dedent(inspect.getsource(kind))).body if isinstance(one, ast.ClassDef))
    found += _attributes(tree.body)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            found += _attributes(node.body)
        elif isinstance(node, ast.FunctionDef) and _is_public(node.name) and (text := ast.get_docstring(node)):
            found.append(_member(_called(node), _type(node.returns), text))
    return found


def _is_public(name: str) -> bool:
    return not name.startswith("_") and name not in _FOR_THE_WORKER


def _attributes(body: list[ast.stmt]) -> Iterator[Member]:
    """The attributes that are followed by a docstring."""
    for node, after in pairwise(body):
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
        if isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(text, str):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            name = target.attr if isinstance(target, ast.Attribute) else ast.unparse(target)
            yield _member(name, _type(node.annotation) if isinstance(node, ast.AnnAssign) else "`str`", text)


def _called(node: ast.FunctionDef) -> str:
    """The name as it is used: an attribute's alone, a method's with its parameters."""
    decorators = {ast.unparse(one) for one in node.decorator_list}
    if decorators & {"property", "lazy"}:
        return node.name
    return f"{node.name}({', '.join(one.arg for one in node.args.args[1:])})"


def _type(annotation: ast.expr | None) -> str:
    return "" if annotation is None else f"`{ast.unparse(annotation).strip(chr(39))}`"


def _member(name: str, kind: str, text: str) -> Member:
    flowing = " ".join(text.split())
    found = re.fullmatch(r"(.*?) ?Raises: ([\w, ]+)(.*)", flowing)
    if found is None:
        return Member(name, kind, flowing, "")
    return Member(name, kind, found[1], ", ".join(f"`{one}`" for one in found[2].split(", ")) + found[3].rstrip("."))


def _table(kind: type) -> str:
    rows = members(kind)
    raises = any(row.raises for row in rows)
    lines = ["| name | type | meaning | raises |", "|---|---|---|---|"] if raises else _PLAIN
    for row in rows:
        cells = [f"`{row.name}`", row.type, row.meaning, *([row.raises] if raises else [])]
        lines = [*lines, "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"]
    return "\n".join(lines) if rows else ""


_PLAIN: Final = ["| name | type | meaning |", "|---|---|---|"]


def _class(kind: type) -> Iterator[str]:
    above = kind.__bases__[0].__name__
    yield f"### `{kind.__name__}`" + (f" (a `{above}`)" if above not in ("object", "Exception") else "")
    yield _paragraphs(kind)
    yield _table(kind)


def _function(function: Callable[..., Any]) -> Iterator[str]:
    signature = inspect.signature(function)
    parameters = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
    yield f"### `{function.__name__}{signature.replace(parameters=parameters, return_annotation=signature.empty)}`"
    yield _paragraphs(function)


_PARAMETER: Final = re.compile(r"(?:^|(?<=[.;] ))([a-z]\w*): ")
_ERROR: Final = re.compile(r"(?:^|(?<=\. ))([A-Z]\w+): ")


def _paragraphs(described: Any) -> str:
    """A docstring as Markdown: what it says of a name, such as a parameter or an error, is an item of a list."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(str(described.__doc__)).split("\n\n"):
        are_errors = paragraph.startswith("Raises:\n")
        flowing = " ".join(paragraph.removeprefix("Raises:\n").split())
        names = _ERROR if are_errors else _PARAMETER
        starts = [found.start() for found in names.finditer(flowing)]
        before = "It raises:" if are_errors else flowing[: starts[0]].strip() if starts else flowing
        items = [flowing[start:end].strip() for start, end in pairwise([*starts, len(flowing)])]
        lines += ["", *([before, ""] if before else []), *(names.sub(r"- `\1`: ", item, count=1) for item in items)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


if __name__ == "__main__":
    sys.stdout.write(message_page())
