"""`config schema` and `config example`, with the built-in handlers."""

import json
import tomllib
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it comes without types
import pytest

from worker.cli.main import run
from worker.commands.configuration import configuration_example, configuration_schema
from worker.commands.exits import ExitCode
from worker.handling.catalogue import built_in_handlers
from worker.handling.signature import own_model
from worker.settings.described import described


def test_the_schema_is_printed_with_the_tables_of_the_built_in_handlers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "schema"]) == ExitCode.DONE
    schema = json.loads(capsys.readouterr().out)
    assert schema == configuration_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    for name, target in built_in_handlers().items():
        model = own_model(target)
        keys = {one.key for one in described(model)} if model else set()
        assert keys <= set(schema["definitions"][f"handler-{name}"]["properties"])
        assert keys <= set(schema["properties"]["handler"]["properties"][name]["properties"])


def test_the_example_is_valid_by_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "example"]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert said == configuration_example()
    jsonschema.Draft7Validator(configuration_schema()).validate(tomllib.loads(said))


def test_every_built_in_handler_with_settings_is_in_the_example() -> None:
    example = configuration_example()
    for name, target in built_in_handlers().items():
        assert (f"[handler.{name}]\n" in example) == (own_model(target) is not None)


def test_the_example_passes_check_once_the_account_is_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The account's password, and a state folder and an archive that can be written here, are the reader's own."""
    example = configuration_example()
    for given, mine in (
        ('# dir = "/var/lib/nhsmail-worker"', f'dir = "{tmp_path}"\nephemeral = true'),
        ("file:///var/lib/nhsmail-worker/archive", f"file://{tmp_path}/archive"),
        ('# auth = "password"', 'auth = "password"'),
        ('# host = "outlook.office365.com"', 'host = "imap.example.org"'),
    ):
        assert example.count(given) == 1
        example = example.replace(given, mine)
    (tmp_path / "worker.toml").write_text(example)
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", "Bright-Harbour-92")
    assert run(["check", "--config", str(tmp_path / "worker.toml")]) == ExitCode.DONE, capsys.readouterr()
