"""`junk list`, `failed list` and `failed retry` as they are typed."""

import io
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from worker.cli import main as cli
from worker.cli import review
from worker.commands import lists
from worker.commands import review as commands
from worker.commands.lists import Choice, Retryable, Reviewed
from worker.commands.shown import Listed
from worker.journal.intents import Kind
from worker.message.outcome import State

AT = datetime(2026, 11, 28, 10, 5, tzinfo=UTC)


def item(letter: str, reason: str = "archive:OSError", **more: Any) -> Listed:
    return Listed(letter * 26, AT, "lab@lab.example", "Report", reason, tries=3, **more)


@dataclass
class Asked:
    """What the commands were asked, and what they answer."""

    found: Sequence[Listed] = (item("a"), item("b"))
    left_out: int = 0
    choices: list[tuple[State | None, Choice, int | None]] = field(default_factory=list)
    retried: list[tuple[Kind, tuple[str, ...], str]] = field(default_factory=list)
    older: int = 0
    unread: int = 0

    def review(self, _context: Any, state: State, choice: Choice, *, limit: int) -> Reviewed:
        self.choices.append((state, choice, limit))
        return Reviewed(self.found, self._short(), {"a" * 26: "archive"}, self.older, self.unread)

    def retryable(self, _context: Any, choice: Choice) -> Retryable:
        self.choices.append((None, choice, None))
        return Retryable(self.found, self._short(), self.left_out)

    def ask(self, _context: Any, kind: Kind, keys: tuple[str, ...], reason: str) -> str:
        self.retried.append((kind, keys, reason))
        return "Asked."

    def _short(self) -> dict[str, str]:
        return {one.key: one.key[:8] for one in self.found}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(review, "open_context", lambda _config: nullcontext())
    monkeypatch.setattr(lists, "review", asked.review)
    monkeypatch.setattr(lists, "retryable", asked.retryable)
    monkeypatch.setattr(commands, "ask", asked.ask)
    return asked


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    monkeypatch.setattr(review, "somebody_sits_there", lambda: True)


# -- lists


def test_the_options_of_a_list_are_its_choice(asked: Asked) -> None:
    options = ("--since", "2026-11-28", "--from", "lab", "--subject", "report", "--reason", "OSError")
    assert cli.run(["failed", "list", *options, "--handler", "archive", "--route", "all", "--limit", "7"]) == 0
    since = datetime(2026, 11, 28, tzinfo=UTC).timestamp()
    wanted = Choice(since=since, sender="lab", subject="report", reason="OSError", handler="archive", route="all")
    assert asked.choices == [(State.FAILED, wanted, 7)]
    assert cli.run(["junk", "list", *options, "--evidence", "exchange", "--known"]) == 0
    wanted = Choice(since=since, sender="lab", subject="report", reason="OSError", evidence="exchange", known=True)
    assert asked.choices[1:] == [(State.JUNK, wanted, 100)]


def test_what_from_was_called_before_still_works(asked: Asked) -> None:
    assert cli.run(["junk", "list", "--sender", "lab"]) == 0
    assert asked.choices[0][1].sender == "lab"


