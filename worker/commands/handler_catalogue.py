"""The commands `handler list` and `handler show`: which handlers there are, what each does, and its settings."""

from dataclasses import dataclass
from typing import Any

from worker.commands.exits import ExitCode, Failure
from worker.handling.catalogue import CatalogueEntry, catalogue, handler_named
from worker.settings import HandlerRules
from worker.settings.described import Described, described
from worker.settings.example import short_handler_table
from worker.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class ShownHandler:
    """One handler with its settings. own: the handler's. ours: the worker's, which every handler's table takes."""

    entry: CatalogueEntry
    own: tuple[Described, ...]
    ours: tuple[Described, ...]
    example: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            **entry_as_json(self.entry),
            "description": self.entry.does,
            "settings": [_setting_as_json(one) for one in self.own],
            "worker_settings": [_setting_as_json(one) for one in self.ours],
            "example": "\n".join(self.example) + "\n",
        }


def list_handlers(settings: Settings | None) -> list[CatalogueEntry]:
    """Return every handler that can be named, in the order of their names."""
    return catalogue(settings)


def show_handler(name: str, settings: Settings | None) -> ShownHandler:
    """Return one handler with its settings.

    Raises:
        Failure: there is no handler of this name, or it can't be imported.
    """
    entry = handler_named(name, settings)
    if entry.fault:
        raise Failure(ExitCode.USAGE, f"{entry.fault} `nhsmail-worker handler list` shows all handlers.")
    own = () if entry.own is None else tuple(described(entry.own))
    example = short_handler_table(_table_name(entry), entry.use, entry.own)
    return ShownHandler(entry, own, tuple(described(HandlerRules)), tuple(example))


def entry_as_json(entry: CatalogueEntry) -> dict[str, Any]:
    """The object that `handler list --json` prints for one handler."""
    return {
        "name": entry.name,
        "does": entry.summary,
        "built_in": entry.is_built_in,
        "package": entry.package,
        "place": entry.place or None,
        "has_table": entry.has_table,
        "routes": list(entry.routes),
        "takes_junk": entry.takes_junk,
        "fault": entry.fault or None,
    }


def origin_of(entry: CatalogueEntry) -> str:
    """Where a handler comes from, in words."""
    if entry.fault:
        return "not found"
    if entry.is_built_in:
        return "built in"
    return f"package {entry.package}" if entry.package else f"module {entry.place.partition(':')[0]}"


def use_of(entry: CatalogueEntry) -> str:
    """What uses a handler, in words; empty if nothing does."""
    routes = ", ".join(entry.routes)
    named = [f"the route{'s' if len(entry.routes) > 1 else ''} {routes}"] if routes else []
    return " and ".join([*named, *(["the junk path"] if entry.takes_junk else [])])


def _table_name(entry: CatalogueEntry) -> str:
    """A name that the handler's table can have: a colon or a dot can't be in it."""
    return entry.name.rpartition(":")[2].rpartition(".")[2].lower()


def _setting_as_json(one: Described) -> dict[str, Any]:
    return {
        "key": one.key,
        "type": one.kind.replace("`", ""),
        "required": one.is_required,
        "default": one.written,
        "meaning": one.meaning,
    }
