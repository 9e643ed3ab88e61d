"""Intake by itself: what is admitted from which folder, what counts as missed, and what is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.checks import Logged
from tests.unit.pipeline.admissions import admitted
from worker.journal.records import Place
from worker.message.outcome import State
from worker.pipeline.admit import Admitted
from worker.pipeline.fetched import Missing
from worker.pipeline.header_suspects import HEADER_POISON, Batch
from worker.pipeline.intake import GONE_AFTER, Intake
from worker.pipeline.observer import Observer
from worker.pipeline.recognition import KnownAgain
from worker.pipeline.report import Report
from worker.pipeline.whereabouts import Look

NOW = 50.0


def record(row: int, *, folder: str = "INBOX", missed: int = 0) -> Any:
    return SimpleNamespace(id=row, key=f"key-{row}", place=Place(folder, 1, row), missed=missed, state=State.HANDLED)


def look(folder: str = "INBOX", *, missing: Sequence[Any] = (), found: Sequence[Any] = ()) -> Look:
    nothing: Any = None
    return Look(folder, nothing, frozenset(), (), tuple(missing), tuple(found))


class Stages(Observer):
    """What intake works with. nowhere: the rows that aren't found in their folders. closed: folders not opened now."""

    def __init__(self) -> None:
        self.batched: dict[str, list[Sequence[int]]] = {}
        self.results: list[Admitted] = []
        self.admissions: list[tuple[str, Any]] = []
        self.suspects: set[Sequence[int]] = set()
        self.steps: list[Any] = []
        self.selected: str | None = "INBOX"
        self.selects: list[str] = []
        self.permissions = 0
        self.listed_again: list[str | None] = []
        self.leaves_out = False
        self.rest = "INBOX"
        self.sought: list[tuple[str, list[int]]] = []
        self.nowhere: set[int] = set()
        self.closed: set[str] = set()
        self.missed_now: list[tuple[list[int], int, float]] = []
        self.gone_now = 0
        self.found_now: list[list[int]] = []
        self.looks: list[Mapping[str, Any]] = []
        self.in_hand: set[int] = set()
        self.told: list[tuple[str, Any]] = []
        parts: Any = self
        self.session: Any = self
        self.intake = Intake(
            poll=parts,
            admission=parts,
            whereabouts=parts,
            places=parts,
            pool=parts,
            permission=parts,
            observer=self,
            clock=lambda: NOW,
        )

    def select(self, folder: str) -> None:
        self.selects.append(folder)
        self.selected = folder

    def go_on(self) -> None:
        self.permissions += 1

    def batches(self, seen: Look) -> list[Batch]:
        return [Batch(uids, suspect=uids in self.suspects) for uids in self.batched.get(seen.folder, [])]

    def admit(self, session: Any, seen: Look, batch: Any, looks: Any) -> Admitted:
        assert session.selected == seen.folder
        assert seen in looks
        self.admissions.append((seen.folder, batch.uids))
        self.steps.append(("admit", batch.uids))
        return self.results.pop(0)

    def ask(self, session: Any, seen: Look, batch: Any) -> None:
        assert session.selected == seen.folder
        self.steps.append(("ask", batch.uids))

    def look_again(self, folder: str | None) -> None:
        self.listed_again.append(folder)

    def arrived_since(self, session: Any) -> int:
        assert session.selected == self.rest
        return 2

    def looked(self) -> dict[str, Any]:
        return {"INBOX": "as it was"}

    def looked_at(self, looks: Mapping[str, Any]) -> None:
        self.looks.append(looks)

    def found(self, rows: list[int]) -> None:
        self.found_now.append(rows)

    def missed(self, rows: list[int], *, gone_after: int, now: float) -> int:
        self.missed_now.append((rows, gone_after, now))
        return self.gone_now

    def seek(self, session: Any, folder: str, records: list[Any]) -> list[Any] | None:
        assert session is self.session
        self.sought.append((folder, [one.id for one in records]))
        if folder in self.closed:
            return None
        return [one for one in records if one.id in self.nowhere]

    def __contains__(self, row: int) -> bool:
        return row in self.in_hand

    def new(self, count: int) -> None:
        self.told.append(("new", count))

    def known_by_headers(self, count: int) -> None:
        self.told.append(("known", count))

    def gone(self, records: Sequence[Any]) -> None:
        self.told.append(("gone", [one.id for one in records]))


@pytest.fixture
def stages() -> Stages:
    """What intake works with."""
    return Stages()


