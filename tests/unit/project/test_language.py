"""Whatever a person reads is plain: no banned phrase, numbers that agree, sentences that can be read once.

CONTRIBUTING.md, *Plain English*, is the guide that this test holds.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.unit.project.plain_words import BANNED, DISAGREES, UNCOUNTED
from tests.unit.project.prose import Text, in_page, in_source, length, plain, sentences, source_files

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = (
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)
LONGEST_IN_PROGRAM = 25  # words in a sentence that a command, a log line, an alert or the page shows
LONGEST_ON_PAGE = 30  # words in a sentence of the documentation
AVERAGE_ON_PAGE = 17  # words in a sentence, over one page
SEMICOLONS = 1  # in one sentence
CHANGELOG: Final = "CHANGELOG.md"
"""Its lines are lists of what was done. They may be longer, as long as nobody has rewritten the old ones."""
LONGEST_IN_CHANGELOG, AVERAGE_IN_CHANGELOG = 40, 20
GUIDE: Final = "CONTRIBUTING.md"
"""It quotes what it bans, in tables."""

PROGRAM: Final = tuple(text for path in source_files(ROOT) for text in in_source(path, ROOT))
ON_PAGES: Final = {page: tuple(in_page(page.read_text(), page.relative_to(ROOT).as_posix())) for page in PAGES}


def _read(texts: Iterator[Text] | tuple[Text, ...]) -> Iterator[tuple[str, str]]:
    for text in texts:
        for sentence in sentences(text.whole):
            yield text.where, sentence


def _banned(texts: tuple[Text, ...]) -> list[str]:
    return [
        f"{text.where}: {found.group()!r}: write: {instead}"
        for text in texts
        if not (text.where.startswith(GUIDE) and not text.paragraph)
        for pattern, instead in BANNED
        if (found := pattern.search(plain(text.whole)))
    ]


def _too_long(texts: tuple[Text, ...], longest: int) -> list[str]:
    return [
        f"{where}: {words} words, at most {longest}: {sentence}"
        for where, sentence in _read(texts)
        if (words := length(sentence)) > longest
    ]


def _joined(texts: tuple[Text, ...]) -> list[str]:
    return [
        f"{where}: more than {SEMICOLONS} semicolon, make sentences of it: {sentence}"
        for where, sentence in _read(texts)
        if sentence.count("; ") > SEMICOLONS
    ]


def _nothing(found: list[str]) -> None:
    """Fail with each place on a line of its own."""
    assert not found, f"{len(found)} found\n" + "\n".join(found)


def test_the_programs_texts_are_found() -> None:
    places = {text.where.split(":")[0] for text in PROGRAM}
    assert len(PROGRAM) > 2000
    assert places >= {
        "worker/login/advice.py",
        "worker/logs/events.py",
        "worker/observe/phrase_tables.py",
        "worker/settings/tree.py",
        "worker/cli/work.py",
        "worker/commands/failures.py",
        "handlers/archive.py",
    }


def test_no_text_of_the_program_has_a_banned_phrase() -> None:
    _nothing(_banned(PROGRAM))


def test_the_programs_sentences_are_short() -> None:
    _nothing(_too_long(PROGRAM, LONGEST_IN_PROGRAM) + _joined(PROGRAM))


@pytest.mark.parametrize("page", ON_PAGES, ids=lambda page: page.name)
def test_a_page_is_plain(page: Path) -> None:
    texts = ON_PAGES[page]
    if page.name == CHANGELOG:
        _nothing(_banned(texts) + _too_long(texts, LONGEST_IN_CHANGELOG))
    else:
        _nothing(_banned(texts) + _too_long(texts, LONGEST_ON_PAGE) + _joined(texts))


@pytest.mark.parametrize("page", ON_PAGES, ids=lambda page: page.name)
def test_a_pages_sentences_are_short_on_the_average(page: Path) -> None:
    words = [length(sentence) for _, sentence in _read(ON_PAGES[page])]
    most = AVERAGE_IN_CHANGELOG if page.name == CHANGELOG else AVERAGE_ON_PAGE
    assert sum(words) / len(words) <= most


# -- agreement of number -----------------------------------------------------------------------------------------------


def _uncounted(path: Path) -> Iterator[str]:
    """Yield where a value is followed by a plural that is written out, as in f"{n} messages"."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if (
                isinstance(value, ast.FormattedValue)
                and isinstance(after, ast.Constant)
                and UNCOUNTED.match(str(after.value))
                and not re.fullmatch(r"[\w.]*[A-Z][A-Z_]+", ast.unparse(value.value))  # a constant, which isn't 1
            ):
                name = path.relative_to(ROOT).as_posix()
                yield f"{name}:{value.lineno}: {{{ast.unparse(value.value)}}}{after.value!s}: use `counted`"


def test_what_is_counted_agrees_with_its_number() -> None:
    _nothing([found for path in source_files(ROOT) for found in _uncounted(path)])


@pytest.mark.parametrize(
    ("text", "disagrees"),
    [
        ("1 messages", True),
        ("There are 1 dead letter", True),
        ("1 message have arrived", True),
        ("2 messages has arrived", True),
        ("2 message", True),
        ("1 message has arrived", False),
        ("2 messages have arrived, 1 dead letter waits", False),
        ("21 messages", False),
        ("1 day, 2 h", False),
    ],
)
def test_the_check_knows_what_disagrees(text: str, *, disagrees: bool) -> None:
    assert bool(DISAGREES.search(text)) is disagrees
