"""Values in the configuration file: each has the type of its setting, and a path begins at the file's own folder.

pydantic takes "yes" for true and "993" for 993. The environment needs that, because it has nothing but text. In the
file such a value is a mistake, and the same mistake in another setting wouldn't be forgiven.
"""

import json
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from worker.settings.described import written_value
from worker.settings.model import Place, table_in
from worker.settings.routes import HandlerRules, RouteSettings
from worker.settings.sources import Given
from worker.settings.tree import Settings

Add = Callable[[Place, str], None]


def refuse_other_types(given: Given, add: Add) -> None:
    """Report values of the file that only the environment could mean, and remove them from the values."""
    for place, field, value in list(_settings(given.from_file)):
        fault = other_type(place[-1], field, value)
        table = _table_of(place, given)
        if fault is not None and table is not None:
            add(place, fault)
            del table[place[-1]]


def other_type(key: str, field: FieldInfo, value: Any) -> str | None:
    """Return the fault of a value that has another type than the setting, but could be read as it; None: there is none.

    A value that can't be read as it is left to pydantic.
    """
    kinds = _kinds(field.annotation)
    if not kinds & _NUMBERS or str in kinds or type(value) in kinds:
        return None
    annotation: Any = field.annotation
    for mark in field.metadata:
        annotation = Annotated[annotation, mark]
    adapter = TypeAdapter(annotation)
    try:
        meant = adapter.validate_python(value)
    except ValidationError:
        return None
    if not isinstance(value, str) or bool not in kinds:  # a setting that is true or false is never text
        try:
            adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError:
            pass
        else:
            return None
    what = "true or false" if bool in kinds else "a number"
    unquoted = ", without quotation marks" if isinstance(value, str) else ""
    written = "" if isinstance(value, bool) else f": write {key} = {written_value(meant)}{unquoted}"
    return f"must be {what}{written}."


def anchor_paths(given: Given, add: Add) -> None:
    """Let the file's relative paths begin at its folder. Report those that may have meant another folder until now."""
    folder = given.folder
    if folder is None:
        return
    for place, field, value in list(_settings(given.from_file)):
        table = _table_of(place, given)
        if table is not None and isinstance(value, str) and is_path(field.annotation):
            table[place[-1]] = str(folder / value)
            if fault := moved(value, folder):
                add(place, fault)


def is_path(annotation: Any) -> bool:
    """Whether a setting is a path, or may be unset otherwise."""
    return annotation is Path or any(part is Path for part in _choices(annotation))


def moved(value: str, folder: Path) -> str | None:
    """Return the fault of a path that is where it began until now, at the current folder, and not where it begins now.

    With another state folder the count of login attempts would be lost, and all mail would be handled again.
    """
    was, is_now = Path(value), folder / value
    if not was.exists() or is_now.exists():
        return None
    return (
        f"is a relative path. It begins at the folder of the configuration file, so it means {is_now}, which isn't "
        f"there. {was.absolute()} is there. Write the path that you mean in full."
    )


def _settings(from_file: dict[str, Any]) -> Iterator[tuple[Place, FieldInfo, Any]]:
    """Each setting of the worker's own in the file that isn't a table, with its place, its field and its value."""
    yield from _within(from_file, Settings, ())
    routes, handlers = from_file.get("route"), from_file.get("handler")
    for number, route in enumerate(routes if isinstance(routes, list) else (), 1):
        yield from _within(route, RouteSettings, ("route", str(number)))
    for name, table in handlers.items() if isinstance(handlers, dict) else ():
        yield from _within(table, HandlerRules, ("handler", name))


def _within(values: Any, model: type[BaseModel], above: Place) -> Iterator[tuple[Place, FieldInfo, Any]]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, value in values.items() if isinstance(values, dict) else ():
        field = fields.get(key)
        if field is None or (*above, key) in (("route",), ("handler",)):
            continue
        table = table_in(field.annotation)
        if table is not None and isinstance(value, dict):
            yield from _within(value, table, (*above, key))
        else:
            yield (*above, key), field, value


def _table_of(place: Place, given: Given) -> dict[str, Any] | None:
    """The table that has this setting from the file; None if a variable beats it, or the setting was removed."""
    if any(place[:length] in given.variables for length in range(1, len(place) + 1)):
        return None
    values: Any = given.values
    for key in place[:-1]:
        values = values[int(key) - 1] if isinstance(values, list) else values.get(key, {})
    return values if place[-1] in values else None


_NUMBERS = frozenset({bool, int, float})


def _kinds(annotation: Any) -> set[Any]:
    """The types at the leaves of an annotation."""
    parts = get_args(annotation)
    if isinstance(annotation, type) and not parts:
        return {annotation}
    return {kind for part in parts for kind in _kinds(part)}


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()
