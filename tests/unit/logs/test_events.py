"""The catalogue of events against the source: what is logged is in it, and what is in it is logged."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from worker.logs.events import CATALOGUE, NAME, Event, markdown
from worker.logs.fields import CONTEXT, FIELDS

ROOT = Path(__file__).parents[3]
LOGGERS = {"log", "_log", "logger", "_logger"}
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


@dataclass(frozen=True)
class Emission:
    """One call of a logger in the source."""

    place: str
    level: str
    name: str | None
    fields: frozenset[str | None]


def _emissions() -> Iterator[Emission]:
    for room in ("worker", "handlers"):
        for file in sorted((ROOT / room).rglob("*.py")):
            tree = ast.parse(file.read_text())
            matched = _matched_names(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_logger(node.func.value):
                    place = f"{file.relative_to(ROOT)}:{node.lineno}"
                    yield from _emission(node, node.func.attr, place, matched.get(node))


def _matched_names(tree: ast.AST) -> dict[ast.AST, ast.expr]:
    """What a name that is matched on is, in each call of a case: `case "login.halted": log.error(event)`."""
    found: dict[ast.AST, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.match_case) and isinstance(node.pattern, ast.MatchValue):
            found |= {inner: node.pattern.value for part in node.body for inner in ast.walk(part)}
    return found


def _is_logger(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "get_logger"
    return (isinstance(node, ast.Name) and node.id in LOGGERS) or (
        isinstance(node, ast.Attribute) and node.attr in LOGGERS
    )


def _emission(node: ast.Call, method: str, place: str, matched: ast.expr | None) -> Iterator[Emission]:
    if method not in LEVELS:
        return
    fields = frozenset(keyword.arg for keyword in node.keywords) - {"exc_info"}
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Name) and matched is not None:
        first = matched
    for choice in [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]:
        name = choice.value if isinstance(choice, ast.Constant) and isinstance(choice.value, str) else None
        yield Emission(place, LEVELS[method], name, fields)


EMISSIONS = tuple(_emissions())


@pytest.mark.parametrize("emission", EMISSIONS, ids=lambda emission: f"{emission.place}-{emission.name}")
def test_every_event_logged_is_in_the_catalogue(emission: Emission) -> None:
    assert emission.name in CATALOGUE, "a logger takes a literal name from worker/logs/events.py"
    event = CATALOGUE[emission.name]
    assert emission.level == event.level
    unlisted = {name for name in emission.fields if name is not None} - event.fields - CONTEXT
    assert not unlisted, "these fields would be dropped"


def test_every_event_of_the_catalogue_is_logged_somewhere() -> None:
    by_the_log_itself = {"log.unlisted"}
    assert sorted(set(CATALOGUE) - {emission.name for emission in EMISSIONS} - by_the_log_itself) == []


@pytest.mark.parametrize("event", CATALOGUE.values(), ids=lambda event: event.name)
def test_an_event_is_whole(event: Event) -> None:
    assert NAME.fullmatch(event.name)
    assert event.fields <= FIELDS.keys()
    assert event.meaning.endswith(".")
    assert event.do == "" or event.do.endswith(".")
    assert event.do or event.level in {"debug", "info"}, "whoever is warned is told what to do"


def test_the_documentation_is_the_catalogue() -> None:
    assert (ROOT / "docs" / "events.md").read_text() == markdown(), "python -m worker.logs > docs/events.md"
