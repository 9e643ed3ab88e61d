"""From handlers' names to handlers: found, checked against their own settings, built, with every fault at once.

A name is looked up as `[handler.NAME]`, then as an entry point of the group `nhsmail_worker.handlers`, then as
`module:name`. Handlers are other people's code: whatever they raise while they are imported or built is a fault with a
name, never the end of the report.
"""

import difflib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from worker.guests import Guests
from worker.handler import Escaped, NotInside, TooLong, built, imported, in_time, lines_of, words_of
from worker.handler import Handler as Handler  # its name here is what others know it by
from worker.isolation import Inside, Isolated
from worker.settings import SettingsError
from worker.settings.disk import secret_file_faults
from worker.settings.model import is_secret, is_text
from worker.settings.routes import HandlerRules, HandlerSettings
from worker.settings.secrets import read_secret
from worker.settings.tree import Settings
from worker.settings.units import format_duration, parse_duration, parse_size
from worker.settings.wording import of, title, variable

ENTRY_POINTS = "nhsmail_worker.handlers"


T = TypeVar("T")
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
            return _started(lambda: built(name, found.target, found.own), START)
        except Exception as error:  # noqa: BLE001 -- other people's code
            found.faults.append(_not_started(found, error))
    raise SettingsError(found.faults)


def check_handlers(settings: Settings) -> list[str]:
    """Every fault of every handler, found by importing them and reading their settings, without building any."""
    return [fault for name in _named(settings) for fault in _found(name, settings).faults]


@dataclass(slots=True)
class _Found:
    """What a name leads to: a callable or a class and its settings, or faults. place: `module:name`."""

    name: str
    faults: list[str]
    place: str = ""
    target: Any = None
    own: BaseModel | None = None
    secrets: tuple[str, ...] = ()


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


def _found(name: str, settings: Settings) -> _Found:
    return _find(name, settings.handlers, settings.account.password_file_mode, settings.work.start)


def _find(name: str, tables: Mapping[str, HandlerSettings], file_mode: str, start: timedelta) -> _Found:
    table = tables.get(name, HandlerSettings())
    found = _Found(name, [])
    try:
        found.place = _resolved(table.use or name)
        found.target = _imported(found.place, start)
        found.faults += [f"{title(('handler', name))}: {fault}" for fault in _misfits(found.target)]
    except _NotFound as fault:
        found.faults.append(f"{title(('handler', name))}: {fault}")
    if not found.faults:
        _read_own_settings(found, table, file_mode, start)
    return found


# --- what a name leads to --------------------------------------------------------------------------------------------


class _NotFound(Exception):
    """A name that leads to nothing, with what to do about it."""


def _resolved(target: str) -> str:
    values = {entry.value for entry in entry_points(group=ENTRY_POINTS) if entry.name == target}
    if len(values) > 1:
        raise _NotFound(
            f'several installed packages have a handler "{target}": {", ".join(sorted(values))}. '
            "Name the one that is meant with use."
        )
    if not values and ":" not in target:
        raise _NotFound(_no_such_handler(target))
    return values.pop() if values else target


def missing_handlers(names: Iterable[str], tables: Mapping[str, HandlerSettings]) -> list[str]:
    """Faults of those whose names lead nowhere, as far as that can be told without importing any."""
    faults = []
    for name in names:
        try:
            _resolved(tables.get(name, HandlerSettings()).use or name)
        except _NotFound as fault:
            faults.append(f"{title(('handler', name))}: {fault}")
    return faults


