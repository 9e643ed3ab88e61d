"""Reads a handler's own table of the configuration with the `Settings` model that the handler brings."""

import difflib
import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from worker.handling.found import Found, fault_text
from worker.handling.signature import own_model
from worker.handling.startup import raised_at, started, words_about
from worker.settings.disk import secret_file_faults
from worker.settings.file_values import is_path, moved, other_type
from worker.settings.model import is_secret, is_text
from worker.settings.routes import HandlerRules, HandlerSettings
from worker.settings.secrets import read_secret
from worker.settings.units import parse_duration, parse_size
from worker.settings.wording import of, variable


def read_own_settings(found: Found, table: HandlerSettings, file_mode: str, start: timedelta) -> BaseModel | None:
    """Validate the handler's table against its `Settings`. Returns its own settings, or adds to the faults.

    Unknown keys are faults, and so are secrets in the configuration file.
    """
    model = own_model(found.target)
    options = dict(table.options)
    if model is None:
        for key in options:
            found.faults.append(fault_text(found.name, key, "this handler has no settings. Remove it."))
        return None
    for key in sorted(HandlerRules.model_fields.keys() & _keys(model).keys()):
        found.faults.append(
            fault_text(found.name, key, "is the worker's own: no handler can have a setting of that name.")
        )
    secrets = _Secrets(found, model, table, file_mode)
    options = secrets.resolved(options)
    for key in unknown_keys(options, model):
        found.faults.append(fault_text(found.name, key, unknown(key, model)))
        del options[key]
    for key, value in options.items():
        options[key] = _as_meant(value, _keys(model).get(key), from_environment=key not in table.from_file)
    for key in [key for key in options if key in table.from_file]:
        _read_as_in_a_file(key, options, found, model, table)
    try:
        return started(lambda: model.model_validate(options), start)
    except ValidationError as error:
        if ":" in found.name and not table.options:
            found.faults.append(fault_text(found.name, "", _needs_a_table(found.name, error)))
            return None
        for fault in error.errors(include_url=False, include_input=False):
            place = tuple(str(part) for part in fault["loc"])
            if not place or place[0] not in secrets.faulty:
                found.faults.append(fault_text(found.name, ".".join(place), of(fault, ("handler", found.name, *place))))
    except Exception as error:  # noqa: BLE001 -- other people's code
        found.faults.append(
            fault_text(
                found.name,
                "",
                f"its settings can't be checked: {words_about(error, found.secrets)}{raised_at(error, found.place)}",
            )
        )
    return None


def _read_as_in_a_file(
    key: str, options: dict[str, Any], found: Found, model: type[BaseModel], table: HandlerSettings
) -> None:
    """As for the worker's own settings: refuse a value of another type, begin a relative path at the file's folder."""
    field = next((field for name, field in model.model_fields.items() if (field.alias or name) == key), None)
    if field is None:
        return
    value = options[key]
    if fault := other_type(key, field, value):
        found.faults.append(fault_text(found.name, key, fault))
        del options[key]
    elif table.folder is not None and isinstance(value, str) and is_path(field.annotation):
        options[key] = str(table.folder / value)
        if fault := moved(value, table.folder):
            found.faults.append(fault_text(found.name, key, fault))


class _Secrets:
    """The secret settings of a handler. Each is given in the environment, or in a file that its `…_file` twin names."""

    def __init__(self, found: Found, model: type[BaseModel], table: HandlerSettings, file_mode: str) -> None:
        self._found, self._table, self._mode = found, table, file_mode
        self._keys = _secret_keys(model)
        self._declared = set(_keys(model))
        self.faulty: set[str] = set()

    def resolved(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with every secret in its place, and without the twins. Changes `options`."""
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
                self._found.hide(str(options[key]))
        return options

    def _from_file(self, key: str, twin: str, options: dict[str, Any]) -> None:
        named = options.pop(twin)
        if key in options and twin not in self._table.from_file:
            self._refuse(key, twin, f"and {key} are both set. Keep one of them.")
        elif key in options:
            return  # the environment overrides the file
        elif not isinstance(named, str):
            self._refuse(key, twin, 'must be a path, in quotation marks: "/…".')
        elif faults := secret_file_faults(path := self._path(named, twin), self._mode):
            for fault in faults:
                self._refuse(key, twin, fault)
        else:
            secret = read_secret(None, path)
            options[key] = secret.get_secret_value() if secret else ""

    def _path(self, named: str, twin: str) -> Path:
        folder = self._table.folder if twin in self._table.from_file else None
        return Path(named) if folder is None else folder / named

    def _refuse(self, key: str, place: str, text: str) -> None:
        self.faulty.add(key)
        self._found.faults.append(fault_text(self._found.name, place, text))


def secret_keys(target: Any) -> list[str]:
    """The secret settings of the handler that this function or class is."""
    model = own_model(target)
    return [] if model is None else _secret_keys(model)


def _secret_keys(model: type[BaseModel]) -> list[str]:
    return [key for key, annotation in _keys(model).items() if is_secret(annotation)]


def _keys(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _needs_a_table(name: str, error: ValidationError) -> str:
    """The fault of a class with required settings that a route names directly, as `module:name`.

    Its settings need a table, and a table's name can't contain a colon: the route must name the table.
    """
    missing = [".".join(map(str, fault["loc"])) for fault in error.errors() if fault["type"] == "missing"]
    lacks = f" ({', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing)" if missing else ""
    return (
        f"it has settings{lacks}, so it needs a table with a name of its own: [handler.NAME] with use = "
        f'"{name}" and its settings. Routes name it NAME, then.'
    )


def unknown_keys(options: Iterable[str], model: type[BaseModel]) -> list[str]:
    """The keys that the model doesn't have, which pydantic would ignore."""
    if model.model_config.get("extra") == "allow":
        return []
    return [key for key in options if key not in _keys(model)]


def unknown(key: str, model: type[BaseModel]) -> str:
    """The fault of an unknown key, which names the nearest known one."""
    near = difflib.get_close_matches(key, _keys(model), n=1, cutoff=0)
    nearest = f"; the nearest is {near[0]}" if near else ""
    return f"isn't a setting of this handler{nearest}. Correct it or remove it."


def _as_meant(value: Any, annotation: Any, *, from_environment: bool) -> Any:
    """Convert text as the worker's own settings do: JSON lists and tables in the environment, durations and sizes."""
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
