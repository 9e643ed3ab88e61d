"""The heads of the audit trail's chains."""

from worker.journal.audit_anchors import Head, JournalAnchors
from worker.journal.database import Database


def test_anchors_never_go_back(database: Database) -> None:
    anchors = JournalAnchors(database)
    anchors.store("a", Head(5, "five"))
    anchors.store("a", Head(4, "four"))
    anchors.store("b_", Head(1, "one"))
    assert anchors.heads() == {"a": Head(5, "five"), "b_": Head(1, "one")}
    anchors.store("a", Head(6, "six"))
    assert anchors.heads()["a"] == Head(6, "six")
    anchors.store("a", Head(6, "six, anew"))
    assert anchors.heads()["a"] == Head(6, "six, anew")