def _no_such_handler(target: str) -> str:
    known = sorted(entry_points(group=ENTRY_POINTS).names)
    if near := _nearest(target, known):
        return f'there is no handler "{target}"{near}. Name an installed one, or use = "package.module:name".'
    return (
        f'there is no handler "{target}". Is its package installed where the worker runs? If not: pip install it '
        'there. Or name an installed handler, or use = "package.module:name".'
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    """The words that name what was probably meant; empty where nothing is near enough to advise it."""
    near = difflib.get_close_matches(name, known, n=1)
    return f'; the nearest is "{near[0]}"' if near else ""


def _imported(place: str, start: timedelta) -> Any:
    try:
        return _started(lambda: imported(place), start)
    except Exception as error:  # noqa: BLE001 -- other people's code
        raise _NotFound(_not_imported(place, error)) from None


def _not_imported(place: str, error: Exception) -> str:
    """What is wrong and what to do: it isn't there, it isn't in there, it needs something, or its code is wrong."""
    if isinstance(error, NotInside):
        near = _nearest(error.missing, error.there)
        todo = "Correct the name." if near else "Correct the name, or write it there."
        return f'{error.place} has no "{error.missing}"{near}. {todo}'
    said = f"{place} can't be imported: {_said(error)}"
    module = place.partition(":")[0]
    if isinstance(error, TooLong):
        return said
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        if f"{module}.".startswith(f"{error.name}."):
            return f"{said} Install it where the worker runs, or put it on PYTHONPATH."
        return f"{said} The handler needs it: pip install it where the worker runs."
    return f"{said}{_raised_at(error, module)} Correct the handler's code."


def _raised_at(error: Exception, place: str) -> str:
    """The last line of the handler's own package that an error came through; empty where it came through none."""
    raised = error.__cause__ if isinstance(error, Escaped) else error
    lines = lines_of(raised or error, place.partition(":")[0])
    return f" {lines[-1][0].f_globals['__name__']}:{lines[-1][1]} raised it." if lines else ""


def _too_long(limit: timedelta) -> TooLong:
    return TooLong(
        f"it took longer than {format_duration(limit)}. See what it waits for, or give it more time in [work] start"
    )


def _started(do: Callable[[], T], limit: timedelta) -> T:
    """As `in_time`; what takes too long is told for a person."""
    try:
        return in_time(do, limit.total_seconds())
    except TooLong:
        raise _too_long(limit) from None


def _said(error: BaseException, secrets: tuple[str, ...] = ()) -> str:
    """The error's class and its own words on one line; without the words where a secret is in them."""
    words = words_of(error)
    kind = error.kind if isinstance(error, Escaped) else type(error).__name__
    return f"{kind}." if not words or any(secret in words for secret in secrets) else f"{kind}: {words.rstrip('.')}."


def _misfits(target: Any) -> Iterator[str]:
    """Why this can't be a handler, however it is configured."""
    if not callable(target):
        yield "isn't callable. A handler is a function that takes a message, or a class whose objects do."
        return
    called = target
    if inspect.isclass(target):
        called = next((vars(kind)["__call__"] for kind in target.__mro__ if "__call__" in vars(kind)), None)
        if called is None:
            yield "its class has no __call__(self, message). Add it."
            return
        yield from _misfitting_constructor(target)
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called):
        yield "is a coroutine or a generator, which calling doesn't run. Make it a plain function."
    elif not _takes(called, 2 if inspect.isclass(target) else 1):
        yield "can't be called with a message alone. Give it exactly one argument without a default."


def _misfitting_constructor(target: type) -> Iterator[str]:
    own = _own_model(target)
    if "Settings" in dir(target) and own is None:
        yield "its Settings isn't a pydantic model. Derive it from pydantic.BaseModel."
    elif not _takes(target, 1 if own else 0):
        wanted = "self, settings: Settings" if own else "self"
        why = "" if own else ", as it has no Settings"
        yield f"its class can't be built: write its constructor as `def __init__({wanted}) -> None`{why}."


def _takes(called: Any, count: int) -> bool:
    try:
        inspect.signature(called).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True  # written in C, without a signature: calling it will tell
    return True


def _own_model(target: Any) -> type[BaseModel] | None:
    own = getattr(target, "Settings", None) if inspect.isclass(target) else None
    return own if inspect.isclass(own) and issubclass(own, BaseModel) else None


# --- its own settings ------------------------------------------------------------------------------------------------


def _read_own_settings(found: _Found, table: HandlerSettings, file_mode: str, start: timedelta) -> None:
    """Holds the handler's table against its own `Settings`, unknown keys and misplaced secrets included."""
    model = _own_model(found.target)
    options = dict(table.options)
    if model is None:
        for key in options:
            found.faults.append(_fault(found.name, key, "this handler has no settings. Remove it."))
        return
    for key in sorted(HandlerRules.model_fields.keys() & _keys(model).keys()):
        found.faults.append(_fault(found.name, key, "is the worker's own: no handler can have a setting of that name."))
    secrets = _Secrets(found, model, table, file_mode)
    options = secrets.resolved(options)
    for key in unknown_keys(options, model):
        found.faults.append(_fault(found.name, key, unknown(key, model)))
        del options[key]
    for key, value in options.items():
        options[key] = _as_meant(value, _keys(model).get(key), from_environment=key not in table.from_file)
    try:
        found.own = _started(lambda: model.model_validate(options), start)
    except ValidationError as error:
        if ":" in found.name and not table.options:
            found.faults.append(_fault(found.name, "", _needs_a_table(found.name, error)))
            return
        for fault in error.errors(include_url=False, include_input=False):
            place = tuple(str(part) for part in fault["loc"])
            if not place or place[0] not in secrets.faulty:
                found.faults.append(_fault(found.name, ".".join(place), of(fault, ("handler", found.name, *place))))
    except Exception as error:  # noqa: BLE001 -- other people's code
        found.faults.append(
            _fault(
                found.name,
                "",
                f"its settings can't be checked: {_said(error, found.secrets)}{_raised_at(error, found.place)}",
            )
        )


