"""The heads of the audit trail's chains."""

import pytest
from sqlalchemy import select

from worker.journal.audit_anchors import Anchor, Head, JournalAnchors
from worker.journal.database import Database
from worker.journal.schema import fact


def test_anchors_never_go_back(database: Database) -> None:
    anchors = JournalAnchors(database)
    anchors.store("a", _anchor(5))
    anchors.store("a", _anchor(4))
    anchors.store("b_", _anchor(1))
    assert anchors.heads() == {"a": _anchor(5), "b_": _anchor(1)}
    anchors.store("a", _anchor(6))
    assert anchors.heads()["a"] == _anchor(6)
    anew = Anchor(Head(6, "b" * 64), "c" * 64)
    anchors.store("a", anew)
    assert anchors.heads()["a"] == anew
    assert anchors.heads()["b_"] == _anchor(1)


@pytest.mark.parametrize(
    "stored", ["", "5", "5 five", f"{10**15} {'a' * 64}", f"-1 {'a' * 64}", f"5 {'a' * 64} sealed"]
)
def test_what_is_no_head_is_read_as_one_that_nobody_sealed(database: Database, stored: str) -> None:
    with database.write() as connection:
        connection.execute(fact.insert().values(name="audit.head.a", value=stored))
    anchors = JournalAnchors(database)
    found = anchors.heads()["a"]
    assert found.head == Head(0, "")
    assert found.seal
    anchors.store("a", _anchor(1))
    assert anchors.heads()["a"] == _anchor(1)


def test_a_forged_head_that_is_far_ahead_is_replaced(database: Database) -> None:
    anchors = JournalAnchors(database)
    forged = Anchor(Head(10**9, "a" * 64), "f" * 64)
    anchors.store("a", forged)
    anchors.store("a", _anchor(7), instead_of=_anchor(6))
    assert anchors.heads()["a"] == forged
    anchors.store("a", _anchor(7), instead_of=forged)
    assert anchors.heads()["a"] == _anchor(7)


def test_a_head_of_an_earlier_version_has_no_seal(database: Database) -> None:
    anchors = JournalAnchors(database)
    anchors.store("a", Anchor(Head(3, "a" * 64)))
    with database.read() as connection:
        assert connection.execute(select(fact.c.value).where(fact.c.name == "audit.head.a")).scalar() == f"3 {'a' * 64}"
    assert anchors.heads()["a"] == Anchor(Head(3, "a" * 64))


def _anchor(count: int) -> Anchor:
    return Anchor(Head(count, f"{count:064x}"), f"{count + 1:064x}")
