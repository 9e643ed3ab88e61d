"""The catalogue of the trail: what the code records is in it, and its page is made from it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from worker.logs.fields import FIELDS
from worker.observe.audit.audit_kinds import KINDS, markdown

ROOT = Path(__file__).parents[4]

TRAILS = {"audit", "_audit", "trail", "_trail"}


def _recorded() -> Iterator[tuple[str, ast.Call]]:
    for file in sorted((ROOT / "worker").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "record":
                owner = node.func.value
                name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                if name in TRAILS:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_what_is_recorded_is_in_the_catalogue() -> None:
    for place, call in _recorded():
        kind = call.args[0] if call.args else None
        if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
            assert kind.value in KINDS, place
            given = {word.arg for word in call.keywords if word.arg} - {"who", "words"}
            assert given <= KINDS[kind.value][1], place


def test_every_kind_has_fields_that_exist_and_a_meaning() -> None:
    for meaning, fields in KINDS.values():
        assert meaning
        assert fields <= FIELDS.keys()


def test_the_documentation_is_the_catalogue() -> None:
    assert (ROOT / "docs" / "audit.md").read_text() == markdown(), "python -m worker.observe.audit > docs/audit.md"
