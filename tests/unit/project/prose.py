"""Collects every text of the project that a person reads, with the place where it is written.

Texts in the program are taken from its source: string constants that hold words, f-strings with their literal parts,
and the docstrings of commands, which click prints as help. Pages are taken sentence by sentence.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VALUE: Final = "☐"
"""Stands for a value that an f-string puts in."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text. where: `file:line`. whole: its words. paragraph: whether it stands among prose, and not in a table."""

    where: str
    whole: str
    paragraph: bool = False


# -- the program -------------------------------------------------------------------------------------------------------

_CODE_BEGINS: Final = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|LOCK|DROP|ALTER|WITH)\b")
_CODE_INSIDE: Final = re.compile(r"^(def|from|import) \w+|\]\{\d|\\[swbdA]", re.MULTILINE)
_WORDS: Final = re.compile(r"[A-Za-z'’]+")
_FEWEST: Final = 4
"""Words that make a text. Names, formats and SQL have fewer, or no small words among them."""
_SMALL: Final = frozenset(
    re.findall(
        r"[a-z']+",
        "a an the is are was were it its this that of in on at by for from with without to and or not no has have had "
        "can can't isn't doesn't don't wasn't be been as if when where which who what than then",
    )
)


def _is_prose(text: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(text)]
    return len(words) >= _FEWEST and any(word in _SMALL for word in words)


def _is_for_machines(text: str) -> bool:
    """Whether a text is for machines: SQL, a pattern, or the code of a template."""
    return bool(_CODE_BEGINS.match(text)) or "(?" in text or bool(_CODE_INSIDE.search(text))


_NOT_READ: Final = (
    "worker/journal/schema.py",  # comments in the database
    "worker/journal/migrations/",  # the same; a migration is never changed
    "worker/classify/placement.py",  # a reason that is stored with the evidence
    "worker/login/witness.py",  # what is in doubt, which is stored
    "worker/mailbox/safe_text.py",  # the words of servers that may be shown
    "worker/demo/samples/",  # other people's mail
    "worker/handling/isolate/child_process.py",  # a line of code
)


def source_files(root: Path) -> list[Path]:
    """The files whose texts people read."""
    found = (path for room in ("worker", "handlers") for path in sorted((root / room).rglob("*.py")))
    return [path for path in found if not path.relative_to(root).as_posix().startswith(_NOT_READ)]


def in_source(path: Path, root: Path) -> Iterator[Text]:
    """Yield the texts in one Python file."""
    tree = ast.parse(path.read_text())
    name = path.relative_to(root).as_posix()
    passed = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed |= {part for part in node.values if isinstance(part, ast.Constant)}
            whole = "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in passed:
            whole = node.value
        else:
            continue
        if _is_prose(whole) and not _is_for_machines(whole):
            for offset, piece in _pieces(whole):
                yield Text(f"{name}:{node.lineno + offset}", piece)


def _docstrings(tree: ast.Module) -> set[ast.Constant]:
    """The docstrings that nobody but a developer reads: all but those of commands, which are help."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                found.add(node.value)  # what stands below an attribute
            continue
        if isinstance(node, ast.FunctionDef) and any(_is_command(one) for one in node.decorator_list):
            continue
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            found.add(first.value)
    return found - _help(tree)


def _help(tree: ast.Module) -> set[ast.Constant]:
    return {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(_is_command(one) for one in node.decorator_list)
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }


def _is_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in {"command", "group"}


_LISTED: Final = re.compile(r"\n {2}(\S)")
"""A line that is set in: an item of a list, as commands print one."""


def _pieces(whole: str) -> Iterator[tuple[int, str]]:
    """Yield a text's paragraphs, list items and table rows: what is printed in lines of its own."""
    if "\n" not in whole:
        yield 0, whole
        return
    for text in in_page(_LISTED.sub(r"\n- \1", whole), "-"):
        yield int(text.where.split(":")[1]) - 1, text.whole


# -- pages -------------------------------------------------------------------------------------------------------------

_ITEM: Final = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")


def _begins_item(line: str, block: list[str]) -> bool:
    """Whether a line begins an item of a list. Within a paragraph, a number at a line's start is only a number."""
    return bool(_ITEM.match(line)) and (not block or line.lstrip()[0] in "-*" or line.startswith(("1.", "2.", "3.")))


def in_page(text: str, name: str) -> Iterator[Text]:
    """Yield the paragraphs, list items and table cells of a Markdown page. Code is left out."""
    block: list[str] = []
    at = 0
    fenced = comment = sources = False
    lines = text.splitlines()
    for number, line in enumerate([*lines, ""], start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            line = ""
        elif fenced or (not block and line.startswith("    ") and not _ITEM.match(line)):
            continue
        if line.startswith("#"):
            sources = line.strip("# ") == "Sources"  # titles of other people's pages
        if sources and not line.startswith("#"):
            continue
        if comment or line.startswith("<!--"):
            comment = "-->" not in line
            continue
        ends = not line.strip() or line.startswith("#") or line.lstrip().startswith("|") or _begins_item(line, block)
        if block and ends:
            yield Text(f"{name}:{at}", " ".join(block), paragraph=True)
            block = []
        if line.lstrip().startswith("|"):
            for cell in re.split(r"(?<!\\)\||; ", line.strip().strip("|")):  # in a cell, semicolons part a list
                yield Text(f"{name}:{number}", cell.strip())
        elif line.strip() and not line.startswith("#"):
            if not block:
                at = number
            block.append(_ITEM.sub("", line, count=1).strip())


# -- sentences ---------------------------------------------------------------------------------------------------------

_CODE: Final = re.compile(r"``.+?``|`[^`]*`")
_TAG: Final = re.compile(r"<(?:picture|source|img|/picture)\b[^>]*>")
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_END: Final = re.compile(r"(?<=[.!?])[\"')*_]*\s+(?=[\"'(*_`☐\[]*[A-Z☐`_*0-9])")
_NO_END: Final = re.compile(r"\b(e\.g|i\.e|Dr|no|nos|vs|etc)\.$")


def plain(text: str) -> str:
    """A text without its code, its pictures and its links' addresses."""
    return _LINK.sub(r"\1", _TAG.sub("", _CODE.sub("`code`", text))).replace("\n", " ")


def sentences(text: str) -> list[str]:
    """Split a text into its sentences. A stretch of code counts as one word."""
    flat = plain(text)
    found: list[str] = []
    for part in _END.split(flat):
        if found and _NO_END.search(found[-1]):
            found[-1] += f" {part}"
        elif part.strip():
            found.append(part.strip())
    return found


def length(sentence: str) -> int:
    """How many words a sentence has."""
    return len(re.findall(r"[\w'’☐`-]*[\w☐`][\w'’☐`./:@=-]*", sentence))
