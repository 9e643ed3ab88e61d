"""The rows of a dry run and of the audit trail."""

import io
import sys
from datetime import UTC, datetime

import orjson
import pytest

from worker.cli.list_printing import Form
from worker.cli.list_rows import print_expected, print_trail
from worker.commands.lists import Expected
from worker.message.verdict import MailPath
from worker.pipeline.preview import Foreseen

AT = datetime(2026, 11, 28, 10, 5, tzinfo=UTC)
KEY = "abcdefgh" + "e" * 18
OUTCOME = "route 'lab': archive, notify"
FIELDS = "state=failed reason=archive:OSError target=Failed"
FORESEEN = [
    Expected(
        Foreseen(KEY, MailPath.CLEAN, OUTCOME, routes=("lab", "copy"), handlers=("archive", "notify")),
        AT,
        "lab@lab.example",
        "Report 17",
    ),
    Expected(Foreseen("", None, "nothing yet: the server shows no header"), None, "", ""),
]
TRAIL = [
    {
        "n": 1,
        "at": "2026-11-28T10:05:30.000Z",
        "chain": "c",
        "kind": "worker.paused",
        "who": "ann",
        "words": "new disk",
    },
    {
        "n": 2,
        "at": "2026-11-28T10:06:30.000Z",
        "chain": "c",
        "kind": "message.disposed",
        "who": "pathology-3",
        "key": f"{KEY}-2",
        "state": "failed",
        "reason": "archive:OSError",
        "target": "Failed",
    },
    {"n": 3, "kind": 7, "at": {}, "words": "tab\there"},
]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_dry_run_on_a_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_expected(FORESEEN, {KEY: KEY[:8]}, Form.TABLE)
    said = capsys.readouterr().out
    assert f"2026-11-28 10:05  abcdefgh  {OUTCOME}" in said
    assert "lab@lab.example" in said
    assert "Report 17" in said
    assert "-         nothing yet: the server shows no" in said
    assert said.endswith("2 messages. Nothing was handed over, recorded or moved.\n")
    assert all(len(line) <= width for line in said.splitlines())


def test_a_dry_run_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    print_expected(FORESEEN, {KEY: KEY[:8]}, Form.LINES)
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"2026-11-28T10:05:00.000Z\t{KEY}\tlab@lab.example\tReport 17\t{OUTCOME}\tclean\tlab, copy\tarchive, notify",
        "\t\t\t\tnothing yet: the server shows no header\t\t\t",
    ]
    assert said.err == ""
    print_expected(FORESEEN, {KEY: KEY[:8]}, Form.JSON)
    first, second = map(orjson.loads, capsys.readouterr().out.splitlines())
    assert (first["key"], first["routes"], first["handlers"]) == (KEY, ["lab", "copy"], ["archive", "notify"])
    assert (second["key"], second["path"], second["received_at"]) == (None, None, None)
    print_expected([], {}, Form.CSV)
    assert capsys.readouterr().out == "received_at,key,from,subject,outcome,path,routes,handlers\n"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_trail_on_a_terminal_is_whole(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_trail(TRAIL, Form.TABLE)
    said = capsys.readouterr().out
    assert "2026-11-28 10:05:30" in said
    assert "abcdefgh-2  message.disposed" in said
    words = said.split()
    for text in ("ann", "“new disk”", "pathology-3", FIELDS):
        assert set(text.split()) <= set(words)
    assert "tab\\u0009here" in said
    assert all(len(line) <= width for line in said.splitlines())


def test_the_trail_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    print_trail(TRAIL, Form.LINES)
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-28T10:05:30.000Z\tworker.paused\tann\t\t\tnew disk\tc\t1",
        f"2026-11-28T10:06:30.000Z\tmessage.disposed\tpathology-3\t{KEY}-2\t{FIELDS}\t\tc\t2",
        "{}\t7\t\t\t\ttab\\u0009here\t\t3",
    ]
    print_trail(TRAIL, Form.JSON)
    assert [orjson.loads(line) for line in capsys.readouterr().out.splitlines()] == TRAIL
    print_trail([], Form.CSV)
    assert capsys.readouterr().out == "at,kind,who,key,fields,words,chain,n\n"


def test_lines_of_the_trail_are_printed_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    printed: list[int] = []

    def entries() -> object:
        for entry in TRAIL:
            printed.append(out.getvalue().count("\n"))
            yield entry

    print_trail(entries(), Form.LINES)  # type: ignore[arg-type] # a generator of them
    assert printed == [0, 1, 2]
