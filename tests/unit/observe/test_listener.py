"""What happens becomes metrics and lines of the audit trail."""

import pathlib
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from tests.unit.conftest import Lines
from tests.unit.observe.world import World
from worker.journal.records import NewMessage, Place, Record, Result
from worker.message.outcome import Outcome, State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.observe.health import Health
from worker.observe.listener import Listener
from worker.observe.metrics import Metrics
from worker.settings import Settings

JUNK = Verdict(
    MailPath.JUNK,
    (
        Evidence("exchange", "X", "SCL:9", "r", counts=True),
        Evidence("exchange", "X", "BCL:9", "r", counts=True),
        Evidence("trend", "X", "Yes", "r", counts=False),
    ),
)


def record(world: World, number: int, verdict: Verdict) -> Record:
    key = "a" * 25 + "bcdefgh"[number]
    (found,) = world.journal.messages.add([NewMessage(key, Place("INBOX", 1, number), 1, 1.0, verdict)], 0.0)
    return found


def trail(listener: Listener) -> list[dict[str, Any]]:
    """The lines that were added, without what every line has."""
    common = {"n", "at", "chain", "who"}
    entries = list(listener.audit.folder.entries())
    assert {entry["who"] for entry in entries} <= {"here"}
    return [{name: value for name, value in entry.items() if name not in common} for entry in entries]


def counted(listener: Listener, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(listener.metrics.text().decode())
        for sample in family.samples
        if sample.name == name
    }


def test_a_start_is_recorded_with_the_settings_that_differ_from_the_last_one_s(world: World) -> None:
    world.listener().started()
    world.listener().started()
    listener = world.listener(poll={"every": "90s"})
    listener.started()
    assert listener.started_at == world.now
    lines = trail(listener)
    start = ["worker.started", "configuration.loaded"]
    assert [line["kind"] for line in lines] == [*start, *start, *start, "configuration.changed"]
    assert lines[-1]["setting"] == "poll.every"
    assert (lines[0]["run"], lines[0]["command"]) == ("here", "run")
    first, second, third = (line["fingerprint"] for line in lines if line["kind"] == "configuration.loaded")
    assert first == second != third


def test_an_end_and_the_lease_are_recorded(world: World) -> None:
    listener = world.listener()
    listener.lease(held=True)
    listener.lease(held=False)
    listener.stopped(code=77, reason="Halted")
    assert trail(listener) == [
        {"kind": "lease.taken", "holder": "here"},
        {"kind": "lease.lost", "holder": "here"},
        {"kind": "worker.stopped", "run": "here", "exit": 77, "reason": "Halted"},
    ]


def test_ends_of_messages_are_recorded_a_batch_at_a_time(world: World) -> None:
    listener = world.listener()
    clean, junk = record(world, 0, Verdict(MailPath.CLEAN)), record(world, 1, JUNK)
    listener.outcome(clean, Result(clean.id, State.PENDING, reason="archive:OSError"))
    listener.outcome(clean, Result(clean.id, State.PENDING, untried=True))
    listener.outcome(clean, Result(clean.id, State.HANDLED, settle_to="Processed"))
    listener.outcome(junk, Result(junk.id, State.JUNK, path=MailPath.JUNK))
    assert trail(listener) == []
    listener.recorded()
    listener.recorded()
    disposed = {"kind": "message.disposed"}
    assert trail(listener) == [
        {**disposed, "key": clean.key, "path": "clean", "state": "handled", "target": "Processed"},
        {**disposed, "key": junk.key, "path": "junk", "state": "junk", "target": "INBOX"},
    ]
    assert counted(listener, "nhsmail_message_outcomes_total") == {
        ("handled", "clean"): 1,
        ("held", "clean"): 1,
        ("retry", "clean"): 1,
        ("junk", "junk"): 1,
    }
    assert counted(listener, "nhsmail_junk_total") == {("exchange",): 1}, "once a message, of what counts"


def test_mail_that_somebody_took_away_is_recorded(world: World) -> None:
    listener = world.listener()
    taken = record(world, 0, Verdict(MailPath.CLEAN))
    listener.gone([taken])
    assert trail(listener) == [{"kind": "message.disposed", "key": taken.key, "path": "clean", "state": "gone"}]


