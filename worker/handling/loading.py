"""From handlers' names to handlers: found, checked against their own settings, built, with every fault at once.

A name is looked up as `[handler.NAME]`, then as an entry point of the group `nhsmail_worker.handlers`, then as
`module:name`. Handlers are other people's code: whatever they raise while they are imported or built is a fault with a
name, never the end of the report.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Any, Literal

from worker.handling.found import Found, NotFound, nearest_name, raised_at, started, too_long, words_about
from worker.handling.handler import Handler as Handler  # its name here is what others know it by
from worker.handling.handler import NotInside, TooLong, built, imported, in_time
from worker.handling.isolate.parent import Inside, Isolated
from worker.handling.output import Guests
from worker.handling.own_settings import fault_text, read_own_settings
from worker.handling.signature import misfits
from worker.settings import SettingsError
from worker.settings.routes import HandlerSettings
from worker.settings.tree import Settings
from worker.settings.wording import title

ENTRY_POINTS = "nhsmail_worker.handlers"


START = timedelta(minutes=1)
"""How long a handler that is only tried out may take to be imported, and to be built."""


def load_handlers(settings: Settings, guests: Guests | None = None) -> dict[str, Handler]:
    """Every handler that a route or the junk path names, built once each.

    guests: hears what handlers do besides.

    Raises:
        SettingsError: with every fault of every handler; then none of them is left open.
    """
    found = {name: _found(name, settings) for name in _named(settings)}
    faults = [fault for one in found.values() for fault in one.faults]
    handlers: dict[str, Handler] = {}
    if not faults:
        guests = guests or Guests()
        for name in _used(settings):
            try:
                handlers[name] = _ready(found[name], settings, guests)
            except Exception as error:  # noqa: BLE001 -- other people's code
                faults.append(_not_started(found[name], error))
    if faults:
        for handler in handlers.values():
            _closed_quietly(handler)
        raise SettingsError(faults)
    return handlers


def load_handler(
    name: str, tables: Mapping[str, HandlerSettings], *, file_mode: Literal["private", "group", "any"] = "private"
) -> Handler:
    """One handler, found and built as in a configuration with these tables; for those who try one out.

    Raises:
        SettingsError: with every fault of it.
    """
    found = _find(name, tables, file_mode, START)
    if not found.faults:
        try:
            return started(lambda: built(name, found.target, found.own), START)
        except Exception as error:  # noqa: BLE001 -- other people's code
            found.faults.append(_not_started(found, error))
    raise SettingsError(found.faults)


def check_handlers(settings: Settings) -> list[str]:
    """Every fault of every handler, found by importing them and reading their settings, without building any."""
    return [fault for name in _named(settings) for fault in _found(name, settings).faults]


def _used(settings: Settings) -> tuple[str, ...]:
    """The handlers that mail can come to."""
    names = [name for route in settings.routes for name in route.handlers]
    return tuple(dict.fromkeys([*names, *junk_handlers(settings)]))


def junk_handlers(settings: Settings) -> tuple[str, ...]:
    """The handlers that junk can come to."""
    kinds = settings.junk.kinds
    own = [name for names in (kinds.malware, kinds.phishing, kinds.bulk, kinds.spam) for name in names or ()]
    return tuple(dict.fromkeys([*settings.junk.handlers, *own]))


def _named(settings: Settings) -> tuple[str, ...]:
    """Those, and the tables that no route uses (yet): a fault in one is a fault all the same."""
    return tuple(dict.fromkeys([*_used(settings), *settings.handlers]))


def _found(name: str, settings: Settings) -> Found:
    return _find(name, settings.handlers, settings.account.password_file_mode, settings.work.start)


def _find(name: str, tables: Mapping[str, HandlerSettings], file_mode: str, start: timedelta) -> Found:
    table = tables.get(name, HandlerSettings())
    found = Found(name, [])
    try:
        found.place = _resolved(table.use or name)
        found.target = _imported(found.place, start)
        found.faults += [f"{title(('handler', name))}: {fault}" for fault in misfits(found.target)]
    except NotFound as fault:
        found.faults.append(f"{title(('handler', name))}: {fault}")
    if not found.faults:
        read_own_settings(found, table, file_mode, start)
    return found


# --- what a name leads to --------------------------------------------------------------------------------------------


def _resolved(target: str) -> str:
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
            _resolved(tables.get(name, HandlerSettings()).use or name)
        except NotFound as fault:
            faults.append(f"{title(('handler', name))}: {fault}")
    return faults


def _no_such_handler(target: str) -> str:
    known = sorted(entry_points(group=ENTRY_POINTS).names)
    if near := nearest_name(target, known):
        return f'there is no handler "{target}"{near}. Name an installed one, or use = "package.module:name".'
    return (
        f'there is no handler "{target}". Is its package installed where the worker runs? If not: pip install it '
        'there. Or name an installed handler, or use = "package.module:name".'
    )


def _imported(place: str, start: timedelta) -> Any:
    try:
        return started(lambda: imported(place), start)
    except Exception as error:  # noqa: BLE001 -- other people's code
        raise NotFound(_not_imported(place, error)) from None


def _not_imported(place: str, error: Exception) -> str:
    """What is wrong and what to do: it isn't there, it isn't in there, it needs something, or its code is wrong."""
    if isinstance(error, NotInside):
        near = nearest_name(error.missing, error.there)
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


# --- its own settings ------------------------------------------------------------------------------------------------


# --- building --------------------------------------------------------------------------------------------------------


def _ready(found: Found, settings: Settings, guests: Guests) -> Handler:
    """The handler as it is to be called: here, or in processes of its own."""
    table, start = settings.handlers.get(found.name, HandlerSettings()), settings.work.start
    if table.isolate:
        inside = Inside(
            found.name,
            found.place,
            found.own,
            memory=table.memory,
            limit=table.time_limit.total_seconds(),
            start=start.total_seconds(),
        )
        try:
            isolated = Isolated(inside, guests.heard, headers_only=getattr(found.target, "headers_only", False))
        except TimeoutError:
            raise too_long(start) from None
        return Handler(found.name, isolated, close=isolated.close)

    def build() -> Handler:
        with guests.at_work(found.name):
            return built(found.name, found.target, found.own)

    return started(build, start)


def _not_started(found: Found, error: Exception) -> str:
    said = f"can't be started: {words_about(error, found.secrets)}"
    if not isinstance(error, TooLong):
        said += f"{raised_at(error, found.place)} Put right what it needs: `nhsmail-worker check` tries again."
    return fault_text(found.name, "", said)


def _closed_quietly(handler: Handler) -> None:
    with suppress(Exception):  # the start has failed already, and says why
        in_time(handler.close, START.total_seconds())
