"""Loads the handlers that the configuration names: looks them up, checks their settings and builds them.

A name is looked up as `[handler.NAME]`, then as an entry point of the group `nhsmail_worker.handlers`, then as
`module:name`. All faults are reported at once. Handlers are other people's code: whatever one raises while it is
imported or built is a fault of that handler, and the others are still checked.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Literal

from worker.connections import Proxy
from worker.handling.building import asks_for_proxy, built, module_of
from worker.handling.foreign_code import TooLong, in_time
from worker.handling.found import Found, fault_text
from worker.handling.handler import Handler
from worker.handling.handler_set import Handlers
from worker.handling.isolate.other_user import user_fault, user_named
from worker.handling.isolate.parent import ChildSpec, IsolatedHandler
from worker.handling.late_handler import LateHandler
from worker.handling.lookup import NotFound, imported_at, resolved
from worker.handling.output import OutputCapture
from worker.handling.own_settings import read_own_settings
from worker.handling.retention import LONGEST, CheckedCopies, Retention
from worker.handling.signature import misfits
from worker.handling.startup import raised_at, started, too_long, words_about
from worker.handling.target_down import is_down
from worker.handling.trial import Trial
from worker.settings import SettingsError, proxy_of
from worker.settings.routes import HandlerSettings
from worker.settings.tree import Settings

START = timedelta(minutes=1)
"""How long a handler may take to be imported, and to be built, when it is only tried out."""


def load_handlers(settings: Settings, output: OutputCapture | None = None) -> Handlers:
    """Build every handler that a route or the junk path names, once each.

    output: told which handler's code runs, and what handlers in processes of their own print.

    Only here is looked whether this process may run handlers as other users: most commands never do.

    A handler that can't be built because what it talks to isn't there yet is among the result's `late` ones.

    Raises:
        SettingsError: with every fault of every handler. Those that were built have been closed.
    """
    found = {name: _found(name, settings) for name in _named(settings)}
    faults = [fault for one in found.values() for fault in one.faults]
    faults += [
        fault_text(name, "isolate.user", fault)
        for name in _named(settings)
        if (user := _user_of(name, settings)) is not None and (fault := user_fault(user)) is not None
    ]
    output = output or OutputCapture()
    handlers: dict[str, Handler] = {}
    late: dict[str, LateHandler] = {}
    if not faults:
        proxy = proxy_of(settings)
        for name in _used(settings):
            builder = _Builder(found[name], settings, output, proxy)
            try:
                handlers[name] = builder.build()
            except Exception as error:  # noqa: BLE001 -- other people's code
                if is_down(error):
                    late[name] = builder.late(error)
                    handlers[name] = late[name].as_handler()
                else:
                    faults.append(_not_started(found[name], error, _user_of(name, settings)))
    if faults:
        for handler in handlers.values():
            _closed_quietly(handler)
        raise SettingsError(faults)
    clear = [name for name in handlers if getattr(found[name].own, "sends_clear", False) is True]
    return Handlers(handlers, output, settings.work.grace, late, clear, _retentions(handlers, found, output))


def _retentions(
    handlers: Mapping[str, Handler], found: Mapping[str, Found], output: OutputCapture
) -> dict[str, Retention]:
    """How long those handlers keep their copies that are to remove old ones."""
    return {
        name: Retention(
            min(after, LONGEST), CheckedCopies(name, handler.copies, output), _settings_mark(found[name].own)
        )
        for name, handler in handlers.items()
        if _keeps_copies(found[name].target) and handler.copies is not None
        if isinstance(after := getattr(found[name].own, "remove_after", None), timedelta) and after > timedelta(0)
    }


def _settings_mark(own: Any) -> str:
    """A text that changes with what says where the handler writes to, such as its folder. No secret is in it."""
    try:
        told = own.model_dump(mode="json", exclude={"remove_after"})
        texts = {name: value for name, value in told.items() if isinstance(value, str | dict)}  # a set has no order
        said = json.dumps(texts, sort_keys=True)
    except Exception:  # noqa: BLE001 -- other people's code
        return ""
    return blake2b(said.encode(), digest_size=9).hexdigest()


def _keeps_copies(target: Any) -> bool:
    return all(callable(getattr(target, method, None)) for method in ("old_copies", "remove_copies"))


def load_handler(
    name: str,
    tables: Mapping[str, HandlerSettings],
    *,
    file_mode: Literal["private", "group", "any"] = "private",
    proxy: Proxy | None = None,
    trial: Trial | None = None,
) -> Handler:
    """Build one handler to try it out, as a configuration with these tables would.

    trial: what the handler may do; None: whatever its table says.

    Raises:
        SettingsError: with every fault of the handler.
        NeedsForReal, NoScratch: the trial doesn't allow it.
    """
    found = _find(name, tables, file_mode, START)
    trial = trial or Trial(for_real=True)
    if not found.faults:
        trial.check(found)
        try:
            return started(lambda: built(name, found.target, trial.own_settings(found), proxy), START)
        except Exception as error:  # noqa: BLE001 -- other people's code
            found.faults.append(_not_started(found, error))
    raise SettingsError(found.faults)


def targets_of(settings: Settings) -> dict[str, Any]:
    """By its name, the function or class that each handler is; None for one that can't be imported."""
    return {name: _found(name, settings).target for name in _named(settings)}


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