def test_a_poll_is_counted_and_says_whether_the_journal_takes_what_is_written(world: World) -> None:
    listener = world.listener()
    assert listener.journal_takes
    listener.polled("journal", 0.1)
    assert not listener.journal_takes
    listener.polled("good", 0.1)
    assert listener.journal_takes
    assert counted(listener, "nhsmail_polls_total") == {("journal",): 1, ("good",): 1}


def test_health_knows_that_a_thread_is_at_a_try(world: World) -> None:
    listener = world.listener()
    seen = []

    def attempt(message: Any, already_done: Any) -> Outcome:
        del message, already_done
        world.now += 3601
        seen.append(listener.health.stuck())
        return Outcome(State.HANDLED)

    message: Any = SimpleNamespace(key="a" * 26)
    assert listener.working(attempt)(message, frozenset()).state is State.HANDLED
    assert seen == [1]
    assert listener.health.stuck() == 0


def test_a_trail_that_cannot_be_written_stops_nothing(world: World, lines: Lines, tmp_path: pathlib.Path) -> None:
    listener = world.listener()
    (tmp_path / "audit" / "one.jsonl").mkdir()
    listener.lease(held=True)
    taken = record(world, 0, Verdict(MailPath.CLEAN))
    listener.gone([taken])
    assert [line["event"] for line in lines.all] == ["audit.unavailable"] * 2


@given(
    limit=st.integers(2, 10_000),
    steps=st.lists(st.tuples(st.sampled_from(["begin", "end", "beat"]), st.integers(0, 3000)), min_size=1, max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_a_call_is_told_to_be_stuck_once_and_not_before_its_time(limit: int, steps: list[tuple[str, int]]) -> None:
    """Whatever calls begin and end, and however often the worker polls."""
    now = 0.0
    health = Health(pool=3, stuck_after=limit, clock=lambda: now)
    listener = bare_listener(health)
    begun: list[tuple[float, ExitStack]] = []
    told: set[ExitStack] = set()
    for step, seconds in steps:
        now += seconds
        if step == "begin":
            call = ExitStack()
            call.enter_context(health.working("a" * 26))
            begun.append((now, call))
        elif step == "end" and begun:
            begun.pop(0)[1].close()
        else:
            with capture_logs() as lines:
                listener.beat()
            stuck = {call for since, call in begun if now - since > limit}
            news = stuck - told
            told_now = [(line["count"], line["key"]) for line in lines if line["event"] == "handler.stuck"]
            assert told_now == [(len(stuck), "a" * 26)] * len(news)
            told = stuck


def bare_listener(health: Health) -> Listener:
    unused: Any = None
    return Listener(
        Settings.model_validate({"account": {"address": "a@nhs.net"}, "state": {"dir": "/nowhere"}}),
        unused,
        audit=unused,
        metrics=Metrics(),
        health=health,
        clock=lambda: 0.0,
        replica="here",
    )


def test_a_removal_of_copies_is_in_the_trail_before_it_is_done(world: World) -> None:
    listener = world.listener()
    keys = ["a" * 26, "b" * 26 + "-2"]
    listener.removal_announced("archive", 86_400.0)
    assert listener.copies_to_be_removed("archive", keys)
    listener.copies_removed("archive", 1, keys[1:])
    assert trail(listener) == [
        {"kind": "copies.announced", "handler": "archive", "seconds": 86_400.0},
        {"kind": "copy.removed", "handler": "archive", "key": keys[0]},
        {"kind": "copy.removed", "handler": "archive", "key": keys[1]},
        {"kind": "copy.kept", "handler": "archive", "key": keys[1]},
    ]
    listener.oldest_copy("archive", 1_800_000_000.0)
    assert counted(listener, "nhsmail_copies_removed_total") == {("archive",): 1}
    assert counted(listener, "nhsmail_copies_kept_total") == {("archive",): 1}
    assert counted(listener, "nhsmail_oldest_copy_timestamp_seconds") == {("archive",): 1_800_000_000.0}


def test_without_a_trail_no_copy_may_be_removed(world: World, lines: Lines, tmp_path: pathlib.Path) -> None:
    listener = world.listener()
    (tmp_path / "audit" / "one.jsonl").mkdir()
    assert not listener.copies_to_be_removed("archive", ["a" * 26])
    assert [line["event"] for line in lines.all] == ["audit.unavailable"]