class _Secrets:
    """A handler's secrets: none in the file, each from its own setting or from the file that its twin names."""

    def __init__(self, found: _Found, model: type[BaseModel], table: HandlerSettings, file_mode: str) -> None:
        self._found, self._table, self._mode = found, table, file_mode
        self._keys = [key for key, annotation in _keys(model).items() if is_secret(annotation)]
        self._declared = set(_keys(model))
        self.faulty: set[str] = set()

    def resolved(self, options: dict[str, Any]) -> dict[str, Any]:
        for key in self._keys:
            twin = f"{key}_file"
            if key in options and key in self._table.from_file:
                variable_name = variable(("handler", self._found.name, key))
                self._refuse(
                    key,
                    key,
                    "a secret doesn't belong in this file. It is now in a file: change it, and give the new one in "
                    f"{variable_name}, or in a file that {twin} names.",
                )
                del options[key]
            if twin in options and twin not in self._declared:
                self._from_file(key, twin, options)
            if key in options:
                self._found.secrets += (str(options[key]),)
        return options

    def _from_file(self, key: str, twin: str, options: dict[str, Any]) -> None:
        named = options.pop(twin)
        if key in options and twin not in self._table.from_file:
            self._refuse(key, twin, f"and {key} are both set. Keep one of them.")
        elif key in options:
            return  # the environment beats the file
        elif not isinstance(named, str):
            self._refuse(key, twin, 'must be a path, in quotation marks: "/…".')
        elif faults := secret_file_faults(Path(named), self._mode):
            for fault in faults:
                self._refuse(key, twin, fault)
        else:
            secret = read_secret(None, Path(named))
            options[key] = secret.get_secret_value() if secret else ""

    def _refuse(self, key: str, place: str, text: str) -> None:
        self.faulty.add(key)
        self._found.faults.append(_fault(self._found.name, place, text))


def _keys(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _fault(name: str, key: str, text: str) -> str:
    return f"{title(('handler', name, key) if key else ('handler', name))}: {text}"


def _needs_a_table(name: str, error: ValidationError) -> str:
    """A route can name a class directly, and no table can have that name."""
    missing = [".".join(map(str, fault["loc"])) for fault in error.errors() if fault["type"] == "missing"]
    lacks = f" ({', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing)" if missing else ""
    return (
        f"it has settings{lacks}, so it needs a table with a name of its own: [handler.NAME] with use = "
        f'"{name}" and its settings. Routes name it NAME, then.'
    )


def unknown_keys(options: Iterable[str], model: type[BaseModel]) -> list[str]:
    """Those that a handler with these settings doesn't know, and would ignore."""
    if model.model_config.get("extra") == "allow":
        return []
    return [key for key in options if key not in _keys(model)]


def unknown(key: str, model: type[BaseModel]) -> str:
    """What is said of such a key."""
    near = difflib.get_close_matches(key, _keys(model), n=1, cutoff=0)
    nearest = f"; the nearest is {near[0]}" if near else ""
    return f"isn't a setting of this handler{nearest}. Correct it or remove it."


def _as_meant(value: Any, annotation: Any, *, from_environment: bool) -> Any:
    """Lists and tables in the environment are JSON; durations and sizes are written as in the rest of the file."""
    if not isinstance(value, str) or is_text(annotation):
        return value
    if from_environment and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    kinds = (annotation, *get_args(annotation))
    for kind, read in ((timedelta, parse_duration), (int, parse_size)):
        if kind in kinds and value.strip()[-1:].isalpha():
            try:
                return read(value)
            except ValueError:
                return value
    return value


# --- building --------------------------------------------------------------------------------------------------------


def _ready(found: _Found, settings: Settings, guests: Guests) -> Handler:
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
            raise _too_long(start) from None
        return Handler(found.name, isolated, close=isolated.close)

    def build() -> Handler:
        with guests.at_work(found.name):
            return built(found.name, found.target, found.own)

    return _started(build, start)


def _not_started(found: _Found, error: Exception) -> str:
    said = f"can't be started: {_said(error, found.secrets)}"
    if not isinstance(error, TooLong):
        said += f"{_raised_at(error, found.place)} Put right what it needs: `nhsmail-worker check` tries again."
    return _fault(found.name, "", said)


def _closed_quietly(handler: Handler) -> None:
    with suppress(Exception):  # the start has failed already, and says why
        in_time(handler.close, START.total_seconds())
