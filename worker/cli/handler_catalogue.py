"""The commands `handler list` and `handler show`."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, config_path, print_json, settings_alone
from worker.commands.exits import ExitCode

if TYPE_CHECKING:
    from worker.commands.handler_catalogue import ShownHandler
    from worker.handling.catalogue import CatalogueEntry
    from worker.settings import Settings
    from worker.settings.described import Described


def _installed(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The installed handlers whose names begin like this, for the shell's completion."""
    from importlib.metadata import entry_points

    from worker.handling.lookup import ENTRY_POINTS

    return sorted(name for name in entry_points(group=ENTRY_POINTS).names if name.startswith(begun))


@click.command("list")
@ConfigOption
@JsonOption
def handler_list(config: Path | None, *, as_json: bool) -> int:
    """Show every handler that a route can name: what it does, where it comes from, and what uses it."""
    from worker.commands.handler_catalogue import entry_as_json, list_handlers

    found = list_handlers(_settings_if_any(config))
    if as_json:
        print_json([entry_as_json(one) for one in found])
    elif sys.stdout.isatty():
        click.echo("\n".join(line for one in found for line in _listed(one)))
    else:
        click.echo("\n".join("\t".join(_cells(one)) for one in found))
    return ExitCode.DONE


@click.command("show")
@ConfigOption
@click.argument("name", shell_complete=_installed)
@JsonOption
def handler_show(config: Path | None, name: str, *, as_json: bool) -> int:
    """Show what a handler does, its settings with their types and defaults, and a table to copy."""
    from worker.commands.handler_catalogue import show_handler

    shown = show_handler(name, _settings_if_any(config))
    if as_json:
        print_json(shown.as_json())
    else:
        click.echo("\n".join(_shown(shown)))
    return ExitCode.DONE


def _settings_if_any(config: Path | None) -> "Settings | None":
    """The configuration; None if none was named and there is none."""
    path = config_path(config)
    return None if path == Path(DEFAULT_CONFIG) and not path.exists() else settings_alone(config)


def _cells(entry: "CatalogueEntry") -> tuple[str, ...]:
    from worker.commands.handler_catalogue import origin_of, use_of

    return (entry.name, origin_of(entry), use_of(entry), entry.fault or entry.summary)


def _listed(entry: "CatalogueEntry") -> Iterator[str]:
    name, origin, use, does = _cells(entry)
    yield f"{name} ({origin})"
    yield from _indented(does or "Its code doesn't say what it does.")
    yield from _indented(f"Used by {use}." if use else "No route of this configuration uses it.")


def _shown(shown: "ShownHandler") -> Iterator[str]:
    name, origin, use, _ = _cells(shown.entry)
    yield f"{name} ({origin})" if shown.entry.place == name else f"{name} ({origin}: {shown.entry.place})"
    yield ""
    yield from _description(shown.entry.does or "Its code doesn't say what it does.")
    yield ""
    yield f"Used by {use}." if use else "No route of this configuration uses it."
    yield ""
    yield "Its settings:" if shown.own else "It has no settings of its own."
    for one in shown.own:
        yield from _setting(one)
    yield ""
    yield "Settings of the worker, which every handler's table takes:"
    for one in shown.ours:
        yield from _setting(one)
    yield from ("", "Its table in the configuration, with the defaults:", "", *shown.example)


def _description(text: str) -> Iterator[str]:
    """A docstring that fits the terminal. A paragraph with lines that are set in stays as it is."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ""
        if any(line.startswith(" ") for line in paragraph.splitlines()):
            yield paragraph
        else:
            yield from _indented(paragraph, "")


def _setting(one: "Described") -> Iterator[str]:
    from worker.settings.example import without_links

    kind, default = one.kind.replace("`", ""), one.default.replace("`", "").strip("*")
    told = "required" if one.is_required else f"default: {default}" if one.written is not None else "not set"
    yield ""
    yield from _indented(f"{one.key} ({kind}; {told})")
    yield from _indented(without_links(one.meaning), "    ")


def _indented(text: str, margin: str = "  ") -> list[str]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 100
    return textwrap.wrap(text, max(width, 20), initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)
