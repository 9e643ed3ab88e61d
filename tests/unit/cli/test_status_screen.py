"""What `status` prints: the page's first sentence, what to do, and a line for each thing, at any width."""

import re
from dataclasses import replace

import pytest

from tests.unit.observe import views
from worker.cli.status_screen import print_status, status_lines
from worker.logs.typed import VARIABLE
from worker.observe.phrases import headline
from worker.observe.view import StatusView


@pytest.mark.parametrize("name", views.ALL)
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_it_fits_the_terminal_and_commands_stay_whole(name: str, width: int) -> None:
    view = views.ALL[name]
    lines = status_lines(view, width)
    assert all(line == line.rstrip() for line in lines)
    whole = {command for step in headline(view).advice for command in re.findall(r"`nhsmail-worker [^`]*`", step)}
    assert [command for command in whole if not any(command in line for line in lines)] == []
    if width >= 60:
        assert max(map(len, lines)) <= width
    beside = status_lines(view, None)
    assert " ".join("\n".join(lines).split()) == " ".join("\n".join(beside).split()), "nothing is cut"


@pytest.mark.parametrize("name", views.ALL)
def test_it_begins_as_the_page_does(name: str) -> None:
    head = headline(views.ALL[name])
    lines = status_lines(views.ALL[name], None)
    assert lines[0] == head.text
    assert lines[1 : lines.index("")] == (
        ["What to do:", *(f"  {number}. {step}" for number, step in enumerate(head.advice, 1))] if head.advice else []
    )


def test_in_a_pipe_each_thing_stands_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(views.FORGOTTEN)
    lines = capsys.readouterr().out.splitlines()
    assert "account:        pathology.results@nhs.net" in lines
    (pause,) = [line for line in lines if line.startswith("paused:")]
    assert "Why: “<b>new archive</b>”. New messages since the last poll: 1,204, counted 40 s ago." in pause


def value(view: StatusView, name: str) -> str:
    (line,) = [line for line in status_lines(view, None) if line.startswith(f"{name}:")]
    return line.partition(":")[2].strip()


def test_each_thing_has_a_line() -> None:
    assert value(views.WORKING, "worker") == "running as one"
    assert value(views.FRESH, "worker") == "none is running"
    assert value(views.WORKING, "last 24 hours") == "582 handled, 36 junk, 1 failed"
    assert value(views.WORKING, "last 30 days") == "11,882 handled, 825 junk, 6 failed"
    assert value(views.WORKING, "all messages") == "41,207 handled, 312 junk, 0 failed, 3 taken by others, 2 released"
    assert value(views.BACKLOG, "handler archive").startswith("Not called for 10 min")
    assert value(views.BACKLOG, "client secret").startswith("Expires in 12 days")
    assert value(views.BACKLOG, "runs out next") == "Password: in 9 days, on 2 Dec 2026."


def test_commands_are_named_as_they_are_typed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "nhsmail-worker demo")
    text = "\n".join(status_lines(replace(views.FORGOTTEN), 80))
    assert set(re.findall(r"`nhsmail-worker (\w+) ", text)) == {"demo"}
