"""`init`, as typed: its options, and what it may import before it has begun."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import worker.commands.context
from tests.unit.commands.init.answering import EPHEMERAL, Place, client
from worker.cli import main as cli
from worker.cli.init import OPTIONS
from worker.commands.init.questions import EVERY


def typed(options: dict[str, str]) -> list[str]:
    return [word for name, text in options.items() for word in (f"--{name.replace('_', '-')}", text)]


def test_there_is_an_option_for_each_answer_and_no_other() -> None:
    assert sorted(f"--{name.replace('_', '-')}" for name in OPTIONS) == sorted(question.option for question in EVERY)
    init = cli.commands.commands["init"]
    parameters = {option for one in init.params if isinstance(one, click.Option) for option in one.opts}
    assert parameters >= {question.option for question in EVERY}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(worker.commands.context, "configure_logging", lambda **_options: None)
    for name, value in EPHEMERAL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def test_without_a_terminal_it_writes_what_it_is_given(place: Place) -> None:
    ended = CliRunner().invoke(cli.commands, ["init", *typed(client(place))], standalone_mode=False)
    assert ended.return_value == 0, ended.output
    assert "The configuration is sound: " in ended.output
    assert "Written: worker.toml. Next, in this order:" in ended.output
    assert "    nhsmail-worker login doctor\n" in ended.output, "the file has the usual name: no --config"
    assert place.settings().account.address == "pathology.results@nhs.net"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"since": ""}, 64, "Missing: --since"),
        ({"auth": "kerberos"}, 64, "Invalid value for '--auth'"),
        ({"address": "nobody"}, 78, "[account] address: must be the full address"),
        ({"config": "away/worker.toml"}, 78, "away/worker.toml can't be written"),
        ({"config": "client-secret"}, 64, "client-secret already exists"),
    ],
)
def test_its_exit_codes(
    place: Place, capsys: pytest.CaptureFixture[str], change: dict[str, str], code: int, words: str
) -> None:
    assert cli.run(["init", *typed({**client(place), **change})]) == code
    assert words in capsys.readouterr().err
    assert place.left() == set()


def test_a_finding_of_check_is_its_exit_code(place: Place) -> None:
    options = {
        "address": "pathology.results@nhs.net",
        "auth": "password",
        "password_file": str(place.password),
        "password_policy": "off",
        "state_dir": str(place.state),
        "since": "all",
    }
    assert cli.run(["init", *typed(options)]) == 1
    assert cli.run(["check"]) == 1


def test_it_imports_nothing_heavy_before_it_begins() -> None:
    script = (
        "import sys; from worker.cli import main; code = main.run(['init', '--help']);"
        "print(sorted({'pydantic', 'sqlalchemy', 'imapclient', 'tomli_w', 'msal', 'httpx'} & set(sys.modules)), code)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.splitlines()[-1] == "[] 0"
