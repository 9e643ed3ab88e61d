"""What a handler's name leads to: an entry point of the group `nhsmail_worker.handlers`, or `module:name`."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Any

from worker.handling.building import NotInside, imported
from worker.handling.foreign_code import TooLong
from worker.handling.found import fault_text
from worker.handling.startup import raised_at, started, words_about
from worker.settings.routes import HandlerSettings

ENTRY_POINTS = "nhsmail_worker.handlers"


class NotFound(Exception):
    """A name that leads to nothing, with what to do about it."""


def resolved(target: str) -> str:
    values = {entry.value for entry in entry_points(group=ENTRY_POINTS) if entry.name == target}
    if len(values) > 1:
        raise NotFound(
            f'several installed packages have a handler "{target}": {", ".join(sorted(values))}. '
            "Name the one that is meant with use."
        )
    if not values and ":" not in target:
        raise NotFound(_no_such_handler(target))
    return values.pop() if values else target


def missing_handlers(names: Iterable[str], tables: Mapping[str, HandlerSettings]) -> list[str]:
    """Faults of those whose names lead nowhere, as far as that can be told without importing any."""
    faults = []
    for name in names:
        try:
            resolved(tables.get(name, HandlerSettings()).use or name)
        except NotFound as fault:
            faults.append(fault_text(name, "", str(fault)))
    return faults


def _no_such_handler(target: str) -> str:
    known = sorted(entry_points(group=ENTRY_POINTS).names)
    if near := _nearest(target, known):
        return f'there is no handler "{target}"{near}. Name an installed one, or use = "package.module:name".'
    return (
        f'there is no handler "{target}". Is its package installed where the worker runs? If not: pip install it '
        'there. Or name an installed handler, or use = "package.module:name".'
    )


def imported_at(place: str, start: timedelta) -> Any:
    try:
        return started(lambda: imported(place), start)
    except Exception as error:  # noqa: BLE001 -- other people's code
        raise NotFound(_not_imported(place, error)) from None


def _not_imported(place: str, error: Exception) -> str:
    """What is wrong and what to do: it isn't there, it isn't in there, it needs something, or its code is wrong."""
    if isinstance(error, NotInside):
        near = _nearest(error.missing, error.there)
        todo = "Correct the name." if near else "Correct the name, or write it there."
        return f'{error.place} has no "{error.missing}"{near}. {todo}'
    said = f"{place} can't be imported: {words_about(error)}"
    module = place.partition(":")[0]
    if isinstance(error, TooLong):
        return said
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        if f"{module}.".startswith(f"{error.name}."):
            return f"{said} Install it where the worker runs, or put it on PYTHONPATH."
        return f"{said} The handler needs it: pip install it where the worker runs."
    return f"{said}{raised_at(error, module)} Correct the handler's code."


def _nearest(name: str, known: Iterable[str]) -> str:
    """The words that name what was probably meant; empty where nothing is near enough to advise it."""
    near = difflib.get_close_matches(name, known, n=1)
    return f'; the nearest is "{near[0]}"' if near else ""
