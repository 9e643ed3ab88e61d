"""What the commands share: options, opening a context, printing JSON."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from worker.logs.typed import configuration_named

if TYPE_CHECKING:
    from worker.commands.context import Context
    from worker.settings import Settings

DEFAULT_CONFIG = "worker.toml"


CONFIG_HELP = "The configuration file (default: worker.toml, or what NHSMAIL_CONFIG names)."


def _named(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Advice must name the file that the command line names; what the environment names needn't be typed again."""
    if value is not None and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE:
        context.find_root().with_resource(configuration_named(value))
    return value


ConfigOption = click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="NHSMAIL_CONFIG",
    callback=_named,
    help=CONFIG_HELP,
)


UnusedConfigOption = click.option(
    "--config",
    type=click.Path(dir_okay=False),
    expose_value=False,
    help="Every command takes it. This one doesn't need it.",
)


JsonOption = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


LimitOption = click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most this many, newest first."
)


T = TypeVar("T", str, tuple[str, ...])


def as_utf8(_context: click.Context, _parameter: click.Parameter, value: T) -> T:
    """Replace what can't be encoded as UTF-8: a terminal may send any bytes, and this text is stored or looked up."""
    if isinstance(value, tuple):
        return tuple(_encodable(text) for text in value)
    return _encodable(value)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def words(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Require a reason that isn't blank: somebody will read it in the audit trail."""
    if not value.strip():
        raise click.BadParameter("give a reason in words: it goes into the audit trail. Nothing was done.")
    return as_utf8(context, parameter, value)


def words_if_given(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """As `words`, for a reason that may be left out."""
    return None if value is None else words(context, parameter, value)


@contextmanager
def starting_up() -> Iterator[None]:
    """Import and build what lives as long as the process, which the garbage collector then never needs to scan."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def open_context(
    config: Path | None,
    *,
    logs: bool = False,
    quiet: bool = False,
    reading: bool = False,
    state: Path | None = None,
) -> "Context":
    """Load the settings and build a context. Imported here, so that `--help` and usage errors don't wait for it."""
    path = config_path(config)
    with starting_up():
        from worker.commands.context import Context

        return Context.from_files(path, os.environ, logs=logs, quiet=quiet, reading=reading, state=state)


def config_path(config: Path | None) -> Path | None:
    """The configuration file to read; None if there is none and the settings come from the environment."""
    if config is not None or Path(DEFAULT_CONFIG).exists():
        return config or Path(DEFAULT_CONFIG)
    return None if any(name.startswith("NHSMAIL_ACCOUNT__") for name in os.environ) else Path(DEFAULT_CONFIG)


def settings_alone(config: Path | None) -> "Settings":
    """Load the settings without checking the files, handlers and state folder that they name."""
    from worker.settings import SettingsError, load

    try:
        return load(config_path(config), os.environ, [])
    except SettingsError as error:
        from worker.commands.failures import faulty

        raise faulty(error) from error


def print_json(value: object) -> None:
    """Print a value as JSON. What doesn't print is escaped: a person's own words may be in it.

    Imported here, so that neither `--help` nor the shell's completion waits for it.
    """
    import orjson

    from worker.logs.printable import printable_json

    click.echo(printable_json(orjson.dumps(value, option=orjson.OPT_INDENT_2)).decode())
