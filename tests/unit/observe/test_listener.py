"""What happens becomes metrics and lines of the audit trail."""

import pathlib
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.unit.conftest import Lines
from tests.unit.observe.world import World
from worker.journal.records import NewMessage, Place, Record, Result
from worker.message.outcome import Outcome, State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.observe.listener import Listener

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

    unused: Any = None
    assert listener.working(attempt)(unused, frozenset()).state is State.HANDLED
    assert seen == [1]
    assert listener.health.stuck() == 0


def test_a_trail_that_cannot_be_written_stops_nothing(world: World, lines: Lines, tmp_path: pathlib.Path) -> None:
    listener = world.listener()
    (tmp_path / "audit" / "one.jsonl").mkdir()
    listener.lease(held=True)
    taken = record(world, 0, Verdict(MailPath.CLEAN))
    listener.gone([taken])
    assert [line["event"] for line in lines.all] == ["audit.unavailable"] * 2
