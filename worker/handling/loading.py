"""Loads the handlers that the configuration names: looks them up, checks their settings and builds them.

A name is looked up as `[handler.NAME]`, then as an entry point of the group `nhsmail_worker.handlers`, then as
`module:name`. All faults are reported at once. Handlers are other people's code: whatever one raises while it is
imported or built is a fault of that handler, and the others are still checked.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Literal

from worker.handling.building import built
from worker.handling.foreign_code import TooLong, in_time
from worker.handling.found import Found, fault_text
from worker.handling.handler import Handler
from worker.handling.handler_set import Handlers
from worker.handling.isolate.parent import ChildSpec, IsolatedHandler
from worker.handling.lookup import NotFound, imported_at, resolved
from worker.handling.output import OutputCapture
from worker.handling.own_settings import read_own_settings
from worker.handling.signature import misfits
from worker.handling.startup import raised_at, started, too_long, words_about
from worker.settings import SettingsError
from worker.settings.routes import HandlerSettings
from worker.settings.tree import Settings

START = timedelta(minutes=1)
"""How long a handler may take to be imported, and to be built, when it is only tried out."""


def load_handlers(settings: Settings, output: OutputCapture | None = None) -> Handlers:
    """Build every handler that a route or the junk path names, once each.

    output: told which handler's code runs, and what handlers in processes of their own print.

    Raises:
        SettingsError: with every fault of every handler. Those that were built have been closed.
    """
    found = {name: _found(name, settings) for name in _named(settings)}
    faults = [fault for one in found.values() for fault in one.faults]
    output = output or OutputCapture()
    handlers: dict[str, Handler] = {}
    if not faults:
        for name in _used(settings):
            try:
                handlers[name] = _ready(found[name], settings, output)
            except Exception as error:  # noqa: BLE001 -- other people's code
                faults.append(_not_started(found[name], error))
    if faults:
        for handler in handlers.values():
            _closed_quietly(handler)
        raise SettingsError(faults)
    return Handlers(handlers, output, settings.work.grace)


def load_handler(
    name: str, tables: Mapping[str, HandlerSettings], *, file_mode: Literal["private", "group", "any"] = "private"
) -> Handler:
    """Build one handler to try it out, as a configuration with these tables would.

    Raises:
        SettingsError: with every fault of the handler.
    """
    found = _find(name, tables, file_mode, START)
    if not found.faults:
        try:
            return started(lambda: built(name, found.target, found.own), START)
        except Exception as error:  # noqa: BLE001 -- other people's code
            found.faults.append(_not_started(found, error))
    raise SettingsError(found.faults)


def check_handlers(settings: Settings) -> list[str]:
    """Import every handler and check its settings, without building it; returns every fault."""
    return [fault for name in _named(settings) for fault in _found(name, settings).faults]


def _used(settings: Settings) -> tuple[str, ...]:
    """The handlers that mail can be routed to."""
    names = [name for route in settings.routes for name in route.handlers]
    return tuple(dict.fromkeys([*names, *junk_handlers(settings)]))


def junk_handlers(settings: Settings) -> tuple[str, ...]:
    """The handlers that junk can be routed to."""
    kinds = settings.junk.kinds
    own = [name for names in (kinds.malware, kinds.phishing, kinds.bulk, kinds.spam) for name in names or ()]
    return tuple(dict.fromkeys([*settings.junk.handlers, *own]))


def _named(settings: Settings) -> tuple[str, ...]:
    """All handlers that are used, and those that only have a table: faults in unused tables are reported too."""
    return tuple(dict.fromkeys([*_used(settings), *settings.handlers]))


def _found(name: str, settings: Settings) -> Found:
    return _find(name, settings.handlers, settings.account.password_file_mode, settings.work.start)


def _find(name: str, tables: Mapping[str, HandlerSettings], file_mode: str, start: timedelta) -> Found:
    table = tables.get(name, HandlerSettings())
    found = Found(name, [])
    try:
        found.place = resolved(table.use or name)
        found.target = imported_at(found.place, start)
        found.faults += [fault_text(name, "", fault) for fault in misfits(found.target)]
    except NotFound as fault:
        found.faults.append(fault_text(name, "", str(fault)))
    if not found.faults:
        found.own = read_own_settings(found, table, file_mode, start)
    return found


def _ready(found: Found, settings: Settings, output: OutputCapture) -> Handler:
    """Build the handler in this process, or in a process of its own."""
    table, start = settings.handlers.get(found.name, HandlerSettings()), settings.work.start
    if table.isolate:
        spec = ChildSpec(
            found.name,
            found.place,
            found.own,
            memory=table.memory,
            limit=table.time_limit.total_seconds(),
            start=start.total_seconds(),
        )
        try:
            isolated = IsolatedHandler(spec, output, headers_only=getattr(found.target, "headers_only", False))
        except TimeoutError:
            raise too_long(start) from None
        return Handler(found.name, isolated, close=isolated.close)

    def build() -> Handler:
        with output.running(found.name):
            return built(found.name, found.target, found.own)

    return started(build, start)


def _not_started(found: Found, error: Exception) -> str:
    said = f"can't be started: {words_about(error, found.secrets)}"
    if not isinstance(error, TooLong):
        said += f"{raised_at(error, found.place)} Put right what it needs: `nhsmail-worker check` tries again."
    return fault_text(found.name, "", said)


def _closed_quietly(handler: Handler) -> None:
    with suppress(Exception):  # the start is failing already, for the reason in the report
        in_time(handler.close, START.total_seconds())
