"""Looks up what a handler's name stands for: an entry point of an installed package, or `module:name`."""

import difflib
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any

from worker.handling.building import NotInside, imported
from worker.handling.foreign_code import TooLong
from worker.handling.found import fault_text
from worker.handling.shadowing import OURS, collision, shadowed
from worker.handling.startup import raised_at, started, words_about
from worker.settings.routes import HandlerSettings

ENTRY_POINTS = "nhsmail_worker.handlers"


class NotFound(Exception):
    """The name stands for nothing that can be imported. The text says why, and what to do."""


def resolved(target: str) -> str:
    """The `module:name` that an entry point or a configured target stands for.

    Raises:
        NotFound: there is no such entry point, or several.
    """
    values = {entry.value for entry in _installed(tuple(sys.path)) if entry.name == target}
    if len(values) > 1:
        raise NotFound(
            f'several installed packages have a handler "{target}": {", ".join(sorted(values))}. '
            "Name the one that is meant with use."
        )
    if not values and ":" not in target:
        raise NotFound(_no_such_handler(target))
    return values.pop() if values else target


@cache
def _installed(_path: tuple[str, ...]) -> EntryPoints:
    """The entry points of the packages on this path. Read once: it takes a file of each package that is installed."""
    return entry_points(group=ENTRY_POINTS)


def missing_handlers(names: Iterable[str], tables: Mapping[str, HandlerSettings]) -> list[str]:
    """Faults of the names that stand for nothing, as far as we can tell without importing anything."""
    faults = []
    for name in names:
        try:
            resolved(tables.get(name, HandlerSettings()).use or name)
        except NotFound as fault:
            faults.append(fault_text(name, "", str(fault)))
    return faults


def _no_such_handler(target: str) -> str:
    known = sorted(_installed(tuple(sys.path)).names)
    if near := _nearest(target, known):
        return f'there is no handler "{target}"{near}. Name an installed one, or use = "package.module:name".'
    return (
        f'there is no handler "{target}". Is its package installed where the worker runs? If not: pip install it '
        'there. Or name an installed handler, or use = "package.module:name".'
    )


def imported_at(place: str, start: timedelta) -> Any:
    """Import the object at `module:name` within the time limit.

    Raises:
        NotFound: it can't be imported, or not in time.
    """
    try:
        return started(lambda: imported(place), start)
    except Exception as error:  # noqa: BLE001 -- other people's code
        raise NotFound(_not_imported(place, error)) from None


def _not_imported(place: str, error: Exception) -> str:
    """Says what is wrong (the name, an import inside the module, or the module's code) and what to do."""
    if isinstance(error, NotInside):
        near = _nearest(error.missing, error.there)
        todo = "Correct the name." if near else "Correct the name, or write it there."
        root = place.partition(":")[0].partition(".")[0]
        both = collision(root) if root in OURS else ""
        return f'{error.place} has no "{error.missing}"{near}. {todo} {both}'.rstrip()
    said = f"{place} can't be imported: {words_about(error)}"
    module = place.partition(":")[0]
    if isinstance(error, TooLong):
        return said
    if both := shadowed(error):
        return f"{said} {both}"
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        if f"{module}.".startswith(f"{error.name}."):
            return f"{said} Install it where the worker runs, or put it on PYTHONPATH."
        return f"{said} The handler needs it: pip install it where the worker runs."
    return f"{said}{raised_at(error, module)} Correct the handler's code."


def _nearest(name: str, known: Iterable[str]) -> str:
    """Words that suggest what was probably meant; empty if no known name is similar enough."""
    near = difflib.get_close_matches(name, known, n=1)
    return f'; the nearest is "{near[0]}"' if near else ""
