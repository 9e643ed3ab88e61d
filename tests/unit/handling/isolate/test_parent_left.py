"""Processes of a handler that can't be ended: nobody waits for them, and they are taken away once they have ended."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from worker.handling.failure import RemoteFailure
from worker.handling.isolate import parent
from worker.handling.isolate.parent import ChildSpec, IsolatedHandler
from worker.handling.outage import About
from worker.message.message import Message
from worker.message.verdict import MailPath, Verdict

HANDLER = """
import os, signal, sys
from pathlib import Path

def stops(message):
    if message.subject == "stop":
        print("stopped")
        os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChildSpec]:
    (tmp_path / "stopping_handler.py").write_text(HANDLER)
    monkeypatch.syspath_prepend(tmp_path)
    yield ChildSpec("mine", "stopping_handler:stops", None, memory=100_000_000, limit=1.5, start=30.0)
    sys.modules.pop("stopping_handler", None)


class BeyondUs:
    """Takes the right to signal process groups from us, and gives it back. groups: those that were to be ended."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.groups: list[int] = []
        self._patch = patch
        patch.setattr(os, "killpg", self._refused)

    def _refused(self, group: int, _number: int) -> None:
        self.groups.append(group)
        raise PermissionError

    def no_more(self) -> None:
        self._patch.undo()


@pytest.fixture
def beyond_us(monkeypatch: pytest.MonkeyPatch) -> Iterator[BeyondUs]:
    monkeypatch.setattr(parent, "ENDING", 0.2)
    with pytest.MonkeyPatch.context() as patch:
        yield BeyondUs(patch)


@pytest.fixture
def isolated(spec: ChildSpec, beyond_us: BeyondUs, monkeypatch: pytest.MonkeyPatch) -> Iterator[IsolatedHandler]:
    isolated = IsolatedHandler(spec)
    yield isolated
    beyond_us.no_more()
    monkeypatch.setattr(parent, "ENDING", 20.0)
    isolated.close()


def message(word: str) -> Message:
    raw = f"From: a@lab.nhs.uk\r\nSubject: {word}\r\n\r\n".encode()
    return Message(
        raw,
        key="a" * 26,
        folder="INBOX",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        verdict=Verdict(MailPath.CLEAN, ()),
    )


def stopped(isolated: IsolatedHandler) -> RemoteFailure:
    with pytest.raises(RemoteFailure) as caught:
        isolated(message("stop"))
    return caught.value


def test_a_process_that_cant_be_ended_is_left_and_the_next_message_has_another(
    isolated: IsolatedHandler, beyond_us: BeyondUs, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    begun = time.monotonic()
    assert stopped(isolated).failure.kind == "TimedOut"
    assert time.monotonic() - begun < 10
    (line,) = logged()
    assert (line["event"], line["level"], line["handler"], line["count"]) == ("handler.not_ended", "warning", "mine", 1)
    isolated(message("fine"))
    begun = time.monotonic()
    isolated.close()
    assert time.monotonic() - begun < 10
    assert len(set(beyond_us.groups)) == 2


def test_four_of_them_pause_the_handler_until_one_has_ended(isolated: IsolatedHandler, beyond_us: BeyondUs) -> None:
    for _ in range(parent.MOST_LEFT):
        assert stopped(isolated).failure.kind == "TimedOut"
    with pytest.raises(RemoteFailure) as caught:
        isolated(message("fine"))
    assert (caught.value.failure.kind, caught.value.failure.about) == ("CannotStart", About.TARGET)

    os.kill(beyond_us.groups[0], signal.SIGKILL)
    eventually = time.monotonic() + 20
    while True:
        try:
            isolated(message("fine"))
            break
        except RemoteFailure:
            assert time.monotonic() < eventually
            time.sleep(0.01)


def test_a_process_that_only_hears_the_hang_up_ends_by_itself(
    isolated: IsolatedHandler,
    beyond_us: BeyondUs,
    monkeypatch: pytest.MonkeyPatch,
    logged: Callable[[], list[dict[str, Any]]],
) -> None:
    monkeypatch.setattr(parent, "ENDING", 20.0)
    isolated.close()
    assert (logged(), len(set(beyond_us.groups))) == ([], 1)
