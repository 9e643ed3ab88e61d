"""Commands in advice are named as they must be typed in this installation."""

from contextlib import ExitStack, nullcontext
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from worker.cli.options import ConfigOption
from worker.logs.typed import VARIABLE, as_typed, configuration_named, typed

ADVICE = "Run `nhsmail-worker failed list`, or `nhsmail-worker`; `failed show KEY` shows one."


def test_as_it_is_where_nothing_is_named() -> None:
    assert typed("failed list") == "nhsmail-worker failed list"
    assert as_typed(ADVICE) == ADVICE


def test_the_words_before_a_command_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, ".venv/bin/nhsmail-worker demo")
    assert as_typed(ADVICE) == (
        "Run `.venv/bin/nhsmail-worker demo failed list`, or `.venv/bin/nhsmail-worker demo`; "
        "`failed show KEY` shows one."
    )


@pytest.mark.parametrize("program", ["nhsmail-worker demo", "docker compose exec worker nhsmail-worker", ""])
@pytest.mark.parametrize("config", [None, Path("/etc/worker.toml")])
def test_what_is_named_so_already_stays(program: str, config: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, program)
    with nullcontext() if config is None else configuration_named(config):
        assert as_typed(as_typed(ADVICE)) == as_typed(ADVICE)


def test_a_file_that_the_command_line_named_is_named_for_this_command_alone() -> None:
    with configuration_named(Path("/etc/two workers/worker.toml")):
        assert typed("resume") == "nhsmail-worker resume --config '/etc/two workers/worker.toml'"
    assert typed("resume") == "nhsmail-worker resume"


@click.command()
@ConfigOption
def say(config: Path | None) -> None:
    click.echo(f"{config} {typed('status')}")


def test_what_the_environment_names_needs_no_typing() -> None:
    asked = CliRunner().invoke(say, [], env={"NHSMAIL_CONFIG": "/etc/worker.toml"})
    assert asked.output == "/etc/worker.toml nhsmail-worker status\n"
    asked = CliRunner().invoke(say, ["--config", "/srv/b.toml"], env={"NHSMAIL_CONFIG": "/etc/worker.toml"})
    assert asked.output == "/srv/b.toml nhsmail-worker status --config /srv/b.toml\n"
    assert typed("status") == "nhsmail-worker status", "it holds for one command"


def test_commands_of_one_process_may_end_in_another_order_than_they_began_in() -> None:
    first, second = configuration_named(Path("/etc/a.toml")), configuration_named(Path("/etc/b.toml"))
    with ExitStack() as begun_later:
        with first:
            begun_later.enter_context(second)
            assert typed("status").endswith("/etc/b.toml")
        assert typed("status").endswith("/etc/b.toml")
    assert typed("status") == "nhsmail-worker status"
