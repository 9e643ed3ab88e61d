"""`handler list` and `handler show`, as people and as programs read them."""

import json
import tomllib
from pathlib import Path

import pytest

from worker.cli.main import run
from worker.commands.exits import ExitCode

CONFIGURATION = """\
[account]
address = "pathology.results@nhs.net"
password_file = "/run/secrets/nhsmail_password"
[[route]]
name = "all"
handlers = ["filed"]
[handler.filed]
use = "archive"
url = "file:///srv/filed"
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "worker.toml").write_text(CONFIGURATION)
    return str(tmp_path / "worker.toml")


def test_the_list_is_a_line_each_for_a_program(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["handler", "list", "--config", file]) == ExitCode.DONE
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert all(len(row) == 4 for row in rows)
    (filed,) = [row for row in rows if row[0] == "filed"]
    assert filed[1:3] == ["built in", "the route all"]
    assert filed[3].startswith("Writes each message")
    (quarantine,) = [row for row in rows if row[0] == "quarantine"]
    assert quarantine[2] == "the junk path"


def test_on_a_terminal_nothing_is_cut(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    assert run(["handler", "list", "--config", file]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines()) <= 60
    assert "filed (built in)\n  Writes each message, once, as files" in said
    assert "  Used by the route all.\n" in said


def test_the_list_as_json(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["handler", "list", "--json", "--config", file]) == ExitCode.DONE
    (filed,) = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "filed"]
    assert filed.pop("does").startswith("Writes each message")
    assert filed == {
        "name": "filed",
        "built_in": True,
        "package": "nhsmail-worker",
        "place": "handlers.archive:Archive",
        "has_table": True,
        "routes": ["all"],
        "takes_junk": False,
        "fault": None,
    }


def test_no_configuration_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["handler", "list"]) == ExitCode.DONE
    assert "archive\tbuilt in\t\tWrites" in capsys.readouterr().out
    assert run(["handler", "show", "archive"]) == ExitCode.DONE


def test_a_handler_is_shown_with_its_settings_and_a_table(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["handler", "show", "filed", "--config", file]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert said.startswith("filed (built in: handlers.archive:Archive)\n\nWrites each message")
    assert "\n  url (text; required)\n    Where to: `file://`" in said
    assert '\n  timeout (duration; default: "1m")\n' in said
    assert "\n  secret_file (path; not set)\n" in said
    assert '\n  time_limit (duration; default: "10m")\n' in said
    table = tomllib.loads(said.partition("with the defaults:\n\n")[2])
    assert table == {"handler": {"filed": {"use": "archive", "url": "file:///var/lib/nhsmail-worker/archive"}}}


def test_what_is_shown_fits_the_terminal(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    for name in ("archive", "webhook", "clamav", "quarantine"):
        assert run(["handler", "show", name, "--config", file]) == ExitCode.DONE
        said = capsys.readouterr().out.partition("\nIts table in")[0]
        assert [line for line in said.splitlines() if len(line) > 60] == []


def test_a_sketch_in_a_docstring_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = "    Files it.\n\n        KEY/mail      the mail\n        KEY/parts     its parts\n"
    code = f'def drawn(message):\n    """\n{drawing}    """\n'
    (tmp_path / "drawn_handlers.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(["handler", "show", "drawn_handlers:drawn"]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert said.startswith("drawn_handlers:drawn (module drawn_handlers)\n")
    assert "Files it.\n\n    KEY/mail      the mail\n    KEY/parts     its parts\n" in said
    assert '[handler.drawn]\nuse = "drawn_handlers:drawn"\n' in said


def test_it_is_shown_as_json(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["handler", "show", "clamav", "--json", "--config", file]) == ExitCode.DONE
    shown = json.loads(capsys.readouterr().out)
    (unknown,) = [one for one in shown["settings"] if one["key"] == "unknown"]
    assert unknown.pop("meaning")
    choices = '"reject", "retry", "pass"'
    assert unknown == {"key": "unknown", "type": choices, "required": False, "default": '"reject"'}
    assert {one["key"] for one in shown["worker_settings"]} >= {"isolate", "time_limit", "pauses"}
    assert tomllib.loads(shown["example"]) == {"handler": {"clamav": {}}}


def test_one_that_is_not_there_is_a_usage_error(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["handler", "show", "archiv", "--config", file]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert 'the nearest is "archive"' in said
    assert f"`nhsmail-worker handler list --config {file}`" in said