def _user_of(name: str, settings: Settings) -> str | None:
    return settings.handlers.get(name, HandlerSettings()).user


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


class _Builder:
    """Builds a handler in this process, or in a process of its own, within the time limit of the settings."""

    def __init__(self, found: Found, settings: Settings, output: OutputCapture, proxy: Proxy | None) -> None:
        self._found = found
        self._proxy = proxy
        self._table = settings.handlers.get(found.name, HandlerSettings())
        self._start = settings.work.start
        self._output = output
        self.headers_only: bool = getattr(found.target, "headers_only", False)

    def build(self) -> Handler:
        """Raises whatever the handler's constructor raises, and `TooLong`."""
        return self._isolated() if self._table.isolate else started(self._in_this_process, self._start)

    def late(self, error: Exception) -> LateHandler:
        """What takes the handler's place until it can be built. error: why it can't be built yet."""
        declared = getattr(self._found.target, "outages", ())
        outages = declared if isinstance(declared, tuple) else ()  # checked once it is built
        module = module_of(self._found.target)
        return LateHandler(
            self._found.name, self, error, headers_only=self.headers_only, outages=outages, module=module
        )

    def _in_this_process(self) -> Handler:
        found = self._found
        with self._output.running(found.name):
            return built(found.name, found.target, found.own, self._proxy)

    def _isolated(self) -> Handler:
        found, table = self._found, self._table
        spec = ChildSpec(
            found.name,
            found.place,
            found.own,
            memory=table.memory,
            limit=table.time_limit.total_seconds(),
            start=self._start.total_seconds(),
            user=None if table.user is None else user_named(table.user),
            proxy=self._proxy if asks_for_proxy(found.target) else None,
        )
        try:
            isolated = IsolatedHandler(spec, self._output, headers_only=self.headers_only)
        except TimeoutError:
            raise too_long(self._start) from None
        return Handler(found.name, isolated, close=isolated.close, copies=isolated)


def _not_started(found: Found, error: Exception, user: str | None = None) -> str:
    said = f"can't be started: {words_about(error, found.secrets)}"
    if not isinstance(error, TooLong):
        said += f"{raised_at(error, found.place)} Put right what it needs: `nhsmail-worker check` tries again."
    if user is not None:
        said += f" It runs as {user}, who must be able to read its code, and whatever it opens."
    return fault_text(found.name, "", said)


def _closed_quietly(handler: Handler) -> None:
    with suppress(Exception):  # the start is failing already, for the reason in the report
        in_time(handler.close, START.total_seconds())
