"""What the process does of itself beside the mail."""

import http.client
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.conftest import Lines
from tests.unit.observe import views
from tests.unit.observe.world import ADDRESS, World
from worker.journal.database import JournalUnavailable
from worker.observe.background import AlertJob, again_and_again
from worker.observe.view import StatusView
from worker.settings import SettingsError


def test_a_check_that_fails_is_made_again(lines: Lines) -> None:
    ended = threading.Event()
    made = []

    def check() -> None:
        made.append(1)
        if len(made) == 3:
            ended.set()
        raise UnicodeError("label empty")

    again_and_again(check, every=0.001, ended=ended)
    assert len(made) == 3
    assert [line["event"] for line in lines.all] == ["alert.check_failed"] * 3
    assert {line["level"] for line in lines.all} == {"error"}


def test_the_page_is_served_until_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, health={"listen": "127.0.0.1:0"})
    background = world.background()
    assert background.port is None
    background.open()
    assert background.port is not None
    connection = http.client.HTTPConnection("127.0.0.1", background.port, timeout=5)
    connection.request("GET", "/")
    assert ADDRESS in connection.getresponse().read().decode()
    connection.close()
    background.close()
    world.close()


def test_a_port_that_is_taken_stops_nothing(tmp_path: Path, lines: Lines) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        world = World(tmp_path, health={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        background = world.background()
        background.open()
        assert background.port is None
        background.close()
        world.close()
    assert "http.not_listening" in {line["event"] for line in lines.all}


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"health": {"listen": "0.0.0.0:0"}}, r"\[health\] listen: Beyond loopback"),
        ({"health": {"listen": "127.0.0.1:0", "token_file": "/nowhere"}}, r"\[health\] token_file: /nowhere"),
        ({"alerts": {"teams_webhook": "http://hooks.example/x"}}, r"\[alerts\] teams_webhook"),
    ],
)
def test_what_is_unsafe_or_cannot_work_stops_the_start(tmp_path: Path, tables: dict[str, Any], told: str) -> None:
    world = World(tmp_path, **tables)
    with pytest.raises(SettingsError, match=told):
        world.background().open()
    world.close()


class Journal:
    """A status that can be read, or not."""

    def __init__(self, answers: list[StatusView | None]) -> None:
        self._answers = answers

    def view(self) -> StatusView:
        answer = self._answers.pop(0)
        if answer is None:
            raise JournalUnavailable("lost")
        return answer


class Kept:
    """An alerter that keeps what it is shown."""

    def __init__(self) -> None:
        self.seen: list[StatusView] = []

    def check(self, view: StatusView) -> None:
        self.seen.append(view)


def test_without_the_journal_alerts_go_by_the_last_known_state() -> None:
    status, alerter = Journal([None, views.BACKLOG, None]), Kept()
    job = AlertJob(cast("Any", status), cast("Any", alerter), account=ADDRESS, clock=views.NOW.timestamp)
    for _ in range(3):
        job.check()
    assert alerter.seen == [
        StatusView(account=ADDRESS, now=views.NOW, journal_ok=False),
        views.BACKLOG,
        replace(views.BACKLOG, journal_ok=False),
    ]