def test_into_a_pipe_goes_a_line_for_each_message(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["failed", "list"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"2026-11-28T10:05:00.000Z\t{'a' * 26}\tlab@lab.example\tReport\tarchive:OSError\tarchive\t3",
        f"2026-11-28T10:05:00.000Z\t{'b' * 26}\tlab@lab.example\tReport\tarchive:OSError\t\t3",
    ]
    assert said.err == ""


def test_what_isn_t_shown_is_counted_beside_the_lines(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ((), ("--json",), ("--csv",)):
        asked.older, asked.unread = 1_000, 0
        assert cli.run(["junk", "list", *form]) == 0
        said = capsys.readouterr()
        assert said.err == "2 messages. 1,000 older messages are not shown: `--limit 1002` shows all.\n"
        assert len(said.out.splitlines()) == 2 + (form == ("--csv",))
        asked.older, asked.unread = 0, 1
        assert cli.run(["junk", "list", *form]) == 0
        assert capsys.readouterr().err == (
            "2 messages. 1 older message was not searched: a higher `--limit` searches more.\n"
        )


def test_csv_and_json_of_each_list(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["junk", "list", "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "received_at,key,from,subject,reason,known"
    assert cli.run(["failed", "list", "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "received_at,key,from,subject,reason,handler,tries"
    asked.found = (Listed("a" * 26, AT, None, None, "oversize"),)
    assert cli.run(["failed", "list", "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out) == {
        "received_at": "2026-11-28T10:05:00.000Z",
        "key": "a" * 26,
        "from": None,
        "subject": None,
        "reason": "oversize",
        "handler": "archive",
        "tries": 0,
    }
    assert cli.run(["failed", "list", "--json", "--csv"]) == 64


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_a_list_is_a_table(
    asked: Asked, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    asked.found = (item("a", "exchange SFV:SPM", known=True), Listed("b" * 26, AT, None, None, "exchange SCL:9"))
    assert cli.run(["junk", "list"]) == 0
    said = capsys.readouterr().out
    assert "2026-11-28 10:05  aaaaaaaa*  exchange SFV:SPM" in said
    assert "2026-11-28 10:05  bbbbbbbb   exchange SCL:9" in said
    assert "(not where it was put)" in said
    assert said.endswith("2 messages. * marks mail from known senders.\n")
    assert all(len(line) <= width for line in said.splitlines())


# -- failed retry


def test_dead_letters_of_one_handler_are_tried_again_by_one_command(
    asked: Asked, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.found = [item(letter) for letter in "abcdefghijklmnopqrs"]
    at_a_terminal(monkeypatch, "y\n")
    assert cli.run(["failed", "retry", "--all", "--handler", "archive", "--reason", "disk is mended"]) == 0
    assert asked.choices == [(None, Choice(handler="archive"), None)]
    assert asked.retried == [(Kind.RETRY, tuple(one.key for one in asked.found), "disk is mended")]
    said = capsys.readouterr()
    assert said.err.startswith("19 dead letters to try again: 19 × archive:OSError.\n")
    assert said.err.count("2026-11-28 10:05") == 5
    assert "… and 14 more.\nTry all 19 of them again? [y/N] " in said.err
    assert said.out == "Asked.\n"


def test_a_no_does_nothing(asked: Asked, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked.found = (item("a"),)
    at_a_terminal(monkeypatch, "\n")
    assert cli.run(["failed", "retry", "--all"]) == 75
    assert capsys.readouterr().err.endswith("Try it again? [y/N] Nothing was done.\n")
    assert asked.retried == []


def test_where_nobody_can_be_asked_only_yes_does_it(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    asked.left_out = 1
    assert cli.run(["failed", "retry", "--all", "--why", "OSError"]) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("2 dead letters to try again: 2 × archive:OSError. 1 more can't be tried again")
    assert said.err.endswith("Nothing was done, because nobody can be asked here. Add --yes to have it done.\n")
    assert asked.retried == []
    assert cli.run(["failed", "retry", "--all", "--why", "OSError", "--yes"]) == 0
    assert asked.choices[1] == (None, Choice(reason="OSError"), None)
    assert [keys for _, keys, _ in asked.retried] == [("a" * 26, "b" * 26)]


def test_where_there_is_none_nobody_is_asked(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    asked.found = ()
    for options in ((), ("--yes",)):
        assert cli.run(["failed", "retry", "--all", "--handler", "archive", *options]) == 0
        assert capsys.readouterr().err == "0 dead letters to try again. Nothing was done.\n"
    assert asked.retried == []


@pytest.mark.parametrize(
    "typed", [(), ("--all", "abcd"), ("abcd", "--yes"), ("abcd", "--handler", "archive"), ("--handler", "archive")]
)
def test_keys_or_all_and_choices_with_all_alone(asked: Asked, typed: tuple[str, ...]) -> None:
    assert cli.run(["failed", "retry", *typed]) == 64
    assert (asked.choices, asked.retried) == ([], [])


def test_a_question_that_is_broken_off_does_nothing(
    asked: Asked, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_off() -> str:
        raise KeyboardInterrupt

    for typed in ("^C", "^D"):
        at_a_terminal(monkeypatch, "")
        if typed == "^C":
            monkeypatch.setattr(sys.stdin, "readline", broken_off)
        assert cli.run(["failed", "retry", "--all"]) == 75
        assert capsys.readouterr().err.endswith("[y/N] \nNothing was done.\n")
    assert asked.retried == []