# -- admission


def test_each_batch_is_admitted_from_its_folder(stages: Stages) -> None:
    """The folder is selected again only if another one is, which whoever has the batch may have done."""
    stages.batched = {"INBOX": [(1, 2), (3,)], "Junk Email": [(4,)]}
    results = stages.results = [admitted(), admitted(), admitted("Junk Email")]
    expected = [replace(results[0], more=True), *results[1:]]
    got = []
    for one in stages.intake.admit(stages.session, [look(), look("Junk Email"), look("Empty")]):
        got.append(one)
        if len(got) == 1:
            stages.selected = "Failed"
    assert got == expected
    assert stages.admissions == [("INBOX", (1, 2)), ("INBOX", (3,)), ("Junk Email", (4,))]
    assert stages.selects == ["INBOX", "Junk Email"]
    assert stages.permissions == 3


def test_headers_are_asked_for_before_they_are_needed_and_the_first_two_batches_together(stages: Stages) -> None:
    first, second, third = (1, 2), (3,), (4,)
    stages.batched = {"INBOX": [first, second, third]}
    stages.results = [admitted() for _ in range(3)]
    for number, _ in enumerate(stages.intake.admit(stages.session, [look()])):
        stages.steps.append(f"work {number}")
    assert stages.steps == [
        ("ask", first),
        ("ask", second),
        ("admit", first),
        ("ask", second),  # nothing, unless another folder was selected meanwhile
        "work 0",
        ("admit", second),
        ("ask", third),
        "work 1",
        ("admit", third),
        "work 2",
    ]


@pytest.mark.parametrize(("batches", "suspects"), [([(1, 2)], set()), ([(1,), (2, 3)], {(1,)})])
def test_nothing_is_asked_for_before_a_suspect_or_a_batch_that_is_alone(
    stages: Stages, batches: list[Sequence[int]], suspects: set[Sequence[int]]
) -> None:
    stages.batched, stages.suspects = {"INBOX": batches}, suspects
    stages.results = [admitted() for _ in batches]
    next(stages.intake.admit(stages.session, [look()]))
    assert stages.steps[0] == ("admit", batches[0])


def test_new_mail_is_told_of_by_its_number(stages: Stages) -> None:
    stages.batched = {"INBOX": [(1,), (2,)]}
    stages.results = [admitted(new=(record(1), record(2), record(3))), admitted()]
    list(stages.intake.admit(stages.session, [look()]))
    assert stages.told == [("new", 3)]
    assert stages.listed_again == []


def test_what_is_known_again_is_logged_with_its_key_and_its_folder(stages: Stages, logged: Logged) -> None:
    again = KnownAgain(moved_back=((record(1), Place("Junk Email", 1, 9)),), rejudged=(record(2), record(3)))
    stages.batched = {"Junk Email": [(1,)]}
    headless = ((record(4), HEADER_POISON), (record(5), "headless"))
    stages.results = [admitted("Junk Email", again=again, headless=headless, by_headers=6)]
    list(stages.intake.admit(stages.session, [look("Junk Email")]))

    def lines(event: str) -> list[dict[str, Any]]:
        return [{name: line[name] for name in line if name != "event"} for line in logged(event)]

    there = {"folder": "Junk Email"}
    assert lines("message.rejudged") == [there | {"key": f"key-{n}", "log_level": "warning"} for n in (2, 3)]
    assert lines("message.moved_back") == [there | {"key": "key-1", "log_level": "warning", "state": "handled"}]
    assert lines("message.header_poison") == [there | {"key": "key-4", "log_level": "error"}]
    assert lines("message.known_by_headers") == [there | {"count": 6, "log_level": "warning"}]
    assert stages.told == [("known", 6)]
    assert stages.listed_again == []


def test_a_folder_whose_headers_are_not_all_shown_is_listed_again(stages: Stages, logged: Logged) -> None:
    stages.batched = {"INBOX": [(1,)]}
    stages.results = [admitted(unread=(7, 8), look_again=frozenset({"Results"}))]
    list(stages.intake.admit(stages.session, [look()]))
    (line,) = logged("mailbox.header_not_shown")
    assert (line["count"], line["folder"], line["log_level"]) == (2, "INBOX", "warning")
    assert sorted(map(str, stages.listed_again)) == ["INBOX", "Results"]


# -- missing


