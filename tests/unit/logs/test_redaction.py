"""What may leave the process, value by value."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from worker.logs.redaction import REFUSED, Content, Secret, passed

KEY = "abcdefghijklmnopqrstuvwxyz"
MARK = "Patient-Zebedee"


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("name", "value", "out"),
    [
        ("handler", "archive", "archive"),
        ("handler", f"two words {MARK}", REFUSED),
        ("handler", "a/b", REFUSED),
        ("handler", "someone@lab.nhs.uk", REFUSED),
        ("handler", Content("archive"), REFUSED),
        ("handler", ["archive"], REFUSED),
        ("handler", None, None),
        ("state", Colour.RED, "red"),
        ("key", KEY, KEY),
        ("key", f"{KEY}-2", f"{KEY}-2"),
        ("key", KEY[:-1], REFUSED),
        ("folder", "Éléments supprimés/Lab", "Éléments supprimés/Lab"),
        ("folder", "a\nb", REFUSED),
        ("port", 993, 993),
        ("port", "993", REFUSED),
        ("port", True, REFUSED),
        ("seconds", 1.23456, 1.235),
        ("seconds", timedelta(minutes=1), 60.0),
        ("seconds", float("nan"), REFUSED),
        ("seconds", float("inf"), REFUSED),
        ("uid", 2**60, REFUSED),
        ("next_at", datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00.000Z"),
        ("next_at", 0, "1970-01-01T00:00:00.000Z"),
        ("next_at", 1e30, REFUSED),
        ("next_at", "soon", REFUSED),
        ("idle", True, True),
        ("idle", 1, REFUSED),
        ("account", "lab@nhs.net", "lab@nhs.net"),
        ("account", "other@nhs.net", REFUSED),
        ("values", {"pages": 3, "new": True, "kind": "blood"}, {"pages": 3, "new": True, "kind": "blood"}),
        ("values", {"a": f"two words {MARK}", "b": ["x"], "c": 2**60}, {"a": REFUSED, "b": REFUSED, "c": REFUSED}),
        ("values", {"a": Content("blood"), "b": None, "c": "9434765919"}, {"a": REFUSED, "b": REFUSED, "c": REFUSED}),
        ("values", {MARK: 1, "two words": 1, "x" * 31: 1}, {}),
        ("values", "pages=3", REFUSED),
        ("no_such_field", 1, REFUSED),
    ],
)
def test_a_value_leaves_only_in_the_form_of_its_field(name: str, value: object, out: object) -> None:
    assert passed(name, value, account="lab@nhs.net") == out


@pytest.mark.parametrize("kind", [Content, Secret])
def test_content_refuses_to_be_formatted(kind: type[Content]) -> None:
    content = kind(MARK)
    marker = f"<{kind.__name__.lower()}>"
    assert str(content) == repr(content) == f"{content}" == f"{content:>40}" == "%s" % content == marker  # noqa: UP031 -- that way too
    assert content.reveal() == MARK
    assert content == kind(MARK)
    assert len({content, kind(MARK)}) == 1
    assert content != MARK
    with pytest.raises(TypeError):
        ", ".join(["x", content])  # type: ignore[list-item]  # noqa: FLY002 -- the mistake itself
    with pytest.raises(TypeError):
        __import__("pickle").dumps(content)
