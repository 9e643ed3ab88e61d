"""The spine by itself: what each poll, each step of dispatch and the end add to the report, and in which order."""

from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from worker.journal.records import Place
from worker.message.outcome import State
from worker.pipeline.dispatch import Step
from worker.pipeline.fetched import Missing
from worker.pipeline.opened import Opened
from worker.pipeline.pipeline import Pipeline
from worker.pipeline.report import Report


def handled(count: int) -> Report:
    return Report(outcomes=Counter({State.HANDLED: count}))


class Stages:
    """The stages around the spine, which note what they are asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.looks = ["a look"]
        self.batches: list[Any] = []
        self.steps: list[Step] = []
        self.rounds: list[list[Step]] = []
        self.reports: dict[str, list[Report]] = {}
        self.reopened: list[int] = []
        self.opened = Opened({})
        self.keeps_order = False
        self.more: list[bool] = []
        self.fails_at = ""
        self.session: Any = object()
        parts: Any = self
        self.pipeline = Pipeline(poll=parts, intake=parts, dispatch=parts, outbox=parts, requests=parts)

    def note(self, name: str, *given: Any) -> Report:
        self.asked.append((name, *given))
        if name == self.fails_at:
            raise ConnectionError
        found = self.reports.get(name, [])
        return found.pop(0) if found else Report()

    @property
    def has_more(self) -> bool:
        return self.more.pop(0) if self.more else False

    # -- poll, requests, intake

    def forget(self) -> None:
        self.note("forget")

    def forget_asked(self) -> None:
        self.note("forget_asked")

    def look(self, session: Any, *, news: bool | None) -> list[str]:
        assert session is self.session
        self.note("look", news)
        return self.looks

    def reopen(self) -> Iterator[int]:
        for row in self.reopened:
            self.note("reopen", row)
            yield row

    def bring_back(self, session: Any) -> Opened:
        assert session is self.session
        self.note("bring back")
        return self.opened

    def admit(self, session: Any, looks: Any) -> Iterator[Any]:
        assert session is self.session
        assert looks is self.looks
        for batch in self.batches:
            self.note("admit", batch.name)
            yield batch

    def miss(self, session: Any, looks: Any) -> Report:
        assert session is self.session
        assert looks is self.looks
        return self.note("miss")

    def miss_unfetched(self, missing: Missing) -> Report:
        return self.note("miss unfetched", missing)

    def end(self, session: Any, looks: Any) -> Report:
        assert session is self.session
        assert looks is self.looks
        return self.note("end")

    # -- dispatch

    def begin(self) -> None:
        self.note("begin")

    def work(self, session: Any, tops: Any, *, more: bool) -> Iterator[Step]:
        assert session is self.session
        self.note("work", tops, *(["more"] if more else []))
        yield from self.steps

    def work_through(self, session: Any) -> Iterator[Step]:
        assert session is self.session
        self.note("work through")
        yield from self.rounds.pop(0) if self.rounds else []

    def stop(self) -> None:
        self.note("stop")

    def leave(self) -> None:
        self.note("leave")

    # -- the outbox

    def connected(self) -> None:
        self.note("connected")

    def record(self, wait: float = 0) -> Report:
        return self.note("record", wait)

    def drain(self, grace: float, monotonic: Callable[[], float]) -> Report:
        return self.note("drain", grace, monotonic())

    def settle(self, session: Any, *, everything: bool) -> None:
        assert session is self.session
        self.note("settle", everything)

    def settle_alone(self, session: Any) -> None:
        assert session is self.session
        self.note("settle alone")

    def resume(self, session: Any, looks: Any) -> None:
        assert session is self.session
        assert looks is self.looks
        self.note("resume")

    def rejudged(self, row: int) -> None:
        self.note("rejudged", row)

    def relocated(self, places: Any) -> None:
        self.note("relocated", places)

    def follow(self, batch: Any) -> Report:
        return self.note("follow", batch.name)

    def abandon(self) -> None:
        self.note("abandon")


def batch(name: str, *, suspect: bool = False, more: bool = False, **report: Any) -> Any:
    return SimpleNamespace(name=name, suspect=suspect, tops={name: "top"}, more=more, report=Report(**report))


@pytest.fixture
def stages() -> Stages:
    """The stages around the spine."""
    return Stages()


COLLECTED = [("miss unfetched", Missing()), ("record", 0.0), ("settle", False)]


def test_outcomes_and_requests_come_before_the_look_and_what_is_missing_after_what_is_new(stages: Stages) -> None:
    place = Place("INBOX", 1, 7)
    stages.reopened, stages.opened = [7], Opened({7: place})
    stages.batches = [batch("first")]
    stages.pipeline.poll(stages.session, news=True)
    assert stages.asked == [
        *COLLECTED,
        ("reopen", 7),
        ("rejudged", 7),
        ("bring back",),
        ("relocated", {7: place}),
        ("look", True),
        ("resume",),
        ("admit", "first"),
        ("follow", "first"),
        ("work", {"first": "top"}),
        ("miss",),
        ("work through",),
        ("settle alone",),
        ("end",),
    ]


@pytest.mark.parametrize("news", [None, False, True])
def test_what_idle_reported_is_handed_on(stages: Stages, news: bool | None) -> None:
    stages.pipeline.poll(stages.session, news=news)
    assert ("look", news) in stages.asked


def test_a_report_adds_up_all_that_was_done(stages: Stages) -> None:
    stages.opened = Opened({7: Place("INBOX", 1, 7)})
    stages.batches = [batch("first", new=2, unread=1), batch("second", new=3, moved_back=4)]
    stages.steps = [Step()]
    stages.reports = {
        "record": [handled(1), handled(10), handled(100)],
        "follow": [Report(compared=1), Report(compared=2)],
        "miss": [Report(missed=5, gone=6)],
        "miss unfetched": [Report(missed=10), Report(missed=100), Report(gone=1000)],
        "end": [Report(arrived=7)],
    }
    assert stages.pipeline.poll(stages.session) == Report(
        new=5,
        unread=1,
        moved_back=4,
        opened=1,
        compared=3,
        missed=115,
        gone=1006,
        arrived=7,
        outcomes=Counter({State.HANDLED: 111}),
    )
    assert stages.pipeline.take_report() == Report()


def test_each_step_is_collected_as_it_asks(stages: Stages) -> None:
    missing = Missing(sought=2)
    stages.rounds = [[Step(wait=2.5), Step(missing=missing), Step(settle=True)]]
    stages.pipeline.poll(stages.session)
    start = stages.asked.index(("work through",))
    assert stages.asked[start:] == [
        ("work through",),
        ("miss unfetched", Missing()),
        ("record", 2.5),
        ("settle", False),
        ("miss unfetched", missing),
        ("record", 0.0),
        ("settle", False),
        ("miss unfetched", Missing()),
        ("record", 0.0),
        ("settle", True),
        ("settle alone",),
        ("end",),
    ]


@pytest.mark.parametrize(("keeps_order", "suspect"), [(True, False), (False, True), (True, True), (False, False)])
def test_with_order_and_with_a_suspect_header_nothing_is_handed_over_before_all_is_admitted(
    stages: Stages, keeps_order: bool, suspect: bool
) -> None:
    stages.keeps_order, stages.batches = keeps_order, [batch("first", suspect=suspect)]
    stages.pipeline.poll(stages.session)
    assert (("work", {"first": "top"}) in stages.asked) is not (keeps_order or suspect)
    assert ("work through",) in stages.asked


@pytest.mark.parametrize(
    ("done", "compared", "more", "rounds"),
    [
        ([1], [0], [True], 2),
        ([1], [0], [False], 1),
        ([0], [0], [True], 1),
        ([0], [1], [False], 2),
        ([1, 1], [0, 0], [True, True], 3),
    ],
)
def test_what_was_done_is_followed_by_what_has_its_turn_then(
    stages: Stages, done: list[int], compared: list[int], more: list[bool], rounds: int
) -> None:
    stages.rounds = [[Step()] for _ in done]
    results = [
        Report(compared=said, outcomes=Counter({State.HANDLED: count}) if count else Counter())
        for count, said in zip(done, compared, strict=True)
    ]
    stages.reports = {"record": [Report(), *results]}
    stages.more = [*more]  # which are used up, and the test may run again
    stages.pipeline.poll(stages.session)
    assert stages.asked.count(("work through",)) == rounds


def test_what_was_done_by_a_poll_that_broke_off_is_not_lost(stages: Stages) -> None:
    stages.reports, stages.fails_at = {"record": [handled(3)]}, "look"
    with pytest.raises(ConnectionError):
        stages.pipeline.poll(stages.session)
    assert stages.pipeline.take_report() == handled(3)
    assert stages.pipeline.take_report() == Report()


def test_a_poll_begins_its_report_anew(stages: Stages) -> None:
    stages.reports = {"record": [handled(3)]}
    stages.pipeline.record_finished()
    assert stages.pipeline.poll(stages.session) == Report()


def test_what_comes_back_between_polls_and_at_the_end_is_reported(stages: Stages) -> None:
    stages.reports = {"record": [handled(1), handled(2)], "drain": [handled(10)]}
    stages.pipeline.record_finished()
    stages.pipeline.record_finished()
    stages.pipeline.stop(5.0, lambda: 1000.0, None)
    assert stages.pipeline.take_report() == handled(13)


@pytest.mark.parametrize("connected", [False, True])
def test_the_end_waits_for_what_has_begun_and_settles_it_if_there_is_a_connection(
    stages: Stages, connected: bool
) -> None:
    stages.pipeline.stop(5.0, lambda: 1000.0, stages.session if connected else None)
    settled = [("settle", True)] if connected else []
    assert stages.asked == [("stop",), ("drain", 5.0, 1000.0), ("leave",), *settled]


@pytest.mark.parametrize("connected", [False, True])
def test_a_new_connection_forgets_what_was_seen_and_looks_for_what_is_unsettled(
    stages: Stages, connected: bool
) -> None:
    stages.pipeline.look_anew(connected=connected)
    assert stages.asked == [("forget",), ("forget_asked",), *([("connected",)] if connected else [])]


def test_the_begin_and_the_loss_of_the_lease_are_passed_on(stages: Stages) -> None:
    stages.pipeline.begin()
    stages.pipeline.abandon()
    assert stages.asked == [("begin",), ("abandon",)]


def test_nothing_was_done_before_the_first_poll(stages: Stages) -> None:
    assert stages.pipeline.take_report() == Report()
