"""Questions about the tree of settings: its tables, its settings, and which of them are secrets."""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from worker.settings.tree import Settings
from worker.settings.types import Url

Place = tuple[str, ...]
"""A setting's place in the tree, such as ("account", "address")."""


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a table as they are written in the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def places_of(model: type[BaseModel], above: Place = ()) -> Iterator[Place]:
    """Yield every setting of the tree that is neither a table nor inside a list."""
    for name, field in model.model_fields.items():
        place = (*above, field.alias or name)
        table = table_in(field.annotation)
        if table is None:
            yield place
        else:
            yield from places_of(table, place)


def tables_of(model: type[BaseModel], above: Place = ()) -> Iterator[Place]:
    """Yield every table of the tree."""
    for name, field in model.model_fields.items():
        table = table_in(field.annotation)
        if table is not None:
            place = (*above, field.alias or name)
            yield place
            yield from tables_of(table, place)


def table_in(annotation: Any) -> type[BaseModel] | None:
    """Return the table that a field is or may be; None for any other kind of value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return next((table for part in get_args(annotation) if (table := table_in(part))), None)
    return None


def annotation_of(place: Place, model: type[BaseModel] = Settings) -> Any:
    """Return the type of the setting at a place; None if there is no such setting."""
    for name, field in model.model_fields.items():
        if (field.alias or name) == place[0]:
            table = table_in(field.annotation)
            return field.annotation if len(place) == 1 or table is None else annotation_of(place[1:], table)
    return None


def twin(place: Place) -> Place:
    """Return the setting that names a file for the secret at a place."""
    return (*place[:-1], f"{place[-1]}_file")


def secret_places(model: type[BaseModel] = Settings, above: Place = ()) -> Iterator[tuple[Place, bool]]:
    """Yield every secret setting, and whether it is a URL, which is secret only if it contains a password."""
    for name, field in model.model_fields.items():
        place = (*above, field.alias or name)
        table = table_in(field.annotation)
        if table is not None:
            yield from secret_places(table, place)
        elif is_secret(field.annotation):
            yield place, Url in field.metadata or Url in _marks(field.annotation)


def is_secret(annotation: Any) -> bool:
    """Whether a field's type is a secret or an optional secret."""
    return annotation is SecretStr or any(is_secret(part) for part in get_args(annotation))


def is_kept_out(place: Place, annotation: Any) -> bool:
    """Whether a setting is a secret that may never be in the file. A URL may be, as long as it contains no password."""
    return is_secret(annotation) and (place, True) not in secret_places()


def is_text(annotation: Any) -> bool:
    """Whether a setting is plain text, secret or not, which must not be parsed as JSON."""
    return annotation in (str, SecretStr, Path) or any(is_text(part) for part in _choices(annotation))


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType, Annotated) else ()


def _marks(annotation: Any) -> Iterator[Any]:
    for part in get_args(annotation):
        yield part
        yield from _marks(part)
