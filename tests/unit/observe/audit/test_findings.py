"""The page names the findings as the command does, and no others."""

import re
from pathlib import Path

from worker.observe.audit.audit_kinds import KINDS
from worker.observe.audit.findings import CAUSES, DOUBTED, MEANINGS, Finding, Note, Verification, What

PAGE = (Path(__file__).parents[4] / "docs" / "audit.md").read_text()
SHOWS = PAGE[PAGE.index("## What shows") : PAGE.index("## Kinds")]


def test_every_finding_has_its_row_on_the_page_and_every_row_is_a_finding() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (.+?) \|$", SHOWS, re.MULTILINE)
    assert rows == [(str(what), MEANINGS[what], CAUSES[what]) for what in What]


def test_the_page_uses_no_name_that_isn_t_one() -> None:
    ours = {str(what) for what in What} | {"unanchored", "mac"} | KINDS.keys()
    used = {word for word in re.findall(r"`([a-z.-]+)`", SHOWS) if not word.startswith("audit.") or word in KINDS}
    assert used <= ours


def test_every_finding_is_printed_by_its_name() -> None:
    for what in What:
        assert str(Finding("one", "one.jsonl", 3, what)) == f"one: one.jsonl, line 3: {what}: {MEANINGS[what]}"
        assert f": {what}: " in str(Note("one", "one.jsonl", 3, what))


def test_what_the_worker_notes_is_a_finding_of_the_same_name() -> None:
    assert set(DOUBTED) <= set(What)
    torn = Finding("one", "one.jsonl", 3, What.TORN)
    assert Verification(1, 1, 0, (torn,)).only_torn
    assert not Verification(1, 1, 0, ()).only_torn
    assert not Verification(1, 1, 0, (torn, Finding("one", "", 0, What.CUT))).only_torn
