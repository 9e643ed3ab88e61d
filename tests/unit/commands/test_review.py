"""What a person is told who releases junk or has dead letters tried again: how many, when, and how to see it done."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.mailbox import FAILED, JUNK
from tests.unit.commands.configured import configured
from tests.unit.commands.find.world import Scene, letter
from worker.commands.review import ask
from worker.journal.intents import Kind
from worker.logs.typed import VARIABLE
from worker.message.outcome import State


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


def dead_letters(scene: Scene, *subjects: str) -> list[str]:
    return [scene.handled(scene.server.deliver(letter(one), FAILED), state=State.FAILED).key for one in subjects]


def test_under_a_pause_it_is_said_what_ends_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    (key,) = dead_letters(scene, "a")
    scene.journal.facts.pause("ann", 1_800_000_000.0)
    monkeypatch.setenv(VARIABLE, "nhsmail-worker demo")
    assert ask(scene.context, Kind.RETRY, [key], "the disk has room") == (
        "1 message is tried again after `nhsmail-worker demo resume`, because the worker is paused. "
        f"`nhsmail-worker demo find --key {key}` says what became of it."
    )


def test_a_running_worker_does_it_at_its_next_poll(scene: Scene, tmp_path: Path) -> None:
    (key,) = dead_letters(scene, "a")
    with configured(tmp_path) as other:
        other.parts.open_journal()
        assert other.parts.lease.acquire()
        assert ask(scene.context, Kind.RETRY, [key], "the disk has room") == (
            "1 message is tried again by the running worker, at its next poll. "
            f"`nhsmail-worker find --key {key}` says what became of it."
        )
        other.parts.lease.release()


def test_without_a_worker_the_messages_are_moved_at_once(scene: Scene) -> None:
    keys = dead_letters(scene, "a", "b")
    assert ask(scene.context, Kind.RETRY, keys, "the disk has room") == (
        "2 messages are tried again by the next `nhsmail-worker run` or `nhsmail-worker once`. "
        "`nhsmail-worker failed list` shows what failed again."
    )


def test_junk_is_handled_as_clean(scene: Scene) -> None:
    keys = [scene.handled(scene.server.deliver(letter(one), JUNK), state=State.JUNK).key for one in ("a", "b", "c")]
    scene.journal.facts.pause("ann", 1_800_000_000.0)
    assert ask(scene.context, Kind.RELEASE, keys, "clean").startswith("3 messages are handled as clean after ")
    assert ask(scene.context, Kind.RELEASE, keys, "clean").endswith(
        " `nhsmail-worker find --key KEY` says what became of each."
    )
