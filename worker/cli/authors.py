"""The commands for people who write routes and handlers."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from worker.cli.groups import CommandGroup, LazyCommands
from worker.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    UnusedConfigOption,
    config_path,
    print_json,
    settings_alone,
)
from worker.cli.wrapped import say
from worker.commands.exits import ExitCode, Failure

MessageFile = click.argument("eml", metavar="FILE.eml", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group(cls=CommandGroup)
def route() -> None:
    """Find out which route takes a message."""


@route.command("explain")
@ConfigOption
@MessageFile
@click.option("--folder", help="The folder that the message is in (default: the first watched folder).")
@JsonOption
def route_explain(config: Path | None, eml: Path, folder: str | None, *, as_json: bool) -> int:
    """Say which route takes the message in a file, and why. Makes no connection.

    Exit code 1: the message would be a dead letter.
    """
    from worker.cli.tables import print_explanation
    from worker.commands.explain import Fate, explain
    from worker.commands.message_file import read_message
    from worker.handling.lookup import missing_handlers

    settings = settings_alone(config)
    with _readable(eml):
        found = explain(read_message(eml, settings, folder).message, settings)
    if as_json:
        print_json(found.as_json())
    else:
        print_explanation(found)
    for fault in missing_handlers(found.handlers, settings.handlers):
        say(f"The worker doesn't start with this configuration: {fault}", err=True)
    return ExitCode.FINDING if found.fate is Fate.DEAD_LETTER else ExitCode.DONE


@click.group(
    cls=CommandGroup,
    commands=LazyCommands({"list": "handler_catalogue:handler_list", "show": "handler_catalogue:handler_show"}),
)
def handler() -> None:
    """Write and try handlers."""


@handler.command("try")
@ConfigOption
@click.argument("name")
@MessageFile
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="A setting of the handler; may be repeated.")
@click.option("--folder", help="The folder that the message is in (default: the first watched folder).")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to in place of the real one (default: a new temporary folder).",
)
@click.option("--for-real", is_flag=True, help="Let the handler write and send as in production.")
def handler_try(
    config: Path | None,
    name: str,
    eml: Path,
    options: tuple[str, ...],
    folder: str | None,
    into: Path | None,
    *,
    for_real: bool,
) -> int:
    """Give one handler one message from a file, as the worker would, without a mailbox.

    `archive`, and every handler with a `scratch`, writes to a temporary folder. `database`, `webhook`, `queue` and
    `command` run with --for-real alone. A handler of your own without a `scratch` runs with its own settings.

    With --for-real the far end gets the key that the message has in the mailbox. It may then take the message for
    done when the worker brings it.

    Exit code 1: the message would be tried again or be a dead letter.
    """
    from worker.commands.handler_trial import try_handler
    from worker.handling.trial import NeedsForReal, NoScratch, Trial
    from worker.settings import SettingsError

    if for_real and into is not None:
        raise Failure(ExitCode.USAGE, "--into and --for-real exclude each other. Nothing was done. Leave one out.")
    path = config_path(config)
    settings = None if path == Path(DEFAULT_CONFIG) and not path.exists() else settings_alone(config)
    given = dict(map(_key_and_value, options))
    trial = Trial(for_real=for_real, into=into)
    with _readable(eml):
        try:
            tried = try_handler(name, eml, settings=settings, options=given, folder=folder, trial=trial)
        except SettingsError as error:
            from worker.commands.failures import faulty

            raise faulty(error) from error
        except NeedsForReal as problem:
            sets = "".join(f" --set {shlex.quote(option)}" for option in options)
            again = f"`nhsmail-worker handler try {name} {shlex.quote(str(eml))}{sets} --for-real`"
            text = f"{name} {problem.effect}. Nothing was done. To let it do that: {again}."
            raise Failure(ExitCode.USAGE, text) from problem
        except NoScratch as problem:
            text = (
                f"{name} has no `scratch`, so --into has no effect on it. Nothing was done. Name a folder with --set."
            )
            raise Failure(ExitCode.USAGE, text) from problem
    say(tried.text)
    return ExitCode.DONE if tried.done else ExitCode.FINDING


@handler.command("new")
@UnusedConfigOption
@click.argument("name")
def handler_new(name: str) -> int:
    """Write a small handler package with its test, to start from."""
    from worker.commands.authors import CannotBegin, new_handler
    from worker.logs.typed import typed

    try:
        paths = new_handler(name, Path())
    except CannotBegin as problem:
        raise Failure(ExitCode.USAGE, str(problem)) from problem
    except OSError as problem:
        text = f"{problem.filename} can't be written: {problem.strerror}. Change to a folder of your own and try again."
        raise Failure(ExitCode.USAGE, text) from problem
    for path in paths:
        say(str(path))
    say(f"Next: pip install -e './{name}[test]' && python -m pytest {name}/tests", err=True)
    say(f"Then: {typed(f'handler try {name} FILE.eml --set folder=anywhere')}", err=True)
    return ExitCode.DONE


def _key_and_value(option: str) -> tuple[str, str]:
    key, is_given, value = option.partition("=")
    if not key or not is_given:
        raise Failure(ExitCode.USAGE, f"--set {option}: write it as KEY=VALUE, such as --set folder=filed.")
    return key, value


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Report a file that can't be read, or isn't a message, as a usage error."""
    from worker.commands.message_file import NotAMessage

    try:
        yield
    except NotAMessage as problem:
        raise Failure(ExitCode.USAGE, str(problem)) from problem
    except OSError as problem:
        raise Failure(ExitCode.USAGE, f"{path} can't be read: {problem.strerror}.") from problem