def test_what_is_missing_counts_unless_it_was_admitted_elsewhere_or_is_in_hand(stages: Stages) -> None:
    stages.batched = {"INBOX": [(1,), (2,)]}
    stages.results = [admitted(rows=frozenset({1})), admitted(rows=frozenset({2}))]
    stages.in_hand = {3}
    looks = [
        look(missing=[record(1), record(2), record(3), record(4)]),
        look("Results", missing=[record(5, folder="Results")]),
    ]
    list(stages.intake.admit(stages.session, looks))
    assert stages.intake.miss(stages.session, looks) == Report(missed=2)
    assert stages.missed_now == [([4, 5], GONE_AFTER, NOW)]
    assert stages.found_now == [[]]
    assert sorted(map(str, stages.listed_again)) == ["INBOX", "Results"]
    assert stages.sought == []


def test_what_shows_again_is_found(stages: Stages) -> None:
    looks = [look(found=[record(1), record(2)]), look("Results", found=[record(3)])]
    assert stages.intake.miss(stages.session, looks) == Report()
    assert stages.found_now == [[1, 2, 3]]
    assert (stages.missed_now, stages.listed_again) == ([], [])


def test_what_is_missed_counts_once_a_poll(stages: Stages) -> None:
    one = record(1)
    assert stages.intake.miss(stages.session, [look(missing=[one])]) == Report(missed=1)
    assert stages.intake.miss_unfetched(Missing((one,))) == Report()
    list(stages.intake.admit(stages.session, []))
    assert stages.intake.miss_unfetched(Missing((one,))) == Report(missed=1)
    assert [rows for rows, _, _ in stages.missed_now] == [[1], [1]]


def test_what_was_admitted_in_an_earlier_poll_may_be_missing_in_this_one(stages: Stages) -> None:
    stages.batched = {"INBOX": [(1,)]}
    stages.results = [admitted(rows=frozenset({1}))]
    list(stages.intake.admit(stages.session, [look()]))
    list(stages.intake.admit(stages.session, []))
    assert stages.intake.miss(stages.session, [look(missing=[record(1)])]) == Report(missed=1)


def test_what_is_gone_is_told_of_and_counted_apart(stages: Stages, logged: Logged) -> None:
    stages.gone_now = 2
    missing = [record(1, missed=GONE_AFTER - 1), record(2, missed=0), record(3, missed=GONE_AFTER)]
    assert stages.intake.miss(stages.session, [look(missing=missing)]) == Report(gone=2, missed=1)
    assert stages.told == [("gone", [1, 3])]
    (line,) = logged("message.gone")
    assert (line["count"], line["keys"], line["log_level"]) == (2, "key-1, key-3", "warning")


def test_nothing_is_gone_as_long_as_the_journal_says_so(stages: Stages, logged: Logged) -> None:
    stages.intake.miss(stages.session, [look(missing=[record(1, missed=5)])])
    assert stages.told == []
    assert logged("message.gone") == []


def test_where_older_mail_is_left_out_it_is_looked_for_among_that_first(stages: Stages) -> None:
    stages.leaves_out, stages.in_hand, stages.nowhere = True, {5}, {2, 4}
    missing = [
        record(1),
        record(2, folder="Results"),
        record(3, folder="Results"),
        record(4),
        record(5),
        record(6, folder="Results"),
    ]
    assert stages.intake.miss(stages.session, [look(missing=missing)]) == Report(missed=2)
    assert stages.sought == [("INBOX", [1, 4]), ("Results", [2, 3, 6])]
    assert [sorted(rows) for rows, _, _ in stages.missed_now] == [[2, 4]]


def test_what_cannot_be_looked_for_now_is_looked_for_at_the_next_poll(stages: Stages) -> None:
    stages.leaves_out, stages.nowhere, stages.closed = True, {1, 2}, {"Results"}
    missing = [record(1), record(2, folder="Results")]
    assert stages.intake.miss(stages.session, [look(missing=missing)]) == Report(missed=1)
    assert [rows for rows, _, _ in stages.missed_now] == [[1]]
    assert sorted(map(str, stages.listed_again)) == ["INBOX", "Results"]


# -- the end of a poll


def test_between_polls_the_first_folder_is_selected_and_what_was_seen_is_kept(stages: Stages) -> None:
    stages.selected = "Results"
    assert stages.intake.end(stages.session, [look()]) == Report(arrived=2)
    assert stages.intake.end(stages.session, []) == Report(arrived=2)
    assert stages.selects == ["INBOX"]
    assert stages.looks == [{"INBOX": "as it was"}, {}]
