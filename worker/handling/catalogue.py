"""Every handler that a route can name: built in, installed by another package, or with a table in the configuration."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Any, Final

from pydantic import BaseModel

from worker.handling.loading import START, junk_handlers
from worker.handling.lookup import ENTRY_POINTS, NotFound, imported_at, resolved
from worker.handling.signature import misfits, own_model
from worker.settings.routes import HandlerSettings
from worker.settings.tree import Settings

OURS: Final = "nhsmail-worker"
"""The package that the built-in handlers come with."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One handler by its name.

    use: what it is, as in `use`; the name itself if there is none. package: the installed package that it comes with;
    None if it is named as `module:name`. place: `module:name`; empty if it can't be found. has_table: the
    configuration has `[handler.NAME]`. does: what it does, by its docstring; empty if it has none. routes: those that
    name it, in order. takes_junk: the junk path names it. fault: why it can't be used; empty if it can.
    """

    name: str
    use: str
    package: str | None
    place: str
    has_table: bool
    does: str
    routes: tuple[str, ...]
    takes_junk: bool
    fault: str
    target: Any = None

    @property
    def is_built_in(self) -> bool:
        return self.package == OURS

    @property
    def summary(self) -> str:
        """The first paragraph of what it does, on one line."""
        return " ".join(self.does.partition("\n\n")[0].split())

    @property
    def own(self) -> type[BaseModel] | None:
        """Its own settings; None if it has none."""
        return own_model(self.target)


def catalogue(settings: Settings | None) -> list[CatalogueEntry]:
    """Return every handler that can be named, in the order of their names. settings: None if there are none yet.

    Imports them all: what a handler does is only known then.
    """
    named = {name for name, _ in _used(settings)} | set(settings.handlers if settings else ())
    names = sorted({*entry_points(group=ENTRY_POINTS).names, *named})
    return [handler_named(name, settings) for name in names]


def handler_named(name: str, settings: Settings | None) -> CatalogueEntry:
    """Return what is known of one handler. name: as in a route."""
    tables: Mapping[str, HandlerSettings] = settings.handlers if settings else {}
    use = tables.get(name, HandlerSettings()).use or name
    place, target, fault = "", None, ""
    try:
        place = resolved(use)
        target = imported_at(place, settings.work.start if settings else START)
        fault = next(misfits(target), "")
    except NotFound as problem:
        fault = str(problem)
    return CatalogueEntry(
        name,
        use,
        _package_of(use),
        place,
        name in tables,
        _docstring(target),
        tuple(dict.fromkeys(route for used, route in _used(settings) if used == name and route)),
        (name, "") in _used(settings),
        fault,
        target,
    )


def built_in_handlers(limit: timedelta = START) -> dict[str, Any]:
    """Return the functions and classes of the built-in handlers, by their names, in the order of these.

    Raises:
        NotFound: one can't be imported.
    """
    places = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS) if _package_of(entry.name) == OURS}
    return {name: imported_at(place, limit) for name, place in sorted(places.items())}


def _used(settings: Settings | None) -> Iterator[tuple[str, str]]:
    """Each handler that mail is given to, with the name of the route; an empty name is the junk path."""
    if settings is None:
        return
    for route in settings.routes:
        for name in route.handlers:
            yield name, route.name
    for name in junk_handlers(settings):
        yield name, ""


def _package_of(use: str) -> str | None:
    found = (entry.dist for entry in entry_points(group=ENTRY_POINTS) if entry.name == use)
    return next((dist.name for dist in found if dist is not None), None)


def _docstring(target: Any) -> str:
    """What the handler's own docstring says; that of its class for an object."""
    described = target if inspect.isclass(target) or inspect.isroutine(target) else type(target)
    if target is None or described.__doc__ is None:
        return ""
    return inspect.cleandoc(str(described.__doc__))
