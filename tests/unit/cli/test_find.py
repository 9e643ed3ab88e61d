"""How `find` is typed, and how its answer is printed."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.unit.commands.find.test_found_words import ALL_READ, FOUND, KEY, SHORT
from worker.cli import find as cli
from worker.commands.exits import ExitCode
from worker.commands.find import finding
from worker.commands.find.criteria import ALWAYS, Criteria, Window
from worker.commands.find.folder_search import Bounds
from worker.commands.find.found_messages import Findings

NOTHING = Findings((), False, (ALL_READ, SHORT), ("Deleted Items",))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked for. The answer is the first item, until a test puts another there."""
    found: list[Any] = [NOTHING]

    def answer(_context: object, criteria: Criteria, bounds: Bounds, *, all_folders: bool) -> Findings:
        found[1:] = [criteria, bounds, all_folders]
        answer: Findings = found[0]
        return answer

    monkeypatch.setattr(cli, "open_context", lambda _config: nullcontext())
    monkeypatch.setattr(finding, "find", answer)
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.find, arguments, standalone_mode=False)


def test_everything_that_is_typed_arrives(asked: list[Any]) -> None:
    run("some  words", "--from", "Dr\tY", "--subject", "s", "--message-id", "<1@x>", "--key", "ABC")
    assert asked[1:] == [Criteria("some words", "Dr Y", "s", "<1@x>", "abc"), Bounds(20, 500), False]
    run("--since", "2026-01-05", "--until", "2026-01-05T10:05", "--look", "0", "--limit", "3", "--all-folders")
    assert asked[1:] == [Criteria(window=Window(1_767_571_200.0, 1_767_607_560.0)), Bounds(3, 0), True]
    run("--until", "2026-01-05")
    assert asked[1].window == Window(-ALWAYS, 1_767_657_600.0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Say what to look for"),
        ([" "], "Say what to look for"),
        (["--since", "2026-01-06", "--until", "2026-01-05"], "is later than"),
        (["--since", "soon"], "is no time. Write a day"),
        (["--limit", "0"], "0 is not in the range"),
    ],
)
def test_what_means_nothing_is_refused_before_anything_is_opened(
    asked: list[Any], arguments: list[str], says: str
) -> None:
    result = CliRunner().invoke(cli.find, arguments)
    assert result.exit_code == 2  # `main` makes 64 of it
    assert says in " ".join(result.output.split())
    assert asked == [NOTHING]


def test_nothing_found_ends_with_a_finding_and_says_so_beside_the_data(asked: list[Any]) -> None:
    result = run("x")
    assert (result.return_value, result.stdout) == (ExitCode.FINDING, "")
    assert result.stderr.splitlines()[0].startswith("No such message was found. It may be there anyway")
    assert "Not searched: 'Deleted Items'." in result.stderr


def test_a_line_for_each_message_with_tabs_between_the_cells(asked: list[Any]) -> None:
    asked[0] = Findings((FOUND,), False, (ALL_READ,), ())
    result = run("x")
    assert result.return_value == ExitCode.DONE
    assert result.stdout == (
        f"2026-01-05T10:05:00.000Z\t{'k' * 26}\thandled\tin-place\tProcessed\tDr Y\tblood\tall\t\t\n"
    )


def test_json_has_it_all(asked: list[Any]) -> None:
    asked[0] = Findings((FOUND,), True, (ALL_READ, SHORT), ("Deleted Items",), by_hash=1)
    said = orjson.loads(run("x", "--json").stdout)
    assert (said["more"], said["complete"], said["not_searched"]) == (True, False, ["Deleted Items"])
    assert [look["complete"] for look in said["searched"]] == [True, False]
    (found,) = said["found"]
    assert (found["key"], found["presence"], found["from"]) == ("k" * 26, "in-place", "Dr Y")
    assert found["journal"]["outcome_at"] == "2026-01-05T10:05:00.000Z"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_of_any_width_shows_names_at_the_margin(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    long = " ".join(["subject"] * 30)
    asked[0] = Findings((replace(FOUND, subject=long),), False, (ALL_READ, SHORT), ("Deleted Items",))
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    cli.find.main(["x"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    (command,) = [line for line in lines if line.startswith("  nhsmail-worker ")]
    assert command == f'  nhsmail-worker handle {KEY} --reason "…"', "a command is never broken"
    assert max(len(line) for line in lines if line != command) <= width
    at_margin = [line.partition(":")[0] for line in lines if line[:1].strip() and ":" in line]
    assert at_margin[:8] == ["Received", "From", "Subject", "Place", "State", "Route", "Verdict", "Key"]
    assert "subject" not in {line.split()[0] for line in lines if line[:1].strip()}
    assert "1 message found." in lines
